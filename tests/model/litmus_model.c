/* SPDX-License-Identifier: MIT */
/*
 * litmus_model.c - is the model checker itself right? Thirteen small programs whose outcomes under
 * C11 are known: what is allowed must be found, what is forbidden must not.
 */
#include <stdio.h>

#include "mcx.h"

static uint32_t x, y;
static uint64_t data;
static uint64_t a, b, c, d;		/* what was read, each by one thread */
static enum mcx_order stores, loads;	/* orders of the test */

static void setup(void)
{
	x = y = 0;
	data = 0;
	a = b = c = d = 9;
}

static void set(uint32_t *at, uint32_t value, enum mcx_order order)
{
	mcx_store(at, sizeof(*at), value, order);
}

static uint64_t get(const uint32_t *at, enum mcx_order order)
{
	return mcx_load(at, sizeof(*at), order);
}

/* Store buffering. */
static void sb_left(void)
{
	set(&x, 1, stores);
	a = get(&y, loads);
}

static void sb_right(void)
{
	set(&y, 1, stores);
	b = get(&x, loads);
}

static void sb_seen(void)
{
	if (a == 0 && b == 0)
		mcx_fail("seen");
}

/* The same with a fence in between. */
static void sbf_left(void)
{
	set(&x, 1, stores);
	mcx_fence(MCX_SEQ_CST);
	a = get(&y, loads);
}

static void sbf_right(void)
{
	set(&y, 1, stores);
	mcx_fence(MCX_SEQ_CST);
	b = get(&x, loads);
}

/* A fence on one side, seq_cst accesses on the other. */
static void sbm_right(void)
{
	set(&y, 1, MCX_SEQ_CST);
	b = get(&x, MCX_SEQ_CST);
}

/* Message passing. */
static void mp_left(void)
{
	set(&x, 1, MCX_RELAXED);
	set(&y, 1, stores);
}

static void mp_right(void)
{
	a = get(&y, loads);
	b = get(&x, MCX_RELAXED);
}

static void mp_seen(void)
{
	if (a == 1 && b == 0)
		mcx_fail("seen");
}

/* Two reads of one location. */
static void corr_left(void)
{
	set(&x, 1, stores);
	set(&x, 2, stores);
}

static void corr_right(void)
{
	a = get(&x, loads);
	b = get(&x, loads);
}

static void corr_seen(void)
{
	if (a == 2 && b == 1)
		mcx_fail("seen");
}

/* Independent reads of independent writes. */
static void iriw_x(void)
{
	set(&x, 1, stores);
}

static void iriw_y(void)
{
	set(&y, 1, stores);
}

static void iriw_xy(void)
{
	a = get(&x, loads);
	b = get(&y, loads);
}

static void iriw_yx(void)
{
	c = get(&y, loads);
	d = get(&x, loads);
}

static void iriw_seen(void)
{
	if (a == 1 && b == 0 && c == 1 && d == 0)
		mcx_fail("seen");
}

/* Data behind a flag: a race or not. */
static void flag_left(void)
{
	mcx_write(&data, 1);
	set(&y, 1, stores);
}

static void flag_right(void)
{
	if (get(&y, loads) == 1)
		a = mcx_read(&data);
}

#define SB { sb_left, sb_right }, sb_seen
#define SBF { sbf_left, sbf_right }, sb_seen
#define SBM { sbf_left, sbm_right }, sb_seen
#define MP { mp_left, mp_right }, mp_seen
#define CORR { corr_left, corr_right }, corr_seen
#define IRIW { iriw_x, iriw_y, iriw_xy, iriw_yx }, iriw_seen
#define FLAG { flag_left, flag_right }, NULL

static const struct {
	const char *name;
	enum mcx_order stores, loads;
	bool allowed;
	void (*threads[MCX_THREADS])(void);
	void (*seen)(void);
} tests[] = {
	{ "store buffering, relaxed", MCX_RELAXED, MCX_RELAXED, true, SB },
	{ "store buffering, release/acquire", MCX_RELEASE, MCX_ACQUIRE, true, SB },
	{ "store buffering, seq_cst", MCX_SEQ_CST, MCX_SEQ_CST, false, SB },
	{ "store buffering, relaxed, fences", MCX_RELAXED, MCX_RELAXED, false, SBF },
	{ "store buffering, fence and seq_cst", MCX_RELAXED, MCX_RELAXED, false, SBM },
	{ "message passing, relaxed", MCX_RELAXED, MCX_RELAXED, true, MP },
	{ "message passing, release/acquire", MCX_RELEASE, MCX_ACQUIRE, false, MP },
	{ "message passing, release/relaxed", MCX_RELEASE, MCX_RELAXED, true, MP },
	{ "coherence of two reads", MCX_RELAXED, MCX_RELAXED, false, CORR },
	{ "independent reads, release/acquire", MCX_RELEASE, MCX_ACQUIRE, true, IRIW },
	{ "independent reads, seq_cst", MCX_SEQ_CST, MCX_SEQ_CST, false, IRIW },
	{ "data behind a flag, release/acquire", MCX_RELEASE, MCX_ACQUIRE, false, FLAG },
	{ "data behind a flag, relaxed", MCX_RELAXED, MCX_RELAXED, true, FLAG },
};

int main(void)
{
	unsigned passed = 0, count = sizeof(tests) / sizeof(*tests);

	for (unsigned i = 0; i < count; i++) {
		struct mcx_test test = { .name = tests[i].name,
					 .setup = setup,
					 .finish = tests[i].seen,
					 .preemptions = 8,
					 .old_values = 8 };
		struct mcx_result result;

		for (unsigned t = 0; t < MCX_THREADS; t++)
			test.threads[t] = tests[i].threads[t];
		stores = tests[i].stores;
		loads = tests[i].loads;
		result = mcx_check(&test, false);
		passed += (result.fault != NULL) == tests[i].allowed;
		printf("%-36s %-9s (%s), %lu executions\n", tests[i].name,
		       result.fault ? "seen" : "not seen",
		       tests[i].allowed ? "allowed" : "forbidden", result.executions);
	}
	printf("litmus: %u of %u\n", passed, count);
	return passed != count;
}
