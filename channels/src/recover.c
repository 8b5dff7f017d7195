/* SPDX-License-Identifier: MIT */
/*
 * recover.c - see recover.h.
 *
 * The order matters: slots before blocks, because a block that a dead reader had already
 * taken over from its slot goes back to the slot; only then are the blocks that are still
 * the dead process's freed.
 */
#include "src/recover.h"

#include "src/barrier.h"
#include "src/bell.h"
#include "src/channel.h"
#include "src/heap.h"
#include "src/remote.h"
#include "src/ring.h"
#include "src/seed.h"
#include "src/wait.h"

/* The end of whatever edge the dead process would have ended: of a slot R1 (a tomb), R2 (given
 * again), of an entry C1, of a stream R6 or G7, of a request Q1. */
static bool swap(_Atomic uint64_t *word, uint64_t from, uint64_t to)
{
	return atomic_compare_exchange_strong_explicit(word, &from, to, memory_order_acq_rel,
						       memory_order_relaxed);
}

/* WRITING(dead): the message was never sent; its block, if it had reached the slot, is free. */
static void undo_write(struct segment *segment, struct shm_slot *slot, uint64_t word,
		       uint64_t queued)
{
	uint32_t block = slot->block;

	/* A stale block number does no harm: no other message's block has this queued word. */
	if (heap_valid(segment, block) && !SEEDED(6))
		heap_free(segment, block, queued);
	if (!SEEDED(3))
		swap(&slot->word, word, WORD(WORD_SERIAL(word), SLOT_TOMB, 0));
}

/* READING(dead): the message is given to another reader. */
static void undo_read(struct segment *segment, struct shm_slot *slot, uint64_t word,
		      uint64_t queued, uint32_t dead)
{
	uint32_t block = slot->block;

	if ((slot->flags & SLOT_BLOCK) && heap_valid(segment, block))
		heap_pass(segment, block, WORD(0, BLOCK_OWNED, dead), queued);
	swap(&slot->word, word, WORD(WORD_SERIAL(word), SLOT_RETRY, 0));
}

static void recover_slots(struct segment *segment, uint32_t index, struct ring *ring, uint32_t dead)
{
	bool again = false, changed = false;

	for (uint32_t i = 0; i < ring->capacity; i++) {
		struct shm_slot *slot = ring_slot(ring, i);
		/* A2: pairs with R2 in ring_publish(); what the dead one wrote itself: L6. */
		uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
		uint64_t queued = channel_queued_word(index, i, WORD_SERIAL(word));
		unsigned state = WORD_STATE(word);

		if (WORD_OWNER(word) == dead && state == SLOT_WRITING)
			undo_write(segment, slot, word, queued);
		else if (WORD_OWNER(word) == dead && state == SLOT_READING)
			undo_read(segment, slot, word, queued, dead);
		changed |= WORD_OWNER(word) == dead;
		again |= state == SLOT_RETRY || (WORD_OWNER(word) == dead && state == SLOT_READING);
	}
	/* R3: pairs with A3 in find_retry(). */
	if (again && !SEEDED(9))
		atomic_fetch_add_explicit(&ring->shm->retry_epoch, 1, memory_order_seq_cst);
	if (changed || again) {
		wait_wake_all(&ring->shm->wait_in, segment);
		wait_wake_all(&ring->shm->wait_out, segment);
	}
}

static void undo_making(struct segment *segment, uint32_t index, uint64_t word)
{
	struct shm_channel *shm = &segment->channels[index];
	uint32_t block = shm->block;

	/* Its slots may have been handed to the entry already. */
	if (heap_valid(segment, block))
		heap_free(segment, block, channel_slots_word(index, WORD_SERIAL(word)));
	swap(&shm->word, word, WORD(WORD_SERIAL(word), CHANNEL_FREE, 0));
}

static void recover_channel(struct segment *segment, uint32_t index, uint32_t dead)
{
	struct shm_channel *shm = &segment->channels[index];
	/* A4: pairs with R4 in publish_entry(); what the dead one wrote itself: L6. */
	uint64_t word = atomic_load_explicit(&shm->word, memory_order_acquire);
	unsigned state = WORD_STATE(word);
	struct ring ring;

	if (WORD_OWNER(word) == dead && state == CHANNEL_MAKING)
		undo_making(segment, index, word);
	if (WORD_OWNER(word) == dead && state == CHANNEL_REAPING) {
		swap(&shm->word, word, WORD(WORD_SERIAL(word), CHANNEL_CLOSED, 0));
		state = CHANNEL_CLOSED;
	}
	if ((state == CHANNEL_OPEN || state == CHANNEL_CLOSED) &&
	    channel_ring(segment, index, &ring) == 0) {
		recover_slots(segment, index, &ring, dead);
		/* If it was killed between a change and the wake-up, that is still owed. */
		wait_notify(&shm->wait_in, segment);
		wait_notify(&shm->wait_out, segment);
	}
	/* It may have died as the last one, after its mark was gone. */
	if (state == CHANNEL_CLOSED)
		channel_reap_unused(segment, index);
}

/* True: the agent has to close it. Also if an earlier recover() marked it and was killed before it
 * could say so. */
static bool recover_stream(struct segment *segment, uint32_t index, uint32_t dead)
{
	_Atomic uint64_t *at = &segment->streams[index].word;
	/* relaxed: only the word itself is used. */
	uint64_t word = atomic_load_explicit(at, memory_order_relaxed);

	if (WORD_OWNER(word) != dead)
		return WORD_STATE(word) == STREAM_CLOSING;
	if (WORD_STATE(word) == STREAM_MAKING)
		swap(at, word, WORD(WORD_SERIAL(word) + 1, STREAM_FREE, 0));
	return WORD_STATE(word) == STREAM_OPEN &&
	       swap(at, word, WORD(WORD_SERIAL(word), STREAM_CLOSING, 0));
}

static void recover_streams(struct segment *segment, uint32_t dead)
{
	bool closing = false;

	for (uint32_t i = 0; segment->streams && i < LAYOUT_STREAMS; i++)
		closing |= recover_stream(segment, i, dead);
	if (!closing)
		return;
	/* R6: pairs with A6 in next_orphan(); seq_cst for wait_notify(), see W1. */
	atomic_fetch_add_explicit(&segment->shm->orphan_epoch, 1, memory_order_seq_cst);
	wait_notify(&segment->channels[LAYOUT_GATEWAY].wait_in, segment);
}

static void recover_request(struct segment *segment, uint32_t index, uint32_t dead)
{
	_Atomic uint64_t *at = &segment->requests[index].word;
	/* relaxed: only the word itself is used. */
	uint64_t word = atomic_load_explicit(at, memory_order_relaxed);

	/* Its block, if it was answered, is owned by the dead process and goes with the rest.
	 * One that the agent is answering now comes again with the next sweep. */
	if (WORD_OWNER(word) == dead && WORD_STATE(word) != REQUEST_ANSWERING)
		swap(at, word, WORD(WORD_SERIAL(word) + 1, REQUEST_FREE, 0));
}

static void recover_agent(struct segment *segment, uint32_t dead)
{
	uint32_t up = AGENT_UP;

	/* relaxed: it died after it wrote that, see L6. */
	if (atomic_load_explicit(&segment->shm->agent, memory_order_relaxed) != dead)
		return;
	/* W1: the change that remote_wake_all() tells about. */
	atomic_compare_exchange_strong_explicit(&segment->shm->agent_state, &up, AGENT_DEAD,
						memory_order_seq_cst, memory_order_relaxed);
	remote_wake_all(segment);
}

void recover(struct segment *segment, uint32_t dead)
{
	if (dead == 0)
		return;
	for (uint32_t i = 0; i < LAYOUT_CHANNELS; i++)
		recover_channel(segment, i, dead);
	recover_streams(segment, dead);
	for (uint32_t i = 0; segment->requests && i < LAYOUT_REQUESTS; i++)
		recover_request(segment, i, dead);
	recover_agent(segment, dead);
	heap_recover(segment, dead);
}

/* In whatever state a channel is: who opens a stale address, or makes a channel, marks the
 * entry for a moment, and a mark that stays keeps the entry from being used again. */
void recover_users(struct segment *segment, unsigned process)
{
	const uint64_t bit = UINT64_C(1) << process % 64;

	for (uint32_t i = 0; i < LAYOUT_CHANNELS; i++) {
		const struct shm_channel *shm = &segment->channels[i];

		if (!(atomic_load_explicit(&shm->users[process / 64], memory_order_relaxed) & bit))
			continue;
		barrier_recover(segment, i);
		bell_unwatch(segment, i, process);
		channel_drop_user(segment, i, process);
	}
}
