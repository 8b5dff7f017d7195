/* SPDX-License-Identifier: MIT */
/*
 * channel.h (internal) - the local side of a channel: table entry, handle, moving messages.
 */
#ifndef CHANNELS_CHANNEL_H
#define CHANNELS_CHANNEL_H

#include <pthread.h>

#include <dhow/channel.h>

#include "src/ring.h"
#include "src/wait.h"

enum { REMOTE_LARGE = 256 };	/* large messages of a stream on their way */

struct remote_large {
	uint64_t number;
	size_t bytes;
};

struct remote {			/* of a channel whose home is another node (gateway.c) */
	uint32_t stream;
	uint64_t accepted;	/* messages pushed; guarded by lock, as what follows */
	struct remote_large *large;	/* [REMOTE_LARGE], a ring: not known to be deposited */
	unsigned large_first, large_count;
	size_t large_bytes;	/* of all in it */
	pthread_mutex_t lock;	/* serialises this handle's senders; process-local */
};

struct dhow_channel {
	struct segment *segment;	/* its home, or the node segment if remote */
	struct ring ring;
	uint32_t index;
	uint32_t generation;
	enum channel_kind kind;	/* read once: whether there is a ring hangs on it; local only */
	bool is_remote;
	struct wait_habit habit;
	struct dhow_address address;
	struct remote remote;
	char name[DHOW_NAME_MAX + 1];	/* if we published it */
	unsigned watched;	/* wait-sets it is in; guarded by their lock */
};

/* What a message carries besides its bytes. */
struct envelope {
	struct dhow_header header;
	uint32_t route;
	uint32_t flags;
};

/* The tree word of a block that belongs to the message at @position, which lies in slot @slot
 * of channel @index. With the position, which fills the owner's bits, because a slow
 * recover() must not take the block of a later message in the same slot for this one's. */
static inline uint64_t channel_queued_word(uint32_t index, uint32_t slot, uint64_t position)
{
	return WORD(index << 20 | slot, BLOCK_QUEUED, position & 0xfffffffu);
}

/* The tree word of the block that holds the slots of channel @index; for the same reason with
 * the generation. */
static inline uint64_t channel_slots_word(uint32_t index, uint32_t generation)
{
	return WORD(index, BLOCK_SLOTS, generation & 0xfffffffu);
}

/* View of a table entry, checked. -EPROTO: damaged. */
int channel_ring(struct segment *segment, uint32_t index, struct ring *ret_ring);
/* Process @process no longer holds it open; the last one of a closed channel reaps it. */
void channel_drop_user(struct segment *segment, uint32_t index, unsigned process);
/* Reap it if it is closed and nobody holds it open. */
void channel_reap_unused(struct segment *segment, uint32_t index);

/* Make a channel in @segment; -ENFILE, -ENOMEM. @index_wanted: LAYOUT_GATEWAY or -1. */
int channel_make(struct segment *segment, const struct dhow_channel_attr *attr, int index_wanted,
		 struct dhow_channel **ret_channel);
/* The same without slots. */
int channel_make_barrier(struct segment *segment, uint32_t parties,
			 struct dhow_channel **ret_channel);
/* What a local handle leads to; a barrier has no ring and must not be sent to. */
static inline enum channel_kind channel_kind(const struct dhow_channel *channel)
{
	return channel->kind;
}
/* Attach to one of this node. -ESTALE. */
int channel_attach(struct segment *segment, uint32_t index, uint32_t generation,
		   struct dhow_channel **ret_channel);
/* Has this process a handle of a channel in @segment? */
bool channel_any_open(const struct segment *segment);
/* Memory for a handle, cleared. NULL: none. */
struct dhow_channel *channel_handle(void);
void channel_free(struct dhow_channel *channel);
/* Is the entry still that channel? */
static inline bool channel_is_open(const struct shm_channel *shm, uint32_t generation)
{
	/* A4: pairs with R4 in publish_entry(). seq_cst: the look after the mark, C6 in
	 * channel_attach(). */
	return atomic_load_explicit(&shm->word, memory_order_seq_cst) ==
	       WORD(generation, CHANNEL_OPEN, 0);
}
/* May no more messages go in? */
static inline bool channel_is_shut(const struct dhow_channel *channel)
{
	/* S2: pairs with S1 in dhow_channel_shut(), and with the claim of a slot: who shut it and
	 * then finds it empty sees each claim whose owner did not see that it is shut. */
	return atomic_load_explicit(&channel->ring.shm->shut, memory_order_seq_cst);
}
/* The public calls that make and open, for each kind (open.c). */
/* The segment where @name (NULL: no name) may live; all about it is checked. */
int channel_home(const char *name, struct dhow_pool *pool, struct segment **ret_segment);
/* Enter a new channel into the directory. A failure destroys it. @name: NULL does nothing. */
int channel_publish(struct dhow_channel *channel, const char *name);
/* -EPROTOTYPE: it is of another kind. */
int channel_open_as(enum channel_kind kind, const char *where, uint64_t deadline_ns,
		    struct dhow_channel **ret_channel);
/* Mark it destroyed and wake all. -EPIPE: it was. */
int channel_close_for_all(struct dhow_channel *channel);

/* Put a message in: inline, or as @block (owned by us), which passes to the channel.
 * Waits for a slot. *ret_position may be NULL. */
int channel_put(struct dhow_channel *channel, const void *data, size_t bytes, uint32_t block,
		const struct envelope *envelope, uint64_t deadline_ns, uint64_t *ret_position);
/* Put in the first of @items, all of which must fit a slot, and more of them while there is
 * room. Waits for the first slot only. *ret_done: how many, if 0 is returned. */
int channel_put_run(struct dhow_channel *channel, const struct dhow_item *items, size_t count,
		    uint32_t sender, uint64_t deadline_ns, size_t *ret_done);
/* Claim the next message: *ret_slot and *ret_word stay ours until channel_finish(). */
int channel_claim(struct dhow_channel *channel, uint64_t deadline_ns, struct shm_slot **ret_slot,
		  uint64_t *ret_word);
/* The same for a receiver who can follow a preview while he waits. */
struct preview_reader;
int channel_claim_for(struct dhow_channel *channel, struct preview_reader *reader,
		      uint64_t deadline_ns, struct shm_slot **ret_slot, uint64_t *ret_word);
/* Claim one more without waiting; false: there is none. */
bool channel_claim_more(struct dhow_channel *channel, struct shm_slot **ret_slot,
			uint64_t *ret_word);
/* End a claim; @keep_block: the block stays ours instead of being freed. Return: it, 0 = none. */
uint32_t channel_finish(struct dhow_channel *channel, struct shm_slot *slot, uint64_t word,
			bool keep_block);
/* Messages that a batch moves before it looks for sleepers: the fence (5 ns) is spread, and who
 * sleeps is not kept waiting for a long batch. */
enum { CHANNEL_RUN_MAX = 32 };
/* Tell of @count claims that were ended by channel_finish_one_of_many(). */
void channel_finish_run(struct dhow_channel *channel, unsigned count);
/* End one claim of several and free its block; channel_finish_run() must follow. */
void channel_finish_one_of_many(struct dhow_channel *channel, struct shm_slot *slot,
				uint64_t word);
/* Payload of a claimed slot, its size and block (0: none), checked. NULL: damaged. */
void *channel_payload(struct dhow_channel *channel, const struct shm_slot *slot,
		      uint32_t *ret_bytes, uint32_t *ret_block);
/* Those of @events that are true now, and DHOW_CLOSED. Wakes nobody. */
unsigned channel_events(struct dhow_channel *channel, unsigned events);
/* A block with room for @bytes, waiting for memory. */
int channel_block(struct segment *segment, size_t bytes, uint64_t deadline_ns, uint32_t *ret_block);

#endif
