/* SPDX-License-Identifier: MIT */
/*
 * recv.c - active messages that come: called inside UCX, so they are only noted.
 *
 * They come from the network before the core has authenticated anybody: whatever no fabric
 * of ours would say is forgotten.
 */
#include <string.h>

#include "base/log.h"
#include "hsta/ucx/ucx.h"

static struct fabric_peer *sender(struct fabric *fabric, const ucp_am_recv_param_t *param)
{
	struct fabric_peer *peer;

	if (!(param->recv_attr & UCP_AM_RECV_ATTR_FIELD_REPLY_EP))
		return NULL;
	peer = ucx_peer_find(fabric, param->reply_ep);
	return peer && peer->state == UCX_UP ? peer : NULL;
}

/* The core numbers frames and sends again what was not acknowledged. */
static ucs_status_t no_room(struct fabric *fabric)
{
	if (fabric->dropped++ == 0)
		base_log_warn("ucx: no memory for what comes, frames are dropped");
	return UCS_OK;
}

static ucs_status_t on_frame(void *user, const void *header, size_t header_bytes, void *data,
			     size_t bytes, const ucp_am_recv_param_t *param)
{
	struct fabric *fabric = user;
	struct fabric_peer *peer = sender(fabric, param);
	bool lent = param->recv_attr & UCP_AM_RECV_ATTR_FLAG_DATA;
	struct ucx_news *news;

	(void)header;
	if (!peer || param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV || header_bytes != 0 ||
	    bytes == 0 || bytes > UCX_FRAME_MAX)
		return UCS_OK;
	news = ucx_inbox_add(&fabric->inbox, lent ? 0 : bytes);
	if (!news)
		return no_room(fabric);
	news->peer = peer;
	peer->unread++;
	if (!lent) {
		memcpy(news + 1, data, bytes);
		return UCS_OK;
	}
	news->lent = data;
	news->bytes = bytes;
	return UCS_INPROGRESS;
}

static ucs_status_t on_offer(void *user, const void *header, size_t header_bytes, void *data,
			     size_t bytes, const ucp_am_recv_param_t *param)
{
	struct fabric *fabric = user;
	struct fabric_peer *peer = sender(fabric, param);
	struct fabric_offer *offer;
	struct ucx_news *news;

	if (!peer || !(param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) ||
	    header_bytes > UCX_OFFER_MAX || bytes == 0)
		return UCS_OK;
	/* No fabric of ours offers more at a time than fit. */
	offer = ucx_offer_get(peer, data, bytes);
	if (!offer)
		return UCS_OK;
	news = ucx_inbox_add(&fabric->inbox, header_bytes);
	if (!news) {
		ucx_offer_put(offer);
		return no_room(fabric);
	}
	peer->unread++;
	news->peer = peer;
	news->offer = offer;
	if (header_bytes)
		memcpy(news + 1, header, header_bytes);
	return UCS_INPROGRESS;
}

ucs_status_t ucx_recv_listen(struct fabric *fabric)
{
	ucp_am_handler_param_t param = {
		.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB |
			      UCP_AM_HANDLER_PARAM_FIELD_ARG | UCP_AM_HANDLER_PARAM_FIELD_FLAGS,
		.flags = UCP_AM_FLAG_WHOLE_MSG,
		.arg = fabric,
	};
	ucs_status_t status;

	param.id = UCX_AM_FRAME;
	param.cb = on_frame;
	status = ucp_worker_set_am_recv_handler(fabric->worker, &param);
	if (status != UCS_OK)
		return status;
	param.id = UCX_AM_OFFER;
	param.cb = on_offer;
	return ucp_worker_set_am_recv_handler(fabric->worker, &param);
}
