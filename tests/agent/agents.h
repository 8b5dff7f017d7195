/* SPDX-License-Identifier: MIT */
/* agents.h - some agent cores in one process, turned by hand, and messages between them. */
#ifndef TEST_AGENTS_H
#define TEST_AGENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/core.h"
#include "fake_gateway.h"

extern struct agent *agents[FAKE_NODES];

void agents_init(void);
void start(uint32_t node);
void start_secured(uint32_t node, const char *security);
void stop(uint32_t node);

/* One turn of all agents. */
void turn(void);
/* Turns for @ms, and at least some dozens of them however busy the machine is. */
void run_for(unsigned ms);
#define until(condition, ms)                                                                  \
	do {                                                                                  \
		uint64_t end_ = base_now_ns() + (ms) * BASE_MS;                               \
		while (!(condition) && base_now_ns() < end_)                                  \
			turn();                                                               \
		cr_assert(condition, "%s: not in %d ms", #condition, (int)(ms));              \
	} while (0)

struct fake_stream *stream(uint32_t node, uint32_t index);
unsigned count(uint32_t node, uint32_t index);
/* Take the next message: it must have this tag, size and pattern. */
void expect(uint32_t node, uint32_t index, uint32_t tag, size_t bytes);
bool send_one(uint32_t node, uint32_t index, uint32_t tag, size_t bytes);
/* Send @total messages of mixed sizes over a bad fabric and receive them in order. */
void send_many(unsigned total, void (*disturb)(unsigned done));
/* Stop all agents; blocks and handles must have come back. */
void no_leaks(void);

#endif
