/* SPDX-License-Identifier: MIT */
/*
 * raw_ofi.c - the bare API of libfabric on the provider of the agents.
 *
 * Two endpoints: small messages come into multi-receive buffers, large ones each into a buffer
 * that was posted for it.
 */
#include "raw_net.h"

#include <errno.h>
#include <poll.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hsta/fabrics.h"
#include "ofi/ofi.h"

enum {
	SMALL = 0, LARGE = 1, KINDS = 2,
	RECVS = 8,
	SMALL_ROOM = 512 * 1024,
	SENDS = 128,
	LARGE_SENDS = 4,
	ENTRIES = 64,
	ADDRESS_BYTES = 256,
	SLEEP_MS = 10,
};

struct end {
	struct fid_cq *cq;
	struct fid_ep *ep;
	fi_addr_t other;
	struct fi_context2 recvs[RECVS], sends[SENDS];
	unsigned window, next;
	uint64_t under_way;
	int fd;			/* of the queue, -1 none */
};

struct ofi_net {
	struct raw_net net;	/* first */
	struct fi_info *info;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_av *av;
	struct fid_mr *mr;
	void *desc;
	unsigned char *out, *in[KINDS];
	size_t bytes;
	struct end ends[KINDS];
};

#define CHECK(call) \
	do { \
		int check_ = (int)(call); \
		if (check_ < 0) { \
			fprintf(stderr, "raw_ofi: %s: %s\n", #call, fi_strerror(-check_)); \
			return check_; \
		} \
	} while (0)

static size_t room_of(int kind)
{
	return kind == SMALL ? SMALL_ROOM : RAW_NET_BYTES_MAX;
}

static int post_recv(struct ofi_net *net, int kind, unsigned i)
{
	struct end *end = &net->ends[kind];
	struct iovec iov = { net->in[kind] + room_of(kind) * i, room_of(kind) };
	struct fi_msg message = { .msg_iov = &iov, .desc = &net->desc, .iov_count = 1,
				  .addr = FI_ADDR_UNSPEC, .context = &end->recvs[i] };

	return (int)fi_recvmsg(end->ep, &message,
			       FI_COMPLETION | (kind == SMALL ? FI_MULTI_RECV : 0));
}

static int open_end(struct ofi_net *net, int kind)
{
	struct end *end = &net->ends[kind];
	struct fi_cq_attr cq = { .size = 4096, .format = FI_CQ_FORMAT_DATA,
				 .wait_obj = FI_WAIT_FD };
	size_t least = RAW_NET_SMALL_MAX;

	end->window = kind == SMALL ? SENDS : LARGE_SENDS;
	end->fd = -1;
	if (fi_cq_open(net->domain, &cq, &end->cq, NULL) == 0) {
		fi_control(&end->cq->fid, FI_GETWAIT, &end->fd);
	} else {
		cq.wait_obj = FI_WAIT_NONE;	/* shm has no descriptor */
		CHECK(fi_cq_open(net->domain, &cq, &end->cq, NULL));
	}
	CHECK(fi_endpoint(net->domain, net->info, &end->ep, NULL));
	CHECK(fi_ep_bind(end->ep, &end->cq->fid, FI_TRANSMIT | FI_RECV));
	CHECK(fi_ep_bind(end->ep, &net->av->fid, 0));
	CHECK(fi_enable(end->ep));
	if (kind == SMALL)
		CHECK(fi_setopt(&end->ep->fid, FI_OPT_ENDPOINT, FI_OPT_MIN_MULTI_RECV, &least,
				sizeof(least)));
	return 0;
}

/* After the endpoints, since cxi binds what is registered to one that is enabled; only local
 * buffers are needed here, and those need no binding. */
static int open_memory(struct ofi_net *net)
{
	net->bytes = RAW_NET_LARGE * (size_t)RAW_NET_BYTES_MAX +
		     RECVS * (room_of(SMALL) + room_of(LARGE));
	net->out = aligned_alloc(4096, net->bytes);
	if (!net->out)
		return -ENOMEM;
	memset(net->out, 1, net->bytes);
	net->in[SMALL] = net->out + RAW_NET_LARGE * (size_t)RAW_NET_BYTES_MAX;
	net->in[LARGE] = net->in[SMALL] + RECVS * room_of(SMALL);
	CHECK(fi_mr_reg(net->domain, net->out, net->bytes, FI_SEND | FI_RECV, 0, 1, 0, &net->mr,
			NULL));
	net->desc = fi_mr_desc(net->mr);
	for (int kind = 0; kind < KINDS; kind++)
		for (unsigned i = 0; i < RECVS; i++)
			CHECK(post_recv(net, kind, i));
	return 0;
}

static int meet(struct ofi_net *net, int fd)
{
	for (int kind = 0; kind < KINDS; kind++) {
		unsigned char name[ADDRESS_BYTES] = { 0 };
		size_t bytes = sizeof(name);

		CHECK(fi_getname(&net->ends[kind].ep->fid, name, &bytes));
		CHECK(raw_net_tell(fd, name, sizeof(name)));
		CHECK(raw_net_hear(fd, name, sizeof(name)));
		if (fi_av_insert(net->av, name, 1, &net->ends[kind].other, 0, NULL) != 1)
			return -EHOSTUNREACH;
	}
	return 0;
}

static int connect_all(struct ofi_net *net, const struct raw_net_options *options)
{
	struct fabric_options wanted = { .bind = options->bind, .provider = options->provider,
					 .device = options->nic };
	struct fi_av_attr av = { .type = FI_AV_TABLE };
	const struct ofi_provider *row;
	char why[256] = "";
	int rc;

	hsta_environment();
	for (const struct hsta_fabric *fabric = hsta_fabrics; fabric->name; fabric++)
		if (!strcmp(fabric->name, "ofi"))
			hsta_fabric_probe(fabric, &wanted, why, sizeof(why));
	rc = ofi_find(&wanted, &row, &net->info, why, sizeof(why));
	if (rc) {
		fprintf(stderr, "raw_ofi: %s\n", why);
		return rc;
	}
	CHECK(fi_fabric(net->info->fabric_attr, &net->fabric, NULL));
	CHECK(fi_domain(net->fabric, net->info, &net->domain, NULL));
	CHECK(fi_av_open(net->domain, &av, &net->av, NULL));
	for (int kind = 0; kind < KINDS; kind++)
		CHECK(open_end(net, kind));
	CHECK(open_memory(net));
	return meet(net, options->fd);
}

static void ofi_close_net(struct raw_net *base)
{
	struct ofi_net *net = (struct ofi_net *)base;

	if (net->mr)
		fi_close(&net->mr->fid);
	for (int kind = 0; kind < KINDS; kind++) {
		if (net->ends[kind].ep)
			fi_close(&net->ends[kind].ep->fid);
		if (net->ends[kind].cq)
			fi_close(&net->ends[kind].cq->fid);
	}
	if (net->av)
		fi_close(&net->av->fid);
	if (net->domain)
		fi_close(&net->domain->fid);
	if (net->fabric)
		fi_close(&net->fabric->fid);
	fi_freeinfo(net->info);
	free(net->out);
	free(net);
}

static int ofi_open_net(const struct raw_net_options *options, struct raw_net **ret_net)
{
	struct ofi_net *net = calloc(1, sizeof(*net));
	int rc;

	if (!net)
		return -ENOMEM;
	net->net.ops = &raw_ofi;
	net->net.fd = options->fd;
	rc = connect_all(net, options);
	if (rc)
		ofi_close_net(&net->net);
	else
		*ret_net = &net->net;
	return rc;
}

static int ofi_post(struct raw_net *base, size_t bytes)
{
	struct ofi_net *net = (struct ofi_net *)base;
	struct end *end = &net->ends[bytes <= RAW_NET_SMALL_MAX ? SMALL : LARGE];
	unsigned char *out = net->out;
	ssize_t rc;

	if (end->under_way >= end->window)
		return -EAGAIN;
	if (base->own) {
		out += end->next % RAW_NET_LARGE * (size_t)RAW_NET_BYTES_MAX;
		memcpy(out, base->own, bytes);
	}
	rc = fi_send(end->ep, out, bytes, net->desc, end->other,
		     &end->sends[end->next % end->window]);
	if (rc)
		return (int)rc;
	end->next++;
	end->under_way++;
	base->under_way++;
	return 0;
}

static int take(struct ofi_net *net, int kind, const struct fi_cq_data_entry *entry)
{
	struct end *end = &net->ends[kind];
	struct fi_context2 *context = entry->op_context;
	bool is_recv = context >= end->recvs && context < end->recvs + RECVS;

	if (!is_recv) {
		end->under_way--;
		net->net.under_way--;
		return 0;
	}
	if (entry->flags & FI_RECV)
		net->net.came++;
	if (net->net.own && kind == LARGE)
		memcpy(net->net.own + RAW_NET_BYTES_MAX,
		       net->in[LARGE] + room_of(LARGE) * (size_t)(context - end->recvs),
		       entry->len);
	if (kind == LARGE || entry->flags & FI_MULTI_RECV)
		return post_recv(net, kind, (unsigned)(context - end->recvs));
	return 0;
}

static int ofi_turn_net(struct raw_net *base)
{
	struct ofi_net *net = (struct ofi_net *)base;
	int total = 0;

	for (int kind = 0; kind < KINDS; kind++) {
		struct fi_cq_data_entry entries[ENTRIES];
		ssize_t count = fi_cq_read(net->ends[kind].cq, entries, ENTRIES);

		if (count == -FI_EAGAIN)
			continue;
		if (count < 0)
			return (int)count;
		for (ssize_t i = 0; i < count; i++)
			CHECK(take(net, kind, &entries[i]));
		total += (int)count;
	}
	return total;
}

static bool ofi_sleep(struct raw_net *base)
{
	struct ofi_net *net = (struct ofi_net *)base;
	struct pollfd polls[KINDS];

	for (int kind = 0; kind < KINDS; kind++) {
		struct fid *fid = &net->ends[kind].cq->fid;

		polls[kind] = (struct pollfd){ .fd = net->ends[kind].fd, .events = POLLIN };
		if (net->ends[kind].fd < 0)
			return false;
		if (fi_trywait(net->fabric, &fid, 1) != 0)
			return true;
	}
	poll(polls, KINDS, SLEEP_MS);
	return true;
}

const struct raw_net_ops raw_ofi = {
	.name = "ofi",
	.open = ofi_open_net,
	.post = ofi_post,
	.turn = ofi_turn_net,
	.sleep = ofi_sleep,
	.close = ofi_close_net,
};
