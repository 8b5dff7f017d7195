/* SPDX-License-Identifier: MIT */
/* wire_test.c - frames and records there and back, and what is damaged is refused. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/wire.h"

TestSuite(wire, .timeout = 200);

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
	.seal = { 9, { 1, 2, 3 } },
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

Test(wire, header_there_and_back)
{
	struct agent_header back, header = {
		.kind = AGENT_DATA,
		.source = 3,
		.epoch = 77,
		.session = 99,
		.serial = UINT64_C(0xaabbccddeeff),
		.bytes = 40,
		.sequence = 12,
		.ack = 11,
		.crc = 5,
	};
	uint8_t at[AGENT_HEADER_BYTES + 41];

	agent_header_encode(&header, at);
	cr_assert_eq(agent_header_decode(at, AGENT_HEADER_BYTES + 40, &back), 0);
	cr_assert(back.kind == AGENT_DATA && back.source == 3 && back.epoch == 77);
	cr_assert(back.session == 99 && back.serial == UINT64_C(0xaabbccddeeff));
	cr_assert(back.bytes == 40 && back.sequence == 12 && back.ack == 11 && back.crc == 5);
	cr_assert_eq(agent_header_decode(at, AGENT_HEADER_BYTES + 39, &back), -EBADMSG);
	cr_assert_eq(agent_header_decode(at, AGENT_HEADER_BYTES + 41, &back), -EBADMSG);
	cr_assert_eq(agent_header_decode(at, 10, &back), -EBADMSG);
	at[5] = AGENT_BULK;	/* the nonces of bulk data are no frame's */
	cr_assert_eq(agent_header_decode(at, AGENT_HEADER_BYTES + 40, &back), -EBADMSG);
}
