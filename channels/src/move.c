/* SPDX-License-Identifier: MIT */
/* move.c - moves of messages into and out of a local channel, for send.c, recv.c, remote.c. */
#include <errno.h>
#include <string.h>

#include "src/channel.h"
#include "src/context.h"
#include "src/heap.h"
#include "src/liveness.h"
#include "src/preview.h"
#include "src/recover.h"
#include "src/seed.h"

static int check_open(struct dhow_channel *channel)
{
	if (channel_is_open(channel->ring.shm, channel->generation))
		return 0;
	return dhow_fail(-EPIPE, "the channel was destroyed");
}

/* After the claim, so that either we see that the channel is shut, or who shut it and then finds
 * it empty sees our claim. */
static int refuse_if_shut(struct dhow_channel *channel, uint64_t position)
{
	if (__builtin_expect(!channel_is_shut(channel), 1))
		return 0;
	ring_withdraw(&channel->ring, position);
	wait_notify(&channel->ring.shm->wait_in, channel->segment);
	return dhow_fail(-EPIPE, "the channel was shut");
}

/* The slot that a wait depends on belongs to a dead process: repair it. */
static void look_for_dead(struct dhow_channel *channel, bool for_write)
{
	uint32_t owner = ring_blocker(&channel->ring, for_write);

	if (owner && owner != channel->segment->me && liveness_dead(channel->segment, owner))
		recover(channel->segment, owner);
}

struct attempt {
	struct dhow_channel *channel;
	uint64_t position;
	struct shm_slot *slot;
	uint64_t word;
	unsigned tries;
	bool is_only;		/* there will be no other */
	struct preview_reader *reader;	/* of a receiver with a large buffer */
};

enum {
	TRIES_A_LOOK = 256,	/* a look at the owner costs a cache line of the table */
};

static int try_write(void *arg)
{
	struct attempt *attempt = arg;
	struct dhow_channel *channel = attempt->channel;
	int rc = check_open(channel);

	if (rc < 0)
		return rc;
	if (ring_claim_write(&channel->ring, channel->segment->me,
			     attempt->tries ? RING_READ : RING_SWAP, &attempt->position))
		return refuse_if_shut(channel, attempt->position);
	if (++attempt->tries % TRIES_A_LOOK == 1 || wait_sleeps)
		look_for_dead(channel, true);
	return -EAGAIN;
}

static int try_read(void *arg)
{
	struct attempt *attempt = arg;
	struct dhow_channel *channel = attempt->channel;
	int rc;

	if (ring_claim_read(&channel->ring, channel->segment->me, RING_READ, &attempt->slot,
			    &attempt->word))
		return 0;
	rc = check_open(channel);
	if (rc < 0)
		return rc;
	/* Looked at again after the channel was seen to be shut: then nothing more can come. */
	if (channel_is_shut(channel) && ring_is_empty(&channel->ring))
		return dhow_fail(-EPIPE, "the channel was shut, and is empty");
	if (attempt->reader)
		preview_follow(channel, attempt->reader);
	if (++attempt->tries % TRIES_A_LOOK == 1 || wait_sleeps)
		look_for_dead(channel, false);
	/* When there is time, and when there will be no other attempt. */
	if ((wait_sleeps || attempt->is_only || attempt->tries % TRIES_A_LOOK == 0) &&
	    ring_claim_past(&channel->ring, channel->segment->me, &attempt->slot, &attempt->word))
		return 0;
	return -EAGAIN;
}

static int claim_slot(struct dhow_channel *channel, uint64_t deadline_ns, uint64_t *ret_position)
{
	struct attempt attempt = { .channel = channel };
	int rc = try_write(&attempt);

	if (rc == -EAGAIN)
		rc = wait_until(&channel->habit, &channel->ring.shm->wait_out, deadline_ns,
				try_write, &attempt);
	*ret_position = attempt.position;
	return rc;
}

static inline void fill(struct shm_slot *slot, const void *data, size_t bytes,
			const struct dhow_header *header)
{
	slot->user = header->user;
	slot->bytes = (uint32_t)bytes;
	slot->block = 0;
	slot->sender = header->sender;
	slot->tag = header->tag;
	slot->route = 0;
	slot->flags = header->flags;
	if (bytes)
		memcpy(slot->payload, data, bytes);
}

int channel_put(struct dhow_channel *channel, const void *data, size_t bytes, uint32_t block,
		const struct envelope *envelope, uint64_t deadline_ns, uint64_t *ret_position)
{
	struct segment *segment = channel->segment;
	struct shm_slot *slot;
	uint64_t position;
	int rc = claim_slot(channel, deadline_ns, &position);

	if (rc < 0)
		return rc;
	slot = ring_slot(&channel->ring, position);
	fill(slot, data, block ? 0 : bytes, &envelope->header);
	slot->route = envelope->route;
	slot->flags |= envelope->flags;
	if (block) {	/* from here on it is the slot's, also if we die before publishing */
		slot->bytes = (uint32_t)bytes;
		slot->flags |= SLOT_BLOCK;
		slot->block = block;
		heap_pass(segment, block, WORD(0, BLOCK_OWNED, segment->me),
			  channel_queued_word(channel->index, ring_index(&channel->ring, slot),
					      position));
	}
	/* What goes to another node is urgent there, not in the gateway. */
	if ((envelope->header.flags & DHOW_URGENT) && !channel->is_remote)
		ring_publish_urgent(&channel->ring, position);
	else
		ring_publish(&channel->ring, position);
	wait_notify(&channel->ring.shm->wait_in, segment);
	if (ret_position)
		*ret_position = position;
	return 0;
}

/* Claim a slot without waiting, as long as there is room. If the channel is destroyed meanwhile
 * the messages are dropped with it: its slots stay as long as we hold it open. */
static bool claim_more(struct dhow_channel *channel, uint64_t *ret_position)
{
	return ring_claim_write(&channel->ring, channel->segment->me, RING_SWAP, ret_position) &&
	       refuse_if_shut(channel, *ret_position) == 0;
}

int channel_put_run(struct dhow_channel *channel, const struct dhow_item *items, size_t count,
		    uint32_t sender, uint64_t deadline_ns, size_t *ret_done)
{
	struct ring *ring = &channel->ring;
	uint64_t position;
	size_t done = 0;
	int rc = claim_slot(channel, deadline_ns, &position);

	if (rc < 0)
		return rc;
	count = count < CHANNEL_RUN_MAX ? count : CHANNEL_RUN_MAX;
	do {
		struct dhow_header header = items[done].header;

		header.sender = sender;
		fill(ring_slot(ring, position), items[done].data, items[done].bytes, &header);
		ring_publish_one_of_many(ring, position);
		done++;
	} while (done < count && items[done].bytes <= ring->inline_bytes &&
		 items[done].header.flags == 0 &&
		 claim_more(channel, &position));
	wait_notify_many(&ring->shm->wait_in, channel->segment, (int)done);
	*ret_done = done;
	return 0;
}

int channel_claim(struct dhow_channel *channel, uint64_t deadline_ns, struct shm_slot **ret_slot,
		  uint64_t *ret_word)
{
	return channel_claim_for(channel, NULL, deadline_ns, ret_slot, ret_word);
}

int channel_claim_for(struct dhow_channel *channel, struct preview_reader *reader,
		      uint64_t deadline_ns, struct shm_slot **ret_slot, uint64_t *ret_word)
{
	struct attempt attempt = { .channel = channel,
				   .is_only = deadline_ns == DHOW_TRY,
				   .reader = reader };
	int rc = try_read(&attempt);

	if (rc == -EAGAIN)
		rc = wait_until(&channel->habit, &channel->ring.shm->wait_in, deadline_ns, try_read,
				&attempt);
	if (rc < 0)
		return rc;
	*ret_slot = attempt.slot;
	*ret_word = attempt.word;
	return 0;
}

bool channel_claim_more(struct dhow_channel *channel, struct shm_slot **ret_slot,
			uint64_t *ret_word)
{
	return ring_claim_read(&channel->ring, channel->segment->me, RING_SWAP, ret_slot, ret_word);
}

/* Once, whatever the compiler would like: another process may change it at any time. */
static inline uint32_t read_once(const uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

/* The block of a slot; 0: none, or none of this pool. */
static inline uint32_t block_of(const struct segment *segment, const struct shm_slot *slot)
{
	uint32_t block = read_once(&slot->block);

	return (read_once(&slot->flags) & SLOT_BLOCK) && heap_valid(segment, block) ? block : 0;
}

void *channel_payload(struct dhow_channel *channel, const struct shm_slot *slot,
		      uint32_t *ret_bytes, uint32_t *ret_block)
{
	struct segment *segment = channel->segment;
	/* What is checked must be what is used. */
	uint32_t bytes = read_once(&slot->bytes), block;

	*ret_bytes = bytes;
	*ret_block = 0;
	if (!(read_once(&slot->flags) & SLOT_BLOCK))
		return bytes <= channel->ring.inline_bytes ? (void *)(uintptr_t)slot->payload :
							     NULL;
	block = block_of(segment, slot);
	if (!block || bytes > heap_bytes(segment, block))
		return NULL;
	*ret_block = block;
	return heap_data(segment, block);
}

/* The block of a claimed slot becomes ours before the slot is free; if we die in between,
 * recover() finds the slot still READING and gives the block back to it. 0: it has none. */
static uint32_t take_block(struct dhow_channel *channel, const struct shm_slot *slot,
			   uint64_t word)
{
	struct segment *segment = channel->segment;
	uint32_t block = block_of(segment, slot);
	bool had = block &&
		   heap_pass(segment, block,
			     channel_queued_word(channel->index, ring_index(&channel->ring, slot),
						 WORD_SERIAL(word)),
			     WORD(0, BLOCK_OWNED, segment->me));

	return had ? block : 0;
}

uint32_t channel_finish(struct dhow_channel *channel, struct shm_slot *slot, uint64_t word,
			bool keep_block)
{
	struct segment *segment = channel->segment;
	uint32_t block = take_block(channel, slot, word);

	ring_release(&channel->ring, slot, word);
	wait_notify(&channel->ring.shm->wait_out, segment);
	if (__builtin_expect(channel_is_shut(channel), 0))	/* it may be empty now */
		wait_wake_all(&channel->ring.shm->wait_in, segment);
	if (block && (!keep_block || SEEDED(7)))
		heap_free(segment, block, WORD(0, BLOCK_OWNED, segment->me));
	return block;
}

void channel_finish_one_of_many(struct dhow_channel *channel, struct shm_slot *slot, uint64_t word)
{
	struct segment *segment = channel->segment;
	uint32_t block = take_block(channel, slot, word);

	ring_release_one_of_many(&channel->ring, slot, word);
	if (block)
		heap_free(segment, block, WORD(0, BLOCK_OWNED, segment->me));
}

void channel_finish_run(struct dhow_channel *channel, unsigned count)
{
	wait_notify_many(&channel->ring.shm->wait_out, channel->segment, (int)count);
	if (__builtin_expect(channel_is_shut(channel), 0))	/* it may be empty now */
		wait_wake_all(&channel->ring.shm->wait_in, channel->segment);
}

struct block_attempt {
	struct segment *segment;
	size_t bytes;
	uint32_t block;
};

static int try_block(void *arg)
{
	struct block_attempt *attempt = arg;

	return heap_alloc(attempt->segment, attempt->bytes, &attempt->block);
}

int channel_block(struct segment *segment, size_t bytes, uint64_t deadline_ns, uint32_t *ret_block)
{
	struct block_attempt attempt = { .segment = segment, .bytes = bytes };
	/* A try walks the tree when the pool is full: never spin on it. */
	struct wait_habit habit = { .mode = DHOW_WAIT_SLEEP };
	int rc = wait_until(&habit, &segment->shm->wait_block, deadline_ns, try_block, &attempt);

	if (rc == -EMSGSIZE)
		return dhow_fail(rc, "message of %zu bytes: the pool's largest block is %llu bytes",
				 bytes, (unsigned long long)heap_block_max(segment));
	if (rc < 0)
		return rc == -EAGAIN ? rc
				     : dhow_fail(rc, "no memory for %zu bytes in the pool", bytes);
	*ret_block = attempt.block;
	return 0;
}
