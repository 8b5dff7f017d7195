/* SPDX-License-Identifier: MIT */
/*
 * level_test.c - each level with each cipher: there and back, and whatever is changed,
 * repeated or of another session is refused.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agent/crc32c.h"
#include "agent/level.h"

static void init(void)
{
	cr_assert(sodium_init() >= 0);
}

TestSuite(level, .init = init, .timeout = 200);

enum { BODY = 200, FRAME = AGENT_HEADER_BYTES + BODY, MAC = 0, INTEGRITY, ENCRYPT, LEVELS };

static struct agent_seal here, there;
static uint8_t frame[FRAME], scratch[65536], body[BODY];

/* Two ends of one session. */
static void pair(unsigned level, unsigned ciphers)
{
	struct agent_session session = { .id = 0x11223344 };

	randombytes_buf(session.send_key, AGENT_KEY_BYTES);
	randombytes_buf(session.recv_key, AGENT_KEY_BYTES);
	agent_seal_init(&here, agent_level_of(level), ciphers, &session);
	memcpy(scratch, session.send_key, AGENT_KEY_BYTES);
	memcpy(session.send_key, session.recv_key, AGENT_KEY_BYTES);
	memcpy(session.recv_key, scratch, AGENT_KEY_BYTES);
	agent_seal_init(&there, agent_level_of(level), ciphers, &session);
}

static void make_frame(uint8_t *at, uint64_t sequence)
{
	struct agent_header header = {
		.kind = AGENT_DATA,
		.source = 3,
		.epoch = 77,
		.bytes = BODY,
		.sequence = sequence,
	};

	for (int i = 0; i < BODY; i++)
		body[i] = (uint8_t)(i + (int)sequence);
	agent_seal_frame(&here, &header, body, at);
}

static int open_frame(const uint8_t *at, const uint8_t **ret_body)
{
	struct agent_header header;
	int rc = agent_header_decode(at, FRAME, &header);

	return rc ? rc : agent_seal_open(&there, at, &header, scratch, ret_body);
}

static void each(void (*test)(unsigned level, unsigned ciphers))
{
	for (unsigned level = 0; level < LEVELS; level++) {
		pair(level, 1);
		test(level, 1);
		if (agent_ciphers() == 1) {
			printf("no AES here: only ChaCha20-Poly1305 is tested\n");
			continue;
		}
		pair(level, agent_ciphers());
		test(level, agent_ciphers());
	}
}

static void there_and_back(unsigned level, unsigned ciphers)
{
	const uint8_t *got;

	(void)ciphers;
	make_frame(frame, 1);
	cr_assert_eq(open_frame(frame, &got), 0);
	cr_assert_arr_eq(got, body, BODY);
	cr_assert_eq(memmem(frame, FRAME, body, 16) == NULL, level == ENCRYPT);
	/* the other direction has another key */
	struct agent_seal other = here;

	make_frame(frame, 2);
	here = there;
	there = other;
	cr_assert_eq(open_frame(frame, &got), -EPERM);
}

Test(level, there_and_back)
{
	each(there_and_back);
}

static void flips(unsigned level, unsigned ciphers)
{
	const uint8_t *got;

	(void)level, (void)ciphers;
	make_frame(frame, 1);
	for (size_t bit = 0; bit < FRAME * 8; bit++) {
		frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_lt(open_frame(frame, &got), 0, "level %u bit %zu", level, bit);
		frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	cr_assert_eq(open_frame(frame, &got), 0);	/* refused ones have left no trace */
}

Test(level, every_flipped_bit_is_found)
{
	each(flips);
}

/* A change that keeps the CRC of @bytes the same: flip one bit, repair the four bytes behind. */
static void change_keeping_crc(uint8_t *at, size_t bytes)
{
	uint32_t wanted = agent_crc32c(0, at, bytes);

	at[0] ^= 1;
	/* CRC is linear: search its 32 free bits by Gauss elimination */
	uint32_t base, column[32], want;
	uint32_t solution = 0;

	memset(at + 4, 0, 4);
	base = agent_crc32c(0, at, bytes);
	for (int i = 0; i < 32; i++) {
		at[4 + i / 8] ^= (uint8_t)(1 << i % 8);
		column[i] = agent_crc32c(0, at, bytes) ^ base;
		at[4 + i / 8] ^= (uint8_t)(1 << i % 8);
	}
	want = wanted ^ base;
	uint32_t pick[32];

	for (int i = 0; i < 32; i++)
		pick[i] = 1u << i;
	for (int bit = 0, row = 0; bit < 32; bit++, row++) {
		int from = row;

		while (from < 32 && !(column[from] >> bit & 1))
			from++;
		cr_assert_lt(from, 32);
		uint32_t c = column[from], p = pick[from];

		column[from] = column[row];
		pick[from] = pick[row];
		column[row] = c;
		pick[row] = p;
		for (int i = row + 1; i < 32; i++) {
			if (column[i] >> bit & 1) {
				column[i] ^= c;
				pick[i] ^= p;
			}
		}
		if (want >> bit & 1) {
			want ^= c;
			solution ^= p;
		}
	}
	for (int i = 0; i < 32; i++)
		if (solution >> i & 1)
			at[4 + i / 8] ^= (uint8_t)(1 << i % 8);
	cr_assert_eq(agent_crc32c(0, at, bytes), wanted);
}

static void repaired(unsigned level, unsigned ciphers)
{
	struct agent_bulk_seal bulk;
	uint8_t data[BODY], to[BODY];
	const uint8_t *got;

	(void)ciphers;
	make_frame(frame, 1);
	change_keeping_crc(frame + AGENT_HEADER_BYTES, BODY);
	/* this is what mac does not promise, and why there are the others */
	cr_assert_eq(open_frame(frame, &got), level == MAC ? 0 : -EPERM);
	/* nor does it help to put a right CRC into the header */
	make_frame(frame, 2);
	frame[AGENT_HEADER_BYTES] ^= 1;
	uint32_t crc = agent_crc32c(0, frame + AGENT_HEADER_BYTES, BODY);

	memcpy(frame + AGENT_CRC_AT, &crc, 4);
	cr_assert_eq(open_frame(frame, &got), -EPERM);
	memset(data, 7, sizeof(data));
	agent_seal_bulk(&here, data, BODY, to, &bulk);
	change_keeping_crc(level == ENCRYPT ? to : data, BODY);
	cr_assert_eq(agent_seal_bulk_open(&there, &bulk, level == ENCRYPT ? to : data, BODY),
		     level == MAC ? 0 : -EILSEQ);
}

Test(level, a_repaired_crc_deceives_only_mac)
{
	each(repaired);
}

static void swapped(unsigned level, unsigned ciphers)
{
	uint8_t other[FRAME], mixed[FRAME];
	const uint8_t *got;

	(void)level, (void)ciphers;
	make_frame(frame, 1);
	make_frame(other, 2);
	memcpy(mixed, frame, AGENT_HEADER_BYTES);
	memcpy(mixed + AGENT_HEADER_BYTES, other + AGENT_HEADER_BYTES, BODY);
	cr_assert_lt(open_frame(mixed, &got), 0, "the body of another frame");
	cr_assert_eq(open_frame(other, &got), 0, "it may overtake");
	cr_assert_eq(open_frame(frame, &got), 0);
	cr_assert_eq(open_frame(other, &got), -EALREADY);
	cr_assert_eq(open_frame(frame, &got), -EALREADY);
}

Test(level, repeated_and_mixed_frames_are_refused)
{
	each(swapped);
}

Test(level, what_is_too_old_to_be_known_is_refused)
{
	static uint8_t frames[3000][FRAME];
	const uint8_t *got;

	pair(INTEGRITY, 1);
	for (unsigned i = 0; i < 3000; i++)
		make_frame(frames[i], i + 1);
	cr_assert_eq(open_frame(frames[0], &got), 0);
	cr_assert_eq(open_frame(frames[2500], &got), 0);
	for (unsigned i = 2999; i-- > 0;) {
		int rc = open_frame(frames[i], &got);

		if (i == 2500)
			cr_assert_eq(rc, -EALREADY);
		else if (i > 1014)	/* 1,984 before the newest, 2,999 */
			cr_assert_eq(rc, 0, "frame %u: %d", i, rc);
		else
			cr_assert_eq(rc, -ESTALE, "frame %u: %d", i, rc);
		if (rc == 0)
			cr_assert_eq(open_frame(frames[i], &got), -EALREADY);
	}
	/* a gap larger than all that is remembered */
	here.serial += 100000;
	make_frame(frame, 1);
	cr_assert_eq(open_frame(frame, &got), 0);
	cr_assert_eq(open_frame(frame, &got), -EALREADY);
	cr_assert_eq(open_frame(frames[2999], &got), -ESTALE);
}

static void bulks(unsigned level, unsigned ciphers)
{
	static const size_t sizes[] = { 1, 15, 16, 17, 4096, 65536 };
	uint8_t *data = malloc(65536), *to = malloc(65536), *sent;
	struct agent_bulk_seal bulk, second, mixed;
	uint8_t *copy = malloc(65536);

	(void)ciphers;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t bytes = sizes[i];

		randombytes_buf(data, bytes);
		agent_seal_bulk(&here, data, bytes, to, &bulk);
		agent_seal_bulk(&here, data, bytes, to, &second);
		cr_assert_neq(bulk.serial, second.serial);
		sent = agent_level_hides(agent_level_of(level)) ? to : data;
		memcpy(copy, sent, bytes);	/* damaged data is wiped */
		sent[bytes / 2] ^= 0x10;
		cr_assert_eq(agent_seal_bulk_open(&there, &second, sent, bytes), -EILSEQ);
		memcpy(sent, copy, bytes);
		mixed = second;
		mixed.serial = bulk.serial;
		if (level != MAC)
			cr_assert_eq(agent_seal_bulk_open(&there, &mixed, sent, bytes), -EILSEQ);
		memcpy(sent, copy, bytes);
		if (level == ENCRYPT && bytes > 16)
			cr_assert_neq(memcmp(sent, data, bytes), 0);
		memcpy(scratch, data, bytes);
		cr_assert_eq(agent_seal_bulk_open(&there, &second, sent, bytes), 0);
		cr_assert_eq(memcmp(sent, scratch, bytes), 0);
	}
	free(copy);
	free(data);
	free(to);
}

Test(level, bulk_data)
{
	each(bulks);
}

static void empty(unsigned level, unsigned ciphers)
{
	struct agent_header back, header = { .kind = AGENT_CONTROL, .source = 1, .epoch = 1 };
	const uint8_t *got;

	(void)level, (void)ciphers;
	agent_seal_frame(&here, &header, NULL, frame);
	cr_assert_eq(agent_header_decode(frame, AGENT_HEADER_BYTES, &back), 0);
	cr_assert_eq(agent_seal_open(&there, frame, &back, scratch, &got), 0);
}

Test(level, frames_without_a_body)
{
	each(empty);
}

Test(level, names)
{
	cr_assert_eq(agent_level_find(NULL), agent_level_of(0));
	cr_assert_eq(agent_level_find(""), agent_level_of(0));
	cr_assert_str_eq(agent_level_name(agent_level_of(0)), "mac");
	for (unsigned i = 0; i < LEVELS; i++) {
		cr_assert_eq(agent_level_find(agent_level_name(agent_level_of(i))),
			     agent_level_of(i));
		cr_assert_eq(agent_level_id(agent_level_of(i)), i);
	}
	cr_assert_null(agent_level_find("none"));
	cr_assert_null(agent_level_find("Mac"));
	cr_assert_null(agent_level_of(LEVELS));
}

Test(level, keys_are_used_up)
{
	pair(ENCRYPT, 1);
	cr_assert_not(agent_seal_spent(&here));
	here.serial = AGENT_SERIAL_MAX;
	cr_assert(agent_seal_spent(&here));
	here.serial = 0;
	here.sealed_bytes = AGENT_SEALED_MAX;
	cr_assert(agent_seal_spent(&here));
}
