/* SPDX-License-Identifier: MIT */
/* ring.c - see ring.h. */
#include "src/ring.h"

#include "src/seed.h"

enum {
	/* A shared hint moves when its position is a multiple of this, or when somebody else was
	 * there since our last time. Larger saves little and makes a newcomer walk further. */
	HINT_EVERY = 16,
	/* A slot's lines are asked for this many positions before its use. One sender to one
	 * receiver, 64 B, cores 75 ns apart: 10-12 M/s without, 26-33 with 4, 8 and 16. */
	FETCH_AHEAD = 8,
	/* A walk from a hint is at most a lap long, unless others go on meanwhile. */
	WALK_LAPS = 2,
};

/* How far the slot is ahead of position @position: 0, capacity, ... or negative. */
static inline int32_t ahead(uint64_t word, uint64_t position)
{
	return (int32_t)(WORD_SERIAL(word) - (uint32_t)position);
}

/* The later of the two hints. Reading the shared one each time keeps a handle that slept for
 * 2^32 messages from taking its old hint for a new position.
 * relaxed: hints carry no data, the slots' words do. */
static inline uint64_t start_at(struct ring_end *mine, const _Atomic uint64_t *shared)
{
	uint64_t own = atomic_load_explicit(&mine->next, memory_order_relaxed);
	uint64_t all = atomic_load_explicit(shared, memory_order_relaxed);

	return own > all ? own : all;
}

static void advance(_Atomic uint64_t *shared, uint64_t next)
{
	uint64_t old = atomic_load_explicit(shared, memory_order_relaxed);

	while (old < next &&
	       !atomic_compare_exchange_weak_explicit(shared, &old, next, memory_order_relaxed,
						      memory_order_relaxed))
		;
}

/* How many messages wait, by the hints. */
static void note_depth(struct shm_channel *shm, uint64_t tail)
{
	uint64_t head = atomic_load_explicit(&shm->head, memory_order_relaxed);

	if (tail > head)
		advance(&shm->high_water, tail - head);
}

/* Position @next - 1 and all before it are claimed. @walked: not all of them by us. */
static inline void move_on(struct ring_end *mine, _Atomic uint64_t *shared, uint64_t next,
			   bool walked)
{
	atomic_store_explicit(&mine->next, next, memory_order_relaxed);
	if (walked || next % HINT_EVERY == 0)
		advance(shared, next);
}

/* In a damaged ring a walk might find no end. */
static inline bool is_lost(const struct ring *ring, uint64_t start, uint64_t p)
{
	return p - start > WALK_LAPS * (uint64_t)ring->capacity + HINT_EVERY;
}

/* Ask for a line in order to write it, without waiting. gcc makes a prefetch for reading of
 * __builtin_prefetch(at, 1) unless told that the processor has another, and that is worse
 * than none here: the line then comes twice. prefetchw does nothing where it is not known. */
static inline void own_line(const void *at)
{
#if defined(__x86_64__)
	__asm__ __volatile__("prefetchw %0" : : "m"(*(const char *)at));
#else
	__builtin_prefetch(at, 1);
#endif
}

/* Ask for the lines of a slot of which the other end is certainly done, or it would lose what it
 * is about to touch: one before the other's hint plus @reach. */
static inline void fetch_ahead(const struct ring *ring, struct ring_end *mine,
			       const _Atomic uint64_t *other, uint64_t reach, uint64_t position)
{
	uint64_t wanted = position + FETCH_AHEAD;
	const char *slot;

	if (wanted >= atomic_load_explicit(&mine->safe, memory_order_relaxed)) {
		uint64_t safe;

		if (position % FETCH_AHEAD)
			return;
		safe = atomic_load_explicit(other, memory_order_relaxed) + reach;
		atomic_store_explicit(&mine->safe, safe, memory_order_relaxed);
		if (wanted >= safe)
			return;
	}
	slot = (const char *)ring_slot(ring, wanted);
	own_line(slot);
	if (ring->stride > LAYOUT_LINE)
		own_line(slot + LAYOUT_LINE);
}

void ring_format(struct ring *ring)
{
	for (uint32_t i = 0; i < ring->capacity; i++)
		atomic_store_explicit(&ring_slot(ring, i)->word, WORD(i, SLOT_FREE, 0),
				      memory_order_relaxed);
}

/* Swap @word, which the slot is hoped to hold, for @mine. On failure *@word is what it holds.
 * A1: pairs with R1 in ring_release(): the last reader is done with the slot.
 * A2: pairs with R2 in ring_publish(): header and payload are visible.
 * seq_cst, also of the failure: the second look of wait_announce(), see W2. */
static inline bool claim(struct shm_slot *slot, uint64_t *word, uint64_t mine)
{
	return atomic_compare_exchange_strong_explicit(&slot->word, word, mine,
						       memory_order_seq_cst, memory_order_seq_cst);
}

/* The same, but read first. */
static inline bool look_and_claim(const struct ring *ring, struct shm_slot *slot, uint64_t *word,
				  uint64_t mine)
{
	uint64_t seen = atomic_load_explicit(&slot->word, memory_order_seq_cst);	/* W2 */

	if (seen != *word) {
		*word = seen;
		return false;
	}
	/* The slot's second line comes meanwhile. */
	if (ring->stride > LAYOUT_LINE)
		__builtin_prefetch((const char *)slot + LAYOUT_LINE, 0);
	return claim(slot, word, mine);
}

/* A dead writer's slot is passed over: free for the next lap. False: it has changed.
 * R1: pairs with A1 in claim(); what was done to the slot before it became a tomb is passed on. */
static bool skip_tomb(const struct ring *ring, struct shm_slot *slot, uint64_t word)
{
	return atomic_compare_exchange_strong_explicit(
		&slot->word, &word, WORD(WORD_SERIAL(word) + ring->capacity, SLOT_FREE, 0),
		memory_order_release, memory_order_relaxed);
}

bool ring_claim_write(struct ring *ring, uint32_t me, enum ring_look look, uint64_t *ret_position)
{
	_Atomic uint64_t *tail = &ring->shm->tail;
	uint64_t p = start_at(&ring->write, tail), start = p;

	for (;; p++) {
		struct shm_slot *slot = ring_slot(ring, p);
		uint64_t word = WORD(p, SLOT_FREE, 0);
		uint64_t mine = WORD(p, SLOT_WRITING, SEEDED(8) ? 0 : me);

		if (look == RING_SWAP ? claim(slot, &word, mine) :
					look_and_claim(ring, slot, &word, mine))
			break;
		if (ahead(word, p) >= 0 && !is_lost(ring, start, p))
			continue;	/* claimed by somebody else */
		if (WORD_STATE(word) == SLOT_TOMB && ahead(word, p - ring->capacity) == 0) {
			skip_tomb(ring, slot, word);
			p--;
			continue;
		}
		if (p != start)
			move_on(&ring->write, tail, p, true);
		advance(&ring->shm->high_water, ring->capacity);
		return false;
	}
	move_on(&ring->write, tail, p + 1,
		p != atomic_load_explicit(&ring->write.next, memory_order_relaxed));
	if ((p + 1) % HINT_EVERY == 0)
		note_depth(ring->shm, p + 1);
	*ret_position = p;
	return true;
}

void ring_publish(struct ring *ring, uint64_t position)
{
	/* R2: pairs with A2 in claim() and find_head(). Publishes header and payload.
	 * seq_cst exchange: the change that wait_notify() tells about, see W1. */
	atomic_exchange_explicit(&ring_slot(ring, position)->word, WORD(position, SLOT_READY, 0),
				 SEEDED(1) ? memory_order_relaxed : memory_order_seq_cst);
	fetch_ahead(ring, &ring->write, &ring->shm->head, ring->capacity, position);
}

void ring_publish_urgent(struct ring *ring, uint64_t position)
{
	/* R2: pairs with A2 in claim_retry(). Publishes header and payload. */
	atomic_store_explicit(&ring_slot(ring, position)->word, WORD(position, SLOT_RETRY, 0),
			      memory_order_release);
	/* R3: pairs with A3 in find_retry(). Who sees the epoch sees the RETRY. */
	atomic_fetch_add_explicit(&ring->shm->retry_epoch, 1, memory_order_seq_cst);
}

void ring_withdraw(struct ring *ring, uint64_t position)
{
	/* R1: pairs with A1 in claim(), by way of skip_tomb(). seq_cst exchange: who waits for the
	 * channel to be empty is told of the change, see W1. */
	atomic_exchange_explicit(&ring_slot(ring, position)->word, WORD(position, SLOT_TOMB, 0),
				 memory_order_seq_cst);
}

void ring_publish_one_of_many(struct ring *ring, uint64_t position)
{
	/* R2, as above. */
	atomic_store_explicit(&ring_slot(ring, position)->word, WORD(position, SLOT_READY, 0),
			      memory_order_release);
	fetch_ahead(ring, &ring->write, &ring->shm->head, ring->capacity, position);
}

/* The oldest message that is to come before all others; false: none. */
static bool find_retry(struct ring *ring, struct shm_slot **ret_slot, uint64_t *ret_word)
{
	/* A3: pairs with R3 in ring_give_back(), ring_publish_urgent() and recover_slots().
	 * seq_cst: the second look of wait_announce(), see W2. */
	uint32_t epoch = atomic_load_explicit(&ring->shm->retry_epoch, memory_order_seq_cst);
	bool found = false;

	if (atomic_load_explicit(&ring->seen_epoch, memory_order_relaxed) == epoch)
		return false;
	for (uint32_t i = 0; i < ring->capacity; i++) {
		struct shm_slot *slot = ring_slot(ring, i);
		uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);

		if (WORD_STATE(word) == SLOT_RETRY &&
		    (!found || ahead(word, WORD_SERIAL(*ret_word)) < 0)) {
			*ret_slot = slot;
			*ret_word = word;
			found = true;
		}
	}
	if (!found)
		atomic_store_explicit(&ring->seen_epoch, epoch, memory_order_relaxed);
	return found;
}

static bool claim_retry(struct ring *ring, uint32_t me, struct shm_slot **ret_slot,
			uint64_t *ret_word)
{
	uint64_t word;

	while (find_retry(ring, ret_slot, &word)) {
		*ret_word = WORD(WORD_SERIAL(word), SLOT_READING, me);
		/* A2: pairs with R2 in ring_publish_urgent() and ring_give_back(). */
		if (atomic_compare_exchange_strong_explicit(&(*ret_slot)->word, &word, *ret_word,
							    memory_order_acquire,
							    memory_order_relaxed))
			return true;
	}
	return false;
}

/* Is position @p, whose slot holds @word, not to be read yet? */
static inline bool is_unread(uint64_t word, uint64_t p)
{
	int32_t distance = ahead(word, p);

	return distance < 0 || (distance == 0 && WORD_STATE(word) <= SLOT_WRITING);
}

bool ring_claim_read(struct ring *ring, uint32_t me, enum ring_look look,
		     struct shm_slot **ret_slot, uint64_t *ret_word)
{
	_Atomic uint64_t *head = &ring->shm->head;
	uint64_t p, start;

	if (claim_retry(ring, me, ret_slot, ret_word))
		return true;
	for (p = start = start_at(&ring->read, head);; p++) {
		struct shm_slot *slot = ring_slot(ring, p);
		uint64_t word = WORD(p, SLOT_READY, 0), mine = WORD(p, SLOT_READING, me);

		if (look == RING_SWAP ? claim(slot, &word, mine) :
					look_and_claim(ring, slot, &word, mine)) {
			*ret_slot = slot;
			*ret_word = mine;
			break;
		}
		if (is_unread(word, p) || is_lost(ring, start, p)) {
			if (p != start)
				move_on(&ring->read, head, p, true);
			return false;
		}
		if (ahead(word, p) == 0 && WORD_STATE(word) == SLOT_TOMB &&
		    !skip_tomb(ring, slot, word))
			p--;	/* look at it again */
	}
	move_on(&ring->read, head, p + 1,
		p != atomic_load_explicit(&ring->read.next, memory_order_relaxed));
	fetch_ahead(ring, &ring->read, &ring->shm->tail, 0, p);
	return true;
}

void ring_release(struct ring *ring, struct shm_slot *slot, uint64_t word)
{
	/* R1: pairs with A1 in claim(). We are done with header and payload.
	 * seq_cst exchange: the change that wait_notify() tells about, see W1. */
	atomic_exchange_explicit(&slot->word,
				 WORD(WORD_SERIAL(word) + ring->capacity, SLOT_FREE, 0),
				 SEEDED(2) ? memory_order_relaxed : memory_order_seq_cst);
}

void ring_release_one_of_many(struct ring *ring, struct shm_slot *slot, uint64_t word)
{
	/* R1, as above. */
	atomic_store_explicit(&slot->word,
			      WORD(WORD_SERIAL(word) + ring->capacity, SLOT_FREE, 0),
			      memory_order_release);
}

void ring_give_back(struct ring *ring, struct shm_slot *slot, uint64_t word)
{
	/* R2: pairs with A2 in claim_retry(). */
	atomic_store_explicit(&slot->word, WORD(WORD_SERIAL(word), SLOT_RETRY, 0),
			      memory_order_release);
	/* R3: pairs with A3 in find_retry(). Who sees the epoch sees the RETRY. */
	atomic_fetch_add_explicit(&ring->shm->retry_epoch, 1, memory_order_seq_cst);
}

bool ring_give_new(struct ring *ring, uint32_t me)
{
	for (uint32_t i = 0; i < ring->capacity; i++) {
		struct shm_slot *slot = ring_slot(ring, i);
		uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
		uint64_t mine = WORD(WORD_SERIAL(word), SLOT_WRITING, me);

		/* Its position counts as claimed from now on; both ends walk over it. */
		if ((WORD_STATE(word) != SLOT_FREE && WORD_STATE(word) != SLOT_TOMB) ||
		    !claim(slot, &word, mine))
			continue;
		slot->user = 0;
		slot->bytes = slot->block = slot->sender = slot->tag = slot->route = 0;
		slot->flags = 0;
		ring_give_back(ring, slot, mine);
		return true;
	}
	return false;
}

/* The first position that is not taken; its slot and word. */
static uint64_t find_head(struct ring *ring, struct shm_slot **ret_slot, uint64_t *ret_word)
{
	uint64_t p = start_at(&ring->read, &ring->shm->head), start = p;

	for (;; p++) {
		struct shm_slot *slot = ring_slot(ring, p);
		/* A2: pairs with R2 in ring_publish(). */
		uint64_t word = atomic_load_explicit(&slot->word, memory_order_seq_cst);

		if (is_unread(word, p) || is_lost(ring, start, p) ||
		    (ahead(word, p) == 0 && WORD_STATE(word) == SLOT_READY)) {
			if (p != start)
				move_on(&ring->read, &ring->shm->head, p, true);
			*ret_slot = slot;
			*ret_word = word;
			return p;
		}
		if (ahead(word, p) == 0 && WORD_STATE(word) == SLOT_TOMB &&
		    !skip_tomb(ring, slot, word))
			p--;	/* look at it again */
	}
}

bool ring_next(struct ring *ring, struct shm_slot **ret_slot, uint64_t *ret_word)
{
	if (find_retry(ring, ret_slot, ret_word))
		return true;
	return WORD(find_head(ring, ret_slot, ret_word), SLOT_READY, 0) == *ret_word;
}

/* The first message from @from on, before @end; its position, or @end. */
static uint64_t find_ready(const struct ring *ring, uint64_t from, uint64_t end)
{
	for (; from < end; from++) {
		/* A2; seq_cst: the second look of wait_announce(), see W2. */
		uint64_t word = atomic_load_explicit(&ring_slot(ring, from)->word,
						     memory_order_seq_cst);

		if (word == WORD(from, SLOT_READY, 0))
			return from;
		if (ahead(word, from) < 0 ||
		    (ahead(word, from) == 0 && WORD_STATE(word) == SLOT_FREE))
			return end;	/* nobody has claimed it, nor any after it */
	}
	return end;
}

/* A message behind a slot that is being written; false: none. What was seen before it is looked at
 * again: a sender who filled his slot meanwhile may have sent that message after it. */
static bool find_past(struct ring *ring, struct shm_slot **ret_slot, uint64_t *ret_word)
{
	uint64_t head = find_head(ring, ret_slot, ret_word), end, found, earlier;

	if (ahead(*ret_word, head) != 0 || WORD_STATE(*ret_word) != SLOT_WRITING)
		return false;
	end = head + ring->capacity;
	found = find_ready(ring, head + 1, end);
	if (found == end)
		return false;
	while ((earlier = find_ready(ring, head, found)) < found)
		found = earlier;
	*ret_slot = ring_slot(ring, found);
	*ret_word = WORD(found, SLOT_READY, 0);
	return true;
}

bool ring_claim_past(struct ring *ring, uint32_t me, struct shm_slot **ret_slot, uint64_t *ret_word)
{
	struct shm_slot *slot;
	uint64_t word, mine;

	if (!find_past(ring, &slot, &word))
		return false;
	mine = WORD(WORD_SERIAL(word), SLOT_READING, me);
	if (!claim(slot, &word, mine))
		return false;
	*ret_slot = slot;
	*ret_word = mine;
	return true;
}

bool ring_has_past(struct ring *ring)
{
	struct shm_slot *slot;
	uint64_t word;

	return find_past(ring, &slot, &word);
}

uint64_t ring_head(struct ring *ring)
{
	struct shm_slot *slot;
	uint64_t word;

	return find_head(ring, &slot, &word);
}

uint64_t ring_tail(struct ring *ring)
{
	uint64_t p = start_at(&ring->write, &ring->shm->tail), start = p;

	for (;; p++) {
		/* W2: ring_has_room() is a second look of wait_announce(). */
		uint64_t word = atomic_load_explicit(&ring_slot(ring, p)->word,
						     memory_order_seq_cst);

		if (ahead(word, p) < 0 || is_lost(ring, start, p) ||
		    (ahead(word, p) == 0 && WORD_STATE(word) == SLOT_FREE))
			break;
	}
	if (p != start)
		move_on(&ring->write, &ring->shm->tail, p, true);
	return p;
}

bool ring_is_empty(struct ring *ring)
{
	for (uint32_t i = 0; i < ring->capacity; i++) {
		/* S2: the look of who knows that it is shut; W2: also a second look. */
		uint64_t word = atomic_load_explicit(&ring_slot(ring, i)->word,
						     memory_order_seq_cst);

		if (WORD_STATE(word) != SLOT_FREE && WORD_STATE(word) != SLOT_TOMB)
			return false;
	}
	return true;
}

bool ring_has_room(struct ring *ring)
{
	uint64_t p = ring_tail(ring);
	/* W2: a second look of wait_announce(). */
	uint64_t word = atomic_load_explicit(&ring_slot(ring, p)->word, memory_order_seq_cst);

	return ahead(word, p) >= 0 || WORD_STATE(word) == SLOT_TOMB;
}

bool ring_taken(const struct ring *ring, uint64_t position)
{
	/* W2: a second look; see R1 in ring_release(). */
	uint64_t word = atomic_load_explicit(&ring_slot(ring, position)->word,
					     memory_order_seq_cst);

	return ahead(word, position) > 0;
}

uint32_t ring_blocker(struct ring *ring, bool for_write)
{
	uint64_t p = for_write ? ring_tail(ring) : ring_head(ring);
	uint64_t word = atomic_load_explicit(&ring_slot(ring, p)->word, memory_order_relaxed);

	return WORD_OWNER(word);
}
