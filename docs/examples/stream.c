/* SPDX-License-Identifier: MIT */
/*
 * stream.c - a simulation that hands its frames to stream.py, on this node or another one.
 *
 * A frame is written where it is sent from: on one node it is never copied. A full channel slows
 * the simulation down, so nothing is lost; an empty message ends the stream.
 */
#include <math.h>

#include "check.h"

enum { FRAMES = 100, ROWS = 240, COLUMNS = 320, WAIT_MS = 20000 };

static void draw(float *frame, int number)
{
	for (int y = 0; y < ROWS; y++)
		for (int x = 0; x < COLUMNS; x++)
			frame[y * COLUMNS + x] = sinf((float)(x + number) / 20) + (float)y;
}

int main(void)
{
	struct dhow_channel *frames;
	struct dhow_message frame;

	check(dhow_init(), "init");
	check(dhow_channel_open("frames", dhow_in_ms(WAIT_MS), &frames), "open frames");
	for (int number = 0; number < FRAMES; number++) {
		check(dhow_message_alloc(NULL, ROWS * COLUMNS * sizeof(float), dhow_in_ms(WAIT_MS),
					 &frame), "allocate a frame");
		draw(frame.data, number);
		frame.header.tag = (uint32_t)number;
		frame.header.user = (uint64_t)ROWS << 32 | COLUMNS;
		check(dhow_send_message(frames, &frame, DHOW_ACCEPTED, dhow_in_ms(WAIT_MS)),
		      "send a frame");
	}
	check(dhow_send(frames, NULL, 0, dhow_in_ms(WAIT_MS)), "send the end");
	check(dhow_flush(frames, dhow_in_ms(WAIT_MS)), "flush");
	dhow_fini();
	return 0;
}
