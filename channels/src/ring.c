/* SPDX-License-Identifier: MIT */
/* ring.c - see ring.h. */
#include "src/ring.h"

/* A hint only moves forward. relaxed: it carries no data, the slots' words do. */
static inline void advance(_Atomic uint64_t *hint, uint64_t from)
{
	atomic_compare_exchange_strong_explicit(hint, &from, from + 1, memory_order_relaxed,
						memory_order_relaxed);
}

/* How far the slot is ahead of position @position: 0, capacity, ... or negative. */
static inline int32_t ahead(uint64_t word, uint64_t position)
{
	return (int32_t)(WORD_SERIAL(word) - (uint32_t)position);
}

void ring_format(struct ring *ring)
{
	for (uint32_t i = 0; i < ring->capacity; i++)
		atomic_store_explicit(&ring_slot(ring, i)->word, WORD(i, SLOT_FREE, 0),
				      memory_order_relaxed);
}

bool ring_claim_write(struct ring *ring, uint32_t me, uint64_t *ret_position)
{
	_Atomic uint64_t *tail = &ring->shm->tail;

	for (;;) {
		uint64_t p = atomic_load_explicit(tail, memory_order_relaxed);
		struct shm_slot *slot = ring_slot(ring, p);
		/* A1: pairs with R1 in ring_release(). The last reader is done with the slot. */
		uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
		int32_t distance = ahead(word, p);

		if (distance == 0 && WORD_STATE(word) == SLOT_FREE) {
			if (!atomic_compare_exchange_strong_explicit(
				    &slot->word, &word, WORD(p, SLOT_WRITING, me),
				    memory_order_acquire, memory_order_relaxed))
				continue;
			advance(tail, p);
			*ret_position = p;
			return true;
		}
		if (distance >= 0)	/* claimed, by whomever: help the hint along */
			advance(tail, p);
		else if (atomic_load_explicit(tail, memory_order_relaxed) == p)
			return false;
	}
}

void ring_publish(struct ring *ring, uint64_t position)
{
	/* R2: pairs with A2 in ring_claim_read() and ring_next(). Publishes header and payload.
	 * seq_cst exchange: the change that wait_notify() tells about, see W1. */
	atomic_exchange_explicit(&ring_slot(ring, position)->word, WORD(position, SLOT_READY, 0),
				 memory_order_seq_cst);
}

/* A message that is to be given again; it comes before all others. */
static bool claim_retry(struct ring *ring, uint32_t me, struct shm_slot **ret_slot,
			uint64_t *ret_word)
{
	/* A3: pairs with R3 in ring_give_back() and recover_slots(). */
	uint32_t epoch = atomic_load_explicit(&ring->shm->retry_epoch, memory_order_acquire);

	if (atomic_load_explicit(&ring->seen_epoch, memory_order_relaxed) == epoch)
		return false;
	for (uint32_t i = 0; i < ring->capacity; i++) {
		struct shm_slot *slot = ring_slot(ring, i);
		uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
		uint64_t mine = WORD(WORD_SERIAL(word), SLOT_READING, me);

		if (WORD_STATE(word) == SLOT_RETRY &&
		    atomic_compare_exchange_strong_explicit(&slot->word, &word, mine,
							    memory_order_acquire,
							    memory_order_relaxed)) {
			*ret_slot = slot;
			*ret_word = mine;
			return true;
		}
	}
	atomic_store_explicit(&ring->seen_epoch, epoch, memory_order_relaxed);
	return false;
}

bool ring_claim_read(struct ring *ring, uint32_t me, struct shm_slot **ret_slot,
		     uint64_t *ret_word)
{
	_Atomic uint64_t *head = &ring->shm->head;

	if (claim_retry(ring, me, ret_slot, ret_word))
		return true;
	for (;;) {
		uint64_t p = atomic_load_explicit(head, memory_order_relaxed);
		struct shm_slot *slot = ring_slot(ring, p);
		/* A2: pairs with R2 in ring_publish(). Header and payload are visible.
		 * seq_cst: the second look of wait_announce(), see W2. */
		uint64_t word = atomic_load_explicit(&slot->word, memory_order_seq_cst);
		int32_t distance = ahead(word, p);
		unsigned state = WORD_STATE(word);

		if (distance < 0 || (distance == 0 && state <= SLOT_WRITING)) {
			if (atomic_load_explicit(head, memory_order_relaxed) == p)
				return false;
			continue;
		}
		if (distance == 0 && state == SLOT_READY) {
			uint64_t mine = WORD(p, SLOT_READING, me);

			if (!atomic_compare_exchange_strong_explicit(&slot->word, &word, mine,
								     memory_order_acquire,
								     memory_order_relaxed))
				continue;
			advance(head, p);
			*ret_slot = slot;
			*ret_word = mine;
			return true;
		}
		if (distance == 0 && state == SLOT_TOMB) {
			uint64_t next = WORD(p + ring->capacity, SLOT_FREE, 0);

			if (!atomic_compare_exchange_strong_explicit(&slot->word, &word, next,
								     memory_order_release,
								     memory_order_relaxed))
				continue;
		}
		advance(head, p);	/* taken, by whomever */
	}
}

void ring_release(struct ring *ring, struct shm_slot *slot, uint64_t word)
{
	/* R1: pairs with A1 in ring_claim_write(). We are done with header and payload.
	 * seq_cst exchange: the change that wait_notify() tells about, see W1. */
	atomic_exchange_explicit(&slot->word,
				 WORD(WORD_SERIAL(word) + ring->capacity, SLOT_FREE, 0),
				 memory_order_seq_cst);
}

void ring_give_back(struct ring *ring, struct shm_slot *slot, uint64_t word)
{
	atomic_store_explicit(&slot->word, WORD(WORD_SERIAL(word), SLOT_RETRY, 0),
			      memory_order_release);
	/* R3: pairs with A3 in claim_retry(). Who sees the epoch sees the RETRY. */
	atomic_fetch_add_explicit(&ring->shm->retry_epoch, 1, memory_order_seq_cst);
}

static bool find_retry(struct ring *ring, struct shm_slot **ret_slot, uint64_t *ret_word)
{
	if (atomic_load_explicit(&ring->seen_epoch, memory_order_relaxed) ==
	    atomic_load_explicit(&ring->shm->retry_epoch, memory_order_acquire))
		return false;
	for (uint32_t i = 0; i < ring->capacity; i++) {
		struct shm_slot *slot = ring_slot(ring, i);
		uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);

		if (WORD_STATE(word) == SLOT_RETRY) {
			*ret_slot = slot;
			*ret_word = word;
			return true;
		}
	}
	return false;
}

bool ring_next(struct ring *ring, struct shm_slot **ret_slot, uint64_t *ret_word)
{
	if (find_retry(ring, ret_slot, ret_word))
		return true;
	for (;;) {
		uint64_t p = atomic_load_explicit(&ring->shm->head, memory_order_relaxed);
		struct shm_slot *slot = ring_slot(ring, p);
		/* A2: pairs with R2 in ring_publish(). */
		uint64_t word = atomic_load_explicit(&slot->word, memory_order_seq_cst);

		if (ahead(word, p) == 0 && WORD_STATE(word) == SLOT_READY) {
			*ret_slot = slot;
			*ret_word = word;
			return true;
		}
		if (ahead(word, p) < 0 || WORD_STATE(word) <= SLOT_WRITING) {
			if (atomic_load_explicit(&ring->shm->head, memory_order_relaxed) == p &&
			    ahead(word, p) <= 0)
				return false;
			if (ahead(word, p) <= 0)
				continue;
		}
		if (ahead(word, p) == 0 && WORD_STATE(word) == SLOT_TOMB) {
			uint64_t next = WORD(p + ring->capacity, SLOT_FREE, 0);

			if (!atomic_compare_exchange_strong_explicit(&slot->word, &word, next,
								     memory_order_release,
								     memory_order_relaxed))
				continue;
		}
		advance(&ring->shm->head, p);
	}
}

bool ring_has_room(struct ring *ring)
{
	for (;;) {
		uint64_t p = atomic_load_explicit(&ring->shm->tail, memory_order_relaxed);
		uint64_t word = atomic_load_explicit(&ring_slot(ring, p)->word,
						     memory_order_seq_cst);
		int32_t distance = ahead(word, p);

		if (distance == 0 && WORD_STATE(word) == SLOT_FREE)
			return true;
		if (distance >= 0)
			advance(&ring->shm->tail, p);
		else if (atomic_load_explicit(&ring->shm->tail, memory_order_relaxed) == p)
			return false;
	}
}

bool ring_taken(const struct ring *ring, uint64_t position)
{
	uint64_t word = atomic_load_explicit(&ring_slot(ring, position)->word,
					     memory_order_seq_cst);

	return ahead(word, position) > 0;
}

uint32_t ring_blocker(struct ring *ring, bool for_write)
{
	_Atomic uint64_t *hint = for_write ? &ring->shm->tail : &ring->shm->head;
	uint64_t p = atomic_load_explicit(hint, memory_order_relaxed);
	uint64_t word = atomic_load_explicit(&ring_slot(ring, p)->word, memory_order_relaxed);

	return WORD_OWNER(word);
}
