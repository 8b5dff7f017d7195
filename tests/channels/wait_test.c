/* SPDX-License-Identifier: MIT */
/* wait_test.c - wait words. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "src/segment.h"
#include "src/wait.h"

TestSuite(wait, .timeout = 200);

static _Atomic uint32_t word;
static _Atomic int condition;

static int try_condition(void *arg)
{
	(void)arg;
	return atomic_load(&condition) ? 0 : -EAGAIN;
}

static void *waiter(void *mode)
{
	struct wait_habit habit;
	long rc;

	wait_habit_init(&habit, *(enum dhow_wait_mode *)mode);
	rc = wait_until(&habit, &word, base_now_ns() + 20000 * BASE_MS, try_condition, NULL);
	return (void *)rc;
}

Test(wait, change_wakes_in_every_mode)
{
	for (int mode = DHOW_WAIT_SPIN; mode <= DHOW_WAIT_SLEEP; mode++) {
		enum dhow_wait_mode wanted = (enum dhow_wait_mode)mode;
		pthread_t thread;
		void *result;

		atomic_store(&condition, 0);
		pthread_create(&thread, NULL, waiter, &wanted);
		usleep(5000);
		atomic_exchange(&condition, 1);
		wait_notify(&word, NULL);
		pthread_join(thread, &result);
		cr_assert_eq((long)result, 0);
	}
}

Test(wait, try_does_not_wait_and_a_past_deadline_ends)
{
	struct wait_habit habit;

	wait_habit_init(&habit, DHOW_WAIT_SLEEP);
	cr_assert_eq(wait_until(&habit, &word, DHOW_TRY, try_condition, NULL), -EAGAIN);
	cr_assert_eq(wait_until(&habit, &word, 1, try_condition, NULL), -ETIMEDOUT);
}

Test(wait, watcher_hears_the_bell_once)
{
	struct segment segment = { .agent_bell = eventfd(0, EFD_NONBLOCK) };
	uint64_t count;

	wait_announce(&word, WAIT_WATCHED);
	wait_notify(&word, &segment);
	wait_notify(&word, &segment);
	cr_assert_eq(read(segment.agent_bell, &count, sizeof(count)), 8);
	cr_assert_eq(count, 1u);
	cr_assert_eq(atomic_load(&word) & (WAIT_WATCHED | WAIT_SLEEPING), 0u);
	close(segment.agent_bell);
}

Test(wait, bit_of_a_dead_sleeper_goes_with_the_first_wake_up)
{
	wait_announce(&word, WAIT_SLEEPING);
	wait_notify(&word, NULL);
	cr_assert_eq(atomic_load(&word) & WAIT_SLEEPING, 0u);
}
