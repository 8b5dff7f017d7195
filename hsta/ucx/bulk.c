/* SPDX-License-Identifier: MIT */
/*
 * bulk.c - registered memory, offers and fetches: active messages by rendezvous.
 *
 * UCX chooses how the bytes go (read, write, or pieces over tcp); to the sender the answer
 * to an offer, fetched or dropped, is the completion of its request.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hsta/ucx/ucx.h"

int ucx_memory_add(struct fabric *fabric, void *base, size_t bytes,
		   struct fabric_memory **ret_memory)
{
	/* Not split: UCX has no limit of its own, and splits where a device has one. */
	const ucp_mem_map_params_t params = {
		.field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH,
		.address = base,
		.length = bytes,
	};
	struct fabric_memory *memory = malloc(sizeof(*memory));
	ucs_status_t status;

	if (!memory)
		return -ENOMEM;
	*memory = (struct fabric_memory){ .fabric = fabric, .base = base, .bytes = bytes };
	status = ucp_mem_map(fabric->context, &params, &memory->memh);
	if (status != UCS_OK) {
		free(memory);
		return ucx_errno(status);
	}
	base_list_init(&memory->node);
	base_list_add_tail(&fabric->memories, &memory->node);
	*ret_memory = memory;
	return 0;
}

static void unmap(struct fabric_memory *memory)
{
	ucp_mem_unmap(memory->fabric->context, memory->memh);
	base_list_del(&memory->node);
	memory->fabric = NULL;
}

void ucx_memory_del(struct fabric_memory *memory)
{
	if (memory->fabric)
		unmap(memory);
	free(memory);
}

void ucx_memories_unmap(struct fabric *fabric)
{
	base_list_for(node, &fabric->memories)
		unmap(base_list_entry(node, struct fabric_memory, node));
}

static struct ucx_transfer *transfer_get(struct fabric_peer *peer, struct fabric_op *op,
					 bool is_bulk)
{
	struct fabric *fabric = peer->fabric;
	struct ucx_transfer *transfer = fabric->free_transfers;

	if (transfer) {
		fabric->free_transfers = transfer->next_free;
	} else {
		if (fabric->transfer_count == UCX_TRANSFERS)
			return NULL;
		transfer = malloc(sizeof(*transfer));
		if (!transfer)
			return NULL;
		fabric->transfer_count++;
		transfer->next_made = fabric->made_transfers;
		fabric->made_transfers = transfer;
		base_list_init(&transfer->node);
	}
	transfer->peer = peer;
	transfer->op = op;
	transfer->is_bulk = is_bulk;
	peer->bulks += is_bulk;
	base_list_add_tail(&peer->transfers, &transfer->node);
	return transfer;
}

static void transfer_put(struct ucx_transfer *transfer)
{
	struct fabric *fabric = transfer->peer->fabric;

	base_list_del(&transfer->node);
	transfer->peer->bulks -= transfer->is_bulk;
	transfer->next_free = fabric->free_transfers;
	fabric->free_transfers = transfer;
}

/* To be told by progress() or peer_del(). */
static void op_complete(struct fabric_peer *peer, struct fabric_op *op, enum fabric_status status)
{
	struct ucx_op *own = (struct ucx_op *)(void *)op->private_;

	own->peer = peer;
	own->status = status;
	base_list_init(&own->node);
	base_list_add_tail(&peer->fabric->done, &own->node);
}

static void transfer_done(struct ucx_transfer *transfer, ucs_status_t status)
{
	struct fabric_peer *peer = transfer->peer;
	struct fabric_op *op = transfer->op;

	transfer_put(transfer);
	if (op)
		op_complete(peer, op, status == UCS_OK ? FABRIC_OK : FABRIC_PEER);
	if (status != UCS_OK)
		ucx_peer_fail(peer, status);
}

static void offered(void *request, ucs_status_t status, void *user)
{
	ucp_request_free(request);
	transfer_done(user, status);
}

static void fetched(void *request, ucs_status_t status, size_t bytes, void *user)
{
	(void)bytes;
	ucp_request_free(request);
	transfer_done(user, status);
}

enum fabric_status ucx_bulk(struct fabric_peer *peer, const void *header, size_t header_bytes,
			    struct fabric_memory *memory, size_t offset, size_t bytes,
			    struct fabric_op *op)
{
	ucp_request_param_t param = {
		.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA |
				UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FIELD_MEMH,
		.flags = UCP_AM_SEND_FLAG_RNDV | UCP_AM_SEND_FLAG_REPLY,
		.cb.send = offered,
		.memh = memory->memh,
	};
	struct ucx_transfer *transfer;
	ucs_status_ptr_t request;
	enum fabric_status status;

	assert(header_bytes <= UCX_OFFER_MAX && bytes >= 1);
	assert(offset <= memory->bytes && bytes <= memory->bytes - offset);
	if (peer->state != UCX_UP)
		return FABRIC_PEER;
	if (peer->bulks >= UCX_PEER_BULKS)
		return FABRIC_AGAIN;
	transfer = transfer_get(peer, op, true);
	if (!transfer)
		return FABRIC_AGAIN;
	if (header_bytes)
		memcpy(transfer->header, header, header_bytes);
	param.user_data = transfer;
	request = ucp_am_send_nbx(peer->ep, UCX_AM_OFFER, transfer->header, header_bytes,
				  memory->base + offset, bytes, &param);
	if (UCS_PTR_IS_PTR(request))
		return FABRIC_OK;
	if (!request) { /* no rendezvous is over before it began, but UCX may say so */
		transfer_done(transfer, UCS_OK);
		return FABRIC_OK;
	}
	transfer_put(transfer);
	status = ucx_status(UCS_PTR_STATUS(request));
	if (status != FABRIC_AGAIN)
		ucx_peer_fail(peer, UCS_PTR_STATUS(request));
	return status;
}

struct fabric_offer *ucx_offer_get(struct fabric_peer *peer, void *data, size_t bytes)
{
	struct fabric *fabric = peer->fabric;
	struct fabric_offer *offer = fabric->free_offers;

	if (peer->offered >= UCX_PEER_BULKS)
		return NULL;
	if (offer) {
		fabric->free_offers = offer->next_free;
	} else {
		if (fabric->offer_count == UCX_TRANSFERS)
			return NULL;
		offer = malloc(sizeof(*offer));
		if (!offer)
			return NULL;
		fabric->offer_count++;
		offer->next_made = fabric->made_offers;
		fabric->made_offers = offer;
		base_list_init(&offer->node);
	}
	offer->peer = peer;
	offer->data = data;
	offer->bytes = bytes;
	peer->offered++;
	base_list_add_tail(&peer->offers, &offer->node);
	return offer;
}

void ucx_offer_put(struct fabric_offer *offer)
{
	struct fabric *fabric = offer->peer->fabric;

	base_list_del(&offer->node);
	offer->peer->offered--;
	offer->next_free = fabric->free_offers;
	fabric->free_offers = offer;
}

enum fabric_status ucx_fetch(struct fabric_offer *offer, struct fabric_memory *memory,
			     size_t offset, struct fabric_op *op)
{
	ucp_request_param_t param = {
		.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA |
				UCP_OP_ATTR_FIELD_MEMH,
		.cb.recv_am = fetched,
		.memh = memory->memh,
	};
	struct fabric_peer *peer = offer->peer;
	struct ucx_transfer *transfer;
	ucs_status_ptr_t request;

	assert(offset <= memory->bytes && offer->bytes <= memory->bytes - offset);
	if (peer->state != UCX_UP)
		return FABRIC_PEER;
	transfer = transfer_get(peer, op, false);
	if (!transfer)
		return FABRIC_AGAIN;
	param.user_data = transfer;
	request = ucp_am_recv_data_nbx(peer->fabric->worker, offer->data, memory->base + offset,
				       offer->bytes, &param);
	/* UCX has taken the description, also if it failed. */
	ucx_offer_put(offer);
	if (UCS_PTR_IS_PTR(request))
		return FABRIC_OK;
	if (!request) {
		transfer_done(transfer, UCS_OK);
		return FABRIC_OK;
	}
	transfer_put(transfer);
	ucx_peer_fail(peer, UCS_PTR_STATUS(request));
	return FABRIC_PEER;
}

/*
 * To release a description tells the sender that its data was taken, so that with a failed
 * endpoint it waits until UCX knows that there is nobody to tell: ucx_offers_free().
 */
void ucx_drop(struct fabric_offer *offer)
{
	struct fabric_peer *peer = offer->peer;

	if (peer->state != UCX_UP)
		return;
	ucp_am_data_release(peer->fabric->worker, offer->data);
	ucx_offer_put(offer);
}

void ucx_offers_free(struct fabric_peer *peer)
{
	base_list_for(node, &peer->offers) {
		struct fabric_offer *offer = base_list_entry(node, struct fabric_offer, node);

		ucp_am_data_release(peer->fabric->worker, offer->data);
		ucx_offer_put(offer);
	}
}

void ucx_transfers_abandon(struct fabric_peer *peer)
{
	base_list_for(node, &peer->transfers) {
		struct ucx_transfer *transfer = base_list_entry(node, struct ucx_transfer, node);

		if (transfer->op)
			op_complete(peer, transfer->op, FABRIC_PEER);
		transfer->op = NULL;
	}
}

void ucx_bulk_free(struct fabric *fabric)
{
	while (fabric->made_transfers) {
		struct ucx_transfer *transfer = fabric->made_transfers;

		fabric->made_transfers = transfer->next_made;
		free(transfer);
	}
	while (fabric->made_offers) {
		struct fabric_offer *offer = fabric->made_offers;

		fabric->made_offers = offer->next_made;
		free(offer);
	}
}
