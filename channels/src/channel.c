/* SPDX-License-Identifier: MIT */
/* channel.c - the life of a local channel: its entry in the table, its slots, its handles. */
#include "src/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/context.h"
#include "src/heap.h"
#include "src/waitset.h"

enum {
	CAPACITY_DEFAULT = 128,
	CAPACITY_MAX = 1 << 20,	/* as many slots fit in a block's word, channel_queued_word() */
	INLINE_DEFAULT = 88,	/* slots of two cache lines */
	INLINE_MIN = 24,	/* of one */
	INLINE_MAX = 4056,	/* beyond, a block is cheaper than the copy */
};
_Static_assert(LAYOUT_CHANNELS <= 1 << 12, "channel_queued_word() has 12 bits for the channel");

static uint32_t mask_of(uint32_t capacity)
{
	return (capacity & (capacity - 1)) == 0 ? capacity - 1 : 0;
}

int channel_ring(struct segment *segment, uint32_t index, struct ring *ret_ring)
{
	struct shm_channel *shm = &segment->channels[index];
	struct ring ring = { .shm = shm };
	uint64_t slots;

	/* Read once: what is checked must be what is used. */
	ring.capacity = __atomic_load_n(&shm->capacity, __ATOMIC_RELAXED);
	ring.stride = __atomic_load_n(&shm->stride, __ATOMIC_RELAXED);
	ring.inline_bytes = __atomic_load_n(&shm->inline_bytes, __ATOMIC_RELAXED);
	slots = __atomic_load_n(&shm->slots, __ATOMIC_RELAXED);
	if (ring.capacity == 0 || ring.capacity > CAPACITY_MAX || ring.stride % LAYOUT_LINE != 0 ||
	    ring.stride > INLINE_MAX + sizeof(struct shm_slot) ||
	    ring.inline_bytes + sizeof(struct shm_slot) > ring.stride ||
	    slots % LAYOUT_LINE != 0 || slots > segment->bytes ||
	    (uint64_t)ring.capacity * ring.stride > segment->bytes - slots)
		return -EPROTO;
	ring.slots = segment->base + slots;
	ring.mask = mask_of(ring.capacity);
	*ret_ring = ring;
	return 0;
}

static void set_user(struct shm_channel *shm, unsigned process, bool on)
{
	uint64_t bit = UINT64_C(1) << (process % 64);

	/* On: C6, see channel_attach(). Off: C3, pairs with C4 in has_users(). */
	if (on)
		atomic_fetch_or_explicit(&shm->users[process / 64], bit, memory_order_seq_cst);
	else
		atomic_fetch_and_explicit(&shm->users[process / 64], ~bit, memory_order_seq_cst);
}

/* How many handles of this process are open; guards segment->handles of all segments. */
static pthread_mutex_t handles_lock = PTHREAD_MUTEX_INITIALIZER;

static void hold(struct segment *segment, uint32_t index)
{
	pthread_mutex_lock(&handles_lock);
	if (segment->handles[index]++ == 0)
		set_user(&segment->channels[index], segment->me & (LAYOUT_PROCESSES - 1), true);
	pthread_mutex_unlock(&handles_lock);
}

static void drop(struct segment *segment, uint32_t index)
{
	pthread_mutex_lock(&handles_lock);
	if (--segment->handles[index] == 0)
		channel_drop_user(segment, index, segment->me & (LAYOUT_PROCESSES - 1));
	pthread_mutex_unlock(&handles_lock);
}

bool channel_any_open(const struct segment *segment)
{
	bool found = false;

	pthread_mutex_lock(&handles_lock);
	for (uint32_t i = 0; i < LAYOUT_CHANNELS && !found; i++)
		found = segment->handles[i] != 0;
	pthread_mutex_unlock(&handles_lock);
	return found;
}

static bool has_users(const struct shm_channel *shm)
{
	/* C4: pairs with C3 in set_user(): what the holders did with slots and blocks is visible.
	 * C5: the look after the channel was closed, see channel_close_for_all(). */
	for (unsigned i = 0; i < LAYOUT_PROCESSES / 64; i++)
		if (atomic_load_explicit(&shm->users[i], memory_order_seq_cst))
			return true;
	return false;
}

/* Free what a closed channel holds. Each step is a swap, so a killed reaper's work can be
 * done again by the next. */
static void reap(struct segment *segment, uint32_t index, uint64_t closed)
{
	struct shm_channel *shm = &segment->channels[index];
	uint64_t reaping = WORD(WORD_SERIAL(closed), CHANNEL_REAPING, segment->me);
	uint32_t block = shm->block;
	struct ring ring;

	/* Against other reapers; what we read of the entry and its slots is visible by A4, C4. */
	if (!atomic_compare_exchange_strong_explicit(&shm->word, &closed, reaping,
						     memory_order_acq_rel, memory_order_relaxed))
		return;
	if (channel_ring(segment, index, &ring) == 0)
		for (uint32_t i = 0; i < ring.capacity; i++) {
			struct shm_slot *slot = ring_slot(&ring, i);
			/* A2: pairs with R2 in ring_publish(). */
			uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
			uint32_t held = slot->block;

			if (heap_valid(segment, held))
				heap_free(segment, held,
					  channel_queued_word(index, i, WORD_SERIAL(word)));
		}
	if (heap_valid(segment, block))
		heap_free(segment, block, channel_slots_word(index, WORD_SERIAL(closed)));
	/* C1: pairs with C2 in claim_entry(). We are done with the entry. */
	atomic_compare_exchange_strong_explicit(&shm->word, &reaping,
						WORD(WORD_SERIAL(closed), CHANNEL_FREE, 0),
						memory_order_acq_rel, memory_order_relaxed);
}

void channel_reap_unused(struct segment *segment, uint32_t index)
{
	struct shm_channel *shm = &segment->channels[index];
	/* A4: pairs with R4 in publish_entry(), of which the closing swap is a continuation. */
	uint64_t word = atomic_load_explicit(&shm->word, memory_order_acquire);

	if (WORD_STATE(word) == CHANNEL_CLOSED && segment->me && !has_users(shm))
		reap(segment, index, word);
}

void channel_drop_user(struct segment *segment, uint32_t index, unsigned process)
{
	set_user(&segment->channels[index], process, false);
	channel_reap_unused(segment, index);
}

struct dhow_channel *channel_handle(void)
{
	struct dhow_channel *channel = aligned_alloc(alignof(struct dhow_channel),
						     sizeof(*channel));

	return channel ? memset(channel, 0, sizeof(*channel)) : NULL;
}

static struct dhow_channel *new_handle(struct segment *segment, uint32_t index, uint32_t generation)
{
	struct dhow_channel *channel = channel_handle();

	if (!channel)
		return NULL;
	channel->segment = segment;
	channel->index = index;
	channel->generation = generation;
	wait_habit_init(&channel->habit, DHOW_WAIT_DEFAULT);
	channel->habit.segment = segment;
	channel->address = (struct dhow_address){ .job = segment->shm->job,
						  .node = segment->shm->node,
						  .segment = segment->id,
						  .index = index,
						  .generation = generation };
	return channel;
}

void channel_free(struct dhow_channel *channel)
{
	if (channel->watched)
		waitset_forget(channel);
	drop(channel->segment, channel->index);
	free(channel);
	context_unmap_unused();
}

int channel_close_for_all(struct dhow_channel *channel)
{
	struct shm_channel *shm = channel->ring.shm;
	uint64_t open = WORD(channel->generation, CHANNEL_OPEN, 0);

	/* C5: pairs with C6 in channel_attach(): we, or who reaps it later, see its mark, or it
	 * sees that the channel is closed. Waiters: W1, see wait_wake_all(). */
	if (!atomic_compare_exchange_strong_explicit(
		    &shm->word, &open, WORD(channel->generation, CHANNEL_CLOSED, 0),
		    memory_order_seq_cst, memory_order_relaxed))
		return dhow_fail(-EPIPE, "the channel was destroyed already");
	wait_wake_all(&shm->wait_in, channel->segment);
	wait_wake_all(&shm->wait_out, channel->segment);
	return 0;
}

/* Claim a free entry of the channel table for the channel @generation. */
static int claim_entry(struct segment *segment, int index_wanted, uint32_t generation,
		       uint32_t *ret_index)
{
	/* Entry 0 is the gateway's. */
	uint32_t first = index_wanted < 0 ? 1 : (uint32_t)index_wanted;
	uint32_t end = index_wanted < 0 ? LAYOUT_CHANNELS : first + 1;

	for (uint32_t i = first; i < end; i++) {
		struct shm_channel *shm = &segment->channels[i];
		uint64_t word = atomic_load_explicit(&shm->word, memory_order_relaxed);
		uint64_t mine = WORD(generation, CHANNEL_MAKING, segment->me);

		/* C2: pairs with C1 in reap(), new_entry() and undo_making(): the last holder is
		 * done with the entry. */
		if (WORD_STATE(word) == CHANNEL_FREE && !has_users(shm) &&
		    atomic_compare_exchange_strong_explicit(&shm->word, &word, mine,
							    memory_order_acq_rel,
							    memory_order_relaxed)) {
			*ret_index = i;
			return 0;
		}
	}
	return -ENFILE;
}

static void fill_entry(struct segment *segment, uint32_t index, uint32_t block,
		       const struct dhow_channel_attr *attr, uint32_t stride, struct ring *ring)
{
	struct shm_channel *shm = &segment->channels[index];

	shm->block = block;
	shm->slots = (uint64_t)((unsigned char *)heap_data(segment, block) - segment->base);
	shm->capacity = attr->capacity;
	shm->stride = stride;
	shm->inline_bytes = stride - (uint32_t)sizeof(struct shm_slot);
	atomic_store_explicit(&shm->retry_epoch, 0, memory_order_relaxed);
	atomic_store_explicit(&shm->shut, 0, memory_order_relaxed);
	atomic_store_explicit(&shm->preview, 0, memory_order_relaxed);
	atomic_store_explicit(&shm->high_water, 0, memory_order_relaxed);
	atomic_store_explicit(&shm->tail, 0, memory_order_relaxed);
	atomic_store_explicit(&shm->head, 0, memory_order_relaxed);
	atomic_store_explicit(&shm->wait_in, 0, memory_order_relaxed);
	atomic_store_explicit(&shm->wait_out, 0, memory_order_relaxed);
	/* From what we know, not from what stands there: others can write to it. */
	*ring = (struct ring){ .shm = shm,
			       .slots = heap_data(segment, block),
			       .capacity = attr->capacity,
			       .mask = mask_of(attr->capacity),
			       .stride = stride,
			       .inline_bytes = stride - (uint32_t)sizeof(struct shm_slot) };
	ring_format(ring);
}

static int check_attr(struct dhow_channel_attr *attr)
{
	if (attr->capacity == 0)
		attr->capacity = CAPACITY_DEFAULT;
	if (attr->inline_bytes == 0)
		attr->inline_bytes = INLINE_DEFAULT;
	if (attr->capacity > CAPACITY_MAX)
		return dhow_fail(-EINVAL, "capacity %u: must be 1 to %d", attr->capacity,
				 CAPACITY_MAX);
	if (attr->inline_bytes < INLINE_MIN || attr->inline_bytes > INLINE_MAX)
		return dhow_fail(-EINVAL, "inline_bytes %u: must be %d to %d", attr->inline_bytes,
				 INLINE_MIN, INLINE_MAX);
	return 0;
}

static uint32_t next_generation(struct segment *segment)
{
	return atomic_fetch_add_explicit(&segment->shm->generation, 1, memory_order_relaxed) + 1;
}

/* The handle of a claimed entry; NULL: out of memory, the entry is free again. */
static struct dhow_channel *new_entry(struct segment *segment, uint32_t index, uint32_t generation)
{
	struct dhow_channel *channel = new_handle(segment, index, generation);

	/* C1: pairs with C2 in claim_entry(). */
	if (!channel)
		atomic_store_explicit(&segment->channels[index].word,
				      WORD(generation, CHANNEL_FREE, 0), memory_order_release);
	return channel;
}

static void publish_entry(struct dhow_channel *channel, enum channel_kind kind)
{
	channel->ring.shm = &channel->segment->channels[channel->index];
	/* The handle's comes from what we know: whether it has a ring hangs on it. */
	channel->kind = kind;
	atomic_store_explicit(&channel->ring.shm->kind, kind, memory_order_relaxed);
	/* R4: pairs with A4 in channel_is_open(). Publishes the entry and its slots. */
	atomic_store_explicit(&channel->ring.shm->word, WORD(channel->generation, CHANNEL_OPEN, 0),
			      memory_order_release);
}

int channel_make_barrier(struct segment *segment, uint32_t parties,
			 struct dhow_channel **ret_channel)
{
	struct dhow_channel *channel;
	uint32_t index, generation = next_generation(segment);
	struct shm_channel *shm;

	if (claim_entry(segment, -1, generation, &index) < 0)
		return dhow_fail(-ENFILE, "a segment holds at most %d channels",
				 LAYOUT_CHANNELS - 1);
	channel = new_entry(segment, index, generation);
	if (!channel)
		return dhow_fail(-ENOMEM, "out of memory");
	shm = &segment->channels[index];
	shm->slots = 0;
	shm->block = shm->capacity = shm->stride = shm->inline_bytes = 0;
	shm->parties = parties;
	atomic_store_explicit(&shm->barrier, 0, memory_order_relaxed);
	atomic_store_explicit(&shm->shut, 0, memory_order_relaxed);
	atomic_store_explicit(&shm->wait_in, 0, memory_order_relaxed);
	atomic_store_explicit(&shm->wait_out, 0, memory_order_relaxed);
	hold(segment, index);
	publish_entry(channel, KIND_BARRIER);
	*ret_channel = channel;
	return 0;
}

int channel_make(struct segment *segment, const struct dhow_channel_attr *wanted, int index_wanted,
		 struct dhow_channel **ret_channel)
{
	struct dhow_channel_attr attr = wanted ? *wanted : (struct dhow_channel_attr){ 0 };
	uint32_t stride, block, index, generation;
	struct dhow_channel *channel;
	int rc = check_attr(&attr);

	if (rc < 0)
		return rc;
	stride = (attr.inline_bytes + (uint32_t)sizeof(struct shm_slot) + LAYOUT_LINE - 1) /
		 LAYOUT_LINE * LAYOUT_LINE;
	rc = heap_alloc(segment, (uint64_t)stride * attr.capacity, &block);
	if (rc < 0)
		return dhow_fail(-ENOMEM,
				 "channel of %u messages: the pool has no block of %llu bytes",
				 attr.capacity, (unsigned long long)stride * attr.capacity);
	generation = next_generation(segment);
	rc = claim_entry(segment, index_wanted, generation, &index);
	if (rc < 0) {
		heap_free_mine(segment, block);
		return dhow_fail(rc, "a segment holds at most %d channels", LAYOUT_CHANNELS - 1);
	}
	channel = new_entry(segment, index, generation);
	if (!channel) {
		heap_free_mine(segment, block);
		return dhow_fail(-ENOMEM, "out of memory");
	}
	fill_entry(segment, index, block, &attr, stride, &channel->ring);
	hold(segment, index);
	/* If we die before the next line, the block is still ours and goes back. */
	heap_pass(segment, block, WORD(0, BLOCK_OWNED, segment->me),
		  channel_slots_word(index, generation));
	publish_entry(channel, KIND_CHANNEL);
	*ret_channel = channel;
	return 0;
}

int channel_attach(struct segment *segment, uint32_t index, uint32_t generation,
		   struct dhow_channel **ret_channel)
{
	struct dhow_channel *channel;
	struct shm_channel *shm;

	if (index >= LAYOUT_CHANNELS)
		return dhow_fail(-ESTALE, "channel %u does not exist", index);
	shm = &segment->channels[index];
	channel = new_handle(segment, index, generation);
	if (!channel)
		return dhow_fail(-ENOMEM, "out of memory");
	/* C6: pairs with C5 in channel_close_for_all() and has_users(). First the mark, then the
	 * look, both seq_cst: a destroyer sees the one, or we see the other. An entry used by
	 * another channel by now has our mark for a moment, which delays its reaper. */
	hold(segment, index);
	channel->ring.shm = shm;
	if (!channel_is_open(shm, generation))
		goto err_drop;
	channel->kind = (enum channel_kind)atomic_load_explicit(&shm->kind, memory_order_relaxed);
	if (channel->kind != KIND_BARRIER && channel_ring(segment, index, &channel->ring) < 0)
		goto err_drop;
	*ret_channel = channel;
	return 0;

err_drop:
	drop(segment, index);
	free(channel);
	return dhow_fail(-ESTALE, "the channel was destroyed");
}
