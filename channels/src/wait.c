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

enum {
	SPIN_MIN = 16,
	/* About 20 us of pauses here: what a futex wake-up between two cores costs at best
	 * (peers.md section 1), so spinning longer cannot pay. */
	SPIN_MAX = 1024,
	SPINS_A_YIELD = 32,
	YIELD_BUSY_NS = 3000,	/* a yield that took longer let somebody else run */
	/* A sleeper looks again this often, in case the process that should have woken it was
	 * killed between its change and the wake-up. 25 looks a second cost nothing. */
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

static long futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *until)
{
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

static void ring_bell(int bell)
{
	const uint64_t one = 1;

	/* EAGAIN: the bell is ringing already. Any other failure means its owner is gone. */
	if (bell >= 0 && write(bell, &one, sizeof(one)) < 0)
		return;
}

void wait_wake(_Atomic uint32_t *word, uint32_t seen, int bell)
{
	if (seen & WAIT_WATCHED) {
		atomic_fetch_and_explicit(word, ~(uint32_t)WAIT_WATCHED, memory_order_relaxed);
		ring_bell(bell);
		seen &= ~(uint32_t)WAIT_WATCHED;
	}
	/* One message wakes one sleeper. When nobody slept the bit goes, unless somebody
	 * announced himself meanwhile: that moved the epoch and the exchange fails. */
	if ((seen & WAIT_SLEEPING) && futex(word, FUTEX_WAKE, 1, NULL) == 0)
		atomic_compare_exchange_strong_explicit(word, &seen,
							seen & ~(uint32_t)WAIT_SLEEPING,
							memory_order_relaxed, memory_order_relaxed);
}

void wait_wake_all(_Atomic uint32_t *word, int bell)
{
	uint32_t seen = atomic_fetch_and_explicit(
		word, ~(uint32_t)(WAIT_WATCHED | WAIT_SLEEPING), memory_order_seq_cst);

	if (seen & WAIT_WATCHED)
		ring_bell(bell);
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

void wait_habit_init(struct wait_habit *habit, enum dhow_wait_mode mode)
{
	habit->mode = mode == DHOW_WAIT_DEFAULT ? mode_of_environment() : mode;
	atomic_init(&habit->budget, SPIN_MAX / 4);
}

static bool single_cpu(void)
{
	static _Atomic int cpus;
	int n = atomic_load_explicit(&cpus, memory_order_relaxed);

	if (n == 0) {
		cpu_set_t set;

		n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
		atomic_store_explicit(&cpus, n, memory_order_relaxed);
	}
	return n < 2;
}

/* Yield; true if others wanted the core, so that spinning on takes it from them. */
static bool yield_was_busy(void)
{
	uint64_t before = base_now_ns();

	sched_yield();
	return base_now_ns() - before > YIELD_BUSY_NS;
}

/* -EAGAIN: spinning did not help, sleep. */
static int spin(struct wait_habit *habit, uint64_t deadline_ns, wait_try *attempt, void *arg)
{
	uint32_t budget = atomic_load_explicit(&habit->budget, memory_order_relaxed);
	unsigned busy = 0;
	int rc;

	if (single_cpu())
		budget = SPIN_MIN;
	for (uint32_t i = 1; habit->mode == DHOW_WAIT_SPIN || i <= budget; i++) {
		cpu_relax();
		rc = attempt(arg);
		if (rc != -EAGAIN) {
			if (budget < SPIN_MAX)
				atomic_store_explicit(&habit->budget, budget * 2,
						      memory_order_relaxed);
			return rc;
		}
		if (i % SPINS_A_YIELD == 0) {
			if (yield_was_busy() && ++busy > 1 && habit->mode != DHOW_WAIT_SPIN)
				break;
			if (base_now_ns() >= deadline_ns)
				return -ETIMEDOUT;
		}
	}
	if (budget > SPIN_MIN)
		atomic_store_explicit(&habit->budget, budget / 2, memory_order_relaxed);
	return -EAGAIN;
}

static void sleep_on(_Atomic uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
	uint64_t until = base_now_ns() + SLICE_MS * BASE_MS;
	struct timespec when;

	if (until > deadline_ns)
		until = deadline_ns;
	when.tv_sec = (time_t)(until / 1000000000u);
	when.tv_nsec = (long)(until % 1000000000u);
	futex(word, FUTEX_WAIT_BITSET, value, &when);
}

int wait_until(struct wait_habit *habit, _Atomic uint32_t *word, uint64_t deadline_ns,
	       wait_try *attempt, void *arg)
{
	int rc = attempt(arg);

	if (rc != -EAGAIN || deadline_ns == DHOW_TRY)
		return rc;
	if (habit->mode != DHOW_WAIT_SLEEP) {
		rc = spin(habit, deadline_ns, attempt, arg);
		if (rc != -EAGAIN)
			return rc;
	}
	for (;;) {
		uint32_t value = wait_announce(word, WAIT_SLEEPING);

		rc = attempt(arg);
		if (rc != -EAGAIN)
			return rc;
		if (base_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		sleep_on(word, value, deadline_ns);
	}
}

uint64_t dhow_in_ms(uint64_t ms)
{
	uint64_t now = base_now_ns();

	return ms > (DHOW_FOREVER - now) / BASE_MS ? DHOW_FOREVER : now + ms * BASE_MS;
}
