/* SPDX-License-Identifier: MIT */
/*
 * ofi_rate.c - the fabric `ofi` beside the bare API of libfabric, on the same provider.
 *
 *	ofi_rate [PROVIDER [ROUNDS]]
 *
 * Two processes. Rates of frames and bulk data of the fabric (introductions, tokens, offers,
 * answers) against fi_send() into multi-receive buffers and fi_read() of as many bytes, both
 * polled. The rounds take turns, and the median counts.
 */
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "hsta/fabrics.h"
#include "ofi/ofi.h"

enum {
	MIB = 1 << 20,
	SMALL = 64,
	FRAMES = 100000,
	LARGE_FRAMES = 20000,
	BULKS = 400,
	WINDOW = 8,	/* bulk transfers at a time */
	SENDS = 128,	/* bare sends under way */
	RECVS = 8,
	RECV_BYTES = 512 * 1024,
	ROUNDS_MAX = 31,
};

#define DIE(what, rc) \
	do { \
		fprintf(stderr, "ofi_rate: %s: %s\n", what, fi_strerror((int)-(rc))); \
		exit(1); \
	} while (0)
#define MUST(call) \
	do { \
		long must_ = (long)(call); \
		if (must_) \
			DIE(#call, must_); \
	} while (0)

struct measured {
	double small_per_s, large_mb_s, bulk_mb_s;
};

static const char *provider = "tcp;ofi_rxm";
static int to_other[2], from_other[2]; /* pipes: write end, read end in [0] and [1] */

static void tell(const void *data, size_t bytes)
{
	if (write(to_other[1], data, bytes) != (ssize_t)bytes)
		exit(1);
}

static void hear(void *data, size_t bytes)
{
	for (size_t got = 0; got < bytes;) {
		ssize_t rc = read(from_other[0], (char *)data + got, bytes - got);

		if (rc <= 0)
			exit(1);
		got += (size_t)rc;
	}
}

/* The fabric. */

struct agent {
	struct fabric *fabric;
	struct fabric_peer *peer;
	struct fabric_memory *memory;
	uint8_t *data;
	unsigned frames, fetched, sent;
	struct fabric_op in[WINDOW], out[WINDOW];
	unsigned in_next;
	bool out_busy[WINDOW];
};

static struct agent agent;

static void on_frame(void *user, struct fabric_peer *peer, const void *data, size_t bytes)
{
	(void)user;
	(void)peer;
	(void)data;
	(void)bytes;
	agent.frames++;
}

static void fetched(struct fabric_op *op, enum fabric_status status)
{
	(void)op;
	if (status != FABRIC_OK)
		exit(1);
	agent.fetched++;
}

static void on_offer(void *user, struct fabric_peer *peer, const void *header,
		     size_t header_bytes, struct fabric_offer *offer, size_t bytes)
{
	unsigned at = *(const uint8_t *)header;

	(void)user;
	(void)peer;
	(void)header_bytes;
	(void)bytes;
	agent.in[at].done = fetched;
	if (hsta_ofi.fetch(offer, agent.memory, (size_t)at * MIB, &agent.in[at]) != FABRIC_OK)
		exit(1);
}

static void on_new(void *user, struct fabric_peer *peer)
{
	(void)user;
	agent.peer = peer;
}

static void on_down(void *user, struct fabric_peer *peer, enum fabric_loss loss, const char *why)
{
	(void)loss;
	(void)user;
	(void)peer;
	fprintf(stderr, "ofi_rate: the other is gone: %s\n", why);
	exit(1);
}

static void sent(struct fabric_op *op, enum fabric_status status)
{
	if (status != FABRIC_OK)
		exit(1);
	agent.out_busy[op - agent.out] = false;
	agent.sent++;
}

/* What only completes sends tells nothing, so a few empty turns are no reason to yield. */
static void turn(void)
{
	static unsigned empty;

	empty = hsta_ofi.progress(agent.fabric, 64) == 0 ? empty + 1 : 0;
	if (empty >= 8)
		sched_yield();
}

static double frames_send(unsigned count, size_t bytes)
{
	uint64_t begin = base_now_ns();
	unsigned before = agent.frames;

	for (unsigned i = 0; i < count;) {
		void *slot = hsta_ofi.slot(agent.fabric);

		if (slot) {
			memset(slot, (int)i, bytes < 256 ? bytes : 256);
			while (hsta_ofi.frame(agent.peer, slot, bytes) == FABRIC_AGAIN)
				turn();
			if (++i % 32)
				continue;
		}
		turn();
	}
	while (agent.frames == before) /* one comes back when all are there */
		turn();
	return (double)count / ((double)(base_now_ns() - begin) / 1e9);
}

static void frames_take(unsigned count)
{
	unsigned until = agent.frames + count;
	void *slot = NULL;

	while (agent.frames < until)
		turn();
	while (!(slot = hsta_ofi.slot(agent.fabric)))
		turn();
	hsta_ofi.frame(agent.peer, slot, 8);
	turn();
}

static double bulk_send(unsigned count)
{
	uint64_t begin = base_now_ns();
	unsigned until = agent.sent + count, offered = 0;

	while (agent.sent < until) {
		for (uint8_t i = 0; i < WINDOW && offered < count; i++) {
			if (agent.out_busy[i])
				continue;
			agent.out[i].done = sent;
			if (hsta_ofi.bulk(agent.peer, &i, 1, agent.memory, (size_t)i * MIB, MIB,
					  &agent.out[i]) != FABRIC_OK)
				break;
			agent.out_busy[i] = true;
			offered++;
		}
		turn();
	}
	return (double)count * MIB / ((double)(base_now_ns() - begin) / 1e9) / 1e6;
}

static void fabric_round(bool sender, struct measured *ret)
{
	const struct fabric_events events = {
		.frame = on_frame, .offer = on_offer, .peer_new = on_new, .peer_down = on_down
	};
	const struct fabric_options options = { .provider = provider };
	struct fabric_caps caps;
	uint8_t blob[256] = { 0 };
	size_t bytes = sizeof(blob);

	memset(&agent, 0, sizeof(agent));
	MUST(hsta_ofi.open(&options, &events, NULL, &agent.fabric, &caps));
	agent.data = aligned_alloc(4096, (size_t)WINDOW * MIB);
	memset(agent.data, 1, (size_t)WINDOW * MIB);
	MUST(hsta_ofi.memory_add(agent.fabric, agent.data, (size_t)WINDOW * MIB, &agent.memory));
	if (!sender) {
		MUST(hsta_ofi.address(agent.fabric, blob, &bytes));
		tell(&bytes, sizeof(bytes));
		tell(blob, bytes);
		frames_take(1);
		frames_take(FRAMES);
		frames_take(LARGE_FRAMES);
		while (agent.fetched < BULKS + WINDOW)
			turn();
		frames_take(1);
	} else {
		hear(&bytes, sizeof(bytes));
		hear(blob, bytes);
		MUST(hsta_ofi.peer_add(agent.fabric, blob, bytes, NULL, &agent.peer));
		frames_send(1, SMALL);
		ret->small_per_s = frames_send(FRAMES, SMALL);
		ret->large_mb_s = frames_send(LARGE_FRAMES, caps.frame_max) *
				  (double)caps.frame_max / 1e6;
		bulk_send(WINDOW); /* connects the reader */
		ret->bulk_mb_s = bulk_send(BULKS);
		frames_send(1, SMALL);
	}
	/* Nobody goes before the other has all. */
	tell("", 1);
	hear(blob, 1);
	hsta_ofi.peer_del(agent.peer);
	hsta_ofi.memory_del(agent.memory);
	hsta_ofi.close(agent.fabric);
	free(agent.data);
}

/* The bare API. */

struct bare {
	struct fi_info *info;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_cq *cq;
	struct fid_av *av;
	struct fid_ep *ep;
	struct fid_mr *mr;
	fi_addr_t other;
	uint8_t *data;
	struct fi_context2 recvs[RECVS], sends[SENDS];
	unsigned came, done;
};

static struct bare bare;

static void bare_recv(unsigned i)
{
	struct iovec iov = { bare.data + (size_t)WINDOW * MIB + (size_t)i * RECV_BYTES,
			     RECV_BYTES };
	struct fi_msg message = { .msg_iov = &iov, .iov_count = 1, .addr = FI_ADDR_UNSPEC,
				  .context = &bare.recvs[i] };

	MUST(fi_recvmsg(bare.ep, &message, FI_MULTI_RECV | FI_COMPLETION));
}

static void bare_open(void)
{
	struct fabric_options options = { .provider = provider };
	const struct ofi_provider *row;
	struct fi_cq_attr cq = { .size = 4096, .format = FI_CQ_FORMAT_DATA };
	struct fi_av_attr av = { .type = FI_AV_TABLE };
	size_t bytes = (size_t)WINDOW * MIB + (size_t)RECVS * RECV_BYTES, least = 16384;
	char why[200];

	memset(&bare, 0, sizeof(bare));
	if (ofi_find(&options, &row, &bare.info, why, sizeof(why)))
		exit(1);
	bare.data = aligned_alloc(4096, bytes);
	memset(bare.data, 1, bytes);
	MUST(fi_fabric(bare.info->fabric_attr, &bare.fabric, NULL));
	MUST(fi_domain(bare.fabric, bare.info, &bare.domain, NULL));
	MUST(fi_cq_open(bare.domain, &cq, &bare.cq, NULL));
	MUST(fi_av_open(bare.domain, &av, &bare.av, NULL));
	MUST(fi_endpoint(bare.domain, bare.info, &bare.ep, NULL));
	MUST(fi_ep_bind(bare.ep, &bare.cq->fid, FI_TRANSMIT | FI_RECV));
	MUST(fi_ep_bind(bare.ep, &bare.av->fid, 0));
	MUST(fi_enable(bare.ep));
	MUST(fi_setopt(&bare.ep->fid, FI_OPT_ENDPOINT, FI_OPT_MIN_MULTI_RECV, &least,
		       sizeof(least)));
	MUST(fi_mr_reg(bare.domain, bare.data, bytes, FI_READ | FI_REMOTE_READ, 0, 1, 0, &bare.mr,
		       NULL));
	for (unsigned i = 0; i < RECVS; i++)
		bare_recv(i);
}

static void bare_meet(void)
{
	uint8_t name[256] = { 0 };
	size_t bytes = sizeof(name);

	MUST(fi_getname(&bare.ep->fid, name, &bytes));
	tell(name, sizeof(name));
	hear(name, sizeof(name));
	if (fi_av_insert(bare.av, name, 1, &bare.other, 0, NULL) != 1)
		exit(1);
}

static void bare_turn(void)
{
	struct fi_cq_data_entry entries[64];
	ssize_t count = fi_cq_read(bare.cq, entries, 64);

	if (count == -FI_EAGAIN)
		sched_yield();
	else if (count < 0)
		DIE("fi_cq_read", count);
	for (ssize_t i = 0; i < count; i++) {
		struct fi_context2 *context = entries[i].op_context;

		if (entries[i].flags & FI_RECV)
			bare.came++;
		if (entries[i].flags & FI_MULTI_RECV)
			bare_recv((unsigned)(context - bare.recvs));
		if (!(entries[i].flags & (FI_RECV | FI_MULTI_RECV)))
			bare.done++;
	}
}

static void bare_post(size_t bytes, unsigned number)
{
	ssize_t rc;

	while ((rc = fi_send(bare.ep, bare.data, bytes, NULL, bare.other,
			     &bare.sends[number % SENDS])) == -FI_EAGAIN)
		bare_turn();
	MUST(rc);
}

static double bare_send(unsigned count, size_t bytes)
{
	uint64_t begin = base_now_ns();
	unsigned before = bare.came, first = bare.done;

	for (unsigned i = 0; i < count; i++) {
		while (i - (bare.done - first) >= SENDS)
			bare_turn();
		bare_post(bytes, i);
		if (i % 32 == 0)
			bare_turn();
	}
	while (bare.done - first < count || bare.came == before)
		bare_turn();
	return (double)count / ((double)(base_now_ns() - begin) / 1e9);
}

/* Until @until messages came in all: the last may be there already. */
static void bare_take(unsigned until)
{
	unsigned before = bare.done;

	while (bare.came < until)
		bare_turn();
	bare_post(8, 0);
	while (bare.done == before)
		bare_turn();
}

static double bare_read(unsigned count, uint64_t address, uint64_t key)
{
	uint64_t begin = base_now_ns();
	unsigned posted = 0, first = bare.done;

	while (bare.done - first < count) {
		while (posted < count && posted - (bare.done - first) < 2) {
			size_t at = (size_t)(posted % WINDOW) * MIB;
			ssize_t rc = fi_read(bare.ep, bare.data + at, MIB, NULL, bare.other,
					     address + at, key, &bare.sends[posted % WINDOW]);

			if (rc == -FI_EAGAIN)
				break;
			MUST(rc);
			posted++;
		}
		bare_turn();
	}
	return (double)count * MIB / ((double)(base_now_ns() - begin) / 1e9) / 1e6;
}

static void bare_round(bool sender, struct measured *ret)
{
	uint64_t where[2] = { 0 };
	uint8_t byte;

	bare_open();
	bare_meet();
	if (sender) {
		bool virtual = bare.info->domain_attr->mr_mode & FI_MR_VIRT_ADDR;

		where[0] = virtual ? (uint64_t)(uintptr_t)bare.data : 0;
		where[1] = fi_mr_key(bare.mr);
		tell(where, sizeof(where));
		bare_send(1, SMALL);
		ret->small_per_s = bare_send(FRAMES, SMALL);
		ret->large_mb_s = bare_send(LARGE_FRAMES, 16000) * 16000 / 1e6;
		bare_take(4); /* three answers, and that the other has read */
		hear(&ret->bulk_mb_s, sizeof(ret->bulk_mb_s));
	} else {
		double rate;

		hear(where, sizeof(where));
		bare_take(1);
		bare_take(1 + FRAMES);
		bare_take(1 + FRAMES + LARGE_FRAMES);
		bare_read(WINDOW, where[0], where[1]);
		rate = bare_read(BULKS, where[0], where[1]);
		bare_send(1, 8);
		tell(&rate, sizeof(rate));
	}
	tell("", 1);
	hear(&byte, 1);
	fi_close(&bare.mr->fid);
	fi_close(&bare.ep->fid);
	fi_close(&bare.av->fid);
	fi_close(&bare.cq->fid);
	fi_close(&bare.domain->fid);
	fi_close(&bare.fabric->fid);
	fi_freeinfo(bare.info);
	free(bare.data);
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static void report(const char *what, const char *unit, double *ofi, double *raw, int rounds)
{
	qsort(ofi, (size_t)rounds, sizeof(*ofi), compare);
	qsort(raw, (size_t)rounds, sizeof(*raw), compare);
	printf("%-22s %12.0f %12.0f %-9s %6.2f\n", what, ofi[rounds / 2], raw[rounds / 2], unit,
	       ofi[rounds / 2] / raw[rounds / 2]);
}

int main(int argc, char **argv)
{
	double ofi[3][ROUNDS_MAX], raw[3][ROUNDS_MAX];
	int rounds = argc > 2 ? atoi(argv[2]) : 5, a[2], b[2];
	bool sender;
	pid_t child;

	if (argc > 1)
		provider = argv[1];
	if (rounds < 1 || rounds > ROUNDS_MAX || pipe(a) || pipe(b))
		return 2;
	child = fork();
	if (child < 0)
		return 1;
	sender = child > 0;
	memcpy(to_other, sender ? a : b, sizeof(a));
	memcpy(from_other, sender ? b : a, sizeof(a));
	alarm(300);
	for (int i = 0; i < rounds; i++) {
		struct measured measured = { 0 };

		fabric_round(sender, &measured);
		ofi[0][i] = measured.small_per_s;
		ofi[1][i] = measured.large_mb_s;
		ofi[2][i] = measured.bulk_mb_s;
		bare_round(sender, &measured);
		raw[0][i] = measured.small_per_s;
		raw[1][i] = measured.large_mb_s;
		raw[2][i] = measured.bulk_mb_s;
	}
	if (!sender)
		return 0;
	printf("%s, median of %d     %12s %12s\n", provider, rounds, "fabric", "bare API");
	report("64 B", "/s", ofi[0], raw[0], rounds);
	report("16000 B", "MB/s", ofi[1], raw[1], rounds);
	report("1 MiB offered, read", "MB/s", ofi[2], raw[2], rounds);
	return waitpid(child, NULL, 0) == child ? 0 : 1;
}
