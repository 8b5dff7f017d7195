/* SPDX-License-Identifier: MIT */
/*
 * wait.h (internal) - futex words and how a call waits.
 *
 * A wait word is  epoch30 | watched | sleeping.  Who wants to sleep announces it by a
 * compare-and-swap that also moves the epoch, looks once more, then sleeps on the value it
 * wrote. Who makes a condition true does so by a sequentially consistent read-modify-write
 * and then looks at the word: one of the two sees the other. The sleeping bit is no count,
 * so a killed sleeper leaves at most one needless wake-up behind.
 */
#ifndef CHANNELS_WAIT_H
#define CHANNELS_WAIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <dhow/wait.h>

enum { WAIT_SLEEPING = 1, WAIT_WATCHED = 2, WAIT_EPOCH = 4 };

/* Announce @bit; the value to sleep on. */
uint32_t wait_announce(_Atomic uint32_t *word, uint32_t bit);

/* Slow path of wait_notify(); wakes up to @count sleepers. */
void wait_wake(_Atomic uint32_t *word, uint32_t seen, int bell, int count);

/* Call after a seq_cst read-modify-write that made the condition true. @bell: eventfd or -1. */
static inline void wait_notify(_Atomic uint32_t *word, int bell)
{
	/* W1: pairs with W2 in wait_announce(): either we see the announcement, or the
	 * announcer's second look sees our change. */
	uint32_t seen = atomic_load_explicit(word, memory_order_seq_cst);

	if (__builtin_expect(seen & (WAIT_SLEEPING | WAIT_WATCHED), 0))
		wait_wake(word, seen, bell, 1);
}

/* Call after @count release stores that made the condition true for as many. */
static inline void wait_notify_many(_Atomic uint32_t *word, int bell, int count)
{
	uint32_t seen;

	/* W1, as above: the fence stands for the read-modify-write. */
	atomic_thread_fence(memory_order_seq_cst);
	seen = atomic_load_explicit(word, memory_order_relaxed);
	if (__builtin_expect(seen & (WAIT_SLEEPING | WAIT_WATCHED), 0))
		wait_wake(word, seen, bell, count);
}

/* Wake all who sleep on @word, whatever for. */
void wait_wake_all(_Atomic uint32_t *word, int bell);

/* Each handle's own view of how long spinning pays; process-local, races are harmless. */
struct wait_habit {
	enum dhow_wait_mode mode;
	_Atomic uint32_t budget_ns;	/* of spinning before sleeping */
};
void wait_habit_init(struct wait_habit *habit, enum dhow_wait_mode mode);

/* A try: 0 or an error ends the wait, -EAGAIN goes on. */
typedef int wait_try(void *arg);

/**
 * wait_until - repeat @attempt until it is not -EAGAIN or the deadline passes.
 * @word: what the condition's makers notify.
 * Return: what @attempt returned; -EAGAIN with DHOW_TRY; -ETIMEDOUT.
 */
int wait_until(struct wait_habit *habit, _Atomic uint32_t *word, uint64_t deadline_ns,
	       wait_try *attempt, void *arg);

#endif
