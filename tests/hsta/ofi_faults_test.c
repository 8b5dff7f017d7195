/* SPDX-License-Identifier: MIT */
/*
 * ofi_faults_test.c - a completion that comes with an error. Run under cxi_strict.so with
 * CXI_STRICT_ERROR=n: the n-th send or read completes with EIO, as cxi says of a peer that
 * died. (Refused posts, late completions and killed peers are runs of the conformance suite.)
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "fabric_side.h"
#include "hsta/fabrics.h"

enum { MIB = 1 << 20 };

static int probe(const struct fabric_options *options, char *why, size_t why_bytes)
{
	struct fabric_options own = options ? *options : (struct fabric_options){ 0 };

	own.provider = "tcp;ofi_rxm";
	return hsta_ofi.probe(&own, why, why_bytes);
}

static int open_rxm(const struct fabric_options *options, const struct fabric_events *events,
		    void *user, struct fabric **ret_fabric, struct fabric_caps *ret_caps)
{
	struct fabric_options own = *options;

	own.provider = "tcp;ofi_rxm";
	return hsta_ofi.open(&own, events, user, ret_fabric, ret_caps);
}

static struct fabric_ops ops;

static void setup(void)
{
	if (!dlsym(RTLD_DEFAULT, "cxi_strict_loaded"))
		cr_skip_test("not preloaded");
	ops = hsta_ofi;
	ops.probe = probe;
	ops.open = open_rxm;
}

TestSuite(ofi_faults, .timeout = 200, .init = setup);

static unsigned downs(const struct pair *pair)
{
	return pair->a.peers_down + pair->b.peers_down;
}

/* Both are told once, and can meet again. */
static void heal(struct pair *pair)
{
	PAIR_UNTIL(pair, pair->a.peers_down == 1 && pair->b.peers_down == 1);
	cr_assert(strstr(pair->a.why, "Input/output") || strstr(pair->b.why, "Input/output"),
		  "a: %s, b: %s", pair->a.why, pair->b.why);
	pair->a.frames = pair->b.frames = 0;
	side_add(&pair->a, &pair->b);
	pair_send(pair, &pair->a, 64, 0);
	PAIR_UNTIL(pair, pair->b.frames == 1);
	pair_send(pair, &pair->b, 64, 0);
	PAIR_UNTIL(pair, pair->a.frames == 1);
	cr_assert_eq(downs(pair), 2);
}

Test(ofi_faults, a_failed_send_is_the_end_of_its_peer)
{
	struct pair pair;
	void *slot = NULL;

	pair_open(&pair, &ops);
	for (unsigned i = 0; downs(&pair) == 0 && i < 1000; i++) {
		if (pair.a.peer)
			side_try(&pair.a, &slot, 2000, i);
		pair_pump(&pair);
	}
	if (slot)
		ops.frame(pair.a.peer ? pair.a.peer : pair.b.peer, slot, 100);
	cr_assert_gt(downs(&pair), 0);
	heal(&pair);
	pair_close(&pair);
}

Test(ofi_faults, a_failed_read_completes_its_fetch_once)
{
	enum { COUNT = 64, BYTES = 100000 };
	static struct side_op out[COUNT], in[COUNT];
	struct fabric_memory *from, *to;
	uint8_t *data = malloc(BYTES), *room = malloc(BYTES);
	struct pair pair;
	unsigned started = 0, failed = 0;

	pair_open(&pair, &ops);
	cr_assert_eq(ops.memory_add(pair.a.fabric, data, BYTES, &from), 0);
	cr_assert_eq(ops.memory_add(pair.b.fabric, room, BYTES, &to), 0);
	side_fill(data, BYTES, 7);
	for (; started < COUNT && downs(&pair) == 0; started++) {
		side_op_init(&out[started]);
		side_op_init(&in[started]);
		pair.b.offer_count = 0;
		cr_assert_eq(ops.bulk(pair.a.peer, NULL, 0, from, 0, BYTES, &out[started].op),
			     FABRIC_OK);
		PAIR_UNTIL(&pair, pair.b.offer_count == 1 || downs(&pair) > 0);
		if (downs(&pair) > 0)
			continue;
		cr_assert_eq(ops.fetch(pair.b.offers[0], to, 0, &in[started].op), FABRIC_OK);
		PAIR_UNTIL(&pair, (out[started].done && in[started].done) || downs(&pair) > 0);
	}
	cr_assert_gt(downs(&pair), 0);
	PAIR_UNTIL(&pair, downs(&pair) == 2);
	for (unsigned i = 0; i < started; i++) {
		cr_assert_eq(out[i].done, 1);
		cr_assert(in[i].done <= 1);
		failed += out[i].status == FABRIC_PEER || in[i].status == FABRIC_PEER;
	}
	cr_assert_leq(failed, 1);
	/* What the fetch was for is the caller's again: nothing writes there. */
	memset(room, 0xee, BYTES);
	heal(&pair);
	for (size_t i = 0; i < BYTES; i++)
		cr_assert_eq(room[i], 0xee);
	ops.memory_del(from);
	ops.memory_del(to);
	pair_close(&pair);
	free(data);
	free(room);
}
