/* SPDX-License-Identifier: MIT */
/*
 * slots.c - send buffers. The core fills a slot in place; its header is written in front
 * of it, so that a frame goes out from where it was made. Slots are allocated in chunks
 * when first needed and given out last in, first out, so that the warm ones are used.
 */
#include <stdlib.h>

#include "tcp/peer.h"

enum {
	CHUNK_SLOTS = 16,
	/* Two lines more than a power of two, or all headers would share one cache set. */
	SLOT_STRIDE = (int)sizeof(struct tcp_item) + TCP_FRAME_MAX + 64,
	NOTE_BYTES = (int)sizeof(struct tcp_item) + TCP_SIZE_BYTES + TCP_OFFER_MAX,
};

static struct tcp_item *pop(struct tcp_item **stack)
{
	struct tcp_item *item = *stack;

	if (item)
		*stack = (struct tcp_item *)(void *)item->node.next;
	return item;
}

static void push(struct tcp_item **stack, struct tcp_item *item)
{
	item->node.next = (struct base_list *)(void *)*stack;
	*stack = item;
}

void *tcp_slot(struct fabric *fabric)
{
	struct tcp_item *item;

	if (!fabric->free_slots && fabric->chunk_count < TCP_SLOTS / CHUNK_SLOTS) {
		uint8_t *chunk = aligned_alloc(64, (size_t)SLOT_STRIDE * CHUNK_SLOTS);

		if (!chunk)
			return NULL;
		fabric->chunks[fabric->chunk_count++] = chunk;
		for (int i = CHUNK_SLOTS - 1; i >= 0; i--) {
			item = (struct tcp_item *)(void *)(chunk + (size_t)i * SLOT_STRIDE);
			item->is_slot = 1;
			push(&fabric->free_slots, item);
		}
	}
	item = pop(&fabric->free_slots);
	return item ? item->payload : NULL;
}

void tcp_item_put(struct fabric *fabric, struct tcp_item *item)
{
	push(item->is_slot ? &fabric->free_slots : &fabric->free_notes, item);
}

struct tcp_item *tcp_note_get(struct fabric *fabric)
{
	struct tcp_item *note = pop(&fabric->free_notes);

	if (!note) {
		note = malloc(NOTE_BYTES);
		if (note)
			note->is_slot = 0;
	}
	return note;
}

void tcp_slots_free(struct fabric *fabric)
{
	struct tcp_item *note;

	while ((note = pop(&fabric->free_notes)) != NULL)
		free(note);
	while (fabric->chunk_count > 0)
		free(fabric->chunks[--fabric->chunk_count]);
	fabric->free_slots = NULL;
}
