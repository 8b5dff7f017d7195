/* SPDX-License-Identifier: MIT */
/*
 * ucx_killed_test.c - the other process is killed in the middle of traffic: every operation
 * ends once, with FABRIC_PEER or as what it was before, and others do not suffer.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fabric_side.h"
#include "hsta/ucx/ucx.h"

enum {
	CHILDREN = 12,
	WINDOW = 8,
	BYTES = 1000003,
	CHILD_LIFE_S = 50, /* should we die first */
};

TestSuite(ucx_killed, .timeout = 200);

/* One direction of transfers of a process; its fetches take each offer as it comes. */
struct traffic {
	struct fabric *fabric;
	struct fabric_peer *peer;
	uint8_t *memory; /* WINDOW to offer, WINDOW to fetch into */
	struct fabric_memory *registered;
	struct side_op out[WINDOW], in[WINDOW];
	bool out_busy[WINDOW], in_busy[WINDOW];
	unsigned frames, offers, down, ended, ended_peer, twice;
	bool hold; /* offers stay unanswered */
};

static void out_done(struct fabric_op *op, enum fabric_status status);
static void in_done(struct fabric_op *op, enum fabric_status status);

/* fabric_op is the first member of side_op, which is in an array of the one traffic. */
static struct traffic traffic;

static void ended(struct side_op *op, bool *busy, enum fabric_status status)
{
	op->done++;
	traffic.twice += !*busy;
	*busy = false;
	traffic.ended++;
	traffic.ended_peer += status == FABRIC_PEER;
}

static void out_done(struct fabric_op *op, enum fabric_status status)
{
	struct side_op *own = (struct side_op *)(void *)op;

	ended(own, &traffic.out_busy[own - traffic.out], status);
}

static void in_done(struct fabric_op *op, enum fabric_status status)
{
	struct side_op *own = (struct side_op *)(void *)op;

	ended(own, &traffic.in_busy[own - traffic.in], status);
}

static void on_frame(void *user, struct fabric_peer *peer, const void *data, size_t bytes)
{
	(void)user;
	(void)peer;
	(void)data;
	(void)bytes;
	traffic.frames++;
}

static void on_offer(void *user, struct fabric_peer *peer, const void *header,
		     size_t header_bytes, struct fabric_offer *offer, size_t bytes)
{
	(void)user;
	(void)peer;
	(void)header;
	(void)header_bytes;
	(void)bytes;
	traffic.offers++;
	if (traffic.hold && traffic.offers % 2)
		return;
	for (unsigned i = 0; i < WINDOW; i++) {
		if (traffic.in_busy[i])
			continue;
		side_op_init(&traffic.in[i]);
		traffic.in[i].op.done = in_done;
		traffic.in_busy[i] = true;
		if (hsta_ucx.fetch(offer, traffic.registered, (size_t)(WINDOW + i) * BYTES,
				   &traffic.in[i].op) != FABRIC_OK)
			traffic.in_busy[i] = false;
		return;
	}
	hsta_ucx.drop(offer);
}

static void on_new(void *user, struct fabric_peer *peer)
{
	(void)user;
	traffic.peer = peer;
}

static void on_down(void *user, struct fabric_peer *peer, enum fabric_loss loss, const char *why)
{
	(void)loss;
	(void)user;
	(void)why;
	if (peer != traffic.peer)
		return;
	for (unsigned i = 0; i < WINDOW; i++)
		traffic.twice += traffic.out_busy[i] || traffic.in_busy[i];
	traffic.down++;
	traffic.peer = NULL;
	hsta_ucx.peer_del(peer);
}

static void traffic_open(void)
{
	const struct fabric_events events = {
		.frame = on_frame, .offer = on_offer, .peer_new = on_new, .peer_down = on_down
	};
	struct fabric_caps caps;

	memset(&traffic, 0, sizeof(traffic));
	cr_assert_eq(hsta_ucx.open(NULL, &events, NULL, &traffic.fabric, &caps), 0);
	traffic.memory = calloc(2 * WINDOW, BYTES);
	cr_assert_not_null(traffic.memory);
	cr_assert_eq(hsta_ucx.memory_add(traffic.fabric, traffic.memory,
					 (size_t)2 * WINDOW * BYTES, &traffic.registered), 0);
}

/* Offer and send all there is room for, and go on. */
static void traffic_turn(void)
{
	for (unsigned i = 0; i < WINDOW && traffic.peer; i++) {
		if (traffic.out_busy[i])
			continue;
		side_op_init(&traffic.out[i]);
		traffic.out[i].op.done = out_done;
		traffic.out_busy[i] = true;
		if (hsta_ucx.bulk(traffic.peer, &i, sizeof(i), traffic.registered,
				  (size_t)i * BYTES, BYTES, &traffic.out[i].op) != FABRIC_OK)
			traffic.out_busy[i] = false;
	}
	for (int i = 0; i < 8 && traffic.peer; i++) {
		void *slot = hsta_ucx.slot(traffic.fabric);

		if (!slot)
			break;
		memset(slot, i, 5000);
		if (hsta_ucx.frame(traffic.peer, slot, 5000) == FABRIC_AGAIN)
			ucx_slot_put(base_list_entry(slot, struct ucx_slot, data));
	}
	if (hsta_ucx.progress(traffic.fabric, 64) == 0)
		hsta_ucx.wait(traffic.fabric, base_now_ns() + BASE_MS);
}

static void child_run(int out)
{
	uint8_t blob[UCX_ADDRESS_MAX];
	size_t bytes = sizeof(blob);

	alarm(CHILD_LIFE_S);
	traffic_open();
	if (hsta_ucx.address(traffic.fabric, blob, &bytes) < 0 ||
	    write(out, blob, bytes) != (ssize_t)bytes)
		_exit(1);
	for (;;)
		traffic_turn();
}

struct child {
	pid_t pid;
	int in;
};

/* All before we open a fabric: UCX does not like to be forked. */
static void children_start(struct child *children)
{
	for (int i = 0; i < CHILDREN; i++) {
		int ends[2];

		cr_assert_eq(pipe(ends), 0);
		children[i].pid = fork();
		cr_assert_geq(children[i].pid, 0);
		if (children[i].pid == 0)
			child_run(ends[1]);
		close(ends[1]);
		children[i].in = ends[0];
	}
}

static void child_add(const struct child *child)
{
	uint8_t blob[UCX_ADDRESS_MAX];
	ssize_t bytes = read(child->in, blob, sizeof(blob));

	cr_assert_gt(bytes, 0);
	close(child->in);
	cr_assert_eq(hsta_ucx.peer_add(traffic.fabric, blob, (size_t)bytes, NULL, &traffic.peer),
		     FABRIC_OK);
	traffic.frames = traffic.offers = traffic.down = traffic.ended = traffic.ended_peer = 0;
}

static void turn_until(const unsigned *count, unsigned least)
{
	uint64_t until = base_now_ns() + 10000 * BASE_MS;

	while (*count < least) {
		cr_assert(base_now_ns() < until, "%u of %u", *count, least);
		traffic_turn();
	}
}

/* Software: it must be named. */
static const struct fabric_options over_tcp = { .provider = "tcp" };

Test(ucx_killed, operations_end_once)
{
	struct child children[CHILDREN];
	uint64_t longest = 0;
	char why[512] = "";
	unsigned peer = 0;

	if (hsta_ucx.probe(&over_tcp, why, sizeof(why)) < 0) {
		printf("ucx: skipped: %s\n", why);
		fflush(stdout);
		cr_skip_test("%s", why);
	}
	children_start(children);
	traffic_open();
	for (int i = 0; i < CHILDREN; i++) {
		uint64_t killed;

		traffic.hold = i % 3 == 2;
		child_add(&children[i]);
		/* At once, while it connects, and ever later. */
		turn_until(&traffic.frames, (unsigned)(i * 10));
		if (i % 2)
			turn_until(&traffic.ended, (unsigned)i);
		kill(children[i].pid, SIGKILL);
		killed = base_now_ns();
		turn_until(&traffic.down, 1);
		if (base_now_ns() - killed > longest)
			longest = base_now_ns() - killed;
		waitpid(children[i].pid, NULL, 0);
		for (unsigned k = 0; k < WINDOW; k++)
			cr_expect(!traffic.out_busy[k] && !traffic.in_busy[k]);
		peer += traffic.ended_peer;
		/* What it fetched into is ours: nothing is written there any more. */
		memset(traffic.memory, 0x55, (size_t)2 * WINDOW * BYTES);
		for (int k = 0; k < 20; k++)
			traffic_turn();
		for (size_t k = 0; k < (size_t)2 * WINDOW * BYTES; k++)
			cr_assert_eq(traffic.memory[k], 0x55);
	}
	cr_expect_eq(traffic.twice, 0);
	cr_expect_gt(peer, 0);
	printf("ucx: %d killed, %u operations ended with their peer, told within %.0f ms\n",
	       CHILDREN, peer, (double)longest / 1e6);
	fflush(stdout);
	hsta_ucx.memory_del(traffic.registered);
	free(traffic.memory);
	hsta_ucx.close(traffic.fabric);
}
