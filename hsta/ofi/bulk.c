/* SPDX-License-Identifier: MIT */
/*
 * bulk.c - offers and their answers: OFFER, then reads (reader.c) or nothing, then FIN.
 *
 * The low bits of an id are the index of the entry on both sides; the others count, so that
 * an answer to an older offer is noticed. An entry is used again only after its FIN, which
 * the receiver sent when it was done with its own; so an OFFER for an entry in use is a
 * broken peer.
 */
#include <assert.h>
#include <string.h>

#include "ofi/ofi.h"

enum { INDEX_MASK = OFI_BULK_SLOTS - 1 };

_Static_assert((OFI_BULK_SLOTS & INDEX_MASK) == 0, "ids are masked");

enum fabric_status ofi_bulk(struct fabric_peer *peer, const void *header, size_t header_bytes,
			    struct fabric_memory *memory, size_t offset, size_t bytes,
			    struct fabric_op *op)
{
	struct fabric *fabric = peer->fabric;
	struct ofi_wire_offer offer = { .header = header };
	struct ofi_item *note;
	uint32_t index = 0;
	size_t length;

	assert(header_bytes <= OFI_OFFER_MAX);
	/* The caller's mistake, but nothing outside of registered memory may ever be told. */
	if (bytes < 1 || bytes > OFI_BULK_MAX || !ofi_in_range(memory, offset, bytes))
		return FABRIC_FATAL;
	if (peer->state >= OFI_DOWN)
		return FABRIC_PEER;
	while (index < OFI_BULK_SLOTS && peer->outgoing[index].op)
		index++;
	if (index == OFI_BULK_SLOTS || fabric->notes_free <= OFI_NOTES_KEPT)
		return FABRIC_AGAIN;
	offer.id = index | (peer->serial + 1) * OFI_BULK_SLOTS;
	offer.header_bytes = (uint16_t)header_bytes;
	offer.bytes = bytes;
	if (ofi_memory_ranges(memory, offset, bytes, &offer) < 0)
		return FABRIC_FATAL;
	note = ofi_note_get(fabric);
	if (!note)
		return FABRIC_AGAIN;
	peer->serial++;
	length = ofi_wire_offer_encode(&offer, note->payload);
	note->wire_bytes = (uint32_t)ofi_wire_bytes(length);
	memset(note->payload + length, 0, note->wire_bytes - OFI_WIRE_BYTES - length);
	ofi_wire_encode(note->wire, OFI_OFFER, (uint32_t)length, peer->their_token);
	peer->outgoing[index].op = op;
	peer->outgoing[index].id = offer.id;
	ofi_queue(peer, note);
	return FABRIC_OK;
}

void ofi_offered(struct fabric_peer *peer, const uint8_t *payload, size_t bytes)
{
	struct fabric *fabric = peer->fabric;
	const bool raw = fabric->info->domain_attr->mr_mode & FI_MR_RAW;
	struct ofi_wire_offer wire;
	struct fabric_offer *offer;

	if (ofi_wire_offer_decode(payload, bytes, &wire) < 0 || wire.bytes > OFI_BULK_MAX ||
	    (!raw && wire.key_bytes != 8)) {
		ofi_fail(peer, "sent an offer that cannot be");
		return;
	}
	offer = &peer->incoming[wire.id & INDEX_MASK];
	if (offer->open) {
		ofi_fail(peer, "sent an offer in the place of another");
		return;
	}
	offer->open = true;
	offer->op = NULL;
	offer->id = wire.id;
	offer->bytes = wire.bytes;
	offer->mapped = false;
	offer->range_count = wire.range_count;
	offer->key_bytes = wire.key_bytes;
	memcpy(offer->ranges, wire.ranges, wire.range_count * sizeof(wire.ranges[0]));
	fabric->told++;
	fabric->events.offer(fabric->user, peer, wire.header, wire.header_bytes, offer,
			     wire.bytes);
}

enum fabric_status ofi_fetch(struct fabric_offer *offer, struct fabric_memory *memory,
			     size_t offset, struct fabric_op *op)
{
	assert(offer->open && !offer->op);
	/* Nor may anything come in there: the size is the peer's word. */
	if (!ofi_in_range(memory, offset, offer->bytes))
		return FABRIC_FATAL;
	if (offer->peer->state >= OFI_DOWN) {
		offer->open = false;
		return FABRIC_PEER;
	}
	offer->op = op;
	offer->memory = memory;
	offer->offset = offset;
	ofi_reader_start(offer);
	return FABRIC_OK;
}

static void answer(struct fabric_offer *offer)
{
	struct fabric_peer *peer = offer->peer;

	base_list_add_tail(&peer->answers, &offer->node);
	ofi_ready(peer);
}

void ofi_drop(struct fabric_offer *offer)
{
	assert(offer->open && !offer->op);
	if (offer->peer->state >= OFI_DOWN)
		offer->open = false;
	else
		answer(offer);
}

void ofi_fetched(struct fabric_offer *offer)
{
	struct fabric_op *op = offer->op;

	offer->op = NULL;
	if (offer->peer->state < OFI_DOWN)
		answer(offer);
	offer->peer->fabric->told++;
	op->done(op, FABRIC_OK);
}

void ofi_answered(struct fabric_peer *peer, uint32_t id)
{
	struct ofi_outgoing *out = &peer->outgoing[id & INDEX_MASK];
	struct fabric_op *op = out->op;

	if (!op || out->id != id) {
		ofi_fail(peer, "answered an offer that was not made");
		return;
	}
	out->op = NULL;
	peer->fabric->told++;
	op->done(op, FABRIC_OK);
}

void ofi_bulk_abort(struct fabric_peer *peer)
{
	/* All first: ending reads may cost an endpoint, and once is enough. */
	for (unsigned i = 0; i < OFI_BULK_SLOTS; i++)
		if (peer->incoming[i].op)
			ofi_reader_stop(&peer->incoming[i]);
	for (unsigned i = 0; i < OFI_BULK_SLOTS; i++) {
		struct ofi_outgoing *out = &peer->outgoing[i];
		struct fabric_offer *offer = &peer->incoming[i];
		struct fabric_op *op = out->op;

		if (op) {
			out->op = NULL;
			op->done(op, FABRIC_PEER);
		}
		op = offer->op;
		base_list_del(&offer->node);
		offer->open = false;
		offer->op = NULL;
		if (op)
			op->done(op, FABRIC_PEER);
	}
}
