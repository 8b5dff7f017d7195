/* SPDX-License-Identifier: MIT */
/*
 * preview.h - a large message is copied out while it is still being copied in.
 *
 * A sender who copies into a block tells in the channel which block it is and how far he is. A
 * receiver who waits for a message anyway copies along, for himself: he has claimed nothing, and
 * throws the copy away unless the message that he then claims is that one. So a preview is
 * advice only; whoever dies or is late, nothing depends on it. One receiver follows each.
 */
#ifndef CHANNELS_PREVIEW_H
#define CHANNELS_PREVIEW_H

#include "src/channel.h"

enum {
	/* bench/channels, one way, cores 75 ns apart: at 64 KiB a preview made it slower (0.79 to
	 * 0.87 of the raw pipelined copy), at 1 MiB faster (1.33 to 1.10). */
	PREVIEW_MIN = 128 << 10,
};

/* Copy @data into @block, which is ours, and tell. Return: the serial that names the preview, to
 * be sent in the slot's route. */
uint32_t preview_copy_in(struct dhow_channel *channel, uint32_t block, const void *data,
			 size_t bytes);
/* The message is in the channel, or will never be. */
void preview_end(struct dhow_channel *channel, uint32_t block, uint32_t serial);

struct preview_reader {
	unsigned char *buffer;
	size_t room;
	uint32_t serial, block;		/* that is followed; 0: none */
	size_t done;			/* bytes of it in @buffer */
};

/* Copy another piece, if there is one. Cost otherwise: one load. */
void preview_follow(struct dhow_channel *channel, struct preview_reader *reader);
/* How many bytes of the message in claimed slot @slot, with @block, are in the buffer already. */
size_t preview_done(const struct preview_reader *reader, const struct shm_slot *slot,
		    uint32_t block);

#endif
