/* SPDX-License-Identifier: MIT */
/* outbound.c - see outbound.h. */
#include "src/outbound.h"

#include "src/segment.h"

bool outbound_claim(struct segment *segment, uint64_t bytes)
{
	_Atomic uint64_t *count = &segment->shm->outbound;
	uint64_t now = atomic_load_explicit(count, memory_order_relaxed);

	do
		if (now && now + bytes > segment->shm->data_bytes / 2)
			return false;
	while (!atomic_compare_exchange_weak_explicit(count, &now, now + bytes,
						      memory_order_relaxed, memory_order_relaxed));
	return true;
}

void outbound_release(struct segment *segment, uint64_t bytes)
{
	_Atomic uint64_t *count = &segment->shm->outbound;
	uint64_t now = atomic_load_explicit(count, memory_order_relaxed);

	/* Less than that after a claim was forgotten that was no dead one's. */
	while (!atomic_compare_exchange_weak_explicit(count, &now, now > bytes ? now - bytes : 0,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

void outbound_forget(struct segment *segment)
{
	atomic_store_explicit(&segment->shm->outbound, 0, memory_order_relaxed);
}
