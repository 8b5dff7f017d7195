/* SPDX-License-Identifier: MIT */
/*
 * kill_object_test.c - a party of a barrier, or a user of a semaphore, is killed after 1, 2,
 * 3, ... instructions of its call, as in kill_step_test.c.
 *
 * Checked at each point: every other party is released or is told, and all the same; no unit
 * of a semaphore is lost or doubled; both can be used afterwards.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dhow/dhow.h>

#include "src/barrier.h"
#include "src/liveness.h"
#include "src/semaphore.h"

enum { PARTIES = 3, UNITS = 4, POINTS_MAX = 20000 };

static struct segment segment;
static struct dhow_channel *meeting, *units;
static _Atomic int *done;	/* the victim's operation has returned */

static void start(void)
{
	struct segment_options options = { .pool_bytes = 1 << 20 };
	struct dhow_channel_attr attr = { .capacity = UNITS, .inline_bytes = 24 };
	struct base_err err = { "" };
	int fd;

	cr_assert_eq(segment_create(&options, &fd, &err), 0, "%s", err.text);
	cr_assert_eq(segment_map(fd, &segment, &err), 0, "%s", err.text);
	cr_assert_eq(liveness_enter(&segment, 0), 0);
	cr_assert_eq(liveness_check(&segment), 0);
	cr_assert_eq(channel_make_barrier(&segment, PARTIES, &meeting), 0);
	cr_assert_eq(channel_make(&segment, &attr, -1, &units), 0);
	done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void stop(void)
{
	channel_free(meeting);
	channel_free(units);
	liveness_forget(&segment);
	liveness_leave(&segment);
	segment_unmap(&segment);
}

TestSuite(kill_object, .init = start, .fini = stop, .timeout = 200);

/* ---- operations of the victim, on handles of its own ---- */

static void wait_as_a_party(struct dhow_channel *barrier, struct dhow_channel *semaphore)
{
	(void)semaphore;
	dhow_barrier_wait((struct dhow_barrier *)(void *)barrier, NULL, dhow_in_ms(1));
}

static void hold_and_give_back(struct dhow_channel *barrier, struct dhow_channel *semaphore)
{
	struct dhow_semaphore *of = (struct dhow_semaphore *)(void *)semaphore;
	struct dhow_unit unit;

	(void)barrier;
	if (dhow_semaphore_hold(of, &unit, DHOW_TRY) == 0)
		dhow_semaphore_give_back(of, &unit);
}

static void release(struct dhow_channel *barrier, struct dhow_channel *semaphore)
{
	(void)barrier;
	dhow_semaphore_release((struct dhow_semaphore *)(void *)semaphore, 1);
}

/* ---- the tracer ---- */

typedef void operation(struct dhow_channel *barrier, struct dhow_channel *semaphore);

static pid_t victim_start(operation *operate)
{
	struct dhow_channel *barrier, *semaphore;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		liveness_known = 0;
		memset(segment.handles, 0, sizeof(segment.handles));
		if (liveness_enter(&segment, 1) < 0 || liveness_check(&segment) < 0 ||
		    channel_attach(&segment, meeting->index, meeting->generation, &barrier) < 0 ||
		    channel_attach(&segment, units->index, units->generation, &semaphore) < 0)
			_exit(1);
		raise(SIGSTOP);
		operate(barrier, semaphore);
		atomic_store(done, 1);
		for (;;)
			pause();
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSTOPPED(status), "the victim did not start");
	return pid;
}

/* Kill the victim after @count instructions. False: the operation had returned before. */
static bool kill_after(operation *operate, unsigned count)
{
	pid_t pid;
	bool returned;
	int status;

	atomic_store(done, 0);
	pid = victim_start(operate);
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

static unsigned stride_of(unsigned usual)
{
	const char *wanted = getenv("DHOW_KILL_STRIDE");

	return wanted && atoi(wanted) > 0 ? (unsigned)atoi(wanted) : usual;
}

static void say_points(unsigned points, bool more, unsigned stride)
{
	cr_assert(!more, "the operation did not end");
	printf("%u points, %u instructions apart\n", points, stride);
}

/* ---- barriers ---- */

static void check_usable(unsigned point)
{
	struct gateway_party parties[PARTIES];

	cr_assert_eq(barrier_reset(meeting), 0);
	for (unsigned i = 0; i < PARTIES; i++)
		cr_assert_eq(gateway_party_arrive(meeting, false, &parties[i]), i < PARTIES - 1,
			     "point %u: party %u", point, i);
	for (unsigned i = 0; i < PARTIES - 1; i++)
		cr_assert_eq(gateway_party_look(meeting, &parties[i]), 0, "point %u", point);
}

/* @others wait; then the victim comes. Return: how often they were released. */
static unsigned kill_a_party(unsigned others, unsigned stride)
{
	struct gateway_party waiting[PARTIES];
	unsigned points = 0, released = 0;
	bool more = true;

	for (unsigned n = 1; more && n < POINTS_MAX; n += stride, points++) {
		int first;

		for (unsigned i = 0; i < others; i++)
			cr_assert_eq(gateway_party_arrive(meeting, false, &waiting[i]), 1);
		more = kill_after(wait_as_a_party, n);
		liveness_sweep(&segment);
		first = gateway_party_look(meeting, &waiting[0]);
		cr_assert(first == 0 || first == -EOWNERDEAD || first == -ECANCELED,
			  "point %u: %d", n, first);
		for (unsigned i = 1; i < others; i++)
			cr_assert_eq(gateway_party_look(meeting, &waiting[i]), first,
				     "point %u: parties are told different things", n);
		released += first == 0;
		check_usable(n);
	}
	say_points(points, more, stride);
	return released;
}

Test(kill_object, last_party_of_a_barrier)
{
	unsigned released = kill_a_party(PARTIES - 1, stride_of(1));

	/* Killed after its one step, and when it had returned. */
	cr_assert_gt(released, 1u);
}

Test(kill_object, party_of_a_barrier_that_waits_for_others)
{
	/* Also while it sleeps and while it gives up; thousands of instructions. */
	cr_assert_eq(kill_a_party(1, stride_of(307)), 0u);
}

/* ---- semaphores ---- */

static void kill_a_user(operation *operate, uint32_t before, uint32_t adds, unsigned stride)
{
	unsigned points = 0;
	bool more = true;

	for (unsigned n = 1; more && n < POINTS_MAX; n += stride, points++) {
		uint32_t now;

		more = kill_after(operate, n);
		liveness_sweep(&segment);
		now = semaphore_value(units);
		cr_assert(now >= before && now <= before + adds, "point %u: %u units", n, now);
		if (!more)
			cr_assert_eq(now, before + adds);
		for (uint32_t i = 0; i < now; i++)
			cr_assert_eq(dhow_semaphore_acquire((void *)units, DHOW_TRY), 0,
				     "point %u: unit %u of %u is not there", n, i, now);
		cr_assert_eq(dhow_semaphore_acquire((void *)units, DHOW_TRY), -EAGAIN);
		cr_assert_eq(semaphore_release(units, before), 0);
	}
	say_points(points, more, stride);
}

Test(kill_object, holder_of_a_unit)
{
	cr_assert_eq(semaphore_release(units, 2), 0);
	kill_a_user(hold_and_give_back, 2, 0, stride_of(3));
}

Test(kill_object, release_of_a_unit)
{
	cr_assert_eq(semaphore_release(units, 1), 0);
	kill_a_user(release, 1, 1, stride_of(3));
}

Test(kill_object, release_of_a_unit_past_a_held_one)
{
	struct dhow_unit unit;

	/* The next position to be written is in the slot of the held unit. */
	cr_assert_eq(semaphore_release(units, UNITS), 0);
	cr_assert_eq(dhow_semaphore_hold((void *)units, &unit, DHOW_TRY), 0);
	for (int i = 0; i < UNITS - 2; i++)
		cr_assert_eq(dhow_semaphore_acquire((void *)units, DHOW_TRY), 0);
	kill_a_user(release, 1, 1, stride_of(3));
	cr_assert_eq(dhow_semaphore_give_back((void *)units, &unit), 0);
	cr_assert_eq(semaphore_value(units), 2u);
}
