/* SPDX-License-Identifier: MIT */
/*
 * send.c - slots, notes, and the way out.
 *
 * Header and payload are one piece of memory, because cxi sends no more than one. What is
 * short goes as an inject: its buffer is ours again at once and there is no completion.
 */
#include <assert.h>
#include <string.h>

#include "base/poison.h"
#include "ofi/ofi.h"

static struct ofi_item *item_of(struct base_list *node)
{
	return base_list_entry(node, struct ofi_item, node);
}

/* Last in, first out: the warm one. */
static void push(struct base_list *list, struct base_list *node)
{
	base_list_add_tail(list->next, node);
}

/* What a free item held is nobody's: neither ours nor libfabric's. */
static size_t content_bytes(const struct fabric *fabric, const struct ofi_item *item)
{
	size_t stride = item->context.what == OFI_SLOT ? fabric->slot_stride : ofi_note_stride();

	return stride - offsetof(struct ofi_item, wire);
}

static void close_item(const struct fabric *fabric, const struct ofi_item *item)
{
	base_poison(item->wire, content_bytes(fabric, item));
}

static void open_item(const struct fabric *fabric, const struct ofi_item *item)
{
	base_unpoison(item->wire, content_bytes(fabric, item));
}

size_t ofi_note_stride(void)
{
	return (sizeof(struct ofi_item) + OFI_NOTE_MAX + 127) & ~(size_t)127;
}

void ofi_items_init(struct fabric *fabric, uint8_t *notes, uint8_t *slots)
{
	base_list_init(&fabric->free_notes);
	base_list_init(&fabric->free_slots);
	for (unsigned i = 0; i < OFI_NOTES; i++) {
		struct ofi_item *item = (struct ofi_item *)(void *)(notes + i * ofi_note_stride());

		item->context.what = OFI_NOTE;
		close_item(fabric, item);
		base_list_add_tail(&fabric->free_notes, &item->node);
	}
	fabric->notes_free = OFI_NOTES;
	for (unsigned i = 0; i < OFI_SLOTS_ALL; i++) {
		struct ofi_item *item =
			(struct ofi_item *)(void *)(slots + i * fabric->slot_stride);

		/* The memory of the later ones stays untouched until they are needed. */
		if (i >= OFI_SLOTS)
			break;
		item->context.what = OFI_SLOT;
		close_item(fabric, item);
		base_list_add_tail(&fabric->free_slots, &item->node);
		fabric->slots_made++;
	}
}

/* A slot in the place of one that a lost peer keeps. */
static void replace(struct fabric *fabric)
{
	uint8_t *slots = fabric->arena + fabric->arena_bytes - OFI_SLOTS_ALL * fabric->slot_stride;
	struct ofi_item *item;

	if (fabric->slots_made >= OFI_SLOTS_ALL ||
	    fabric->slots_made >= OFI_SLOTS + fabric->slots_lost)
		return;
	item = (struct ofi_item *)(void *)(slots + fabric->slots_made++ * fabric->slot_stride);
	item->context.what = OFI_SLOT;
	push(&fabric->free_slots, &item->node);
}

void *ofi_slot(struct fabric *fabric)
{
	struct ofi_item *item;

	if (base_list_empty(&fabric->free_slots))
		replace(fabric);
	if (base_list_empty(&fabric->free_slots))
		return NULL;
	item = item_of(fabric->free_slots.next);
	base_list_del(&item->node);
	open_item(fabric, item);
	item->peer = NULL;
	return item->payload;
}

struct ofi_item *ofi_note_get(struct fabric *fabric)
{
	struct ofi_item *item;

	if (base_list_empty(&fabric->free_notes))
		return NULL;
	item = item_of(fabric->free_notes.next);
	base_list_del(&item->node);
	open_item(fabric, item);
	fabric->notes_free--;
	item->peer = NULL;
	return item;
}

void ofi_item_put(struct fabric *fabric, struct ofi_item *item)
{
	close_item(fabric, item);
	if (item->context.what == OFI_SLOT) {
		if (item->peer)
			item->peer->slots--;
		push(&fabric->free_slots, &item->node);
	} else {
		fabric->notes_free++;
		push(&fabric->free_notes, &item->node);
	}
	item->peer = NULL;
}

void ofi_ready(struct fabric_peer *peer)
{
	if (base_list_empty(&peer->todo))
		base_list_add_tail(&peer->fabric->ready, &peer->todo);
}

void ofi_owe(struct fabric_peer *peer, enum ofi_owed what)
{
	peer->owed |= (uint8_t)what;
	ofi_ready(peer);
}

static void said(struct fabric_peer *peer)
{
	peer->said_ns = peer->fabric->now_ns;
	peer->stuck_ns = 0;
}

/* True: it is out of our hands (or the peer is down). False: try again later. */
static bool post(struct fabric_peer *peer, struct ofi_item *item)
{
	struct fabric *fabric = peer->fabric;
	const uint8_t kind = item->wire[2];
	ssize_t rc;

	/* Only a completion says that a farewell has left, or that nobody is there to be told
	 * that we live. */
	if (item->wire_bytes <= fabric->inject_bytes && kind != OFI_BYE && kind != OFI_ALIVE) {
		rc = fi_inject(fabric->ep, item->wire, item->wire_bytes, peer->address->address);
		if (rc == 0) {
			said(peer);
			ofi_item_put(fabric, item);
			return true;
		}
	} else {
		rc = fi_send(fabric->ep, item->wire, item->wire_bytes, fabric->arena_desc,
			     peer->address->address, &item->context.context);
		if (rc == 0) {
			peer->in_flight++;
			said(peer);
			return true;
		}
	}
	if (rc == -FI_EAGAIN)
		return false;
	ofi_item_put(fabric, item);
	ofi_fail_error(peer, "send", (int)-rc);
	return true;
}

void ofi_queue(struct fabric_peer *peer, struct ofi_item *item)
{
	item->peer = peer;
	if (peer->state == OFI_UP && base_list_empty(&peer->queue) && !peer->owed &&
	    post(peer, item))
		return;
	base_list_add_tail(&peer->queue, &item->node);
	ofi_ready(peer);
}

enum fabric_status ofi_frame(struct fabric_peer *peer, void *slot, size_t bytes)
{
	struct ofi_item *item = base_list_entry(slot, struct ofi_item, payload);
	struct fabric *fabric = peer->fabric;

	assert(bytes >= 1 && bytes <= fabric->provider->frame_max);
	if (peer->state >= OFI_DOWN) {
		ofi_item_put(fabric, item);
		return FABRIC_PEER;
	}
	if (peer->slots >= OFI_PEER_SLOTS)
		return FABRIC_AGAIN;
	peer->slots++;
	item->wire_bytes = (uint32_t)ofi_wire_bytes(bytes);
	/* The token is filled in when it is known, see flush_peer(). */
	ofi_wire_encode(item->wire, OFI_FRAME, (uint32_t)bytes, peer->their_token);
	/* What pads the message must not tell what the slot held before. */
	memset(item->payload + bytes, 0, item->wire_bytes - OFI_WIRE_BYTES - bytes);
	ofi_queue(peer, item);
	return FABRIC_OK;
}

/* A control message of @kind. False: try again later. */
static bool say(struct fabric_peer *peer, enum ofi_kind kind, const struct fabric_offer *offer)
{
	struct fabric *fabric = peer->fabric;
	struct ofi_item *note = ofi_note_get(fabric);
	size_t bytes = 0;

	if (!note)
		return false;
	switch (kind) {
	case OFI_INTRO:
		ofi_put64(note->payload, peer->token);
		bytes = fabric->address_bytes - 4;
		ofi_put16(note->payload + 8, (uint16_t)bytes);
		memcpy(note->payload + 10, fabric->address + 4, bytes);
		bytes += 10;
		break;
	case OFI_WELCOME:
	case OFI_BYE:
		ofi_put64(note->payload, peer->token);
		bytes = 8;
		break;
	case OFI_FIN:
		ofi_put32(note->payload, offer->id);
		bytes = 4;
		break;
	default:
		break;
	}
	note->wire_bytes = (uint32_t)ofi_wire_bytes(bytes);
	memset(note->payload + bytes, 0, note->wire_bytes - OFI_WIRE_BYTES - bytes);
	ofi_wire_encode(note->wire, kind, (uint32_t)bytes, peer->their_token);
	note->peer = peer;
	if (post(peer, note))
		return true;
	ofi_item_put(fabric, note);
	return false;
}

static bool pay(struct fabric_peer *peer)
{
	static const struct {
		enum ofi_owed owed;
		enum ofi_kind kind;
	} debts[] = {
		{ OFI_OWE_INTRO, OFI_INTRO },
		{ OFI_OWE_WELCOME, OFI_WELCOME },
		{ OFI_OWE_ALIVE, OFI_ALIVE },
		{ OFI_OWE_BYE, OFI_BYE },
	};

	for (unsigned i = 0; i < sizeof(debts) / sizeof(debts[0]); i++) {
		if (!(peer->owed & debts[i].owed))
			continue;
		if (!say(peer, debts[i].kind, NULL))
			return false;
		peer->owed &= (uint8_t)~debts[i].owed;
		if (debts[i].kind == OFI_INTRO)
			peer->met = true;
	}
	while (peer->state == OFI_UP && !base_list_empty(&peer->answers)) {
		struct fabric_offer *offer =
			base_list_entry(peer->answers.next, struct fabric_offer, node);

		if (!say(peer, OFI_FIN, offer))
			return false;
		base_list_del(&offer->node);
		offer->open = false;
	}
	return true;
}

/* True: all of it is posted. */
static bool flush_peer(struct fabric_peer *peer)
{
	if (!pay(peer))
		return false;
	while (peer->state == OFI_UP && !base_list_empty(&peer->queue)) {
		struct ofi_item *item = item_of(peer->queue.next);

		ofi_put64(item->wire + 8, peer->their_token);
		base_list_del(&item->node);
		if (!post(peer, item)) {
			base_list_add_tail(peer->queue.next, &item->node); /* first again */
			return false;
		}
	}
	return true;
}

void ofi_flush(struct fabric *fabric)
{
	struct base_list now;

	if (base_list_empty(&fabric->ready))
		return;
	/* Those that are refused go to the end of the fabric's list: for next time. */
	now = fabric->ready;
	now.next->prev = now.prev->next = &now;
	base_list_init(&fabric->ready);
	while (!base_list_empty(&now)) {
		struct fabric_peer *peer = base_list_entry(now.next, struct fabric_peer, todo);

		base_list_del(&peer->todo);
		if (flush_peer(peer)) {
			peer->stuck_ns = 0;
			continue;
		}
		ofi_ready(peer);
		if (!peer->stuck_ns)
			peer->stuck_ns = fabric->now_ns;
	}
}

void ofi_sent(struct ofi_item *item)
{
	struct fabric_peer *peer = item->peer;

	assert(peer && peer->in_flight > 0);
	peer->in_flight--;
	if (peer->state == OFI_DELETED && item->context.what == OFI_SLOT)
		peer->fabric->slots_lost--;
	ofi_item_put(peer->fabric, item);
}

void ofi_send_discard(struct fabric_peer *peer)
{
	while (!base_list_empty(&peer->queue)) {
		struct ofi_item *item = item_of(peer->queue.next);

		base_list_del(&item->node);
		ofi_item_put(peer->fabric, item);
	}
}
