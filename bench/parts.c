/* SPDX-License-Identifier: MIT */
/*
 * parts.c - what an agent does to a message apart from the network, one piece at a time.
 *
 *     build/bench/parts
 *
 * Each figure is the median of short batches in one thread, with everything in the cache. What
 * docs/performance.md adds up comes from here, bench/channels and tests/hsta/ofi_rate.
 */
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/crc32c.h"
#include "agent/level.h"
#include "base/clock.h"

enum { BATCHES = 201, BATCH_NS = 200000, FRAME_BYTES = 16000 };

static unsigned char frame[FRAME_BYTES + AGENT_HEADER_BYTES];
static unsigned char payload[FRAME_BYTES], copy[FRAME_BYTES];
static unsigned char scratch[FRAME_BYTES];
static struct agent_seal ours, theirs;
static struct agent_header header;
static size_t body_bytes;

static void seal(void)
{
	agent_seal_frame(&ours, &header, payload, frame);
}

static void check(void)
{
	struct agent_header got;
	const uint8_t *body;

	theirs.newest = 0;	/* it has not seen the frame */
	memset(theirs.seen, 0, sizeof(theirs.seen));
	if (agent_header_decode(frame, AGENT_HEADER_BYTES + body_bytes, &got) ||
	    agent_seal_open(&theirs, frame, &got, scratch, &body))
		abort();
}

static void crc(void)
{
	header.crc = agent_crc32c(0, payload, body_bytes);
}

static struct agent_record message(void)
{
	return (struct agent_record){ .kind = AGENT_MESSAGE, .index = 1, .generation = 1,
				      .number = 1, .payload = payload, .bytes = body_bytes };
}

static void encode(void)
{
	const struct agent_record record = message();

	if (!agent_record_encode(&record, frame, sizeof(frame)))
		abort();
}

static void decode(void)
{
	struct agent_record got;

	if (agent_record_decode(frame, sizeof(frame), &got) < 0)
		abort();
}

static void copy_payload(void)
{
	memcpy(copy, payload, body_bytes);
	atomic_signal_fence(memory_order_seq_cst);	/* it is read */
}

static const struct part {
	const char *name;
	size_t bytes;
	void (*once)(void);
	void (*before)(void);	/* makes what is read */
	const char *per;
} parts[] = {
	{ "encode a record", 64, encode, NULL, "message" },
	{ "decode a record", 64, decode, encode, "message" },
	{ "CRC32C of a body", 64, crc, NULL, "frame" },
	{ "CRC32C of a body", 1024, crc, NULL, "frame" },
	{ "CRC32C of a body", FRAME_BYTES, crc, NULL, "frame" },
	{ "seal a frame (mac)", 64, seal, NULL, "frame" },
	{ "seal a frame (mac)", FRAME_BYTES, seal, NULL, "frame" },
	{ "decode and check a frame", 64, check, seal, "frame" },
	{ "decode and check a frame", FRAME_BYTES, check, seal, "frame" },
	{ "copy a body", 1024, copy_payload, NULL, "frame" },
	{ "copy a body", FRAME_BYTES, copy_payload, NULL, "frame" },
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double measure(const struct part *part)
{
	static double values[BATCHES];
	uint64_t count = 1, begin, elapsed = 0;

	body_bytes = part->bytes;
	memcpy(frame + AGENT_HEADER_BYTES, payload, body_bytes);
	header = (struct agent_header){ .kind = AGENT_DATA, .source = 1, .epoch = 1,
					.bytes = (uint32_t)body_bytes, .sequence = 1 };
	if (part->before)
		part->before();
	for (; elapsed < BATCH_NS; count *= 2) {
		begin = base_now_ns();
		for (uint64_t i = 0; i < count; i++)
			part->once();
		elapsed = base_now_ns() - begin;
	}
	for (int batch = 0; batch < BATCHES; batch++) {
		begin = base_now_ns();
		for (uint64_t i = 0; i < count / 2; i++)
			part->once();
		values[batch] = (double)(base_now_ns() - begin) / (double)(count / 2);
	}
	qsort(values, BATCHES, sizeof(*values), compare);
	return values[BATCHES / 2];
}

int main(int argc, char **argv)
{
	const struct agent_session session = { .id = 1 };

	if (argc > 1) {
		fprintf(stderr, "parts: unexpected argument '%s'; there are none\n", argv[1]);
		return 2;
	}
	if (sodium_init() < 0)
		return 1;
	memset(payload, 0x5a, sizeof(payload));
	agent_seal_init(&ours, agent_level_find("mac"), agent_ciphers(), &session);
	theirs = ours;
	printf("%-26s %7s %10s\n", "part", "bytes", "ns");
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		printf("%-26s %7zu %10.1f per %s\n", parts[i].name, parts[i].bytes,
		       measure(&parts[i]), parts[i].per);
	return 0;
}
