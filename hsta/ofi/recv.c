/* SPDX-License-Identifier: MIT */
/* recv.c - what arrived means. Nothing is used before its length was checked. */
#include "ofi/ofi.h"

/* Who said BYE without knowing our token: a caller that never heard our WELCOME. */
static struct fabric_peer *find_caller(struct fabric *fabric, uint64_t their_token)
{
	base_list_for(node, &fabric->peers) {
		struct fabric_peer *peer = base_list_entry(node, struct fabric_peer, node);

		if (peer->caller && peer->their_token == their_token && peer->state < OFI_DOWN)
			return peer;
	}
	return NULL;
}

bool ofi_farewell_waits(const struct fabric_peer *peer)
{
	struct fabric *fabric = peer->fabric;

	if (!ofi_stash(fabric))
		return false;
	for (unsigned i = fabric->stash_next; i < fabric->stash_count; i++) {
		const struct fi_cq_data_entry *entry = &fabric->stash[i];
		const uint8_t *data = entry->buf;

		if (entry->flags & FI_RECV && entry->len >= OFI_WIRE_BYTES &&
		    data[2] == OFI_BYE && ofi_get64(data + 8) == peer->token)
			return true;
	}
	return false;
}

/* From somebody we do not know. */
static void stranger(struct fabric *fabric, uint8_t kind, const uint8_t *payload, size_t bytes)
{
	struct fabric_peer *peer;
	size_t address_bytes;

	if (kind == OFI_INTRO && bytes > 10) {
		address_bytes = ofi_get16(payload + 8);
		if (address_bytes == bytes - 10 && address_bytes <= OFI_ADDRESS_MAX)
			ofi_peer_called(fabric, ofi_get64(payload), payload + 10, address_bytes);
	} else if (kind == OFI_BYE && bytes == 8) {
		peer = find_caller(fabric, ofi_get64(payload));
		if (peer)
			ofi_fail(peer, "said farewell");
	}
}

static void known(struct fabric_peer *peer, uint8_t kind, const uint8_t *payload, size_t bytes)
{
	struct fabric *fabric = peer->fabric;

	ofi_peer_heard(peer, kind == OFI_FRAME || kind == OFI_OFFER);
	switch (kind) {
	case OFI_WELCOME:
		if (peer->state != OFI_CALLING || bytes != 8)
			break;
		peer->their_token = ofi_get64(payload);
		peer->state = OFI_UP;
		ofi_ready(peer);
		return;
	case OFI_FRAME:
		fabric->told++;
		fabric->events.frame(fabric->user, peer, payload, bytes);
		return;
	case OFI_OFFER:
		ofi_offered(peer, payload, bytes);
		return;
	case OFI_FIN:
		if (bytes != 4)
			break;
		ofi_answered(peer, ofi_get32(payload));
		return;
	case OFI_ALIVE:
		return;
	case OFI_BYE:
		ofi_fail(peer, "said farewell");
		return;
	default:
		break;
	}
	ofi_fail(peer, "sent a message that cannot be");
}

void ofi_arrived(struct fabric *fabric, const uint8_t *data, size_t bytes)
{
	struct fabric_peer *peer;
	uint64_t token;
	uint32_t inside;

	if (fabric->closing || bytes < OFI_WIRE_BYTES || data[0] != OFI_WIRE_MAGIC ||
	    data[1] != OFI_WIRE_VERSION)
		return;
	inside = ofi_get32(data + 4);
	if (inside > bytes - OFI_WIRE_BYTES)
		return;
	token = ofi_get64(data + 8);
	if (token == 0) {
		stranger(fabric, data[2], data + OFI_WIRE_BYTES, inside);
		return;
	}
	/* What was meant for a peer that is gone is nobody's. */
	peer = ofi_peer_find(fabric, token);
	if (peer)
		known(peer, data[2], data + OFI_WIRE_BYTES, inside);
}
