/* SPDX-License-Identifier: MIT */
/* heap_test.c - blocks of a pool, and what a dead owner leaves. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/heap.h"
#include "src/segment.h"

enum { ME = 0x201, DEAD = 0x402 };

static struct segment segment;

static void make(uint64_t bytes)
{
	struct segment_options options = { .pool_bytes = bytes };
	struct base_err err = { "" };
	int fd;

	cr_assert_eq(segment_create(&options, &fd, &err), 0, "%s", err.text);
	cr_assert_eq(segment_map(fd, &segment, &err), 0, "%s", err.text);
	segment.me = ME;
}

static void start(void)
{
	make(1 << 20);
}

static void stop(void)
{
	segment_unmap(&segment);
}

TestSuite(heap, .init = start, .fini = stop, .timeout = 200);

static uint64_t free_bytes(void)
{
	struct heap_stats stats;

	heap_stats(&segment, &stats);
	return stats.free_bytes;
}

Test(heap, gives_the_whole_pool_as_one_block)
{
	uint32_t block;

	cr_assert_eq(heap_alloc(&segment, 1 << 20, &block), 0);
	cr_assert_eq(heap_alloc(&segment, 1, &block), -EAGAIN);
}

Test(heap, larger_than_the_pool_never_fits)
{
	uint32_t block;

	cr_assert_eq(heap_alloc(&segment, (1 << 20) + 1, &block), -EMSGSIZE);
}

Test(heap, blocks_do_not_overlap_and_come_back)
{
	enum { COUNT = 300 };
	uint32_t blocks[COUNT];
	unsigned count = 0;

	srand(7);
	for (; count < COUNT; count++) {
		uint64_t bytes = 1u + (unsigned)rand() % 5000;

		if (heap_alloc(&segment, bytes, &blocks[count]) < 0)
			break;
		cr_assert_geq(heap_bytes(&segment, blocks[count]), bytes);
		memset(heap_data(&segment, blocks[count]), (int)(count & 0xff),
		       heap_bytes(&segment, blocks[count]));
	}
	cr_assert_gt(count, 100u);
	for (unsigned i = 0; i < count; i++) {
		const unsigned char *data = heap_data(&segment, blocks[i]);

		for (uint64_t j = 0; j < heap_bytes(&segment, blocks[i]); j++)
			cr_assert_eq(data[j], i & 0xff, "block %u is overwritten", i);
		cr_assert(heap_free_mine(&segment, blocks[i]));
	}
	cr_assert_eq(free_bytes(), 1u << 20);
	cr_assert_eq(heap_alloc(&segment, 1 << 20, &blocks[0]), 0, "free blocks are merged");
}

Test(heap, double_free_is_refused)
{
	uint32_t block;

	cr_assert_eq(heap_alloc(&segment, 100, &block), 0);
	cr_assert(heap_free_mine(&segment, block));
	cr_assert_not(heap_free_mine(&segment, block));
	cr_assert_eq(free_bytes(), 1u << 20);
}

Test(heap, pool_need_not_be_a_power_of_two)
{
	uint32_t block;

	stop();
	make(7 * 64 * 1024);
	cr_assert_eq(heap_block_max(&segment), 256u * 1024);
	cr_assert_eq(free_bytes(), 7u * 64 * 1024);
	cr_assert_eq(heap_alloc(&segment, 256 * 1024, &block), 0);
	cr_assert_eq(heap_alloc(&segment, 128 * 1024, &block), 0);
	cr_assert_eq(heap_alloc(&segment, 64 * 1024, &block), 0);
	cr_assert_eq(heap_alloc(&segment, 1, &block), -EAGAIN);
}

Test(heap, blocks_of_a_dead_owner_come_back)
{
	uint32_t mine, other;

	segment.me = DEAD;
	for (int i = 0; i < 20; i++)
		cr_assert_eq(heap_alloc(&segment, 3000, &other), 0);
	segment.me = ME;
	cr_assert_eq(heap_alloc(&segment, 3000, &mine), 0);
	heap_recover(&segment, DEAD);
	heap_recover(&segment, DEAD);
	cr_assert_eq(free_bytes(), (1u << 20) - 4096);
	cr_assert_eq(heap_word(&segment, mine), WORD(0, BLOCK_OWNED, ME), "others' stay");
}

/* Each state in which a split or merge of block 1 can be left. */
Test(heap, every_step_of_a_split_can_be_undone)
{
	static const struct {
		unsigned parent, left, right;
	} steps[] = {
		{ BLOCK_CHANGING, BLOCK_UNUSED, BLOCK_UNUSED },
		{ BLOCK_CHANGING, BLOCK_RESERVED, BLOCK_UNUSED },
		{ BLOCK_CHANGING, BLOCK_RESERVED, BLOCK_RESERVED },
		{ BLOCK_SPLIT, BLOCK_RESERVED, BLOCK_RESERVED },
		{ BLOCK_SPLIT, BLOCK_RESERVED, BLOCK_FREE },
		{ BLOCK_SPLIT, BLOCK_CHANGING, BLOCK_FREE },
		{ BLOCK_SPLIT, BLOCK_OWNED, BLOCK_FREE },
		{ BLOCK_CHANGING, BLOCK_UNUSED, BLOCK_RESERVED },
	};
	uint32_t block;

	for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		const unsigned states[] = { steps[i].parent, steps[i].left, steps[i].right };

		for (uint32_t b = 1; b <= 3; b++) {
			unsigned state = states[b - 1];
			bool has_owner = state != BLOCK_UNUSED && state != BLOCK_FREE &&
					 state != BLOCK_SPLIT;

			segment.tree[b] = WORD(0, state, has_owner ? DEAD : 0);
		}
		heap_recover(&segment, DEAD);
		cr_assert_eq(free_bytes(), 1u << 20, "step %u", i);
		cr_assert_eq(heap_alloc(&segment, 1 << 20, &block), 0, "step %u", i);
		cr_assert(heap_free_mine(&segment, block));
	}
}

Test(heap, indices_from_outside_are_checked)
{
	cr_assert_not(heap_valid(&segment, 0));
	cr_assert(heap_valid(&segment, 1));
	cr_assert_not(heap_valid(&segment, UINT32_MAX));
	stop();
	make(7 * 64 * 1024);
	cr_assert_not(heap_valid(&segment, 1), "larger than the pool");
	cr_assert(heap_valid(&segment, 2));
	cr_assert_not(heap_valid(&segment, 3));
}
