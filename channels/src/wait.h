/* SPDX-License-Identifier: MIT */
/*
 * wait.h (internal) - futex words and how a call waits.
 *
 * A wait word is  epoch29 | bells | watched | sleeping.  Who wants to sleep announces it by a
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

#include "src/seed.h"

enum {
	WAIT_SLEEPING = 1,	/* somebody sleeps on the word */
	WAIT_WATCHED = 2,	/* the agent wants its bell rung, once */
	WAIT_BELLS = 4,		/* processes want theirs rung, until they go: bell.h */
	WAIT_EPOCH = 8,
};

struct segment;

/* Announce @bit; the value to sleep on. */
uint32_t wait_announce(_Atomic uint32_t *word, uint32_t bit);

/* Slow path of wait_notify(); wakes up to @count sleepers. */
void wait_wake(_Atomic uint32_t *word, uint32_t seen, struct segment *segment, int count);

/* Call after a seq_cst read-modify-write that made the condition true. @segment: that the word
 * lies in; NULL if nobody but sleepers can wait for it. */
static inline void wait_notify(_Atomic uint32_t *word, struct segment *segment)
{
	/* W1: pairs with W2 in wait_announce(): either we see the announcement, or the
	 * announcer's second look sees our change. */
	uint32_t seen = atomic_load_explicit(word, memory_order_seq_cst);

	if (SEEDED(4))
		return;
	if (__builtin_expect(seen & (WAIT_SLEEPING | WAIT_WATCHED | WAIT_BELLS), 0))
		wait_wake(word, seen, segment, 1);
}

/* Call after @count release stores that made the condition true for as many. */
static inline void wait_notify_many(_Atomic uint32_t *word, struct segment *segment, int count)
{
	uint32_t seen;

	/* W1, as above: the fence stands for the read-modify-write. */
	atomic_thread_fence(memory_order_seq_cst);
	seen = atomic_load_explicit(word, memory_order_relaxed);
	if (__builtin_expect(seen & (WAIT_SLEEPING | WAIT_WATCHED | WAIT_BELLS), 0))
		wait_wake(word, seen, segment, count);
}

/* Wake all who sleep on @word, whatever for. */
void wait_wake_all(_Atomic uint32_t *word, struct segment *segment);

/* Each handle's own view of how long spinning pays; process-local, races are harmless. */
struct wait_habit {
	enum dhow_wait_mode mode;
	struct segment *segment;	/* where those who sleep are counted, or NULL */
	_Atomic uint32_t budget_ns;	/* of spinning before sleeping */
};
void wait_habit_init(struct wait_habit *habit, enum dhow_wait_mode mode);
/* Another mode for a habit that is in use. */
void wait_habit_set(struct wait_habit *habit, enum dhow_wait_mode mode);

/* A try: 0 or an error ends the wait, -EAGAIN goes on. */
typedef int wait_try(void *arg);

/* True in attempts between which this thread sleeps: there is time for a closer look, for instance
 * whether the one who is waited for is dead. */
extern _Thread_local bool wait_sleeps __attribute__((tls_model("initial-exec")));

/**
 * wait_until - repeat @attempt until it is not -EAGAIN or the deadline passes.
 * @word: what the condition's makers notify.
 * Return: what @attempt returned; -EAGAIN with DHOW_TRY; -ETIMEDOUT.
 */
int wait_until(struct wait_habit *habit, _Atomic uint32_t *word, uint64_t deadline_ns,
	       wait_try *attempt, void *arg);

/* The parts of wait_until(), for those who wait for more than one word (waitset.c). */

/* Try for a while without sleeping. -EAGAIN: it does not help, sleep. */
int wait_spin(struct wait_habit *habit, uint64_t begin_ns, uint64_t deadline_ns, wait_try *attempt,
	      void *arg);
/* Remember how long a wait took that went on to sleep. */
void wait_learn(struct wait_habit *habit, uint64_t waited_ns);

enum { WAIT_WORDS_MAX = 128 };	/* the kernel's limit as well */
/* Sleep until one of @words is not at its value any more, or somebody wakes it, or a slice of
 * time has passed. Without futex_waitv() (before Linux 5.16) slices are short. */
void wait_sleep_any(_Atomic uint32_t *const *words, const uint32_t *values, unsigned count,
		    uint64_t deadline_ns);

#endif
