/* SPDX-License-Identifier: MIT */
/*
 * slots.c - send buffers, which the core fills in place. Allocated and registered in chunks
 * when first needed, given out last in, first out, so that the warm ones are used.
 */
#include <stdlib.h>

#include "base/poison.h"
#include "hsta/ucx/ucx.h"

enum {
	/* One line more than a power of two, or all headers would share one cache set. */
	DATA_BYTES = UCX_FRAME_MAX + 64,
	STRIDE = (int)sizeof(struct ucx_slot) + DATA_BYTES,
};

static bool grow(struct fabric *fabric)
{
	const size_t bytes = (size_t)STRIDE * UCX_CHUNK_SLOTS;
	struct ucx_chunk chunk = { .slots = aligned_alloc(64, bytes) };
	const ucp_mem_map_params_t params = {
		.field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH,
		.address = chunk.slots,
		.length = bytes,
	};

	if (!chunk.slots)
		return false;
	if (ucp_mem_map(fabric->context, &params, &chunk.memh) != UCS_OK) {
		free(chunk.slots);
		return false;
	}
	for (int i = UCX_CHUNK_SLOTS - 1; i >= 0; i--) {
		void *at = (uint8_t *)chunk.slots + (size_t)i * STRIDE;
		struct ucx_slot *slot = at;

		slot->fabric = fabric;
		slot->peer = NULL;
		slot->memh = chunk.memh;
		ucx_slot_put(slot);
	}
	fabric->chunks[fabric->chunk_count++] = chunk;
	return true;
}

void *ucx_slot_get(struct fabric *fabric)
{
	struct ucx_slot *slot;

	if (!fabric->free_slots &&
	    (fabric->chunk_count == UCX_SLOTS / UCX_CHUNK_SLOTS || !grow(fabric)))
		return NULL;
	slot = fabric->free_slots;
	fabric->free_slots = slot->next;
	base_unpoison(slot->data, DATA_BYTES);
	return slot->data;
}

void ucx_slot_put(struct ucx_slot *slot)
{
	base_poison(slot->data, DATA_BYTES); /* it is neither ours nor UCX's */
	slot->next = slot->fabric->free_slots;
	slot->fabric->free_slots = slot;
}

void ucx_slots_free(struct fabric *fabric)
{
	for (unsigned i = 0; i < fabric->chunk_count; i++) {
		base_unpoison(fabric->chunks[i].slots, (size_t)STRIDE * UCX_CHUNK_SLOTS);
		ucp_mem_unmap(fabric->context, fabric->chunks[i].memh);
		free(fabric->chunks[i].slots);
	}
}
