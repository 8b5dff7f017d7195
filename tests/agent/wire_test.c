/* SPDX-License-Identifier: MIT */
/* wire_test.c - frames and records there and back, and what is damaged is refused. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agent/crc32c.h"
#include "agent/wire.h"

static void init(void)
{
	cr_assert(sodium_init() >= 0);
}

TestSuite(wire, .init = init, .timeout = 20);

static const struct agent_record sample = {
	.index = 17,
	.generation = 0x80000001u,
	.number = 0x1122334455667788u,
	.rc = -32,
	.op = 2,
	.events = 5,
	.room = UINT64_C(1) << 50,
	.target = { 1, 2, 3, 4, 5 },
	.header = { 6, 7, 0xfedcba9876543210u, 0x100 },
	.crc = 0xdeadbeef,
	.total = UINT64_C(1) << 40,
	.payload = "payload",
	.bytes = 7,
};

Test(wire, every_record_there_and_back)
{
	uint8_t at[256];

	for (int kind = 1; kind < AGENT_RECORD_KINDS; kind++) {
		struct agent_record record = sample, back;
		size_t bytes;

		record.kind = (enum agent_record_kind)kind;
		bytes = agent_record_encode(&record, at, sizeof(at));
		cr_assert_eq(bytes, agent_record_bytes(&record));
		cr_assert(bytes - 7 <= AGENT_RECORD_BYTES);
		cr_assert_eq(agent_record_encode(&record, at, bytes - 1), 0);
		cr_assert_eq(agent_record_decode(at, sizeof(at), &back), (int)bytes);
		cr_assert_eq(back.kind, record.kind);
		cr_assert_eq(back.index, record.index);
		cr_assert_eq(back.generation, record.generation);
		/* what a kind does not carry is zero, so encoding again gives the same bytes */
		uint8_t again[256];

		cr_assert_eq(agent_record_encode(&back, again, sizeof(again)), bytes);
		cr_assert_arr_eq(again, at, bytes);
	}
}

Test(wire, message_keeps_its_fields)
{
	uint8_t at[256];
	struct agent_record record = sample, back;
	size_t bytes;

	record.kind = AGENT_MESSAGE;
	bytes = agent_record_encode(&record, at, sizeof(at));
	cr_assert_eq(agent_record_decode(at, bytes, &back), (int)bytes);
	cr_assert_eq(back.number, sample.number);
	cr_assert_eq(back.header.sender, 6);
	cr_assert_eq(back.header.tag, 7);
	cr_assert_eq(back.header.user, 0xfedcba9876543210u);
	cr_assert_eq(back.bytes, 7);
	cr_assert_eq(memcmp(back.payload, "payload", 7), 0);
}

Test(wire, cut_and_stretched_records_are_refused)
{
	uint8_t at[256];
	struct agent_record back;

	for (int kind = 1; kind < AGENT_RECORD_KINDS; kind++) {
		struct agent_record record = sample;
		size_t bytes;

		record.kind = (enum agent_record_kind)kind;
		bytes = agent_record_encode(&record, at, sizeof(at));
		for (size_t cut = 0; cut < bytes; cut++)
			cr_assert_eq(agent_record_decode(at, cut, &back), -EBADMSG);
		/* a record without payload has one size only */
		at[4] = (uint8_t)(bytes + 4);
		if (kind != AGENT_MESSAGE && kind != AGENT_ANSWER)
			cr_assert_eq(agent_record_decode(at, sizeof(at), &back), -EBADMSG);
		at[7] = 0xff;
		cr_assert_eq(agent_record_decode(at, sizeof(at), &back), -EBADMSG);
	}
}

Test(wire, noise_never_reads_beyond)
{
	struct agent_record back;
	struct agent_header header;

	srand(2);
	for (int i = 0; i < 200000; i++) {
		size_t bytes = (size_t)rand() % 200;
		uint8_t *at = malloc(bytes ? bytes : 1);	/* for the sanitizer */

		for (size_t k = 0; k < bytes; k++)
			at[k] = (uint8_t)rand();
		if (bytes > 8) {
			at[0] = (uint8_t)(rand() % 14);
			at[1] = at[2] = at[3] = at[5] = at[6] = at[7] = 0;
		}
		int size = agent_record_decode(at, bytes, &back);

		cr_assert(size == -EBADMSG || (size > 0 && (size_t)size <= bytes));
		agent_header_decode(at, bytes, &header);
		free(at);
	}
}

static size_t make_frame(uint8_t *at, const uint8_t *key, struct agent_header *header)
{
	memset(at + AGENT_HEADER_BYTES, 'x', 40);
	*header = (struct agent_header){
		.kind = AGENT_DATA,
		.source = 3,
		.epoch = 77,
		.session = 99,
		.bytes = 40,
		.sequence = 12,
		.ack = 11,
		.crc = agent_crc32c(0, at + AGENT_HEADER_BYTES, 40),
	};
	agent_header_seal(header, key, at);
	return AGENT_HEADER_BYTES + 40;
}

Test(wire, frame_there_and_back)
{
	uint8_t at[256], key[AGENT_KEY_BYTES] = { 1 }, other[AGENT_KEY_BYTES] = { 2 };
	struct agent_header header, back;
	size_t bytes = make_frame(at, key, &header);

	cr_assert_eq(agent_header_decode(at, bytes, &back), 0);
	cr_assert_eq(back.kind, AGENT_DATA);
	cr_assert_eq(back.source, 3);
	cr_assert_eq(back.epoch, 77);
	cr_assert_eq(back.session, 99);
	cr_assert_eq(back.sequence, 12);
	cr_assert_eq(back.ack, 11);
	cr_assert_eq(agent_header_verify(at, &back, key), 0);
	cr_assert_eq(agent_header_verify(at, &back, other), -EPERM);
	cr_assert_eq(agent_header_decode(at, bytes - 1, &back), -EBADMSG);
	cr_assert_eq(agent_header_decode(at, bytes + 1, &back), -EBADMSG);
	cr_assert_eq(agent_header_decode(at, 10, &back), -EBADMSG);
}

Test(wire, every_flipped_bit_is_found)
{
	uint8_t at[256], key[AGENT_KEY_BYTES] = { 1 };
	struct agent_header header, back;
	size_t bytes = make_frame(at, key, &header);

	for (size_t bit = 0; bit < bytes * 8; bit++) {
		int rc;

		at[bit / 8] ^= (uint8_t)(1 << bit % 8);
		rc = agent_header_decode(at, bytes, &back);
		if (rc == 0)
			rc = agent_header_verify(at, &back, key);
		cr_assert_neq(rc, 0, "bit %zu", bit);
		at[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}
