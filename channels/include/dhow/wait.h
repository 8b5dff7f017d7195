/* SPDX-License-Identifier: MIT */
/*
 * wait.h - deadlines, wait modes and event masks.
 *
 * A deadline is an absolute time in nanoseconds of CLOCK_MONOTONIC, so that a
 * call which retries inside never waits longer than its caller said.
 */
#ifndef DHOW_WAIT_H
#define DHOW_WAIT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Two deadlines with names: try once and never sleep; wait without a limit. */
#define DHOW_TRY UINT64_C(0)
#define DHOW_FOREVER UINT64_MAX

/**
 * dhow_in_ms - the deadline that is @ms milliseconds from now.
 * @ms: 0 or more; so large that it overflows gives DHOW_FOREVER.
 *
 * Cost: one clock_gettime() (about 30 ns). Thread-safe.
 */
uint64_t dhow_in_ms(uint64_t ms);

/**
 * dhow_wait_calls - system calls made by this process so far in order to wait and to wake
 * (futex, sched_yield, a write to the agent's eventfd).
 *
 * Messages between processes that are busy need none: the figure stands still. Thread-safe.
 */
uint64_t dhow_wait_calls(void);

/* How a call waits when it must. */
enum dhow_wait_mode {
	DHOW_WAIT_DEFAULT,	/* DHOW_WAIT of the environment, else adaptive */
	DHOW_WAIT_SPIN,		/* spin, then yield; never sleeps in the kernel */
	DHOW_WAIT_ADAPTIVE,	/* spin while it pays and a core is free, then sleep */
	DHOW_WAIT_SLEEP,	/* sleep at once: least CPU time */
};

/* Events of a channel; a mask, true at the moment it is returned. */
enum dhow_event {
	DHOW_IN = 1 << 0,	/* a message can be received */
	DHOW_OUT = 1 << 1,	/* a message can be sent */
	DHOW_CLOSED = 1 << 2,	/* the channel was destroyed or shut; reported unasked */
};

#ifdef __cplusplus
}
#endif
#endif
