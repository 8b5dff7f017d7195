/* SPDX-License-Identifier: MIT */
/*
 * ofi_peers_test.c - strangers that send nonsense to the fabric `ofi`, and offers that lie
 * over the border of two registrations.
 */
#include <criterion/criterion.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fabric_side.h"
#include "hsta/fabrics.h"
#include "ofi/ofi.h"

static const char rxm[] = "tcp;ofi_rxm";

static int open_rxm(const struct fabric_options *options, const struct fabric_events *events,
		    void *user, struct fabric **ret_fabric, struct fabric_caps *ret_caps)
{
	struct fabric_options own = *options;

	own.provider = rxm;
	return hsta_ofi.open(&own, events, user, ret_fabric, ret_caps);
}

static struct fabric_ops ops;

/* An endpoint that is not ours. */
static struct {
	struct fi_info *info;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_cq *cq;
	struct fid_av *av;
	struct fid_ep *ep;
	fi_addr_t victim;
	uint8_t name[64];
	size_t name_bytes;
} foe;

static void foe_open(const struct side *victim)
{
	const struct fabric_options options = { .provider = rxm };
	struct fi_cq_attr cq = { .format = FI_CQ_FORMAT_DATA };
	struct fi_av_attr av = { .type = FI_AV_TABLE };
	const struct ofi_provider *row;
	uint8_t blob[256];
	size_t bytes = sizeof(blob);
	char why[200];

	cr_assert_eq(ofi_find(&options, &row, &foe.info, why, sizeof(why)), 0, "%s", why);
	cr_assert_eq(fi_fabric(foe.info->fabric_attr, &foe.fabric, NULL), 0);
	cr_assert_eq(fi_domain(foe.fabric, foe.info, &foe.domain, NULL), 0);
	cr_assert_eq(fi_cq_open(foe.domain, &cq, &foe.cq, NULL), 0);
	cr_assert_eq(fi_av_open(foe.domain, &av, &foe.av, NULL), 0);
	cr_assert_eq(fi_endpoint(foe.domain, foe.info, &foe.ep, NULL), 0);
	cr_assert_eq(fi_ep_bind(foe.ep, &foe.cq->fid, FI_TRANSMIT | FI_RECV), 0);
	cr_assert_eq(fi_ep_bind(foe.ep, &foe.av->fid, 0), 0);
	cr_assert_eq(fi_enable(foe.ep), 0);
	foe.name_bytes = sizeof(foe.name);
	cr_assert_eq(fi_getname(&foe.ep->fid, foe.name, &foe.name_bytes), 0);
	cr_assert_eq(victim->ops->address(victim->fabric, blob, &bytes), 0);
	cr_assert_eq(fi_av_insert(foe.av, blob + 4, 1, &foe.victim, 0, NULL), 1);
}

static void foe_close(void)
{
	fi_close(&foe.ep->fid);
	fi_close(&foe.av->fid);
	fi_close(&foe.cq->fid);
	fi_close(&foe.domain->fid);
	fi_close(&foe.fabric->fid);
	fi_freeinfo(foe.info);
}

/* Send it, with both sides running until it is sent. */
static void foe_send(struct pair *pair, const uint8_t *data, size_t bytes)
{
	struct fi_cq_data_entry entry;
	struct fi_context2 context;

	PAIR_UNTIL(pair, (fi_cq_read(foe.cq, &entry, 1),
			  fi_send(foe.ep, data, bytes, NULL, foe.victim, &context) == 0));
	PAIR_UNTIL(pair, fi_cq_read(foe.cq, &entry, 1) == 1);
}

static size_t intro(uint8_t *to, uint64_t token)
{
	size_t bytes = 10 + foe.name_bytes;

	memset(to, 0, 256);
	ofi_wire_encode(to, OFI_INTRO, (uint32_t)bytes, 0);
	ofi_put64(to + 16, token);
	ofi_put16(to + 24, (uint16_t)foe.name_bytes);
	memcpy(to + 26, foe.name, foe.name_bytes);
	return ofi_wire_bytes(bytes);
}

static void setup(void)
{
	ops = hsta_ofi;
	ops.open = open_rxm;
}

TestSuite(ofi_peers, .timeout = 200, .init = setup);

Test(ofi_peers, nonsense_changes_nothing)
{
	struct pair pair;
	uint8_t wire[4096];
	unsigned random = 1;

	pair_open(&pair, &ops);
	foe_open(&pair.b);
	for (unsigned i = 0; i < 1000; i++) {
		size_t bytes = 1 + random % 200;

		for (size_t k = 0; k < sizeof(wire); k++)
			wire[k] = (uint8_t)((random = random * 1103515245u + 12345u) >> 16);
		/* Half of them with a header that could be one, a third of these a stranger's. */
		if (i % 2 == 0) {
			wire[0] = OFI_WIRE_MAGIC;
			wire[1] = OFI_WIRE_VERSION;
			wire[2] = (uint8_t)(random >> 8) % 9;
			ofi_put32(wire + 4, i % 4 ? (uint32_t)bytes : random);
			if (i % 3 == 0)
				ofi_put64(wire + 8, 0);
		}
		foe_send(&pair, wire, bytes);
	}
	/* An introduction whose inner length lies. */
	intro(wire, 5);
	ofi_put16(wire + 24, 250);
	foe_send(&pair, wire, 64);
	cr_assert_eq(pair.b.peers_new, 1);
	cr_assert_eq(pair.b.peers_down, 0);
	pair_send(&pair, &pair.a, 64, 0);
	PAIR_UNTIL(&pair, pair.b.frames == 1);
	foe_close();
	pair_close(&pair);
}

Test(ofi_peers, callers_that_say_nothing_are_few)
{
	struct pair pair;
	uint8_t wire[256];
	size_t bytes;

	pair_open(&pair, &ops);
	foe_open(&pair.b);
	for (unsigned i = 0; i < 3 * OFI_SILENT_MAX; i++) {
		bytes = intro(wire, 1000 + i);
		foe_send(&pair, wire, bytes);
	}
	PAIR_UNTIL(&pair, pair.b.peers_new >= 1 + OFI_SILENT_MAX);
	cr_assert_leq(pair.b.peers_new - pair.b.peers_down, 1 + OFI_SILENT_MAX);
	/* They go, and whoever has something to say is not one of them. */
	PAIR_UNTIL(&pair, pair.b.peers_down == pair.b.peers_new - 1);
	pair_send(&pair, &pair.a, 64, 0);
	PAIR_UNTIL(&pair, pair.b.frames == 1);
	foe_close();
	pair_close(&pair);
}

/* What a peer that was let in may break is its own connection. */
Test(ofi_peers, a_peer_that_lies_is_dropped)
{
	struct pair pair;
	struct fabric_peer *peer = NULL;
	uint8_t wire[256];

	pair_open(&pair, &ops);
	foe_open(&pair.b);
	foe_send(&pair, wire, intro(wire, 77));
	PAIR_UNTIL(&pair, pair.b.peers_new == 2);
	base_list_for(node, &pair.b.fabric->peers)
		peer = base_list_entry(node, struct fabric_peer, node);
	memset(wire, 0, sizeof(wire));
	/* It answers an offer that was not made. */
	ofi_wire_encode(wire, OFI_FIN, 4, peer->token);
	foe_send(&pair, wire, 32);
	PAIR_UNTIL(&pair, pair.b.peers_down == 1);
	cr_assert_not_null(strstr(pair.b.why, "not made"), "%s", pair.b.why);
	foe_send(&pair, wire, 32); /* its token is nobody's now */
	pair_send(&pair, &pair.a, 64, 0);
	PAIR_UNTIL(&pair, pair.b.frames == 1);
	foe_close();
	pair_close(&pair);
}

Test(ofi_peers, an_offer_crosses_a_region_border)
{
	const size_t bytes = 3 << 20, room = OFI_REGION_BYTES + (8 << 20);
	const size_t from_at = OFI_REGION_BYTES - (1 << 20) - 77;
	const size_t to_at = OFI_REGION_BYTES - (2 << 20) + 13;
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	uint8_t *from = mmap(NULL, room, PROT_READ | PROT_WRITE, flags, -1, 0);
	uint8_t *to = mmap(NULL, room, PROT_READ | PROT_WRITE, flags, -1, 0);
	struct fabric_memory *from_memory, *to_memory;
	struct side_op out, in;
	struct pair pair;

	if (from == MAP_FAILED || to == MAP_FAILED)
		cr_skip_test("no address space");
	pair_open(&pair, &ops);
	cr_assert_eq(ops.memory_add(pair.a.fabric, from, room, &from_memory), 0);
	cr_assert_eq(ops.memory_add(pair.b.fabric, to, room, &to_memory), 0);
	cr_assert_eq(from_memory->count, 2);
	side_fill(from + from_at, bytes, 3);
	side_op_init(&out);
	side_op_init(&in);
	cr_assert_eq(ops.bulk(pair.a.peer, NULL, 0, from_memory, room, 1, &out.op), FABRIC_FATAL);
	cr_assert_eq(ops.bulk(pair.a.peer, NULL, 0, from_memory, from_at, bytes, &out.op),
		     FABRIC_OK);
	PAIR_UNTIL(&pair, pair.b.offer_count == 1);
	cr_assert_eq(pair.b.offers[0]->range_count, 2);
	cr_assert_eq(ops.fetch(pair.b.offers[0], to_memory, room - bytes + 1, &in.op),
		     FABRIC_FATAL, "out of range");
	cr_assert_eq(ops.fetch(pair.b.offers[0], to_memory, to_at, &in.op), FABRIC_OK);
	PAIR_UNTIL(&pair, out.done && in.done);
	cr_assert(in.status == FABRIC_OK && side_intact(to + to_at, bytes));
	cr_assert(to[to_at - 1] == 0 && to[to_at + bytes] == 0);
	ops.memory_del(from_memory);
	ops.memory_del(to_memory);
	pair_close(&pair);
	munmap(from, room);
	munmap(to, room);
}
