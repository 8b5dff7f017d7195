/* SPDX-License-Identifier: MIT */
/* semaphore_test.c - counting, holding, and the death of holders. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attached.h"

static struct dhow_semaphore *semaphore;
static char node[64], where[DHOW_ADDRESS_BYTES];

static void make(uint32_t initial, uint32_t maximum)
{
	struct dhow_address address;

	assert_ok(dhow_semaphore_create(NULL, initial, maximum, &semaphore));
	dhow_semaphore_address(semaphore, &address);
	dhow_address_print(&address, where);
}

/* A node that children can join. */
static void start(void)
{
	snprintf(node, sizeof(node), "@semaphore_test.%d", getpid());
	assert_ok(dhow_init_at(node, 0));
}

static void stop(void)
{
	dhow_semaphore_close(semaphore);
	detach();
}

TestSuite(semaphore, .init = start, .fini = stop, .timeout = 200);

static uint32_t value(void)
{
	uint32_t now = UINT32_MAX;

	assert_ok(dhow_semaphore_value(semaphore, &now));
	return now;
}

Test(semaphore, counts_from_initial_to_maximum)
{
	make(2, 5);
	cr_assert_eq(value(), 2u);
	assert_ok(dhow_semaphore_acquire(semaphore, DHOW_TRY));
	assert_ok(dhow_semaphore_acquire(semaphore, DHOW_TRY));
	assert_rc(dhow_semaphore_acquire(semaphore, DHOW_TRY), -EAGAIN);
	assert_rc(dhow_semaphore_acquire(semaphore, dhow_in_ms(5)), -ETIMEDOUT);
	assert_rc(dhow_semaphore_release(semaphore, 6), -EOVERFLOW);
	cr_assert_eq(value(), 0u);
	assert_ok(dhow_semaphore_release(semaphore, 5));
	assert_rc(dhow_semaphore_release(semaphore, 1), -EOVERFLOW);
	cr_assert_eq(value(), 5u);
	assert_rc(dhow_semaphore_release(semaphore, 0), -EINVAL);
}

Test(semaphore, refuses_what_makes_no_sense)
{
	struct dhow_semaphore *none = NULL;
	struct dhow_channel *channel;
	struct dhow_barrier *barrier;
	struct dhow_unit unit = { 0 };

	assert_rc(dhow_semaphore_create(NULL, 0, 0, &none), -EINVAL);
	assert_rc(dhow_semaphore_create(NULL, 2, 1, &none), -EINVAL);
	assert_rc(dhow_semaphore_create("a name", 1, 1, &none), -EINVAL);
	make(1, 1);
	assert_rc(dhow_semaphore_give_back(semaphore, &unit), -EINVAL);
	assert_rc(dhow_channel_open(where, SOON, &channel), -EPROTOTYPE);
	assert_rc(dhow_barrier_open(where, SOON, &barrier), -EPROTOTYPE);
	assert_ok(dhow_channel_create("queue", NULL, &channel));
	assert_rc(dhow_semaphore_open("queue", SOON, &none), -EPROTOTYPE);
	dhow_channel_close(channel);
}

Test(semaphore, held_unit_is_given_back_once)
{
	struct dhow_unit unit, copy;

	make(1, 1);
	for (int i = 0; i < 3; i++) {
		assert_ok(dhow_semaphore_hold(semaphore, &unit, DHOW_TRY));
		cr_assert_eq(value(), 0u);
		assert_rc(dhow_semaphore_acquire(semaphore, DHOW_TRY), -EAGAIN);
		assert_rc(dhow_semaphore_release(semaphore, 1), -EOVERFLOW);
		copy = unit;
		assert_ok(dhow_semaphore_give_back(semaphore, &unit));
		assert_rc(dhow_semaphore_give_back(semaphore, &copy), -EINVAL);
		cr_assert_eq(value(), 1u);
	}
	assert_ok(dhow_semaphore_acquire(semaphore, DHOW_TRY));
}

/* A held unit must not stand in the way of the others, in whichever slot it lies. */
Test(semaphore, held_and_acquired_units_mix)
{
	enum { MAX = 5 };
	struct dhow_unit units[MAX];
	unsigned held = 0, acquired = 0, random = 1;

	make(MAX, MAX);
	for (int i = 0; i < 20000; i++) {
		unsigned what;
		int rc = 0;

		random = random * 1664525 + 1013904223;
		what = random >> 16 & 3;
		cr_assert_eq(value(), MAX - held - acquired, "step %d", i);
		if (what == 0 && held + acquired < MAX)
			rc = dhow_semaphore_hold(semaphore, &units[held++], DHOW_TRY);
		else if (what == 1 && held + acquired < MAX && ++acquired)
			rc = dhow_semaphore_acquire(semaphore, DHOW_TRY);
		else if (what == 2 && held)
			rc = dhow_semaphore_give_back(semaphore, &units[--held]);
		else if (what == 3 && acquired && acquired--)
			rc = dhow_semaphore_release(semaphore, 1);
		else if (what == 3)
			assert_rc(dhow_semaphore_release(semaphore, 1), -EOVERFLOW);
		cr_assert_eq(rc, 0, "step %d: %u: %d", i, what, rc);
	}
}

Test(semaphore, is_a_member_of_wait_sets)
{
	struct dhow_waitset_event event;
	struct dhow_waitset *set;
	struct dhow_unit unit;
	size_t count;

	make(0, 2);
	assert_ok(dhow_waitset_create(&set));
	assert_ok(dhow_waitset_add(set, dhow_semaphore_channel(semaphore), DHOW_IN, 4));
	assert_rc(dhow_waitset_wait(set, &event, 1, &count, DHOW_TRY), -EAGAIN);
	assert_ok(dhow_semaphore_release(semaphore, 1));
	assert_ok(dhow_waitset_wait(set, &event, 1, &count, SOON));
	cr_assert(event.events == DHOW_IN && event.user == 4);
	assert_ok(dhow_semaphore_hold(semaphore, &unit, DHOW_TRY));
	assert_rc(dhow_waitset_wait(set, &event, 1, &count, DHOW_TRY), -EAGAIN);
	assert_ok(dhow_semaphore_give_back(semaphore, &unit));
	assert_ok(dhow_waitset_wait(set, &event, 1, &count, SOON));
	dhow_waitset_destroy(set);
}

/* ---- other processes ---- */

static pid_t child(void (*body)(void))
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dhow_init_at(node, 0) < 0 || dhow_semaphore_open(where, SOON, &semaphore) < 0)
		_exit(1);
	body();
	_exit(0);
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

static void wait_for_value(uint32_t wanted)
{
	uint64_t limit = SOON;

	while (value() != wanted && dhow_in_ms(0) < limit)
		usleep(1000);
	cr_assert_eq(value(), wanted);
}

static void hold_two(void)
{
	struct dhow_unit unit;

	if (dhow_semaphore_hold(semaphore, &unit, SOON) < 0 ||
	    dhow_semaphore_hold(semaphore, &unit, SOON) < 0)
		_exit(1);
	for (;;)
		pause();
}

static void acquire_two(void)
{
	if (dhow_semaphore_acquire(semaphore, SOON) < 0 ||
	    dhow_semaphore_acquire(semaphore, SOON) < 0)
		_exit(1);
	for (;;)
		pause();
}

Test(semaphore, units_of_a_dead_holder_come_back)
{
	pid_t pid;

	make(3, 3);
	pid = child(hold_two);
	wait_for_value(1);
	assert_ok(dhow_semaphore_acquire(semaphore, DHOW_TRY));
	assert_rc(dhow_semaphore_acquire(semaphore, DHOW_TRY), -EAGAIN);
	end(pid);
	/* A waiter is woken by it. */
	assert_ok(dhow_semaphore_acquire(semaphore, SOON));
	assert_ok(dhow_semaphore_acquire(semaphore, SOON));
	cr_assert_eq(value(), 0u);
}

Test(semaphore, units_that_a_dead_process_acquired_are_gone)
{
	pid_t pid;

	make(3, 3);
	pid = child(acquire_two);
	wait_for_value(1);
	end(pid);
	usleep(20000);
	cr_assert_eq(value(), 1u);
	assert_ok(dhow_semaphore_release(semaphore, 2));
	cr_assert_eq(value(), 3u);
}

static void acquire_until_destroyed(void)
{
	int rc = dhow_semaphore_acquire(semaphore, SOON);

	_exit(rc == -EPIPE ? 0 : 2);
}

Test(semaphore, destroying_it_wakes_its_waiters)
{
	int status;
	pid_t pid;

	make(0, 1);
	pid = child(acquire_until_destroyed);
	usleep(20000);
	assert_ok(dhow_semaphore_destroy(semaphore));
	semaphore = NULL;
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	/* 1: it came too late to open it. */
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) <= 1, "%x", status);
}

enum { WORKERS = 4, UNITS = 3, KILLS = 60 };

/* Take and give for ever, by both ways; never more than one unit. */
static void work(void)
{
	unsigned random = (unsigned)getpid();

	for (;;) {
		struct dhow_unit unit;

		random = random * 1664525 + 1013904223;
		if (dhow_semaphore_hold(semaphore, &unit, SOON) < 0 ||
		    dhow_semaphore_give_back(semaphore, &unit) < 0)
			_exit(1);
		if (random >> 16 & 1)
			sched_yield();
	}
}

Test(semaphore, no_unit_is_lost_or_doubled_by_kills)
{
	pid_t workers[WORKERS];

	make(UNITS, UNITS);
	for (unsigned i = 0; i < WORKERS; i++)
		workers[i] = child(work);
	for (unsigned i = 0; i < KILLS; i++) {
		usleep(1000 + (unsigned)rand() % 3000);
		end(workers[i % WORKERS]);
		workers[i % WORKERS] = child(work);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		end(workers[i]);
	wait_for_value(UNITS);
	for (unsigned i = 0; i < UNITS; i++)
		assert_ok(dhow_semaphore_acquire(semaphore, SOON));
	assert_rc(dhow_semaphore_acquire(semaphore, DHOW_TRY), -EAGAIN);
	assert_ok(dhow_semaphore_release(semaphore, UNITS));
}
