/* SPDX-License-Identifier: MIT */
/*
 * send.c - from frame() to the socket. Messages queue per peer; a batch takes as many as
 * one call can carry, then one chunk of bulk data. So many small frames cost one call, and
 * a frame waits for at most one chunk. Transfers take turns by the chunk.
 */
#include <assert.h>

#include "tcp/peer.h"

static struct tcp_item *item_of(struct base_list *node)
{
	return base_list_entry(node, struct tcp_item, node);
}

static void item_done(struct fabric_peer *peer, struct tcp_item *item)
{
	base_list_del(&item->node);
	if (item->is_slot)
		peer->slots--;
	else
		peer->notes--;
	tcp_item_put(peer->fabric, item);
}

void tcp_dirty(struct fabric_peer *peer)
{
	if (peer->state == TCP_UP && !peer->sending && base_list_empty(&peer->todo) &&
	    (peer->batch.left || !base_list_empty(&peer->queue) ||
	     !base_list_empty(&peer->active)))
		base_list_add_tail(&peer->fabric->dirty, &peer->todo);
}

void tcp_queue(struct fabric_peer *peer, struct tcp_item *item)
{
	base_list_add_tail(&peer->queue, &item->node);
	if (item->is_slot)
		peer->slots++;
	else
		peer->notes++;
	tcp_dirty(peer);
}

enum fabric_status tcp_frame(struct fabric_peer *peer, void *slot, size_t bytes)
{
	struct tcp_item *item = base_list_entry(slot, struct tcp_item, payload);

	assert(bytes >= 1 && bytes <= TCP_FRAME_MAX);
	if (peer->state >= TCP_DOWN) {
		tcp_item_put(peer->fabric, item);
		return FABRIC_PEER;
	}
	if (peer->slots >= TCP_PEER_SLOTS)
		return FABRIC_AGAIN;
	tcp_wire_encode(item->wire, TCP_FRAME, 0, bytes);
	item->bytes = (uint32_t)(TCP_WIRE_BYTES + bytes);
	tcp_queue(peer, item);
	return FABRIC_OK;
}

static void batch_add(struct tcp_batch *batch, void *from, size_t bytes)
{
	struct iovec *iov = &batch->iov[batch->message.msg_iovlen++];

	iov->iov_base = from;
	iov->iov_len = bytes;
	batch->left += bytes;
}

static void batch_add_chunk(struct fabric_peer *peer)
{
	struct tcp_outgoing *out =
		base_list_entry(peer->active.next, struct tcp_outgoing, active);
	struct tcp_batch *batch = &peer->batch;
	size_t bytes = out->bytes - out->sent;

	if (bytes > TCP_CHUNK_MAX)
		bytes = TCP_CHUNK_MAX;
	tcp_wire_encode(batch->chunk_wire, TCP_DATA, out->id, bytes);
	batch->chunk = out;
	batch->chunk_bytes = bytes;
	batch_add(batch, batch->chunk_wire, TCP_WIRE_BYTES);
	batch_add(batch, (void *)(uintptr_t)(out->from + out->sent), bytes);
	/* To the end: the next chunk is another transfer's. */
	base_list_del(&out->active);
	base_list_add_tail(&peer->active, &out->active);
}

size_t tcp_batch_build(struct fabric_peer *peer)
{
	struct tcp_batch *batch = &peer->batch;

	if (batch->left)
		return batch->left;
	batch->message = (struct msghdr){ .msg_iov = batch->iov };
	while (!base_list_empty(&peer->queue) && batch->message.msg_iovlen < TCP_BATCH_IOV - 2 &&
	       batch->left < TCP_BATCH_BYTES) {
		struct tcp_item *item = item_of(peer->queue.next);

		base_list_del(&item->node);
		base_list_add_tail(&batch->items, &item->node);
		batch_add(batch, item->wire, item->bytes);
	}
	if (!base_list_empty(&peer->active))
		batch_add_chunk(peer);
	return batch->left;
}

bool tcp_batch_sent(struct fabric_peer *peer, size_t bytes)
{
	struct tcp_batch *batch = &peer->batch;
	struct tcp_outgoing *chunk = batch->chunk;

	assert(bytes <= batch->left);
	batch->left -= bytes;
	if (batch->left) {
		while (bytes >= batch->message.msg_iov->iov_len) {
			bytes -= batch->message.msg_iov->iov_len;
			batch->message.msg_iov++;
			batch->message.msg_iovlen--;
		}
		batch->message.msg_iov->iov_base =
			(uint8_t *)batch->message.msg_iov->iov_base + bytes;
		batch->message.msg_iov->iov_len -= bytes;
		return false;
	}
	while (!base_list_empty(&batch->items))
		item_done(peer, item_of(batch->items.next));
	batch->chunk = NULL;
	if (chunk)
		tcp_bulk_chunk_sent(peer, chunk, batch->chunk_bytes);
	return true;
}

void tcp_send_discard(struct fabric_peer *peer)
{
	while (!base_list_empty(&peer->batch.items))
		item_done(peer, item_of(peer->batch.items.next));
	while (!base_list_empty(&peer->queue))
		item_done(peer, item_of(peer->queue.next));
	peer->batch.left = 0;
	peer->batch.chunk = NULL;
}
