/* SPDX-License-Identifier: MIT */
/*
 * wire_fuzz.c - frames as they come from the network, at each level.
 *
 * No input opens as sealed but what was sealed; what is taken for a record gives the same
 * bytes when it is written again; nothing is read behind the end.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/level.h"
#include "mutate.h"

enum { LEVELS = 3 };

static struct agent_session session = { .id = 7, .send_key = { 1 }, .recv_key = { 1 } };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	FUZZ_CHECK(sodium_init() >= 0);
	return 0;
}

static void records(const uint8_t *at, size_t bytes)
{
	static uint8_t again[FUZZ_BYTES_MAX];
	struct agent_record record;

	while (bytes) {
		int size = agent_record_decode(at, bytes, &record);

		if (size < 0)
			return;
		FUZZ_CHECK(size > 0 && (size_t)size <= bytes);
		FUZZ_CHECK((size_t)size == agent_record_bytes(&record));
		FUZZ_CHECK(agent_record_encode(&record, again, sizeof(again)) == (size_t)size);
		FUZZ_CHECK(memcmp(again, at, (size_t)size) == 0);
		at += size;
		bytes -= (size_t)size;
	}
}

static size_t make(unsigned index, uint8_t *at)
{
	static const uint8_t payload[300];
	struct agent_seal seal;
	uint8_t body[FUZZ_BYTES_MAX];
	unsigned level = index % LEVELS, kind = index / LEVELS;
	struct agent_record record = {
		.kind = (enum agent_record_kind)(kind % (AGENT_RECORD_KINDS - 1) + 1),
		.payload = payload,
		.bytes = 30,
		.total = 100000,
	};
	struct agent_header header = { .kind = AGENT_CONTROL, .source = 1, .epoch = 9 };

	if (kind > AGENT_RECORD_KINDS - 1)
		return 0;
	if (kind < AGENT_RECORD_KINDS - 1) {
		header.kind = AGENT_DATA;
		header.sequence = 1;
		header.bytes = (uint32_t)agent_record_encode(&record, body, sizeof(body));
		header.bytes += (uint32_t)agent_record_encode(&record, body + header.bytes,
							      sizeof(body) - header.bytes);
	}
	agent_seal_init(&seal, agent_level_of(level), agent_ciphers(), &session);
	agent_seal_frame(&seal, &header, body, at);
	return AGENT_HEADER_BYTES + header.bytes;
}

size_t fuzz_seed(unsigned index, uint8_t *at)
{
	return make(index, at);
}

/* Was it sealed, byte for byte, at this level? mac promises it of headers only: a body with
 * the same CRC can be found. */
static bool is_a_seed(const uint8_t *data, size_t bytes, unsigned level)
{
	static uint8_t at[FUZZ_BYTES_MAX];

	for (unsigned i = level;; i += LEVELS) {
		size_t size = make(i, at);

		if (!size)
			return false;
		if (size == bytes && memcmp(at, data, level ? size : AGENT_HEADER_BYTES) == 0)
			return true;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static uint8_t scratch[FUZZ_BYTES_MAX];
	struct agent_header header;
	const uint8_t *body;

	if (bytes > FUZZ_BYTES_MAX)
		return 0;
	records(data, bytes);
	if (agent_header_decode(data, bytes, &header))
		return 0;
	FUZZ_CHECK(header.bytes + AGENT_HEADER_BYTES == bytes);
	records(data + AGENT_HEADER_BYTES, header.bytes);
	for (unsigned level = 0; level < LEVELS; level++) {
		struct agent_seal seal;

		agent_seal_init(&seal, agent_level_of(level), agent_ciphers(), &session);
		if (agent_seal_open(&seal, data, &header, scratch, &body))
			continue;
		FUZZ_CHECK(is_a_seed(data, bytes, level));
		records(body, header.bytes);
	}
	return 0;
}
