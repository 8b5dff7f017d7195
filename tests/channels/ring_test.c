/* SPDX-License-Identifier: MIT */
/* ring_test.c - the queue by itself, in plain memory, with owners made up. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "src/ring.h"

enum { ME = 0x201, OTHER = 0x402, STRIDE = 64 };

static struct shm_channel shm;
static struct ring ring;

static void make(uint32_t capacity)
{
	memset(&shm, 0, sizeof(shm));
	ring = (struct ring){ .shm = &shm,
			      .capacity = capacity,
			      .mask = capacity & (capacity - 1) ? 0 : capacity - 1,
			      .stride = STRIDE,
			      .inline_bytes = 24,
			      .slots = aligned_alloc(64, (size_t)capacity * STRIDE) };
	ring_format(&ring);
}

static void start(void)
{
	make(4);
}

static void stop(void)
{
	free(ring.slots);
}

TestSuite(ring, .init = start, .fini = stop, .timeout = 200);

static bool push(uint64_t value)
{
	uint64_t position;

	if (!ring_claim_write(&ring, ME, RING_SWAP, &position))
		return false;
	ring_slot(&ring, position)->user = value;
	ring_publish(&ring, position);
	return true;
}

static bool pop(uint64_t *ret_value)
{
	struct shm_slot *slot;
	uint64_t word;

	if (!ring_claim_read(&ring, ME, RING_READ, &slot, &word))
		return false;
	*ret_value = slot->user;
	ring_release(&ring, slot, word);
	return true;
}

Test(ring, is_first_in_first_out)
{
	uint64_t value;

	for (uint64_t i = 0; i < 4; i++)
		cr_assert(push(i));
	for (uint64_t i = 0; i < 4; i++) {
		cr_assert(pop(&value));
		cr_assert_eq(value, i);
	}
	cr_assert_not(pop(&value));
}

Test(ring, full_takes_nothing)
{
	for (uint64_t i = 0; i < 4; i++)
		cr_assert(push(i));
	cr_assert_not(push(4));
	cr_assert_not(ring_has_room(&ring));
}

Test(ring, any_capacity_wraps)
{
	static const uint32_t capacities[] = { 1, 2, 3, 5, 100 };
	uint64_t value;

	for (unsigned c = 0; c < sizeof(capacities) / sizeof(*capacities); c++) {
		stop();
		make(capacities[c]);
		for (uint64_t i = 0; i < 1000; i++) {
			cr_assert(push(i));
			cr_assert(pop(&value));
			cr_assert_eq(value, i);
		}
	}
}

Test(ring, positions_wrap_at_2_to_the_32)
{
	uint64_t value, first = (UINT64_C(1) << 32) - 2;

	shm.head = shm.tail = first;
	for (uint64_t i = 0; i < 4; i++)
		ring_slot(&ring, first + i)->word = WORD(first + i, SLOT_FREE, 0);
	for (uint64_t i = 0; i < 20; i++) {
		cr_assert(push(i));
		cr_assert(pop(&value));
		cr_assert_eq(value, i);
	}
}

Test(ring, message_given_back_comes_first)
{
	struct shm_slot *slot;
	uint64_t word, value;

	for (uint64_t i = 0; i < 3; i++)
		push(i);
	cr_assert(ring_claim_read(&ring, ME, RING_READ, &slot, &word));
	pop(&value);
	cr_assert_eq(value, 1);
	ring_give_back(&ring, slot, word);
	pop(&value);
	cr_assert_eq(value, 0);
	pop(&value);
	cr_assert_eq(value, 2);
}

Test(ring, tombstone_is_skipped)
{
	uint64_t dead, value;

	push(0);
	cr_assert(ring_claim_write(&ring, OTHER, RING_SWAP, &dead));
	push(2);
	ring_slot(&ring, dead)->word = WORD(dead, SLOT_TOMB, 0);
	pop(&value);
	cr_assert_eq(value, 0);
	cr_assert(pop(&value));
	cr_assert_eq(value, 2);
	for (uint64_t i = 0; i < 8; i++) {
		cr_assert(push(i));
		cr_assert(pop(&value));
	}
}

Test(ring, unpublished_message_is_not_there_and_its_owner_is_known)
{
	uint64_t position, value;

	cr_assert(ring_claim_write(&ring, OTHER, RING_SWAP, &position));
	cr_assert_not(pop(&value));
	cr_assert_eq(ring_blocker(&ring, false), OTHER);
}

Test(ring, lent_slot_blocks_only_its_own_position)
{
	struct shm_slot *slot;
	uint64_t word, value;

	push(0);
	cr_assert(ring_claim_read(&ring, ME, RING_READ, &slot, &word));
	for (uint64_t i = 1; i < 4; i++)
		cr_assert(push(i));
	cr_assert_not(push(4));
	pop(&value);
	cr_assert_not(push(4), "the lent slot is the next one");
	ring_release(&ring, slot, word);
	cr_assert(push(4));
}

Test(ring, stale_hints_are_helped_along)
{
	uint64_t value;

	for (uint64_t i = 0; i < 3; i++)
		push(i);
	shm.tail = 0;
	cr_assert(push(3));
	shm.head = 0;
	for (uint64_t i = 0; i < 4; i++) {
		cr_assert(pop(&value));
		cr_assert_eq(value, i);
	}
	shm.head = 1;
	shm.tail = 2;
	cr_assert(push(4));
	cr_assert(pop(&value));
	cr_assert_eq(value, 4);
}

Test(ring, taken_tells_when_a_position_was_received)
{
	uint64_t value, position = shm.tail;

	push(9);
	cr_assert_not(ring_taken(&ring, position));
	pop(&value);
	cr_assert(ring_taken(&ring, position));
}

/* ---- behind a slot that is not filled ---- */

Test(ring, messages_behind_a_stopped_writer_can_be_taken)
{
	struct shm_slot *slot;
	uint64_t position, word, value;

	cr_assert(push(1));
	cr_assert(ring_claim_write(&ring, OTHER, RING_SWAP, &position));
	cr_assert(push(3));
	cr_assert_not(ring_has_past(&ring), "what is before comes first");
	cr_assert_not(ring_claim_past(&ring, ME, &slot, &word));
	cr_assert(pop(&value));
	cr_assert_eq(value, 1u);
	cr_assert_not(pop(&value));
	cr_assert(ring_has_past(&ring));
	cr_assert(ring_claim_past(&ring, ME, &slot, &word));
	cr_assert_eq(slot->user, 3u);
	cr_assert_not(ring_claim_past(&ring, ME, &slot, &word));
	ring_release(&ring, slot, word);
	/* He goes on, and so does everything. */
	ring_slot(&ring, position)->user = 2;
	ring_publish(&ring, position);
	for (uint64_t i = 4; i < 30; i++) {
		cr_assert(push(i));
		cr_assert(pop(&value));
		cr_assert_eq(value, i == 4 ? 2 : i - 1);
	}
}

Test(ring, a_stopped_writer_holds_his_slot_only)
{
	struct shm_slot *slot;
	uint64_t position, word;

	cr_assert(ring_claim_write(&ring, OTHER, RING_SWAP, &position));
	for (uint64_t i = 0; i < 3; i++) {
		cr_assert(push(i));
		cr_assert(ring_claim_past(&ring, ME, &slot, &word));
		cr_assert_eq(slot->user, i);
		ring_release(&ring, slot, word);
	}
	cr_assert_not(push(9), "his slot comes next");
	cr_assert_eq(ring_blocker(&ring, true), OTHER);
	cr_assert_not(ring_claim_past(&ring, ME, &slot, &word));
}
