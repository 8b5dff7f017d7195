/* SPDX-License-Identifier: MIT */
/*
 * peer.c - life of an endpoint.
 *
 *	peer_add, a call -> UP --error--> FAILED --all complete--> DOWN --peer_del--> DELETED
 *			     `--------------peer_del------------------------------------^
 *
 * A deleted peer is freed when UCX has closed its endpoint and completed its requests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "hsta/ucx/ucx.h"

static struct fabric_peer **bucket_of(struct fabric *fabric, ucp_ep_h ep)
{
	uint64_t hash = (uint64_t)(uintptr_t)ep * UINT64_C(0x9e3779b97f4a7c15);

	return &fabric->buckets[hash >> 54];
}
_Static_assert(UCX_PEER_BUCKETS == 1 << (64 - 54), "the hash covers the buckets");

struct fabric_peer *ucx_peer_find(struct fabric *fabric, ucp_ep_h ep)
{
	struct fabric_peer *peer = fabric->last_heard;

	if (peer && peer->ep == ep)
		return peer;
	for (peer = *bucket_of(fabric, ep); peer; peer = peer->same_bucket)
		if (peer->ep == ep)
			return fabric->last_heard = peer;
	return NULL;
}

static void bucket_add(struct fabric_peer *peer)
{
	struct fabric_peer **bucket = bucket_of(peer->fabric, peer->ep);

	peer->same_bucket = *bucket;
	*bucket = peer;
}

static void bucket_del(struct fabric_peer *peer)
{
	struct fabric_peer **at = bucket_of(peer->fabric, peer->ep);

	while (*at != peer)
		at = &(*at)->same_bucket;
	*at = peer->same_bucket;
	if (peer->fabric->last_heard == peer)
		peer->fabric->last_heard = NULL;
}

void ucx_peer_fail(struct fabric_peer *peer, ucs_status_t status)
{
	if (peer->state != UCX_UP)
		return;
	peer->state = UCX_FAILED;
	peer->loss = ucx_loss(status);
	snprintf(peer->why, sizeof(peer->why), "%s", ucs_status_string(status));
	/* Nobody is told the end of a peer before its beginning. */
	if (!peer->fresh)
		base_list_add_tail(&peer->fabric->failed, &peer->todo);
}

static void on_error(void *user, ucp_ep_h ep, ucs_status_t status)
{
	(void)ep;
	ucx_peer_fail(user, status);
}

static struct fabric_peer *peer_create(struct fabric *fabric, void *user)
{
	struct fabric_peer *peer;

	if (fabric->peer_count >= UCX_PEERS_MAX)
		return NULL;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	peer->fabric = fabric;
	peer->user = user;
	base_list_init(&peer->todo);
	base_list_init(&peer->transfers);
	base_list_init(&peer->offers);
	base_list_init(&peer->node);
	base_list_add_tail(&fabric->peers, &peer->node);
	fabric->peer_count++;
	return peer;
}

static void peer_free(struct fabric_peer *peer)
{
	ucx_offers_free(peer);
	peer->fabric->peer_count--;
	base_list_del(&peer->node);
	base_list_del(&peer->todo);
	free(peer);
}

static ucs_status_t connect_ep(struct fabric_peer *peer, ucp_ep_params_t *params)
{
	ucs_status_t status;

	params->field_mask |= UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE |
			      UCP_EP_PARAM_FIELD_ERR_HANDLER;
	params->err_mode = UCP_ERR_HANDLING_MODE_PEER;
	params->err_handler.cb = on_error;
	params->err_handler.arg = peer;
	status = ucp_ep_create(peer->fabric->worker, params, &peer->ep);
	if (status == UCS_OK)
		bucket_add(peer);
	else
		peer->ep = NULL;
	return status;
}

enum fabric_status ucx_peer_add(struct fabric *fabric, const void *blob, size_t bytes,
				void *peer_user, struct fabric_peer **ret_peer)
{
	union ucx_address address;
	ucp_ep_params_t params = {
		.field_mask = UCP_EP_PARAM_FIELD_FLAGS | UCP_EP_PARAM_FIELD_SOCK_ADDR,
		.flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER,
		.sockaddr.addr = &address.any,
	};
	struct fabric_peer *peer;
	ucs_status_t status;

	if (ucx_address_decode(blob, bytes, &address) < 0)
		return FABRIC_PEER;
	peer = peer_create(fabric, peer_user);
	if (!peer)
		return FABRIC_AGAIN;
	params.sockaddr.addrlen = ucx_address_bytes(&address);
	status = connect_ep(peer, &params);
	if (status != UCS_OK)
		ucx_peer_fail(peer, status);
	*ret_peer = peer;
	return FABRIC_OK;
}

void *ucx_peer_user(struct fabric_peer *peer, void *set_or_null)
{
	if (set_or_null)
		peer->user = set_or_null;
	return peer->user;
}

void ucx_called(ucp_conn_request_h call, void *user)
{
	struct fabric *fabric = user;

	if (fabric->closing || fabric->call_count == UCX_CALLS_MAX)
		ucp_listener_reject(fabric->listener, call);
	else
		fabric->calls[fabric->call_count++] = call;
}

static void answer_calls(struct fabric *fabric)
{
	for (unsigned i = 0; i < fabric->call_count; i++) {
		ucp_ep_params_t params = {
			.field_mask = UCP_EP_PARAM_FIELD_CONN_REQUEST,
			.conn_request = fabric->calls[i],
		};
		struct fabric_peer *peer = peer_create(fabric, NULL);
		ucs_status_t status = UCS_OK;

		if (peer)
			status = connect_ep(peer, &params);
		else
			ucp_listener_reject(fabric->listener, fabric->calls[i]);
		if (status != UCS_OK) { /* UCX has refused the call and freed it */
			base_log_debug("ucx: a call is not answered: %s",
				       ucs_status_string(status));
			peer_free(peer);
		} else if (peer) {
			peer->fresh = true;
			base_list_add_tail(&fabric->fresh, &peer->todo);
		}
	}
	fabric->call_count = 0;
}

static void closed(void *request, ucs_status_t status, void *user)
{
	struct fabric_peer *peer = user;

	(void)status;
	ucp_request_free(request);
	peer->closing = false;
}

/* By force: what is with UCX completes with an error, and the other side is told. */
static void close_ep(struct fabric_peer *peer)
{
	const ucp_request_param_t param = {
		.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA |
				UCP_OP_ATTR_FIELD_FLAGS,
		.flags = UCP_EP_CLOSE_FLAG_FORCE,
		.cb.send = closed,
		.user_data = peer,
	};
	ucs_status_ptr_t request;
	ucp_ep_h ep = peer->ep;

	if (!ep)
		return;
	bucket_del(peer);
	peer->ep = NULL;
	peer->closing = true;
	peer->deadline_ns = base_now_ns() + UCX_CLOSE_NS;
	request = ucp_ep_close_nbx(ep, &param);
	if (!UCS_PTR_IS_PTR(request))
		peer->closing = false;
}

/* True: nothing of the core's memory is in use, by decision of UCX or ours. */
static bool let_go(struct fabric_peer *peer)
{
	if (base_list_empty(&peer->transfers))
		return true;
	if (base_now_ns() < peer->deadline_ns)
		return false;
	base_log_warn("ucx: transfers of a closed endpoint do not end, giving them up");
	ucx_transfers_abandon(peer);
	return true;
}

static void tell_done_of(struct fabric_peer *peer)
{
	struct fabric *fabric = peer->fabric;
	struct base_list *node = fabric->done.next;

	while (node != &fabric->done) {
		struct ucx_op *own = base_list_entry(node, struct ucx_op, node);
		struct fabric_op *op = base_list_entry((void *)own, struct fabric_op, private_);
		enum fabric_status status = own->status;

		node = node->next;
		if (own->peer != peer)
			continue;
		base_list_del(&own->node);
		op->done(op, status);
		/* It may have changed the list. */
		node = fabric->done.next;
	}
}

void ucx_peer_del(struct fabric_peer *peer)
{
	struct fabric *fabric = peer->fabric;

	peer->state = UCX_DELETED;
	base_list_del(&peer->todo);
	base_list_del(&peer->node);
	base_list_add_tail(&fabric->graves, &peer->node);
	close_ep(peer);
	while (!let_go(peer))
		ucp_worker_progress(fabric->worker);
	tell_done_of(peer);
}

void ucx_peers_settle(struct fabric *fabric)
{
	if (fabric->call_count)
		answer_calls(fabric);
	base_list_for(node, &fabric->failed) {
		struct fabric_peer *peer = base_list_entry(node, struct fabric_peer, todo);

		close_ep(peer);
		if (!let_go(peer))
			continue;
		base_list_del(&peer->todo);
		base_list_add_tail(&fabric->down, &peer->todo);
	}
	base_list_for(grave, &fabric->graves) {
		struct fabric_peer *peer = base_list_entry(grave, struct fabric_peer, node);

		if (!peer->closing && !peer->slots && !peer->unread &&
		    base_list_empty(&peer->transfers))
			peer_free(peer);
	}
}

uint64_t ucx_peers_deadline(const struct fabric *fabric)
{
	uint64_t first = UINT64_MAX;

	base_list_for(node, &fabric->failed) {
		struct fabric_peer *peer = base_list_entry(node, struct fabric_peer, todo);

		if (peer->deadline_ns < first)
			first = peer->deadline_ns;
	}
	return first;
}
