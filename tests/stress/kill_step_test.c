/* SPDX-License-Identifier: MIT */
/*
 * kill_step_test.c - a process is killed after 1, 2, 3, ... instructions of one operation.
 *
 * A child does the operation under ptrace, one instruction at a time, and is SIGKILLed after
 * the n-th; then the survivor (this process) sweeps, drains, and uses the channel. Checked at
 * each point: nobody is blocked, each message is whole and comes at most once, what was
 * acknowledged is there, and no block is lost. Points are `stride` instructions apart; with
 * DHOW_KILL_STRIDE=1 in the environment every instruction is one.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dhow/dhow.h>

#include "src/channel.h"
#include "src/heap.h"
#include "src/liveness.h"

enum { SMALL = 64, LARGE = 3000, POOL = 256 * 1024, AFTER = 7, POINTS_MAX = 20000 };

static struct segment segment;
static struct dhow_channel *channel;
static struct heap_stats calm;
static _Atomic int *done;	/* the child's operation has returned */
static unsigned char bytes[LARGE];

static void start(void)
{
	struct segment_options options = { .pool_bytes = POOL };
	struct dhow_channel_attr attr = { .capacity = 8 };
	struct base_err err = { "" };
	int fd;

	cr_assert_eq(segment_create(&options, &fd, &err), 0, "%s", err.text);
	cr_assert_eq(segment_map(fd, &segment, &err), 0, "%s", err.text);
	cr_assert_eq(liveness_enter(&segment, 0), 0);
	cr_assert_eq(liveness_check(&segment), 0);
	cr_assert_eq(channel_make(&segment, &attr, -1, &channel), 0);
	heap_stats(&segment, &calm);
	done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(bytes, 0x5a, sizeof(bytes));
}

static void stop(void)
{
	channel_free(channel);
	liveness_forget(&segment);
	liveness_leave(&segment);
	segment_unmap(&segment);
}

TestSuite(kill_step, .init = start, .fini = stop, .timeout = 110);

/* ---- operations of the victim ---- */

static void send_small(void)
{
	dhow_send(channel, bytes, SMALL, DHOW_TRY);
}

static void send_large(void)
{
	dhow_send(channel, bytes, LARGE, DHOW_TRY);
}

static void recv_copy(void)
{
	unsigned char buffer[LARGE];
	size_t got;

	dhow_recv(channel, buffer, sizeof(buffer), &got, NULL, DHOW_TRY);
}

static void begin_commit(void)
{
	struct dhow_message message;

	if (dhow_recv_begin(channel, &message, DHOW_TRY) == 0)
		dhow_recv_commit(channel, &message);
}

static void alloc_free(void)
{
	uint32_t small, large;

	heap_alloc(&segment, 600, &small);
	heap_alloc(&segment, 20000, &large);
	heap_free_mine(&segment, small);
	heap_free_mine(&segment, large);
	heap_alloc(&segment, POOL / 2, &large);	/* merges */
	heap_free_mine(&segment, large);
}

static void make_destroy(void)
{
	struct dhow_channel *other;

	if (channel_make(&segment, NULL, -1, &other) == 0) {
		channel_close_for_all(other);
		channel_free(other);
	}
}

/* ---- the tracer ---- */

static pid_t victim_start(void (*operation)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		liveness_known = 0;
		if (liveness_enter(&segment, 1) < 0 || liveness_check(&segment) < 0)
			_exit(1);
		raise(SIGSTOP);
		operation();
		atomic_store(done, 1);
		for (;;)
			pause();
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSTOPPED(status), "the victim did not start");
	return pid;
}

/* Kill the victim after @count instructions. False: the operation had returned before. */
static bool kill_after(void (*operation)(void), unsigned count)
{
	pid_t pid;
	bool returned;
	int status;

	atomic_store(done, 0);
	pid = victim_start(operation);
	for (unsigned i = 0; i < count && !atomic_load(done); i++) {
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		cr_assert(WIFSTOPPED(status), "the victim ended by itself");
	}
	returned = atomic_load(done);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return !returned;
}

/* ---- the survivor ---- */

/* Take all messages; each must be whole. Return: how many. */
static unsigned drain(unsigned point)
{
	unsigned char buffer[LARGE];
	unsigned count = 0;
	size_t got;
	int rc;

	while ((rc = dhow_recv(channel, buffer, sizeof(buffer), &got, NULL, DHOW_TRY)) == 0) {
		cr_assert(got == SMALL || got == LARGE, "point %u: %zu bytes", point, got);
		cr_assert_eq(memcmp(buffer, bytes, got), 0, "point %u: damaged", point);
		count++;
	}
	cr_assert_eq(rc, -EAGAIN, "point %u: %d", point, rc);
	return count;
}

static void check_survivor(unsigned point)
{
	struct heap_stats now;

	for (unsigned i = 0; i < AFTER; i++)
		cr_assert_eq(dhow_send(channel, bytes, i % 2 ? SMALL : LARGE, DHOW_TRY), 0,
			     "point %u: senders are blocked", point);
	cr_assert_eq(drain(point), (unsigned)AFTER, "point %u: receivers are blocked", point);
	heap_stats(&segment, &now);
	cr_assert_eq(now.blocks, calm.blocks, "point %u: a block is lost or freed twice", point);
	cr_assert_eq(now.free_bytes, calm.free_bytes, "point %u: memory is lost", point);
}

static unsigned stride_of(unsigned usual)
{
	const char *wanted = getenv("DHOW_KILL_STRIDE");

	return wanted && atoi(wanted) > 0 ? (unsigned)atoi(wanted) : usual;
}

/*
 * Kill at each point of @operation, with @before messages in the channel. A sender adds at
 * most one, a receiver takes at most one (@takes).
 */
static void kill_at_all_points(void (*operation)(void), unsigned before, int adds, int takes,
			       unsigned stride)
{
	unsigned points = 0, count;
	bool more = true;

	for (unsigned n = 1; more && n < POINTS_MAX; n += stride_of(stride), points++) {
		for (unsigned i = 0; i < before; i++)
			cr_assert_eq(dhow_send(channel, bytes, i % 2 ? SMALL : LARGE, DHOW_TRY), 0);
		more = kill_after(operation, n);
		liveness_sweep(&segment);
		count = drain(n);
		cr_assert(count + (unsigned)takes >= before && count <= before + (unsigned)adds,
			  "point %u: %u messages of %u", n, count, before);
		if (!more)	/* it had returned: what it acknowledged is there */
			cr_assert_eq((int)count, (int)before + adds - takes);
		check_survivor(n);
	}
	cr_assert(!more, "the operation did not end");
	printf("%u points, %u instructions apart\n", points, stride_of(stride));
}

Test(kill_step, send_of_a_small_message)
{
	kill_at_all_points(send_small, 3, 1, 0, 3);
}

Test(kill_step, send_of_a_large_message)
{
	kill_at_all_points(send_large, 3, 1, 0, 17);
}

Test(kill_step, receive_of_a_large_message)
{
	kill_at_all_points(recv_copy, 3, 0, 1, 19);
}

Test(kill_step, receive_of_the_only_message)
{
	kill_at_all_points(recv_copy, 1, 0, 1, 17);
}

Test(kill_step, begin_and_commit)
{
	kill_at_all_points(begin_commit, 3, 0, 1, 3);
}

Test(kill_step, alloc_split_merge_and_free)
{
	kill_at_all_points(alloc_free, 0, 0, 0, 41);
}

Test(kill_step, making_and_destroying_a_channel)
{
	kill_at_all_points(make_destroy, 0, 0, 0, 101);
}
