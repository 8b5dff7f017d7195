/* SPDX-License-Identifier: MIT */
/* fabric_mem_test.c - the knobs of fabric_mem do what tests of the core rely on. */
#include "agent/fabric_mem.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fabric_side.h"

Test(mem_knobs, refuses_every_third, .timeout = 200)
{
	struct pair pair;
	void *slot = NULL;
	unsigned refused = 0;

	pair_open(&pair, &fabric_mem);
	fabric_mem_refuse_every(pair.a.fabric, 3);
	for (unsigned sent = 0; sent < 30;) {
		if (side_try(&pair.a, &slot, 64, sent) == FABRIC_OK)
			sent++;
		else
			refused++;
	}
	PAIR_UNTIL(&pair, pair.b.frames == 30);
	cr_assert_eq(refused, 14);
	pair_close(&pair);
}

Test(mem_knobs, reorders_and_loses_nothing, .timeout = 200)
{
	enum { COUNT = 60 };
	struct pair pair;

	pair_open(&pair, &fabric_mem);
	fabric_mem_reorder(pair.b.fabric, 8);
	pair.b.seen = calloc(COUNT, 1);
	pair.b.seen_max = COUNT;
	for (unsigned i = 0; i < COUNT; i++) {
		void *slot = NULL;

		cr_assert_eq(side_try(&pair.a, &slot, 64, i), FABRIC_OK);
	}
	fabric_mem.progress(pair.b.fabric, COUNT / 2);
	/* In order, the first half and nothing else would have come. */
	cr_assert_neq(memchr(pair.b.seen, 0, COUNT / 2), NULL);
	PAIR_UNTIL(&pair, pair.b.frames == COUNT);
	cr_assert_eq(pair.b.seen_twice, 0);
	free(pair.b.seen);
	pair.b.seen = NULL;
	pair_close(&pair);
}

Test(mem_knobs, loses_every_fourth, .timeout = 200)
{
	struct pair pair;

	pair_open(&pair, &fabric_mem);
	fabric_mem_lose_every(pair.a.fabric, 4);
	for (unsigned i = 0; i < 40; i++)
		pair_send(&pair, &pair.a, 64, i);
	PAIR_UNTIL(&pair, pair.b.frames == 30);
	pair_close(&pair);
}

Test(mem_knobs, cut_is_told_to_both, .timeout = 200)
{
	struct pair pair;
	struct side_op out;
	struct fabric_memory *memory;
	char data[100] = "";

	pair_open(&pair, &fabric_mem);
	side_op_init(&out);
	cr_assert_eq(fabric_mem.memory_add(pair.a.fabric, data, sizeof(data), &memory), 0);
	cr_assert_eq(fabric_mem.bulk(pair.a.peer, NULL, 0, memory, 0, sizeof(data), &out.op),
		     FABRIC_OK);
	pair_send(&pair, &pair.a, 64, 0);
	fabric_mem_cut(pair.a.peer);
	PAIR_UNTIL(&pair, pair.a.peers_down == 1 && pair.b.peers_down == 1);
	cr_assert(out.done == 1 && out.status == FABRIC_PEER);
	cr_assert_eq(pair.b.frames, 0);
	fabric_mem.memory_del(memory);
	pair_close(&pair);
}

struct driven {
	struct pair pair;
	atomic_bool stop;
};

/* Drives side b, whose fields are its own until it is joined. */
static void *drive(void *user)
{
	struct driven *driven = user;
	struct side *side = &driven->pair.b;

	while (!atomic_load_explicit(&driven->stop, memory_order_relaxed)) {
		fabric_mem.progress(side->fabric, 64);
		while (side->offer_count > 0)
			fabric_mem.drop(side->offers[--side->offer_count]);
		fabric_mem.wait(side->fabric, base_now_ns() + BASE_MS);
	}
	return NULL;
}

Test(mem_knobs, two_threads, .timeout = 200)
{
	enum { COUNT = 5000 };
	struct driven driven = { .stop = false };
	struct side *a = &driven.pair.a;
	struct fabric_memory *memory;
	char data[100] = "";
	struct side_op op;
	void *slot = NULL;
	pthread_t thread;

	pair_open(&driven.pair, &fabric_mem);
	cr_assert_eq(fabric_mem.memory_add(a->fabric, data, sizeof(data), &memory), 0);
	cr_assert_eq(pthread_create(&thread, NULL, drive, &driven), 0);
	for (unsigned sent = 0; sent < COUNT;) {
		if (side_try(a, &slot, 64, sent) == FABRIC_OK)
			sent++;
		fabric_mem.progress(a->fabric, 64);
		if (sent % 100 != 0)
			continue;
		side_op_init(&op);
		cr_assert_eq(fabric_mem.bulk(a->peer, NULL, 0, memory, 0, 100, &op.op), FABRIC_OK);
		while (!op.done) {
			fabric_mem.wait(a->fabric, base_now_ns() + BASE_MS);
			fabric_mem.progress(a->fabric, 64);
		}
	}
	atomic_store_explicit(&driven.stop, true, memory_order_relaxed);
	pthread_join(thread, NULL);
	PAIR_UNTIL(&driven.pair, driven.pair.b.frames == COUNT);
	fabric_mem.memory_del(memory);
	pair_close(&driven.pair);
}
