/* SPDX-License-Identifier: MIT */
/* barrier_test.c - generations, broken barriers, and parties that die. */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attached.h"

static struct dhow_barrier *barrier;
static char node[64], where[DHOW_ADDRESS_BYTES];
static _Atomic unsigned *shared;	/* what parties tell each other */

static void start(void)
{
	snprintf(node, sizeof(node), "@barrier_test.%d", getpid());
	assert_ok(dhow_init_at(node, 0));
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void stop(void)
{
	dhow_barrier_close(barrier);
	detach();
}

TestSuite(barrier, .init = start, .fini = stop, .timeout = 200);

static void make(uint32_t parties)
{
	struct dhow_address address;

	assert_ok(dhow_barrier_create(NULL, parties, &barrier));
	dhow_barrier_address(barrier, &address);
	dhow_address_print(&address, where);
}

static struct dhow_barrier_state state(void)
{
	struct dhow_barrier_state now = { 0 };

	assert_ok(dhow_barrier_state(barrier, &now));
	return now;
}

static pid_t child(void (*body)(void))
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dhow_init_at(node, 0) < 0 || dhow_barrier_open(where, SOON, &barrier) < 0)
		_exit(100);
	body();
	_exit(0);
}

static int ended(pid_t pid)
{
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void wait_for_parties(uint32_t wanted)
{
	uint64_t limit = SOON;

	while (state().waiting != wanted && dhow_in_ms(0) < limit)
		usleep(500);
	cr_assert_eq(state().waiting, wanted);
}

/* Exit codes of a party: its errno, 0 released. */
static void one_wait(void)
{
	int rc = dhow_barrier_wait(barrier, NULL, SOON);

	/* Its end must not break the barrier for the others. */
	dhow_barrier_close(barrier);
	_exit(-rc);
}

Test(barrier, of_one_party_never_waits)
{
	bool last = false;

	make(1);
	for (int i = 0; i < 5; i++) {
		assert_ok(dhow_barrier_wait(barrier, &last, DHOW_TRY));
		cr_assert(last);
	}
}

Test(barrier, try_goes_through_as_the_last_only)
{
	bool last = false;
	pid_t pid;

	make(2);
	assert_rc(dhow_barrier_wait(barrier, &last, DHOW_TRY), -EAGAIN);
	cr_assert_eq(state().waiting, 0u);
	pid = child(one_wait);
	wait_for_parties(1);
	assert_ok(dhow_barrier_wait(barrier, &last, DHOW_TRY));
	cr_assert(last);
	cr_assert_eq(ended(pid), 0);
}

Test(barrier, refuses_what_makes_no_sense)
{
	struct dhow_barrier *none;
	struct dhow_channel *channel;
	struct dhow_semaphore *semaphore;

	assert_rc(dhow_barrier_create(NULL, 0, &none), -EINVAL);
	assert_rc(dhow_barrier_create(NULL, DHOW_BARRIER_PARTIES_MAX + 1, &none), -EINVAL);
	make(DHOW_BARRIER_PARTIES_MAX);
	cr_assert_eq(state().parties, (unsigned)DHOW_BARRIER_PARTIES_MAX);
	assert_rc(dhow_channel_open(where, SOON, &channel), -EPROTOTYPE);
	assert_rc(dhow_semaphore_open(where, SOON, &semaphore), -EPROTOTYPE);
	assert_ok(dhow_semaphore_create("units", 1, 1, &semaphore));
	assert_rc(dhow_barrier_open("units", SOON, &none), -EPROTOTYPE);
	dhow_semaphore_close(semaphore);
}

enum { PARTIES = 4, ROUNDS = 2000 };

/* shared[0]: arrivals of all rounds; [1]: last ones; [2]: those that came through too early */
static void many_rounds(void)
{
	for (unsigned i = 1; i <= ROUNDS; i++) {
		bool last;

		atomic_fetch_add(&shared[0], 1);
		if (dhow_barrier_wait(barrier, &last, SOON) < 0)
			_exit(1);
		shared[1] += last;
		if (atomic_load(&shared[0]) < i * PARTIES)
			atomic_fetch_add(&shared[2], 1);
	}
	dhow_barrier_close(barrier);
}

Test(barrier, generations_never_mix_and_each_has_one_last)
{
	pid_t pids[PARTIES];

	make(PARTIES);
	for (unsigned i = 0; i < PARTIES; i++)
		pids[i] = child(many_rounds);
	for (unsigned i = 0; i < PARTIES; i++)
		cr_assert_eq(ended(pids[i]), 0);
	cr_assert_eq(shared[0], (unsigned)PARTIES * ROUNDS);
	cr_assert_eq(shared[1], (unsigned)ROUNDS);
	cr_assert_eq(shared[2], 0u);
	cr_assert_eq(state().broken, 0);
}

Test(barrier, a_party_that_gives_up_breaks_it_until_the_reset)
{
	bool last;
	pid_t pid;

	make(3);
	pid = child(one_wait);
	wait_for_parties(1);
	assert_rc(dhow_barrier_wait(barrier, &last, dhow_in_ms(10)), -ETIMEDOUT);
	cr_assert_eq(ended(pid), ECANCELED);
	assert_rc(dhow_barrier_wait(barrier, &last, SOON), -ECANCELED);
	cr_assert_eq(state().broken, -ECANCELED);
	assert_ok(dhow_barrier_reset(barrier));
	cr_assert_eq(state().broken, 0);
	cr_assert_eq(state().waiting, 0u);
	assert_rc(dhow_barrier_wait(barrier, &last, DHOW_TRY), -EAGAIN);
}

Test(barrier, reset_cancels_those_who_wait)
{
	pid_t pid;

	make(2);
	pid = child(one_wait);
	wait_for_parties(1);
	assert_ok(dhow_barrier_reset(barrier));
	cr_assert_eq(ended(pid), ECANCELED);
	pid = child(one_wait);
	assert_ok(dhow_barrier_wait(barrier, NULL, SOON));
	cr_assert_eq(ended(pid), 0);
}

static void idle(void)
{
	atomic_store(&shared[0], 1);
	for (;;)
		pause();
}

static void kill_and_expect_broken(pid_t victim, pid_t waiter)
{
	kill(victim, SIGKILL);
	waitpid(victim, NULL, 0);
	cr_assert_eq(ended(waiter), EOWNERDEAD);
	cr_assert_eq(state().broken, -EOWNERDEAD);
	assert_rc(dhow_barrier_wait(barrier, NULL, SOON), -EOWNERDEAD);
	assert_ok(dhow_barrier_reset(barrier));
	waiter = child(one_wait);
	wait_for_parties(1);
	victim = child(one_wait);
	assert_ok(dhow_barrier_wait(barrier, NULL, SOON));
	cr_assert_eq(ended(waiter) + ended(victim), 0);
}

Test(barrier, death_of_a_waiting_party_breaks_it)
{
	pid_t victim, waiter;

	make(3);
	victim = child(one_wait);
	waiter = child(one_wait);
	wait_for_parties(2);
	kill_and_expect_broken(victim, waiter);
}

Test(barrier, death_of_a_party_that_has_not_come_breaks_it)
{
	pid_t victim, waiter;

	make(3);
	victim = child(idle);
	while (!atomic_load(&shared[0]))
		usleep(500);
	waiter = child(one_wait);
	wait_for_parties(1);
	kill_and_expect_broken(victim, waiter);
}

static void leave_it_open(void)
{
	dhow_fini();
}

static void open_and_close(void)
{
	dhow_barrier_close(barrier);
	dhow_fini();
}

Test(barrier, leaving_the_node_with_it_open_breaks_it_and_closing_does_not)
{
	make(2);
	cr_assert_eq(ended(child(leave_it_open)), 0);
	assert_rc(dhow_barrier_wait(barrier, NULL, SOON), -EOWNERDEAD);
	assert_ok(dhow_barrier_reset(barrier));
	cr_assert_eq(ended(child(open_and_close)), 0);
	assert_rc(dhow_barrier_wait(barrier, NULL, DHOW_TRY), -EAGAIN);
}

Test(barrier, destroying_it_wakes_its_waiters)
{
	pid_t pid;

	make(2);
	pid = child(one_wait);
	wait_for_parties(1);
	assert_ok(dhow_barrier_destroy(barrier));
	barrier = NULL;
	cr_assert_eq(ended(pid), EPIPE);
}

/* Parties meet again and again while one after the other is killed and replaced; each round
 * ends in a release or in an error for all, and nobody is left waiting. */
static void meet_for_ever(void)
{
	for (;;) {
		int rc = dhow_barrier_wait(barrier, NULL, SOON);

		if (rc == -ETIMEDOUT)
			_exit(1);
		/* Whoever resets a whole one cancels those who wait again already. */
		if (rc < 0 && state().broken && dhow_barrier_reset(barrier) < 0)
			_exit(2);
		atomic_fetch_add(&shared[rc == 0 ? 0 : 1], 1);
	}
}

Test(barrier, nobody_is_left_waiting_when_parties_are_killed)
{
	pid_t pids[3];

	make(3);
	for (unsigned i = 0; i < 3; i++)
		pids[i] = child(meet_for_ever);
	for (unsigned i = 0; i < 40; i++) {
		unsigned before = atomic_load(&shared[0]);
		uint64_t limit = SOON;

		while (atomic_load(&shared[0]) == before && dhow_in_ms(0) < limit)
			usleep(200);
		cr_assert_neq(atomic_load(&shared[0]), before, "nobody meets after kill %u", i);
		usleep((unsigned)rand() % 2000);
		kill(pids[i % 3], SIGKILL);
		waitpid(pids[i % 3], NULL, 0);
		pids[i % 3] = child(meet_for_ever);
	}
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(waitpid(pids[i], NULL, WNOHANG), 0, "a party had to wait too long");
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	printf("%u times released, %u times broken\n", shared[0], shared[1]);
}
