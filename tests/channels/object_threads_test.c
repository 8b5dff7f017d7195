/* SPDX-License-Identifier: MIT */
/* object_threads_test.c - barriers and semaphores among threads: for ThreadSanitizer. */
#include <pthread.h>
#include <stdatomic.h>

#include "attached.h"

enum { THREADS = 4, ROUNDS = 1500, UNITS = 2 };

static struct dhow_barrier *barrier;
static struct dhow_semaphore *semaphore;
static unsigned plain[THREADS];		/* written before, read after a barrier */
static _Atomic unsigned lasts, wrong, inside;

TestSuite(object_threads, .init = attach, .fini = detach, .timeout = 200);

static void *party(void *arg)
{
	size_t me = (size_t)arg;

	for (unsigned i = 1; i <= ROUNDS; i++) {
		bool last;

		plain[me] = i;
		assert_ok(dhow_barrier_wait(barrier, &last, SOON));
		atomic_fetch_add(&lasts, last);
		for (size_t k = 0; k < THREADS; k++)
			if (plain[k] != i)
				atomic_fetch_add(&wrong, 1);
		assert_ok(dhow_barrier_wait(barrier, NULL, SOON));
	}
	return NULL;
}

static void run(void *(*body)(void *arg))
{
	pthread_t threads[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, body, (void *)i);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

Test(object_threads, barrier_makes_writes_visible)
{
	assert_ok(dhow_barrier_create(NULL, THREADS, &barrier));
	run(party);
	cr_assert_eq(lasts, (unsigned)ROUNDS);
	cr_assert_eq(wrong, 0u);
	assert_ok(dhow_barrier_destroy(barrier));
}

static void *worker(void *arg)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		bool holds = (i + (size_t)arg) % 2;
		struct dhow_unit unit;

		assert_ok(holds ? dhow_semaphore_hold(semaphore, &unit, SOON) :
				  dhow_semaphore_acquire(semaphore, SOON));
		if (atomic_fetch_add(&inside, 1) >= UNITS)
			atomic_fetch_add(&wrong, 1);
		atomic_fetch_sub(&inside, 1);
		assert_ok(holds ? dhow_semaphore_give_back(semaphore, &unit) :
				  dhow_semaphore_release(semaphore, 1));
	}
	return NULL;
}

Test(object_threads, semaphore_never_lets_in_too_many)
{
	uint32_t value;

	assert_ok(dhow_semaphore_create(NULL, UNITS, UNITS, &semaphore));
	run(worker);
	cr_assert_eq(wrong, 0u);
	assert_ok(dhow_semaphore_value(semaphore, &value));
	cr_assert_eq(value, (unsigned)UNITS);
	assert_ok(dhow_semaphore_destroy(semaphore));
}
