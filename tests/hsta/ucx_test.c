/* SPDX-License-Identifier: MIT */
/* ucx_test.c - the fabric `ucx`: what the conformance suite cannot know of it. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabric_side.h"
#include "hsta/ucx/ucx.h"

TestSuite(ucx, .timeout = 200);

/* Software: it must be named. */
static const struct fabric_options over_tcp = { .provider = "tcp" };

/* Skips with a line that says why: a missing thing is no failure. */
static void need_ucx(void)
{
	char why[512] = "";

	if (hsta_ucx.probe(&over_tcp, why, sizeof(why)) == 0)
		return;
	printf("ucx: skipped: %s\n", why);
	fflush(stdout);
	cr_skip_test("%s", why);
}

Test(ucx, address_blob_there_and_back)
{
	static const char *const texts[] = { "127.0.0.1", "10.1.2.3", "::1", "fd00::12:3" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		union ucx_address address, back;
		uint8_t blob[UCX_ADDRESS_MAX];
		size_t bytes = sizeof(blob);

		cr_assert_eq(ucx_address_parse(texts[i], &address), 0);
		address.v4.sin_port = htons(4711); /* of both families at the same place */
		cr_assert_eq(ucx_address_encode(&address, blob, &bytes), 0);
		cr_assert_eq(ucx_address_decode(blob, bytes, &back), 0);
		cr_assert_eq(memcmp(&address, &back, ucx_address_bytes(&address)), 0);
		for (size_t less = 0; less < bytes; less++) {
			size_t room = less;

			cr_assert_lt(ucx_address_decode(blob, less, &back), 0);
			cr_assert_lt(ucx_address_encode(&address, blob, &room), 0);
		}
	}
}

Test(ucx, address_refuses_what_nobody_can_call)
{
	union ucx_address address;
	const uint8_t bad[3][8] = { { 2, 4 }, { 1, 5 }, { 1, 6 } };

	cr_expect_eq(ucx_address_parse("0.0.0.0", &address), -EADDRNOTAVAIL);
	cr_expect_eq(ucx_address_parse("::", &address), -EADDRNOTAVAIL);
	cr_expect_eq(ucx_address_parse("node7", &address), -EINVAL);
	for (int i = 0; i < 3; i++)
		cr_expect_lt(ucx_address_decode(bad[i], sizeof(bad[i]), &address), 0);
}

/* UCX cannot be called at an address of loopback that no interface has. */
Test(ucx, address_of_a_local_node)
{
	union ucx_address address;

	cr_assert_eq(ucx_address_parse("127.0.0.3", &address), 0);
	cr_expect_eq(address.v4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
}

Test(ucx, status_table)
{
	cr_expect_eq(ucx_status(UCS_OK), FABRIC_OK);
	cr_expect_eq(ucx_status(UCS_INPROGRESS), FABRIC_OK);
	cr_expect_eq(ucx_status(UCS_ERR_NO_RESOURCE), FABRIC_AGAIN);
	cr_expect_eq(ucx_status(UCS_ERR_CONNECTION_RESET), FABRIC_PEER);
	/* What nobody foresaw ends its peer and is not tried again. */
	cr_expect_eq(ucx_status((ucs_status_t)-99), FABRIC_PEER);
	cr_expect_eq(ucx_errno(UCS_OK), 0);
	cr_expect_eq(ucx_errno(UCS_ERR_NO_MEMORY), -ENOMEM);
	cr_expect_eq(ucx_errno((ucs_status_t)-99), -EIO);
}

static unsigned count_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

Test(ucx, probe_says_what_it_found_and_leaves_nothing)
{
	char why[512] = "";
	unsigned before;

	need_ucx();
	before = count_fds();
	for (int i = 0; i < 5; i++)
		cr_assert_eq(hsta_ucx.probe(&over_tcp, why, sizeof(why)), 0);
	cr_expect_eq(count_fds(), before);
	cr_expect_not_null(strstr(why, "UCX 1."), "%s", why);
	cr_expect_not_null(strstr(why, "tcp/lo"), "%s", why);
	cr_expect_null(getenv("UCX_NET_DEVICES"), "the environment is not ours");
}

Test(ucx, probe_says_why_not)
{
	struct fabric_options options = { .bind = "192.0.2.1" };
	char why[512] = "";

	need_ucx();
	cr_expect_lt(hsta_ucx.probe(&options, why, sizeof(why)), 0);
	cr_expect_not_null(strstr(why, "192.0.2.1"), "%s", why);
	options = (struct fabric_options){ .device = "nosuchdevice" };
	why[0] = '\0';
	cr_expect_lt(hsta_ucx.probe(&options, why, sizeof(why)), 0);
	cr_expect_not_null(strstr(why, "nosuchdevice"), "%s", why);
	options = (struct fabric_options){ .provider = "nosuchtransport" };
	why[0] = '\0';
	cr_expect_lt(hsta_ucx.probe(&options, why, sizeof(why)), 0);
	cr_expect_not_null(strstr(why, "nosuchtransport"), "%s", why);
}

/* A machine without RDMA is better off with the agent for TCP, unless somebody insists. */
Test(ucx, probe_wants_rdma_or_to_be_told)
{
	char why[512] = "";

	need_ucx();
	cr_expect_eq(hsta_ucx.probe(NULL, why, sizeof(why)), -ENODEV, "it is loopback");
	cr_expect_not_null(strstr(why, "--provider tcp"), "%s", why);
}

Test(ucx, environment_of_the_user_wins)
{
	const struct fabric_options options = { .device = "nosuchdevice" };
	char why[512] = "";

	need_ucx();
	setenv("UCX_NET_DEVICES", "lo", 1);
	cr_expect_eq(hsta_ucx.probe(&options, why, sizeof(why)), 0, "%s", why);
}

struct memories {
	uint8_t *from, *to;
	struct fabric_memory *out, *in;
};

static void memories_open(struct memories *m, struct pair *pair, size_t bytes)
{
	m->from = malloc(bytes);
	m->to = calloc(1, bytes);
	cr_assert(m->from && m->to);
	cr_assert_eq(hsta_ucx.memory_add(pair->a.fabric, m->from, bytes, &m->out), 0);
	cr_assert_eq(hsta_ucx.memory_add(pair->b.fabric, m->to, bytes, &m->in), 0);
}

static void memories_close(struct memories *m)
{
	hsta_ucx.memory_del(m->out);
	hsta_ucx.memory_del(m->in);
	free(m->from);
	free(m->to);
}

Test(ucx, large_transfers_of_odd_sizes)
{
	static const size_t sizes[] = { 8191,	  65537,    524287,	1048583,
					9999991,  33554393, 67108859,	134217757 };
	struct pair pair;

	need_ucx();
	pair_open(&pair, &hsta_ucx);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t bytes = sizes[i], offset = 2 * i + 1;
		struct side_op out, in;
		struct memories m;

		memories_open(&m, &pair, bytes + offset + 1);
		side_op_init(&out);
		side_op_init(&in);
		pair.b.offer_count = 0;
		side_fill(m.from + offset, bytes, (uint32_t)bytes);
		cr_assert_eq(hsta_ucx.bulk(pair.a.peer, "x", 1, m.out, offset, bytes, &out.op),
			     FABRIC_OK);
		PAIR_UNTIL(&pair, pair.b.offer_count == 1);
		cr_assert_eq(hsta_ucx.fetch(pair.b.offers[0], m.in, offset, &in.op), FABRIC_OK);
		PAIR_UNTIL(&pair, out.done && in.done);
		cr_assert(out.status == FABRIC_OK && in.status == FABRIC_OK);
		cr_assert_eq(memcmp(m.from + offset, m.to + offset, bytes), 0);
		cr_assert(m.to[offset - 1] == 0 && m.to[offset + bytes] == 0);
		memories_close(&m);
	}
	pair_close(&pair);
}

Test(ucx, thousands_of_frames_both_ways)
{
	enum { COUNT = 20000 };
	unsigned sent_a = 0, sent_b = 0;
	void *slot_a = NULL, *slot_b = NULL;
	struct pair pair;

	need_ucx();
	pair_open(&pair, &hsta_ucx);
	pair.a.seen = calloc(COUNT, 1);
	pair.b.seen = calloc(COUNT, 1);
	pair.a.seen_max = pair.b.seen_max = COUNT;
	while (pair.a.frames < COUNT || pair.b.frames < COUNT) {
		for (int i = 0; i < 32; i++) {
			size_t bytes = 4 + (sent_a * 37u) % 3000;

			if (sent_a < COUNT &&
			    side_try(&pair.a, &slot_a, bytes, sent_a) == FABRIC_OK)
				sent_a++;
			if (sent_b < COUNT &&
			    side_try(&pair.b, &slot_b, bytes, sent_b) == FABRIC_OK)
				sent_b++;
		}
		pair_pump(&pair);
	}
	cr_expect_eq(pair.a.seen_twice + pair.b.seen_twice, 0);
	free(pair.a.seen);
	free(pair.b.seen);
	pair_close(&pair);
}

Test(ucx, bulk_is_bounded)
{
	struct side_op ops[UCX_PEER_BULKS + 1];
	struct memories m;
	struct pair pair;

	need_ucx();
	pair_open(&pair, &hsta_ucx);
	memories_open(&m, &pair, 10000);
	for (unsigned i = 0; i < UCX_PEER_BULKS; i++) {
		side_op_init(&ops[i]);
		cr_assert_eq(hsta_ucx.bulk(pair.a.peer, NULL, 0, m.out, 0, 10000, &ops[i].op),
			     FABRIC_OK);
	}
	side_op_init(&ops[UCX_PEER_BULKS]);
	cr_expect_eq(hsta_ucx.bulk(pair.a.peer, NULL, 0, m.out, 0, 10000,
				   &ops[UCX_PEER_BULKS].op), FABRIC_AGAIN);
	PAIR_UNTIL(&pair, pair.b.offer_count == UCX_PEER_BULKS);
	/* Offers that nobody answered end with their peer, and its operations with it. */
	hsta_ucx.peer_del(pair.b.peer);
	pair.b.peer = NULL;
	PAIR_UNTIL(&pair, pair.a.peers_down == 1);
	for (unsigned i = 0; i < UCX_PEER_BULKS; i++)
		cr_expect(ops[i].done == 1 && ops[i].status == FABRIC_PEER);
	cr_expect_eq(ops[UCX_PEER_BULKS].done, 0);
	memories_close(&m);
	pair_close(&pair);
}

/* A peer is deleted by what is told of it: each kind of event, with transfers under way. */
struct deleter {
	struct side_op op;
	struct side *side;
};

static void delete_now(struct side *side)
{
	if (side->peer)
		hsta_ucx.peer_del(side->peer);
	side->peer = NULL;
}

static void done_deletes(struct fabric_op *op, enum fabric_status status)
{
	struct deleter *deleter = (struct deleter *)(void *)op;

	deleter->op.done++;
	deleter->op.status = status;
	delete_now(deleter->side);
}

Test(ucx, delete_in_a_completion)
{
	enum { COUNT = 8, BYTES = 2 << 20 };
	static struct deleter in[COUNT];
	struct side_op out[COUNT];
	struct memories m;
	struct pair pair;
	enum fabric_status status;

	need_ucx();
	pair_open(&pair, &hsta_ucx);
	memories_open(&m, &pair, (size_t)COUNT * BYTES);
	for (unsigned i = 0; i < COUNT; i++) {
		side_op_init(&out[i]);
		cr_assert_eq(hsta_ucx.bulk(pair.a.peer, NULL, 0, m.out, i * (size_t)BYTES, BYTES,
					   &out[i].op), FABRIC_OK);
	}
	PAIR_UNTIL(&pair, pair.b.offer_count == COUNT);
	for (unsigned i = 0; i < COUNT; i++) {
		in[i] = (struct deleter){ .side = &pair.b };
		in[i].op.op.done = done_deletes;
		status = hsta_ucx.fetch(pair.b.offers[i], m.in, i * (size_t)BYTES, &in[i].op.op);
		cr_assert_eq(status, FABRIC_OK);
	}
	PAIR_UNTIL(&pair, pair.a.peers_down == 1);
	for (unsigned i = 0; i < COUNT; i++)
		cr_expect(in[i].op.done == 1 && out[i].done == 1);
	/* Nothing comes after the last word. */
	memset(m.to, 0x77, (size_t)COUNT * BYTES);
	for (int i = 0; i < 50; i++)
		pair_pump(&pair);
	for (size_t i = 0; i < (size_t)COUNT * BYTES; i++)
		cr_assert_eq(m.to[i], 0x77);
	memories_close(&m);
	pair_close(&pair);
}

/* All that one peer may have: UCX_PEER_BULKS offers and frames until no more are taken. */
static void fill_queues(struct pair *pair, struct memories *m, struct side_op *ops)
{
	unsigned taken = 0;

	for (unsigned i = 0; i < UCX_PEER_BULKS; i++) {
		side_op_init(&ops[i]);
		cr_assert_eq(hsta_ucx.bulk(pair->a.peer, &i, sizeof(i), m->out, 0, 1000000,
					   &ops[i].op), FABRIC_OK);
	}
	for (void *slot; (slot = hsta_ucx.slot(pair->a.fabric));) {
		side_fill(slot, pair->a.caps.frame_max, taken++);
		if (hsta_ucx.frame(pair->a.peer, slot, pair->a.caps.frame_max) != FABRIC_OK) {
			ucx_slot_put(base_list_entry(slot, struct ucx_slot, data));
			break;
		}
	}
	cr_expect_gt(taken, 100);
}

/* A receiver that takes some of it or nothing; and one that is not even connected. */
static void delete_with_full_queues(bool connected, int turns)
{
	struct side_op ops[UCX_PEER_BULKS];
	struct memories m;
	struct pair pair;

	if (connected) {
		pair_open(&pair, &hsta_ucx);
	} else {
		side_open(&pair.a, &hsta_ucx);
		side_open(&pair.b, &hsta_ucx);
		side_add(&pair.a, &pair.b);
	}
	memories_open(&m, &pair, 1000000);
	fill_queues(&pair, &m, ops);
	for (int i = 0; i < turns; i++)
		pair_pump(&pair);
	hsta_ucx.peer_del(pair.a.peer);
	pair.a.peer = NULL;
	for (unsigned i = 0; i < UCX_PEER_BULKS; i++)
		cr_expect(ops[i].done == 1 && ops[i].status == FABRIC_PEER);
	if (pair.b.peer)
		PAIR_UNTIL(&pair, pair.b.peers_down == 1);
	pair_close(&pair);
	memories_close(&m);
}

Test(ucx, delete_with_full_queues)
{
	need_ucx();
	for (int turns = 0; turns < 40; turns += 8)
		delete_with_full_queues(true, turns);
}

Test(ucx, delete_with_full_queues_before_connected)
{
	need_ucx();
	for (int turns = 0; turns < 12; turns++)
		delete_with_full_queues(false, turns);
}

Test(ucx, ipv6)
{
	const struct fabric_options options = { .bind = "::1" };
	const struct fabric_events events = { .frame = NULL }; /* nobody calls */
	uint8_t blob[UCX_ADDRESS_MAX];
	size_t bytes = sizeof(blob);
	struct fabric_caps caps;
	struct fabric *fabric;
	int rc;

	need_ucx();
	rc = hsta_ucx.open(&options, &events, NULL, &fabric, &caps);
	if (rc < 0) {
		printf("ucx: skipped: cannot listen at ::1: %s\n", strerror(-rc));
		fflush(stdout);
		cr_skip_test("no IPv6");
	}
	cr_expect_eq(hsta_ucx.address(fabric, blob, &bytes), 0);
	cr_expect_eq(bytes, UCX_ADDRESS_MAX);
	hsta_ucx.close(fabric);
}
