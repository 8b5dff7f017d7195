/* SPDX-License-Identifier: MIT */
/* liveness_test.c - who counts as dead, and what recover() does for him. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/channel.h"
#include "src/heap.h"
#include "src/liveness.h"
#include "src/recover.h"

static struct segment segment;
static _Atomic uint32_t *shared;	/* what a child tells its parent */

static void start(void)
{
	struct segment_options options = { .pool_bytes = 1 << 20 };
	struct base_err err = { "" };
	int fd;

	cr_assert_eq(segment_create(&options, &fd, &err), 0, "%s", err.text);
	cr_assert_eq(segment_map(fd, &segment, &err), 0, "%s", err.text);
	cr_assert_eq(liveness_enter(&segment, 0), 0);
	cr_assert_eq(liveness_check(&segment), 0);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void stop(void)
{
	liveness_forget(&segment);
	liveness_leave(&segment);
	segment_unmap(&segment);
}

TestSuite(liveness, .init = start, .fini = stop, .timeout = 200);

static pid_t child(void (*body)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		liveness_known = 0;
		if (liveness_enter(&segment, 1) < 0 || liveness_check(&segment) < 0)
			_exit(1);
		atomic_store(&shared[0], segment.me);
		body();
		atomic_store(&shared[1], 1);
		for (;;)
			pause();
	}
	while (!atomic_load(&shared[1]))
		usleep(1000);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void nothing(void)
{
}

Test(liveness, living_process_is_not_dead_a_killed_one_is)
{
	pid_t pid = child(nothing);
	uint32_t id = atomic_load(&shared[0]);

	cr_assert_not(liveness_dead(&segment, id));
	kill(pid, SIGSTOP);
	cr_assert_not(liveness_dead(&segment, id), "stopped is not dead");
	end(pid);
	cr_assert(liveness_dead(&segment, id));
	cr_assert_eq(liveness_sweep(&segment), 1u);
	cr_assert_eq(liveness_sweep(&segment), 0u);
}

Test(liveness, owner_ids_are_not_used_twice)
{
	uint32_t last = 0;

	for (int i = 0; i < 20; i++) {
		pid_t pid = child(nothing);
		uint32_t id = atomic_load(&shared[0]);

		cr_assert_neq(id, last);
		last = id;
		end(pid);
		atomic_store(&shared[1], 0);
		cr_assert(liveness_dead(&segment, id));
	}
}

static void *short_thread(void *arg)
{
	(void)arg;
	return (void *)(long)liveness_check(&segment);
}

static void lose_a_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, short_thread, NULL);
	pthread_join(thread, NULL);
}

Test(liveness, end_of_one_thread_is_not_the_end_of_its_process)
{
	pid_t pid = child(lose_a_thread);

	cr_assert_not(liveness_dead(&segment, atomic_load(&shared[0])));
	end(pid);
}

static void *long_thread(void *arg)
{
	liveness_check(&segment);
	*(_Atomic int *)arg = 1;
	for (;;)
		pause();
	return NULL;
}

static void *anchor(void *arg)
{
	(void)arg;
	liveness_enter(&segment, 1);
	atomic_store(&shared[0], segment.me);
	return NULL;
}

/* The library's thread ended though another thread of the process still runs. */
static void lose_the_anchor(void)
{
	static _Atomic int ready;
	pthread_t first, second;

	pthread_create(&first, NULL, anchor, NULL);
	pthread_join(first, NULL);
	pthread_create(&second, NULL, long_thread, (void *)&ready);
	while (!ready)
		usleep(1000);
}

Test(liveness, process_with_a_living_thread_is_not_dead)
{
	pid_t pid = child(lose_the_anchor);

	cr_assert_not(liveness_dead(&segment, atomic_load(&shared[0])));
	end(pid);
	cr_assert(liveness_dead(&segment, atomic_load(&shared[0])));
}

static struct dhow_channel *channel;

static void hold_everything(void)
{
	struct dhow_channel *mine;
	struct envelope envelope = { 0 };
	uint64_t position, word;
	struct shm_slot *slot;
	uint32_t block;

	channel_attach(&segment, channel->index, channel->generation, &mine);
	channel_claim(mine, DHOW_TRY, &slot, &word);		/* reads the block message */
	heap_alloc(&segment, 5000, &block);
	channel_put(mine, NULL, 5000, block, &envelope, DHOW_TRY, NULL);	/* sent whole */
	ring_claim_write(&mine->ring, segment.me, RING_SWAP, &position);	/* and one half */
	slot = ring_slot(&mine->ring, position);
	heap_alloc(&segment, 6000, &block);
	slot->block = block;
	slot->flags = SLOT_BLOCK;
	heap_pass(&segment, block, WORD(0, BLOCK_OWNED, segment.me),
		  channel_queued_word(mine->index, ring_index(&mine->ring, slot), position));
	heap_alloc(&segment, 7000, &block);			/* and a block in hand */
}

Test(liveness, dead_process_leaves_whole_messages_and_no_block)
{
	struct envelope envelope = { .header = { .tag = 1 } };
	struct heap_stats before, after;
	struct shm_slot *slot;
	uint64_t word;
	uint32_t block;
	pid_t pid;

	cr_assert_eq(channel_make(&segment, NULL, -1, &channel), 0);
	heap_stats(&segment, &before);
	cr_assert_eq(heap_alloc(&segment, 4000, &block), 0);
	cr_assert_eq(channel_put(channel, NULL, 4000, block, &envelope, DHOW_TRY, NULL), 0);
	pid = child(hold_everything);
	end(pid);
	cr_assert_eq(liveness_sweep(&segment), 1u);
	/* Ours comes again, the one it sent follows, the half one does not. */
	cr_assert_eq(channel_claim(channel, DHOW_TRY, &slot, &word), 0);
	cr_assert_eq(slot->bytes, 4000u);
	cr_assert(channel_finish(channel, slot, word, false));
	cr_assert_eq(channel_claim(channel, DHOW_TRY, &slot, &word), 0);
	cr_assert_eq(slot->bytes, 5000u);
	cr_assert(channel_finish(channel, slot, word, false));
	cr_assert_lt(channel_claim(channel, DHOW_TRY, &slot, &word), 0);
	heap_stats(&segment, &after);
	cr_assert_eq(after.free_bytes, before.free_bytes);
	cr_assert_eq(after.blocks, before.blocks);
	channel_free(channel);
}

/* A recoverer that is late holds the word of a message that is gone, whose slot and block serve
 * a later message by now. */
Test(liveness, late_recovery_does_not_free_a_later_message)
{
	struct dhow_channel_attr attr = { .capacity = 1 };
	struct envelope envelope = { 0 };
	struct shm_slot *slot;
	uint64_t word, late;
	uint32_t block;

	cr_assert_eq(channel_make(&segment, &attr, -1, &channel), 0);
	cr_assert_eq(heap_alloc(&segment, 4000, &block), 0);
	cr_assert_eq(channel_put(channel, NULL, 4000, block, &envelope, DHOW_TRY, NULL), 0);
	late = heap_word(&segment, block);
	cr_assert_eq(channel_claim(channel, DHOW_TRY, &slot, &word), 0);
	cr_assert(channel_finish(channel, slot, word, true));
	cr_assert_eq(channel_put(channel, NULL, 4000, block, &envelope, DHOW_TRY, NULL), 0);
	cr_assert_not(heap_free(&segment, block, late), "a message in the channel lost its block");
	channel_free(channel);
}
