/* SPDX-License-Identifier: MIT */
/*
 * open.c - libfabric's objects, in the order that cxi wants: fabric, domain, queue, address
 * vector, endpoint, bind, enable, options, registration, receive buffers, name. And back:
 * nothing more is posted, drain, registrations, endpoint, vector, queue, domain, fabric.
 */
#include <assert.h>
#include <errno.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/poison.h"
#include "ofi/ofi.h"
#include "ofi/slingshot.h"

enum { ADDRESS_VERSION = 1, EXPECTED_PEERS = 64 };

static int cq_open(struct fabric *fabric, size_t size, struct fid_cq **ret_cq, int *ret_fd)
{
	struct fi_cq_attr attr = {
		.size = size,
		.format = FI_CQ_FORMAT_DATA,
		.wait_obj = fabric->provider->has_fd ? FI_WAIT_FD : FI_WAIT_NONE,
	};
	int rc = fi_cq_open(fabric->domain, &attr, ret_cq, NULL);

	*ret_fd = -1;
	if (rc == 0 && attr.wait_obj == FI_WAIT_FD &&
	    fi_control(&(*ret_cq)->fid, FI_GETWAIT, ret_fd) != 0)
		*ret_fd = -1;
	return rc;
}

int ofi_endpoint_open(struct fabric *fabric, struct fi_info *info, size_t cq_size,
		      struct fid_ep **ret_ep, struct fid_cq **ret_cq, struct fid_av **ret_av,
		      int *ret_fd)
{
	struct fi_av_attr av_attr = { .type = FI_AV_TABLE, .count = EXPECTED_PEERS };
	size_t min_recv = ofi_wire_bytes(fabric->provider->frame_max);
	struct fid_cq *cq;
	struct fid_av *av;
	struct fid_ep *ep;
	int rc, fd;

	rc = cq_open(fabric, cq_size, &cq, &fd);
	if (rc)
		return rc;
	rc = fi_av_open(fabric->domain, &av_attr, &av, NULL);
	if (rc)
		goto err_cq;
	rc = fi_endpoint(fabric->domain, info, &ep, NULL);
	if (rc)
		goto err_av;
	rc = fi_ep_bind(ep, &cq->fid, FI_TRANSMIT | FI_RECV);
	if (rc == 0)
		rc = fi_ep_bind(ep, &av->fid, 0);
	if (rc == 0)
		rc = fi_enable(ep);
	/* After enable: shm of 1.17 crashes before. */
	if (rc == 0)
		rc = fi_setopt(&ep->fid, FI_OPT_ENDPOINT, FI_OPT_MIN_MULTI_RECV, &min_recv,
			       sizeof(min_recv));
	if (rc)
		goto err_ep;
	*ret_ep = ep;
	*ret_cq = cq;
	*ret_av = av;
	*ret_fd = fd;
	return 0;
err_ep:
	fi_close(&ep->fid);
err_av:
	fi_close(&av->fid);
err_cq:
	fi_close(&cq->fid);
	return rc;
}

static int arena_open(struct fabric *fabric)
{
	const struct ofi_provider *row = fabric->provider;
	const size_t recvs = (size_t)row->recv_count * row->recv_bytes;
	const size_t notes = OFI_NOTES * ofi_note_stride();
	int rc = 0;

	/* Two lines more than a power of two, or all headers would share one cache set. */
	fabric->slot_stride = ((sizeof(struct ofi_item) + row->frame_max + 16 + 127) &
			       ~(size_t)127) + 128;
	fabric->arena_bytes = recvs + notes + OFI_SLOTS_ALL * fabric->slot_stride;
	fabric->arena_bytes = (fabric->arena_bytes + 127) & ~(size_t)127;
	fabric->arena = mmap(NULL, fabric->arena_bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (fabric->arena == MAP_FAILED) {
		fabric->arena = NULL;
		return -ENOMEM;
	}
	base_list_init(&fabric->unposted);
	assert(row->recv_count <= OFI_RECVS_MAX);
	for (unsigned i = 0; i < row->recv_count; i++) {
		struct ofi_recv *recv = &fabric->recvs[i];

		recv->context.what = OFI_RECV;
		recv->data = fabric->arena + i * row->recv_bytes;
		base_list_add_tail(&fabric->unposted, &recv->node);
	}
	ofi_items_init(fabric, fabric->arena + recvs,
		       fabric->arena + fabric->arena_bytes - OFI_SLOTS_ALL * fabric->slot_stride);
	if (fabric->info->domain_attr->mr_mode & FI_MR_LOCAL) {
		rc = ofi_register(fabric, fabric->arena, fabric->arena_bytes, FI_SEND | FI_RECV,
				  false, &fabric->arena_mr);
		if (rc == 0)
			fabric->arena_desc = fi_mr_desc(fabric->arena_mr);
	}
	return rc;
}

/* The blob names the provider, so that agents that cannot meet do not try. */
static int name_get(struct fabric *fabric)
{
	size_t bytes = OFI_ADDRESS_MAX;
	int rc = fi_getname(&fabric->ep->fid, fabric->address + 4, &bytes);

	if (rc)
		return rc;
	if (bytes > OFI_ADDRESS_MAX)
		return -ENAMETOOLONG;
	fabric->address[0] = OFI_WIRE_MAGIC;
	fabric->address[1] = OFI_WIRE_VERSION;
	fabric->address[2] = ADDRESS_VERSION;
	fabric->address[3] = (uint8_t)(fabric->provider - ofi_providers);
	fabric->address_bytes = 4 + bytes;
	return 0;
}

int ofi_address(struct fabric *fabric, void *blob, size_t *bytes)
{
	if (*bytes < fabric->address_bytes)
		return -ENOBUFS;
	memcpy(blob, fabric->address, fabric->address_bytes);
	*bytes = fabric->address_bytes;
	return 0;
}

static void classes(struct fabric *fabric, const struct fabric_options *options)
{
	struct ofi_slingshot_env env;

	fabric->reader_class = FI_TC_UNSPEC;
	if (!fabric->provider->slingshot)
		return;
	ofi_slingshot_env(&env);
	/* It was understood when the messages' class was found. */
	(void)ofi_slingshot_class(options ? options->traffic : NULL, &env, true,
				  &fabric->reader_class);
}

static void close_all(struct fabric *fabric)
{
	if (fabric->domain)
		ofi_reader_close(fabric);
	if (fabric->arena_mr)
		fi_close(&fabric->arena_mr->fid);
	if (fabric->ep) {
		int rc = fi_close(&fabric->ep->fid);

		if (rc)
			base_log_error("%s: the endpoint cannot be closed: %s",
				       fabric->provider->name, fi_strerror(-rc));
	}
	if (fabric->table)
		ofi_peers_free(fabric);
	if (fabric->av)
		fi_close(&fabric->av->fid);
	if (fabric->cq)
		fi_close(&fabric->cq->fid);
	if (fabric->domain)
		fi_close(&fabric->domain->fid);
	if (fabric->fid)
		fi_close(&fabric->fid->fid);
	if (fabric->arena) {
		base_unpoison(fabric->arena, fabric->arena_bytes);
		munmap(fabric->arena, fabric->arena_bytes);
	}
	if (fabric->watch_fd >= 0)
		close(fabric->watch_fd);
	if (fabric->info)
		fi_freeinfo(fabric->info);
	free(fabric);
}

static int open_objects(struct fabric *fabric)
{
	struct fi_info *info = fabric->info;
	int rc = fi_fabric(info->fabric_attr, &fabric->fid, NULL);

	if (rc == 0)
		rc = fi_domain(fabric->fid, info, &fabric->domain, NULL);
	if (rc == 0)
		rc = ofi_endpoint_open(fabric, info, fabric->provider->cq_size, &fabric->ep,
				       &fabric->cq, &fabric->av, &fabric->cq_fd);
	if (rc == 0)
		rc = arena_open(fabric);
	if (rc == 0)
		rc = name_get(fabric);
	return rc;
}

int ofi_open(const struct fabric_options *options, const struct fabric_events *events, void *user,
	     struct fabric **ret_fabric, struct fabric_caps *ret_caps)
{
	struct fabric *fabric = calloc(1, sizeof(*fabric));
	char why[256] = "";
	int rc;

	if (!fabric)
		return -ENOMEM;
	fabric->cq_fd = -1;
	fabric->events = *events;
	fabric->user = user;
	fabric->watch_fd = epoll_create1(EPOLL_CLOEXEC);
	rc = fabric->watch_fd < 0 ? -errno :
				    ofi_find(options, &fabric->provider, &fabric->info, why,
					     sizeof(why));
	if (rc == 0)
		rc = ofi_peers_init(fabric);
	if (rc) {
		base_log_error("ofi: %s", *why ? why : strerror(-rc));
		close_all(fabric);
		return rc;
	}
	base_log_info("ofi: %s", why);
	ofi_reader_init(fabric);
	classes(fabric, options);
	fabric->inject_bytes = fabric->info->tx_attr->inject_size;
	rc = open_objects(fabric);
	if (rc == 0) {
		ofi_recvs_post(fabric);
		rc = fabric->fatal ? -EIO : 0;
	}
	if (rc) {
		base_log_error("%s: %s", fabric->provider->name, fi_strerror(-rc));
		close_all(fabric);
		return rc;
	}
	*ret_caps = (struct fabric_caps){ .frame_max = fabric->provider->frame_max,
					  .offer_max = OFI_OFFER_MAX,
					  .address_max = sizeof(fabric->address),
					  .knows_sender = 1,
					  .has_wait = fabric->cq_fd >= 0 };
	*ret_fabric = fabric;
	return 0;
}

/* Farewells leave, buffers come back; no events any more. */
static void drain(struct fabric *fabric)
{
	const uint64_t until = base_now_ns() + OFI_FAREWELL_NS;
	const struct timespec nap = { .tv_nsec = 50000 };

	fabric->closing = true;
	while (!base_list_empty(&fabric->graves) && !fabric->fatal) {
		fabric->now_ns = base_now_ns();
		if (fabric->now_ns >= until)
			break;
		if (ofi_progress(fabric, OFI_STASH) == 0)
			nanosleep(&nap, NULL);
	}
}

void ofi_close(struct fabric *fabric)
{
	base_list_for(node, &fabric->peers)
		ofi_peer_del(base_list_entry(node, struct fabric_peer, node));
	drain(fabric);
	close_all(fabric);
}
