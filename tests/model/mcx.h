/* SPDX-License-Identifier: MIT */
/*
 * mcx.h - a small model checker for C11 atomics: all interleavings, all permitted old values.
 *
 * Threads are coroutines; each access to an atomic is a point at which another thread may go
 * on. Memory is a view machine: a location keeps all its stores, a thread's view says which of
 * them it can no longer miss, and a load may return any store not older than that. A store
 * with release carries its writer's view; a load with acquire takes it over. So message
 * passing, store buffering and independent reads behave as on the weakest processors that
 * C11 permits, except load buffering (values out of thin air). Of seq_cst: a load sees the
 * latest seq_cst store to its location or a later one. A failed compare-and-swap is a load.
 * Plain data that the test names is checked for races with vector clocks.
 *
 * The search is depth-first over all choices, with bounds on preemptions and on old values in
 * one execution (M. Musuvathi and S. Qadeer, "Iterative context bounding", PLDI 2007; the views
 * are those of J. Kang et al., "A promising semantics", POPL 2017, without promises).
 *
 * The code under test is the library's own source, compiled with tests/model/stdatomic.h.
 */
#ifndef MODEL_MCX_H
#define MODEL_MCX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MCX_THREADS = 4 };

enum mcx_order { MCX_RELAXED, MCX_CONSUME, MCX_ACQUIRE, MCX_RELEASE, MCX_ACQ_REL, MCX_SEQ_CST };
enum mcx_fetch { MCX_ADD, MCX_AND, MCX_OR };

/* What stdatomic.h maps to. @bytes: 4 or 8. Outside of threads they act on memory at once. */
uint64_t mcx_load(const void *at, size_t bytes, enum mcx_order order);
void mcx_store(void *at, size_t bytes, uint64_t value, enum mcx_order order);
uint64_t mcx_exchange(void *at, size_t bytes, uint64_t value, enum mcx_order order);
bool mcx_compare_exchange(void *at, size_t bytes, void *expected, uint64_t desired,
			  enum mcx_order success, enum mcx_order failure);
uint64_t mcx_fetch(void *at, size_t bytes, enum mcx_fetch what, uint64_t operand,
		   enum mcx_order order);

/* Only seq_cst ones. */
void mcx_fence(enum mcx_order order);

/* Plain data that several threads touch: a race is a fault. */
void mcx_write(uint64_t *at, uint64_t value);
uint64_t mcx_read(const uint64_t *at);

/* Memory that one thread alone uses: no point of choice. Call in setup(). */
void mcx_private(const void *at, size_t bytes);

/* Let others run; somebody else goes on, if there is anybody. */
void mcx_yield(void);

/* The code under test is wrong: end this execution. */
_Noreturn void mcx_fail(const char *why);

struct mcx_test {
	const char *name;
	void (*setup)(void);			/* plain code, before each execution */
	void (*threads[MCX_THREADS])(void);	/* NULL: fewer */
	void (*finish)(void);			/* plain code, after it; sees the last values */
	unsigned preemptions, old_values;	/* bounds; in a table 0 = as many as asked for */
	int killed;				/* 1 + thread that may be killed anywhere; 0 none */
	unsigned long executions_max;		/* 0: no limit */
};

struct mcx_result {
	unsigned long executions;
	const char *fault;			/* NULL: none found */
	bool complete;				/* everything within the bounds was tried */
};

/* Run all executions, up to the first fault. @trace: print the faulty one. */
struct mcx_result mcx_check(const struct mcx_test *test, bool trace);

/* Was the thread that may be killed killed? Who is told so sees all that it did: the kernel
 * writes, and everybody reads, its mutex after its last instruction. */
bool mcx_was_killed(void);
/* In finish(): does thread @thread sleep for ever? */
bool mcx_sleeps(unsigned thread);

#endif
