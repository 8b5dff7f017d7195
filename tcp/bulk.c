/* SPDX-License-Identifier: MIT */
/*
 * bulk.c - offers and what follows them: OFFER, then PULL and DATA..., or DROP.
 *
 * The low bits of an id are the index of the sender's entry and of the receiver's; the
 * other bits count, so that an answer to an older offer is noticed. The sender uses an
 * entry again only after its last DATA or after DROP, which the receiver has then seen or
 * sent; so an OFFER for an entry in use is a broken peer.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tcp/peer.h"

enum { INDEX_MASK = TCP_BULK_SLOTS - 1 };

_Static_assert((TCP_BULK_SLOTS & INDEX_MASK) == 0, "ids are masked");

int tcp_memory_add(struct fabric *fabric, void *base, size_t bytes,
		   struct fabric_memory **ret_memory)
{
	struct fabric_memory *memory = malloc(sizeof(*memory));

	if (!memory)
		return -ENOMEM;
	memory->fabric = fabric;
	memory->fixed = 0;
	memory->base = base;
	memory->bytes = bytes;
	*ret_memory = memory;
	return 0;
}

void tcp_memory_del(struct fabric_memory *memory)
{
	free(memory);
}

static bool in_range(const struct fabric_memory *memory, size_t offset, size_t bytes)
{
	return offset <= memory->bytes && bytes <= memory->bytes - offset;
}

static struct tcp_item *note_make(struct fabric_peer *peer, enum tcp_kind kind, uint32_t id,
				  size_t bytes)
{
	struct tcp_item *note = tcp_note_get(peer->fabric);

	if (!note)
		return NULL;
	tcp_wire_encode(note->wire, kind, id, bytes);
	note->bytes = (uint32_t)(TCP_WIRE_BYTES + bytes);
	return note;
}

enum fabric_status tcp_bulk(struct fabric_peer *peer, const void *header, size_t header_bytes,
			    struct fabric_memory *memory, size_t offset, size_t bytes,
			    struct fabric_op *op)
{
	struct tcp_outgoing *out = peer->outgoing;
	struct tcp_item *note;
	uint32_t index = 0;

	assert(header_bytes <= TCP_OFFER_MAX);
	assert(bytes >= 1 && bytes <= TCP_BULK_MAX);
	/* The caller's mistake, but nothing outside of registered memory may ever go out. */
	if (!in_range(memory, offset, bytes))
		return FABRIC_FATAL;
	if (peer->state >= TCP_DOWN)
		return FABRIC_PEER;
	while (index < TCP_BULK_SLOTS && out[index].op)
		index++;
	if (index == TCP_BULK_SLOTS || peer->notes >= TCP_NOTES / 2)
		return FABRIC_AGAIN;
	out += index;
	out->id = index | ++peer->serial * TCP_BULK_SLOTS;
	note = note_make(peer, TCP_OFFER, out->id, TCP_SIZE_BYTES + header_bytes);
	if (!note)
		return FABRIC_AGAIN;
	tcp_put64(note->payload, bytes);
	if (header_bytes)
		memcpy(note->payload + TCP_SIZE_BYTES, header, header_bytes);
	base_list_init(&out->active);
	out->op = op;
	out->from = memory->base + offset;
	out->bytes = bytes;
	out->sent = 0;
	out->pulled = false;
	tcp_queue(peer, note);
	return FABRIC_OK;
}

void tcp_bulk_offered(struct fabric_peer *peer, uint32_t id, const uint8_t *payload, size_t bytes)
{
	struct fabric_offer *offer = &peer->incoming[id & INDEX_MASK];
	struct fabric *fabric = peer->fabric;
	uint64_t size = tcp_get64(payload);

	if (offer->open || size < 1 || size > TCP_BULK_MAX) {
		tcp_fail(peer, "sent an offer that cannot be");
		return;
	}
	/* Its DROPs are not read but it offers on: an honest peer waits for our answer. */
	if (peer->notes >= TCP_NOTES) {
		tcp_fail(peer, "does not read our answers");
		return;
	}
	*offer = (struct fabric_offer){ .peer = peer, .bytes = size, .id = id, .open = true };
	fabric->told++;
	fabric->events.offer(fabric->user, peer, payload + TCP_SIZE_BYTES, bytes - TCP_SIZE_BYTES,
			     offer, size);
}

enum fabric_status tcp_fetch(struct fabric_offer *offer, struct fabric_memory *memory,
			     size_t offset, struct fabric_op *op)
{
	struct fabric_peer *peer = offer->peer;
	struct tcp_item *note;

	assert(offer->open && !offer->op);
	/* Nor may anything come in there: the size is the peer's word. */
	if (!in_range(memory, offset, offer->bytes))
		return FABRIC_FATAL;
	if (peer->state >= TCP_DOWN) {
		offer->open = false;
		return FABRIC_PEER;
	}
	note = note_make(peer, TCP_PULL, offer->id, 0);
	if (!note)
		return FABRIC_AGAIN;
	offer->op = op;
	offer->memory = memory;
	offer->into = memory->base + offset;
	offer->got = 0;
	peer->fetching++;
	tcp_queue(peer, note);
	if (peer->fabric->backend->fetching)
		peer->fabric->backend->fetching(peer);
	return FABRIC_OK;
}

void tcp_drop(struct fabric_offer *offer)
{
	struct fabric_peer *peer = offer->peer;
	struct tcp_item *note;

	assert(offer->open && !offer->op);
	offer->open = false;
	if (peer->state >= TCP_DOWN)
		return;
	note = note_make(peer, TCP_DROP, offer->id, 0);
	if (note)
		tcp_queue(peer, note);
	else
		tcp_fail(peer, "no memory to refuse an offer");
}

void tcp_bulk_answered(struct fabric_peer *peer, uint32_t id, bool pulled)
{
	struct tcp_outgoing *out = &peer->outgoing[id & INDEX_MASK];
	struct fabric_op *op = out->op;

	if (!op || out->id != id || out->pulled) {
		tcp_fail(peer, "answered an offer that was not made");
	} else if (pulled) {
		out->pulled = true;
		base_list_add_tail(&peer->active, &out->active);
		tcp_dirty(peer);
	} else {
		out->op = NULL;
		tcp_op_finish(peer, op, FABRIC_OK);
	}
}

void tcp_bulk_chunk_sent(struct fabric_peer *peer, struct tcp_outgoing *out, size_t bytes)
{
	struct fabric_op *op = out->op;

	out->sent += bytes;
	if (out->sent == out->bytes) {
		base_list_del(&out->active);
		out->op = NULL;
		tcp_op_finish(peer, op, FABRIC_OK);
	}
}

void tcp_bulk_data_begins(struct fabric_peer *peer, uint32_t id, size_t bytes)
{
	struct fabric_offer *offer = &peer->incoming[id & INDEX_MASK];

	if (!offer->op || offer->id != id || bytes > offer->bytes - offer->got) {
		tcp_fail(peer, "sent data that was not asked for");
		return;
	}
	peer->data = offer;
	peer->data_left = bytes;
}

void tcp_bulk_data_came(struct fabric_peer *peer, size_t bytes)
{
	struct fabric_offer *offer = peer->data;
	struct fabric_op *op = offer->op;

	offer->got += bytes;
	peer->data_left -= bytes;
	if (offer->got == offer->bytes) {
		offer->open = false;
		offer->op = NULL;
		peer->fetching--;
		tcp_op_finish(peer, op, FABRIC_OK);
	}
}

void tcp_bulk_abort(struct fabric_peer *peer)
{
	peer->data_left = 0;
	for (int i = 0; i < TCP_BULK_SLOTS; i++) {
		struct tcp_outgoing *out = &peer->outgoing[i];
		struct fabric_offer *offer = &peer->incoming[i];
		struct fabric_op *op = out->op;

		if (op) {
			base_list_del(&out->active);
			out->op = NULL;
			op->done(op, FABRIC_PEER);
		}
		op = offer->op;
		if (op) {
			offer->op = NULL;
			offer->open = false;
			op->done(op, FABRIC_PEER);
		}
	}
}
