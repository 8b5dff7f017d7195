/* SPDX-License-Identifier: MIT */
/*
 * ring.h - the queue of a channel: many producers, many consumers, owner in the slot.
 *
 *	FREE(p) -> WRITING(p, me) -> READY(p) -> READING(p, me) -> FREE(p + capacity)
 *	                 | dead                        | dead
 *	                 v                             v
 *	              TOMB(p): skipped              RETRY(p): given again, before all READY ones
 *
 * An urgent message goes from WRITING to RETRY.
 *
 * p is the position, counted from 0; a slot's word holds it modulo 2^32. Positions are
 * claimed in order, since a slot of position p is free only after p - capacity was. head
 * and tail are hints, shared ones and one of each in every handle: they never pass a position
 * that is not claimed, and from the later of the two one walks to the true place. What was
 * proved of this scheme and how: docs/memory-model.md.
 * Algorithm: D. Vyukov's bounded MPMC queue, with the claim moved from the index into the
 * slot's word so that it names its owner.
 */
#ifndef CHANNELS_RING_H
#define CHANNELS_RING_H

#include <stdbool.h>

#include "src/segment.h"

struct ring_end {
	_Atomic uint64_t next;	/* position that follows our last one */
	_Atomic uint64_t safe;	/* before it, slots may be fetched ahead of their use */
};

struct ring {			/* process-local view; offsets are checked */
	struct shm_channel *shm;
	unsigned char *slots;
	uint32_t capacity;
	uint32_t mask;		/* capacity - 1 if that is a power of two, else 0 */
	uint32_t stride;
	uint32_t inline_bytes;
	_Atomic uint32_t seen_epoch;	/* retry_epoch up to which no RETRY slot is left */
	/* This handle's own hints, so that who is alone at his end of the channel touches the
	 * shared ones once in a while only. Races among threads are harmless. */
	alignas(LAYOUT_PAIR) struct ring_end write;
	alignas(LAYOUT_PAIR) struct ring_end read;
};

static inline struct shm_slot *ring_slot(const struct ring *ring, uint64_t position)
{
	uint64_t index = ring->mask || ring->capacity == 1 ? position & ring->mask :
							     position % ring->capacity;

	return (struct shm_slot *)(void *)(ring->slots + index * ring->stride);
}

static inline uint32_t ring_index(const struct ring *ring, const struct shm_slot *slot)
{
	return (uint32_t)(((const unsigned char *)slot - ring->slots) / ring->stride);
}

void ring_format(struct ring *ring);

/* How to look at a slot: by a swap, its line moves once if all is well; but who may find it not
 * ready should read first, since a swap takes the line from its owner even in vain. */
enum ring_look { RING_SWAP, RING_READ };

/* Claim the next slot for writing. False: full. */
bool ring_claim_write(struct ring *ring, uint32_t me, enum ring_look look, uint64_t *ret_position);
void ring_publish(struct ring *ring, uint64_t position);
/* Our claimed slot stays empty: readers skip it. */
void ring_withdraw(struct ring *ring, uint64_t position);
/* To be read before all others that are not urgent. */
void ring_publish_urgent(struct ring *ring, uint64_t position);
/* The same without the exchange; wait_notify_many() must follow. */
void ring_publish_one_of_many(struct ring *ring, uint64_t position);

/* Claim the next message for reading. False: none. *ret_word is the slot's word now. */
bool ring_claim_read(struct ring *ring, uint32_t me, enum ring_look look,
		     struct shm_slot **ret_slot, uint64_t *ret_word);
/* The same behind a slot that its sender has claimed and not filled, for whatever reason: he may be
 * stopped. Each sender fills a slot before he claims another, so his own messages keep their
 * order. Not on hot paths: it touches slots that others are about to write. */
bool ring_claim_past(struct ring *ring, uint32_t me, struct shm_slot **ret_slot,
		     uint64_t *ret_word);
/* Could it claim one? */
bool ring_has_past(struct ring *ring);
/* Done with it: the slot is free. */
void ring_release(struct ring *ring, struct shm_slot *slot, uint64_t word);
/* The same without the exchange; wait_notify_many() must follow. */
void ring_release_one_of_many(struct ring *ring, struct shm_slot *slot, uint64_t word);
/* Give it back, to be read next. */
void ring_give_back(struct ring *ring, struct shm_slot *slot, uint64_t word);

/* Make any free slot an empty message that is to be given again, for channels whose order does
 * not matter: beyond a slot that somebody holds the ring is full. False: no slot is free. */
bool ring_give_new(struct ring *ring, uint32_t me);

/* The slot and word of the message that would be claimed next; false: none. */
bool ring_next(struct ring *ring, struct shm_slot **ret_slot, uint64_t *ret_word);
/* Nothing is in it, nobody writes, reads or will give back. */
bool ring_is_empty(struct ring *ring);
/* Can a slot be claimed for writing? */
bool ring_has_room(struct ring *ring);
/* The next position to be written and to be read; a moment's values. */
uint64_t ring_tail(struct ring *ring);
uint64_t ring_head(struct ring *ring);
/* Has the message at @position been taken? */
bool ring_taken(const struct ring *ring, uint64_t position);
/* Who holds the slot that the next read (or write) waits for: owner id, 0 = nobody. */
uint32_t ring_blocker(struct ring *ring, bool for_write);

#endif
