/* SPDX-License-Identifier: MIT */
/* ucx.c - open and close, and the table of operations. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "hsta/ucx/ucx.h"

static ucs_status_t listen_at(struct fabric *fabric, const union ucx_address *address)
{
	const ucp_listener_params_t params = {
		.field_mask = UCP_LISTENER_PARAM_FIELD_SOCK_ADDR |
			      UCP_LISTENER_PARAM_FIELD_CONN_HANDLER,
		.sockaddr = { .addr = &address->any, .addrlen = ucx_address_bytes(address) },
		.conn_handler = { .cb = ucx_called, .arg = fabric },
	};
	ucp_listener_attr_t attr = { .field_mask = UCP_LISTENER_ATTR_FIELD_SOCKADDR };
	ucs_status_t status = ucp_listener_create(fabric->worker, &params, &fabric->listener);

	if (status != UCS_OK)
		return status;
	status = ucp_listener_query(fabric->listener, &attr);
	if (status != UCS_OK) {
		ucp_listener_destroy(fabric->listener);
		return status;
	}
	fabric->own = *address;
	if (address->any.sa_family == AF_INET6)
		fabric->own.v6.sin6_port = ((struct sockaddr_in6 *)&attr.sockaddr)->sin6_port;
	else
		fabric->own.v4.sin_port = ((struct sockaddr_in *)&attr.sockaddr)->sin_port;
	return UCS_OK;
}

static ucs_status_t create_worker(struct fabric *fabric)
{
	const ucp_worker_params_t params = {
		.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE,
		.thread_mode = UCS_THREAD_MODE_SINGLE,
	};
	ucs_status_t status = ucp_worker_create(fabric->context, &params, &fabric->worker);

	if (status != UCS_OK)
		return status;
	status = ucx_recv_listen(fabric);
	if (status != UCS_OK)
		ucp_worker_destroy(fabric->worker);
	return status;
}

/* An epoll of the worker's descriptor and what watch() adds. */
static int create_epoll(struct fabric *fabric)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = -1 };
	ucs_status_t status;
	int fd, rc;

	status = ucp_worker_get_efd(fabric->worker, &fd);
	if (status != UCS_OK)
		return ucx_errno(status);
	fabric->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (fabric->epoll_fd < 0)
		return -errno;
	if (epoll_ctl(fabric->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		rc = -errno;
		close(fabric->epoll_fd);
		return rc;
	}
	return 0;
}

static struct fabric *fabric_create(const struct fabric_events *events, void *user)
{
	struct fabric *fabric = calloc(1, sizeof(*fabric));

	if (!fabric)
		return NULL;
	fabric->events = *events;
	fabric->user = user;
	base_list_init(&fabric->peers);
	base_list_init(&fabric->graves);
	base_list_init(&fabric->fresh);
	base_list_init(&fabric->failed);
	base_list_init(&fabric->down);
	base_list_init(&fabric->done);
	base_list_init(&fabric->memories);
	return fabric;
}

static int ucx_open(const struct fabric_options *options, const struct fabric_events *events,
		    void *user, struct fabric **ret_fabric, struct fabric_caps *ret_caps)
{
	struct fabric *fabric = fabric_create(events, user);
	union ucx_address address;
	char why[160] = "";
	ucs_status_t status;
	int rc;

	if (!fabric)
		return -ENOMEM;
	rc = ucx_address_parse(options ? options->bind : NULL, &address);
	if (rc)
		goto err_free;
	rc = ucx_context_create(options, &fabric->context, why, sizeof(why));
	if (rc) {
		base_log_error("ucx: %s", why);
		goto err_free;
	}
	status = create_worker(fabric);
	rc = ucx_errno(status);
	if (status != UCS_OK)
		goto err_context;
	rc = create_epoll(fabric);
	if (rc)
		goto err_worker;
	status = listen_at(fabric, &address);
	rc = ucx_errno(status);
	if (status != UCS_OK)
		goto err_epoll;
	*ret_caps = (struct fabric_caps){ .frame_max = UCX_FRAME_MAX,
					  .offer_max = UCX_OFFER_MAX,
					  .address_max = UCX_ADDRESS_MAX,
					  .knows_sender = 1,
					  .has_wait = 1,
					  .tells_refusal = 1 };
	*ret_fabric = fabric;
	return 0;

err_epoll:
	close(fabric->epoll_fd);
err_worker:
	ucp_worker_destroy(fabric->worker);
err_context:
	ucp_cleanup(fabric->context);
err_free:
	free(fabric);
	return rc;
}

/*
 * The thread of UCX 1.13 that receives calls goes on with one that has begun when its
 * listener is gone, and dies: let them end before.
 */
static void stop_listening(struct fabric *fabric)
{
	uint64_t until = base_now_ns() + UCX_QUIET_NS;

	do {
		ucx_wait(fabric, until);
	} while (base_now_ns() < until);
	ucp_listener_destroy(fabric->listener);
}

static void ucx_close(struct fabric *fabric)
{
	uint64_t until = base_now_ns() + UCX_CLOSE_NS;

	base_list_for(node, &fabric->peers)
		ucx_peer_del(base_list_entry(node, struct fabric_peer, node));
	fabric->closing = true;
	for (unsigned i = 0; i < fabric->call_count; i++)
		ucp_listener_reject(fabric->listener, fabric->calls[i]);
	fabric->call_count = 0;
	/* What came and nobody will be told of: its peers are deleted. */
	while (ucx_inbox_first(&fabric->inbox))
		ucx_progress(fabric, 1 << 20);
	/* The others hear of it when UCX has turned. */
	while (!base_list_empty(&fabric->graves) && base_now_ns() < until)
		ucx_turn(fabric);
	stop_listening(fabric);
	if (!base_list_empty(&fabric->graves))
		base_log_warn("ucx: endpoints do not close");
	close(fabric->epoll_fd);
	ucp_worker_destroy(fabric->worker);
	ucx_slots_free(fabric);
	ucx_memories_unmap(fabric);
	ucp_cleanup(fabric->context);
	while (!base_list_empty(&fabric->graves)) {
		struct base_list *node = fabric->graves.next;

		base_list_del(node);
		free(base_list_entry(node, struct fabric_peer, node));
	}
	ucx_bulk_free(fabric);
	ucx_inbox_free(&fabric->inbox);
	free(fabric);
}

static int ucx_address(struct fabric *fabric, void *blob, size_t *bytes)
{
	return ucx_address_encode(&fabric->own, blob, bytes);
}

const struct fabric_ops hsta_ucx = {
	.name = "ucx",
	.probe = ucx_probe,
	.open = ucx_open,
	.close = ucx_close,
	.address = ucx_address,
	.peer_add = ucx_peer_add,
	.peer_del = ucx_peer_del,
	.peer_user = ucx_peer_user,
	.memory_add = ucx_memory_add,
	.memory_del = ucx_memory_del,
	.slot = ucx_slot_get,
	.frame = ucx_frame,
	.bulk = ucx_bulk,
	.fetch = ucx_fetch,
	.drop = ucx_drop,
	.progress = ucx_progress,
	.watch = ucx_watch,
	.wait = ucx_wait,
};
