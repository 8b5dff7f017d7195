/* SPDX-License-Identifier: MIT */
/* wait.c - see wait.h. */
#include "src/wait.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "src/bell.h"
#include "src/liveness.h"
#include "src/segment.h"

enum {
	/* Two processes that both fell asleep need two wake-ups (18-57 us each here, bench
	 * channels, row wake) for a turn; spinning must be longer than that, or they never find
	 * back from sleeping to spinning. A turn of two 1 MiB messages takes 160 us. */
	SPIN_MAX_NS = 200000,
	SPIN_MIN_NS = 1000,
	SPINS_A_YIELD = 32,
	YIELD_BUSY_NS = 3000,	/* a yield that took longer let somebody else run */
	/* A sleeper looks again after 5, 10, 20, 40 ms, in case the process that should have woken
	 * it was killed: it may hold a slot, or was between its change and the wake-up. 25 looks a
	 * second cost nothing. A first one after 1 ms would: the kernel then sets its timer for
	 * each sleep, 55 us a round trip of wake-ups instead of 41 (bench channels, row wake). */
	SLICE_FIRST_MS = 5,
	SLICE_MS = 40,
};

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield");
#endif
}

_Thread_local bool wait_sleeps;

static _Atomic uint64_t calls;

static void count_call(void)
{
	atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
}

uint64_t dhow_wait_calls(void)
{
	return atomic_load_explicit(&calls, memory_order_relaxed);
}

static long futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *until)
{
	count_call();
	return syscall(SYS_futex, word, op, value, until, NULL, FUTEX_BITSET_MATCH_ANY);
}

uint32_t wait_announce(_Atomic uint32_t *word, uint32_t bit)
{
	uint32_t old = atomic_load_explicit(word, memory_order_relaxed);
	uint32_t value;

	do
		value = (old + WAIT_EPOCH) | bit;
	/* W2: pairs with W1 in wait_notify(). */
	while (!atomic_compare_exchange_weak_explicit(word, &old, value, memory_order_seq_cst,
						      memory_order_relaxed));
	return value;
}

static void ring_agent(int bell)
{
	const uint64_t one = 1;

	if (bell >= 0)
		count_call();
	/* EAGAIN: the bell is ringing already. Any other failure means its owner is gone. */
	if (bell >= 0 && write(bell, &one, sizeof(one)) < 0)
		return;
}

void wait_wake(_Atomic uint32_t *word, uint32_t seen, struct segment *segment, int count)
{
	if ((seen & WAIT_BELLS) && segment)
		bell_ring(segment, word, seen);
	if (seen & WAIT_WATCHED) {
		atomic_fetch_and_explicit(word, ~(uint32_t)WAIT_WATCHED, memory_order_relaxed);
		ring_agent(segment ? segment->agent_bell : -1);
		seen &= ~(uint32_t)WAIT_WATCHED;
	}
	if (!(seen & WAIT_SLEEPING))
		return;
	/* First move the epoch: who announced himself and looked in vain, but does not sleep yet,
	 * would fall asleep after our wake-up if the word were still what he wrote. */
	seen = atomic_fetch_add_explicit(word, WAIT_EPOCH, memory_order_relaxed) + WAIT_EPOCH;
	/* One message wakes one sleeper. When fewer slept the bit goes, unless somebody
	 * announced himself meanwhile: that moved the epoch and the exchange fails. */
	if (futex(word, FUTEX_WAKE, (uint32_t)count, NULL) < count)
		atomic_compare_exchange_strong_explicit(word, &seen,
							seen & ~(uint32_t)WAIT_SLEEPING,
							memory_order_relaxed, memory_order_relaxed);
}

void wait_wake_all(_Atomic uint32_t *word, struct segment *segment)
{
	/* W1: pairs with W2 in wait_announce(). Unconditional, and a change of the same word: who
	 * announced himself before it is woken, or does not fall asleep since the word changed; who
	 * does after it sees all that we did before. */
	uint32_t seen = atomic_fetch_and_explicit(
		word, ~(uint32_t)(WAIT_WATCHED | WAIT_SLEEPING), memory_order_seq_cst);

	if ((seen & WAIT_BELLS) && segment)
		bell_ring(segment, word, seen & ~(uint32_t)(WAIT_WATCHED | WAIT_SLEEPING));
	if ((seen & WAIT_WATCHED) && segment)
		ring_agent(segment->agent_bell);
	futex(word, FUTEX_WAKE, INT_MAX, NULL);
}

static enum dhow_wait_mode mode_of_environment(void)
{
	static const char *const names[] = { "", "spin", "adaptive", "sleep" };
	const char *wanted = getenv("DHOW_WAIT");

	for (unsigned i = 1; wanted && i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(wanted, names[i]) == 0)
			return (enum dhow_wait_mode)i;
	return DHOW_WAIT_ADAPTIVE;
}

void wait_habit_set(struct wait_habit *habit, enum dhow_wait_mode mode)
{
	habit->mode = mode == DHOW_WAIT_DEFAULT ? mode_of_environment() : mode;
	atomic_init(&habit->budget_ns, SPIN_MAX_NS);
}

void wait_habit_init(struct wait_habit *habit, enum dhow_wait_mode mode)
{
	habit->segment = NULL;
	wait_habit_set(habit, mode);
}

static bool single_cpu(void)
{
	static _Atomic int cpus;
	int n = atomic_load_explicit(&cpus, memory_order_relaxed);

	/* Of the machine, not of our affinity: a task bound to one core waits for tasks bound to
	 * others, and if they share its core the yields tell. */
	if (n == 0) {
		n = (int)sysconf(_SC_NPROCESSORS_ONLN);
		atomic_store_explicit(&cpus, n, memory_order_relaxed);
	}
	return n < 2;
}

/* Yield; true if others wanted the core, so that spinning on takes it from them. */
static bool yield_was_busy(void)
{
	uint64_t before = base_now_ns();

	count_call();
	sched_yield();
	return base_now_ns() - before > YIELD_BUSY_NS;
}

/* -EAGAIN: spinning did not help, sleep. */
static int spin(struct wait_habit *habit, uint64_t begin_ns, uint64_t deadline_ns,
		wait_try *attempt, void *arg)
{
	uint64_t until = begin_ns + atomic_load_explicit(&habit->budget_ns, memory_order_relaxed);
	bool for_ever = habit->mode == DHOW_WAIT_SPIN;
	unsigned busy = 0;

	for (unsigned i = 1;; i++) {
		uint64_t now;
		int rc;

		cpu_relax();
		rc = attempt(arg);
		if (rc != -EAGAIN)
			return rc;
		if (i % SPINS_A_YIELD)
			continue;
		if (yield_was_busy() && ++busy > 1 && !for_ever)
			return -EAGAIN;
		now = base_now_ns();
		if (now >= deadline_ns)
			return -ETIMEDOUT;
		if (!for_ever && (now >= until || single_cpu()))
			return -EAGAIN;
	}
}

/* Spin as long again if this wait was short enough for it, less if it was not. */
static void learn(struct wait_habit *habit, uint64_t waited_ns)
{
	uint32_t budget = atomic_load_explicit(&habit->budget_ns, memory_order_relaxed);

	budget = waited_ns <= SPIN_MAX_NS ? SPIN_MAX_NS : budget / 2;
	if (budget < SPIN_MIN_NS)
		budget = SPIN_MIN_NS;
	atomic_store_explicit(&habit->budget_ns, budget, memory_order_relaxed);
}

static void sleep_on(_Atomic uint32_t *word, uint32_t value, uint64_t until)
{
	struct timespec when = { .tv_sec = (time_t)(until / 1000000000u),
				 .tv_nsec = (long)(until % 1000000000u) };

	futex(word, FUTEX_WAIT_BITSET, value, &when);
}

static int sleep_until(struct wait_habit *habit, _Atomic uint32_t *word, uint64_t deadline_ns,
		       wait_try *attempt, void *arg)
{
	unsigned slice_ms = SLICE_FIRST_MS;

	for (;;) {
		int early = SEEDED(5) ? attempt(arg) : -EAGAIN;
		uint32_t value = wait_announce(word, WAIT_SLEEPING);
		uint64_t until;
		int rc;

		wait_sleeps = true;
		rc = SEEDED(5) ? early : attempt(arg);
		wait_sleeps = false;
		if (rc != -EAGAIN)
			return rc;
		until = base_now_ns();
		if (until >= deadline_ns)
			return -ETIMEDOUT;
		until += slice_ms * BASE_MS;
		if (habit->segment)
			liveness_sleeps(habit->segment, word);
		sleep_on(word, value, until < deadline_ns ? until : deadline_ns);
		if (habit->segment)
			liveness_sleeps(habit->segment, NULL);
		slice_ms = 2 * slice_ms < SLICE_MS ? 2 * slice_ms : SLICE_MS;
	}
}

int wait_until(struct wait_habit *habit, _Atomic uint32_t *word, uint64_t deadline_ns,
	       wait_try *attempt, void *arg)
{
	int rc = attempt(arg);
	uint64_t begin;

	if (rc != -EAGAIN || deadline_ns == DHOW_TRY)
		return rc;
	if (habit->mode == DHOW_WAIT_SLEEP)
		return sleep_until(habit, word, deadline_ns, attempt, arg);
	begin = base_now_ns();
	rc = spin(habit, begin, deadline_ns, attempt, arg);
	if (rc != -EAGAIN)
		return rc;
	rc = sleep_until(habit, word, deadline_ns, attempt, arg);
	learn(habit, base_now_ns() - begin);
	return rc;
}

/* ---- many words ---- */

int wait_spin(struct wait_habit *habit, uint64_t begin_ns, uint64_t deadline_ns, wait_try *attempt,
	      void *arg)
{
	return habit->mode == DHOW_WAIT_SLEEP ? -EAGAIN :
						spin(habit, begin_ns, deadline_ns, attempt, arg);
}

void wait_learn(struct wait_habit *habit, uint64_t waited_ns)
{
	learn(habit, waited_ns);
}

/* As the kernel has it; the headers we build on may not. */
struct waiter {
	uint64_t value;
	uint64_t address;
	uint32_t flags;
	uint32_t reserved;
};
enum { WAITER_32_BITS = 2, SYS_WAITV = 449, SHORT_SLICE_MS = 1 };

static bool sleep_waitv(_Atomic uint32_t *const *words, const uint32_t *values, unsigned count,
			const struct timespec *until)
{
	static _Atomic bool missing;	/* the kernel is older, or forbids it */
	struct waiter waiters[WAIT_WORDS_MAX];

	if (atomic_load_explicit(&missing, memory_order_relaxed))
		return false;
	for (unsigned i = 0; i < count; i++)
		waiters[i] = (struct waiter){ .value = values[i],
					      .address = (uintptr_t)words[i],
					      .flags = WAITER_32_BITS };
	if (syscall(SYS_WAITV, waiters, count, 0, until, CLOCK_MONOTONIC) >= 0 ||
	    (errno != ENOSYS && errno != EPERM))
		return true;
	atomic_store_explicit(&missing, true, memory_order_relaxed);
	return false;
}

void wait_sleep_any(_Atomic uint32_t *const *words, const uint32_t *values, unsigned count,
		    uint64_t deadline_ns)
{
	uint64_t now = base_now_ns(), until = now + SLICE_MS * BASE_MS;
	struct timespec when;

	if (until > deadline_ns)
		until = deadline_ns;
	when.tv_sec = (time_t)(until / 1000000000u);
	when.tv_nsec = (long)(until % 1000000000u);
	if (count > 1 && sleep_waitv(words, values, count, &when))
		return;
	if (count > 1 && until > now + SHORT_SLICE_MS * BASE_MS)
		until = now + SHORT_SLICE_MS * BASE_MS;
	sleep_on(words[0], values[0], until);
}

uint64_t dhow_in_ms(uint64_t ms)
{
	uint64_t now = base_now_ns();

	return ms > (DHOW_FOREVER - now) / BASE_MS ? DHOW_FOREVER : now + ms * BASE_MS;
}
