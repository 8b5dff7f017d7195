/* SPDX-License-Identifier: MIT */
/* totals.c - see totals.h. Nothing is locked: a value is one of the moments of the walk. */
#include "src/totals.h"

#include <stdatomic.h>

#include "src/layout.h"
#include "src/segment.h"

static bool is_open_channel(const struct shm_channel *shm, uint64_t word)
{
	return WORD_STATE(word) == CHANNEL_OPEN &&
	       atomic_load_explicit(&shm->kind, memory_order_relaxed) == KIND_CHANNEL;
}

/* Both ends are hints that may trail what they tell, each by itself. */
static uint64_t waiting_in(const struct shm_channel *shm)
{
	uint64_t head = atomic_load_explicit(&shm->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&shm->tail, memory_order_relaxed);
	uint64_t count = tail > head ? tail - head : 0;

	return count < shm->capacity ? count : shm->capacity;
}

void totals_count(const struct segment *segment, struct gateway_totals *ret_totals)
{
	struct gateway_totals totals = { .pool_bytes = segment->data_bytes };

	totals.outbound_bytes = atomic_load_explicit(&segment->shm->outbound, memory_order_relaxed);
	/* The lowest free entry is taken first, so none was used behind one that never was. */
	for (uint32_t i = LAYOUT_GATEWAY + 1; i < LAYOUT_CHANNELS; i++) {
		const struct shm_channel *shm = &segment->channels[i];
		uint64_t word = atomic_load_explicit(&shm->word, memory_order_relaxed), waiting;

		if (word == 0)
			break;
		if (!is_open_channel(shm, word))
			continue;
		waiting = waiting_in(shm);
		totals.channels++;
		totals.waiting += waiting;
		if (waiting > totals.longest)
			totals.longest = waiting;
	}
	*ret_totals = totals;
}
