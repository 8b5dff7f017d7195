/* SPDX-License-Identifier: MIT */
/*
 * heap_model.c - heap.c itself, under the model checker.
 *
 *	heap_model [--preemptions N] [--old N] [--trace] [NAME...]
 *
 * The smallest pool that splits and merges: one block of two halves. No block may have two
 * owners, what its last owner wrote must be visible to the next, who waits for a block must
 * get it, and in the end the whole is free again, also when a process is killed anywhere and
 * two others clear up after it at once.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model.h"
#include "src/heap.h"
#include "src/wait.h"

enum { HALF = 512, WHOLE = 1024, OWNER = 0x201 };

struct wish {
	unsigned thread;
	uint64_t bytes;
	uint32_t block;
};

static struct shm_segment shm;
static _Atomic uint64_t tree[4];
static _Alignas(WHOLE) unsigned char data[WHOLE];
static struct segment segments[MCX_THREADS];	/* each process's view */
static struct wish kept;			/* by thread 0, to the end */

static void setup(void)
{
	memset(&shm, 0, sizeof(shm));
	memset(tree, 0, sizeof(tree));
	memset(&kept, 0, sizeof(kept));
	for (unsigned i = 0; i < MCX_THREADS; i++)
		segments[i] = (struct segment){ .shm = &shm,
						.agent_bell = -1,
						.me = OWNER + i,
						.tree = tree,
						.data = data,
						.data_bytes = WHOLE,
						.order_min = 9,
						.order_max = 10 };
	mcx_private(segments, sizeof(segments));
	heap_format(&segments[0]);
}

static int try_alloc(void *arg)
{
	struct wish *wish = arg;

	return heap_alloc(&segments[wish->thread], wish->bytes, &wish->block);
}

/* The first word of each half says whose it is. */
static void use(const struct wish *wish)
{
	unsigned char *begin = heap_data(&segments[wish->thread], wish->block);

	for (uint64_t at = 0; at < wish->bytes; at += HALF) {
		uint64_t *word = (uint64_t *)(void *)(begin + at);

		mcx_write(word, wish->thread + 1);
		if (mcx_read(word) != wish->thread + 1)
			mcx_fail("a block has two owners");
	}
	if (!heap_free_mine(&segments[wish->thread], wish->block))
		mcx_fail("a block of ours is not ours");
}

static void alloc_free(unsigned thread, uint64_t bytes)
{
	struct wish wish = { .thread = thread, .bytes = bytes };

	if (try_alloc(&wish) == 0)
		use(&wish);
}

static void wait_free(unsigned thread, uint64_t bytes)
{
	struct wait_habit habit = { .mode = DHOW_WAIT_SLEEP };
	struct wish wish = { .thread = thread, .bytes = bytes };

	if (wait_until(&habit, &shm.wait_block, DHOW_FOREVER, try_alloc, &wish) == 0)
		use(&wish);
}

static void clear_up(unsigned thread)
{
	if (mcx_was_killed())
		heap_recover(&segments[thread], OWNER);
}

static void finish(void)
{
	struct heap_stats stats;
	uint32_t block;

	clear_up(1);
	if (kept.block)
		heap_free_mine(&segments[0], kept.block);
	heap_stats(&segments[1], &stats);
	if (stats.blocks || stats.free_bytes != WHOLE)
		mcx_fail(stats.free_bytes > WHOLE ? "a block is free twice" : "a block is lost");
	if (heap_alloc(&segments[1], WHOLE, &block) < 0)
		mcx_fail("free halves cannot be merged");
}

static void half_0(void)
{
	alloc_free(0, HALF);
}

static void half_1(void)
{
	alloc_free(1, HALF);
}

static void whole_1(void)
{
	alloc_free(1, WHOLE);
}

/* Who keeps one half never notifies: who wants the other must get it all the same. */
static void keep_half_0(void)
{
	kept = (struct wish){ .thread = 0, .bytes = HALF };
	if (try_alloc(&kept) < 0)
		kept.block = 0;
}

static void half_whole_0(void)
{
	alloc_free(0, HALF);
	alloc_free(0, WHOLE);
}

static void wait_half_1(void)
{
	wait_free(1, HALF);
}

static void wait_whole_1(void)
{
	wait_free(1, WHOLE);
}

static void clear_up_1(void)
{
	clear_up(1);
	alloc_free(1, HALF);
}

static void clear_up_2(void)
{
	clear_up(2);
}

static const struct mcx_test tests[] = {
	{ .name = "two halves", .setup = setup, .threads = { half_0, half_1 } },
	{ .name = "half and whole", .setup = setup, .threads = { half_0, whole_1 } },
	{ .name = "split and merge", .setup = setup, .threads = { half_whole_0, half_1 } },
	{ .name = "wait for a half", .setup = setup, .threads = { half_whole_0, wait_half_1 } },
	{ .name = "wait for the whole", .setup = setup, .threads = { half_0, wait_whole_1 } },
	{ .name = "wait for the other half", .setup = setup,
	  .threads = { keep_half_0, wait_half_1 } },
	{ .name = "killed", .setup = setup, .killed = 1, .preemptions = 2,
	  .threads = { half_whole_0, clear_up_1, clear_up_2 } },
};

int main(int argc, char **argv)
{
	return model_main("heap", tests, sizeof(tests) / sizeof(*tests), finish, argc, argv);
}
