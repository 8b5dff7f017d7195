/* SPDX-License-Identifier: MIT */
/* send.c - frames: eager active messages from slots. */
#include <assert.h>

#include "hsta/ucx/ucx.h"

static void sent(void *request, ucs_status_t status, void *user)
{
	struct ucx_slot *slot = user;
	struct fabric_peer *peer = slot->peer;

	ucp_request_free(request);
	slot->peer = NULL;
	peer->slots--;
	ucx_slot_put(slot);
	if (status != UCS_OK)
		ucx_peer_fail(peer, status);
}

enum fabric_status ucx_frame(struct fabric_peer *peer, void *data, size_t bytes)
{
	struct ucx_slot *slot = base_list_entry(data, struct ucx_slot, data);
	const ucp_request_param_t param = {
		.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA |
				UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FIELD_MEMH,
		/* The reply endpoint is how the other side knows whose frame it is. */
		.flags = UCP_AM_SEND_FLAG_EAGER | UCP_AM_SEND_FLAG_REPLY,
		.cb.send = sent,
		.user_data = slot,
		.memh = slot->memh,
	};
	enum fabric_status status;
	ucs_status_ptr_t request;

	assert(bytes >= 1 && bytes <= UCX_FRAME_MAX);
	if (peer->state != UCX_UP) {
		ucx_slot_put(slot);
		return FABRIC_PEER;
	}
	if (peer->slots >= UCX_PEER_SLOTS)
		return FABRIC_AGAIN;
	/* Before the call, which may complete it. */
	slot->peer = peer;
	peer->slots++;
	request = ucp_am_send_nbx(peer->ep, UCX_AM_FRAME, NULL, 0, data, bytes, &param);
	if (UCS_PTR_IS_PTR(request))
		return FABRIC_OK;
	slot->peer = NULL;
	peer->slots--;
	status = ucx_status(UCS_PTR_STATUS(request));
	if (status == FABRIC_AGAIN)
		return FABRIC_AGAIN;
	ucx_slot_put(slot);
	if (status != FABRIC_OK)
		ucx_peer_fail(peer, UCS_PTR_STATUS(request));
	return status;
}
