/* SPDX-License-Identifier: MIT */
/* recv.c - the public calls that take messages out of channels, or look at them. */
#include <errno.h>
#include <string.h>

#include "src/context.h"
#include "src/heap.h"
#include "src/liveness.h"
#include "src/preview.h"
#include "src/racy.h"
#include "src/remote.h"

static int known(struct dhow_channel *channel)
{
	int rc = liveness_check(channel->segment);

	return rc < 0 ? dhow_fail(rc, "%s", dhow_strerror(rc)) : 0;
}

static struct dhow_header header_of(const struct shm_slot *slot)
{
	return (struct dhow_header){ .sender = slot->sender,
				     .tag = slot->tag,
				     .user = slot->user,
				     .flags = slot->flags & SLOT_HEADER_FLAGS };
}

static int too_small(size_t room, size_t bytes)
{
	return dhow_fail(-EMSGSIZE, "message of %zu bytes: the buffer has room for %zu", bytes,
			 room);
}

static int recv_remote(struct dhow_channel *channel, void *buffer, size_t room, size_t *ret_bytes,
		       struct dhow_header *ret_header, uint64_t deadline_ns)
{
	struct dhow_message message = { 0 };
	int rc = remote_ask(channel, GATEWAY_RECV, 0, room, deadline_ns, NULL, &message);

	if (rc == 0 || rc == -EMSGSIZE)
		*ret_bytes = message.bytes;
	if (rc < 0)
		return rc;
	if (message.bytes)
		memcpy(buffer, message.data, message.bytes);
	if (ret_header)
		*ret_header = message.header;
	dhow_message_free(&message);
	return 0;
}

/* Copy a claimed message. -EMSGSIZE: it was given back; -EPROTO: it is to be dropped. */
static int copy_out(struct dhow_channel *channel, struct shm_slot *slot, uint64_t word,
		    const struct preview_reader *reader, size_t *ret_bytes,
		    struct dhow_header *ret_header)
{
	uint32_t bytes, block;
	const unsigned char *data = channel_payload(channel, slot, &bytes, &block);
	size_t done;

	*ret_bytes = bytes;
	if (!data)
		return dhow_fail(-EPROTO, "a damaged message was dropped");
	if (bytes > reader->room) {
		ring_give_back(&channel->ring, slot, word);
		wait_notify(&channel->ring.shm->wait_in, channel->segment);
		return too_small(reader->room, bytes);
	}
	done = preview_done(reader, slot, block);
	if (bytes > done)
		memcpy(reader->buffer + done, data + done, bytes - done);
	if (ret_header)
		*ret_header = header_of(slot);
	return 0;
}

int dhow_recv(struct dhow_channel *channel, void *buffer, size_t room, size_t *ret_bytes,
	      struct dhow_header *ret_header, uint64_t deadline_ns)
{
	struct preview_reader reader = { .buffer = buffer, .room = room };
	struct shm_slot *slot;
	uint64_t word;
	int rc = known(channel);

	if (rc < 0)
		return rc;
	if (channel->is_remote)
		return recv_remote(channel, buffer, room, ret_bytes, ret_header, deadline_ns);
	rc = channel_claim_for(channel, room >= PREVIEW_MIN ? &reader : NULL, deadline_ns, &slot,
			       &word);
	if (rc < 0)
		return rc;
	rc = copy_out(channel, slot, word, &reader, ret_bytes, ret_header);
	if (rc == 0 || rc == -EPROTO)
		channel_finish(channel, slot, word, false);
	return rc;
}

int dhow_recv_many(struct dhow_channel *channel, struct dhow_item *items, size_t count,
		   uint64_t deadline_ns, size_t *ret_received)
{
	size_t received = 0;
	unsigned ended = 0;
	struct shm_slot *slot;
	uint64_t word;
	int rc = known(channel);

	if (rc < 0)
		return rc;
	if (count == 0)
		return dhow_fail(-EINVAL, "a batch of no buffers");
	if (channel->is_remote) {
		rc = recv_remote(channel, items->data, items->room, &items->bytes, &items->header,
				 deadline_ns);
		*ret_received = 1;
		return rc;
	}
	rc = channel_claim(channel, deadline_ns, &slot, &word);
	if (rc < 0)
		return rc;
	do {
		struct dhow_item *item = &items[received];
		const struct preview_reader reader = { .buffer = item->data, .room = item->room };

		rc = copy_out(channel, slot, word, &reader, &item->bytes, &item->header);
		if (rc == -EMSGSIZE)
			break;
		channel_finish_one_of_many(channel, slot, word);
		received += rc == 0;
		if (++ended == CHANNEL_RUN_MAX) {
			channel_finish_run(channel, ended);
			ended = 0;
		}
	} while (received < count && channel_claim_more(channel, &slot, &word));
	if (ended)
		channel_finish_run(channel, ended);
	if (received == 0)
		return rc;
	*ret_received = received;
	return 0;
}

/* The message of a claimed slot as a message in hand, without its block. */
static struct dhow_message message_of(struct dhow_channel *channel, const struct shm_slot *slot,
				      void *data, uint32_t bytes)
{
	return (struct dhow_message){ .data = data,
				      .bytes = bytes,
				      .header = header_of(slot),
				      .segment_ = channel->segment };
}

/* An inline payload moves to a block, taken beforehand so that nothing can fail after. */
static int recv_inline(struct dhow_channel *channel, struct shm_slot *slot, uint64_t word,
		       struct dhow_message *message, uint64_t deadline_ns)
{
	const void *data = message->data;
	uint32_t block = 0;
	int rc = 0;

	if (message->bytes)
		rc = channel_block(channel->segment, message->bytes, deadline_ns, &block);
	if (rc < 0) {
		ring_give_back(&channel->ring, slot, word);
		wait_notify(&channel->ring.shm->wait_in, channel->segment);
		return rc;
	}
	message->data = NULL;
	if (block) {
		message->data = memcpy(heap_data(channel->segment, block), data, message->bytes);
		message->block_ = block;
	}
	channel_finish(channel, slot, word, false);
	return 0;
}

int dhow_recv_message(struct dhow_channel *channel, struct dhow_message *ret_message,
		      uint64_t deadline_ns)
{
	struct dhow_message message;
	struct shm_slot *slot;
	uint32_t bytes, block;
	uint64_t word;
	void *data;
	int rc = known(channel);

	if (rc < 0)
		return rc;
	if (channel->is_remote)
		return remote_ask(channel, GATEWAY_RECV, 0, UINT64_MAX, deadline_ns, NULL,
				  ret_message);
	rc = channel_claim(channel, deadline_ns, &slot, &word);
	if (rc < 0)
		return rc;
	data = channel_payload(channel, slot, &bytes, &block);
	message = message_of(channel, slot, data, bytes);
	if (data && !block)
		rc = recv_inline(channel, slot, word, &message, deadline_ns);
	else if (channel_finish(channel, slot, word, true) != block || !data)
		rc = dhow_fail(-EPROTO, "a damaged message was dropped");
	else
		message.block_ = block;
	if (rc == 0)
		*ret_message = message;
	return rc;
}

int dhow_recv_begin(struct dhow_channel *channel, struct dhow_message *ret_message,
		    uint64_t deadline_ns)
{
	struct dhow_message message;
	struct shm_slot *slot;
	uint32_t bytes, block;
	uint64_t word;
	void *data;
	int rc = known(channel);

	if (rc < 0)
		return rc;
	if (channel->is_remote)
		return dhow_fail(-EREMOTE, "a message of node %u cannot be lent: receive it",
				 channel->address.node);
	rc = channel_claim(channel, deadline_ns, &slot, &word);
	if (rc < 0)
		return rc;
	data = channel_payload(channel, slot, &bytes, &block);
	if (!data) {
		channel_finish(channel, slot, word, false);
		return dhow_fail(-EPROTO, "a damaged message was dropped");
	}
	message = message_of(channel, slot, data, bytes);
	message.slot_ = ring_index(&channel->ring, slot);
	message.word_ = word;
	*ret_message = message;
	return 0;
}

/* The slot that a lent message came from, if it is one. */
static struct shm_slot *lent_slot(struct dhow_channel *channel, struct dhow_message *message)
{
	struct shm_slot *slot;

	if (channel->is_remote || message->word_ == 0 || message->slot_ >= channel->ring.capacity)
		return NULL;
	slot = (void *)(channel->ring.slots + (size_t)message->slot_ * channel->ring.stride);
	return atomic_load_explicit(&slot->word, memory_order_relaxed) == message->word_ ? slot
											 : NULL;
}

int dhow_recv_commit(struct dhow_channel *channel, struct dhow_message *message)
{
	struct shm_slot *slot = lent_slot(channel, message);

	if (!slot)
		return dhow_fail(-EINVAL, "not a message lent by dhow_recv_begin()");
	channel_finish(channel, slot, message->word_, false);
	*message = (struct dhow_message){ .header = message->header };
	return 0;
}

int dhow_recv_cancel(struct dhow_channel *channel, struct dhow_message *message)
{
	struct shm_slot *slot = lent_slot(channel, message);

	if (!slot)
		return dhow_fail(-EINVAL, "not a message lent by dhow_recv_begin()");
	ring_give_back(&channel->ring, slot, message->word_);
	wait_notify(&channel->ring.shm->wait_in, channel->segment);
	*message = (struct dhow_message){ .header = message->header };
	return 0;
}

/* ---- looking without taking ---- */

struct look {
	struct dhow_channel *channel;
	void *buffer;
	size_t room, bytes;
	struct dhow_header header;
	unsigned events, seen;
};

static int try_peek(void *arg)
{
	struct look *look = arg;
	struct ring *ring = &look->channel->ring;
	struct shm_slot *slot;
	uint64_t word;

	while (ring_next(ring, &slot, &word)) {
		struct shm_slot copy;
		void *data;

		/* A taker may reuse the slot and its block meanwhile. */
		racy_copy(&copy, slot, sizeof(copy));
		data = copy.flags & SLOT_BLOCK ?
			       heap_valid(look->channel->segment, copy.block) ?
			       heap_data(look->channel->segment, copy.block) :
			       NULL :
			       slot->payload;
		look->bytes = copy.bytes;
		look->header = header_of(&copy);
		if (data && copy.bytes <= (copy.flags & SLOT_BLOCK ?
						   heap_bytes(look->channel->segment, copy.block) :
						   ring->inline_bytes))
			racy_copy(look->buffer, data,
				  look->room < copy.bytes ? look->room : copy.bytes);
		/* As in a sequence lock: unchanged word, unchanged message. It is A1 read
		 * backwards: who overwrites slot or block has seen R1 of ring_release(), so we see
		 * it, too (docs/memory-model.md says where C11 does not promise that). */
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&slot->word, memory_order_relaxed) == word)
			return 0;
	}
	if (!channel_is_open(ring->shm, look->channel->generation))
		return dhow_fail(-EPIPE, "the channel was destroyed");
	if (channel_is_shut(look->channel) && ring_is_empty(ring))
		return dhow_fail(-EPIPE, "the channel was shut, and is empty");
	return -EAGAIN;
}

static int peek_remote(struct look *look, uint64_t deadline_ns)
{
	struct dhow_message message = { 0 };
	uint32_t whole = 0;	/* bytes of the message; what came may be cut to our room */
	int rc = remote_ask(look->channel, GATEWAY_PEEK, 0, look->room, deadline_ns, &whole,
			    &message);

	if (rc < 0)
		return rc;
	look->bytes = whole;
	look->header = message.header;
	if (message.bytes && look->room)
		memcpy(look->buffer, message.data,
		       look->room < message.bytes ? look->room : message.bytes);
	dhow_message_free(&message);
	return 0;
}

int dhow_peek(struct dhow_channel *channel, void *buffer, size_t room, size_t *ret_bytes,
	      struct dhow_header *ret_header, uint64_t deadline_ns)
{
	struct look look = { .channel = channel, .buffer = buffer, .room = room };
	int rc = known(channel);

	if (rc < 0)
		return rc;
	if (channel->is_remote) {
		rc = peek_remote(&look, deadline_ns);
	} else {
		rc = wait_until(&channel->habit, &channel->ring.shm->wait_in, deadline_ns, try_peek,
				&look);
		/* A wake-up wakes one; it may have been meant for a receiver. */
		wait_notify(&channel->ring.shm->wait_in, channel->segment);
	}
	if (rc < 0)
		return rc;
	*ret_bytes = look.bytes;
	if (ret_header)
		*ret_header = look.header;
	return 0;
}

unsigned channel_events(struct dhow_channel *channel, unsigned events)
{
	struct ring *ring = &channel->ring;
	struct shm_slot *slot;
	unsigned seen = 0;
	uint64_t word;

	if (!channel_is_open(ring->shm, channel->generation) || channel_is_shut(channel))
		seen |= DHOW_CLOSED;
	if ((events & DHOW_IN) && (ring_next(ring, &slot, &word) || ring_has_past(ring)))
		seen |= DHOW_IN;
	if ((events & DHOW_OUT) && ring_has_room(ring))
		seen |= DHOW_OUT;
	return seen;
}

static int try_poll(void *arg)
{
	struct look *look = arg;

	look->seen = channel_events(look->channel, look->events);
	return look->seen ? 0 : -EAGAIN;
}

int dhow_poll(struct dhow_channel *channel, unsigned events, uint64_t deadline_ns,
	      unsigned *ret_events)
{
	struct look look = { .channel = channel, .events = events & (DHOW_IN | DHOW_OUT) };
	_Atomic uint32_t *word;
	int rc = known(channel);

	if (rc < 0)
		return rc;
	if (look.events == 0)
		return dhow_fail(-EINVAL, "events 0x%x: DHOW_IN, DHOW_OUT or both", events);
	if (channel->is_remote)
		return remote_ask(channel, GATEWAY_POLL, look.events, 0, deadline_ns, ret_events,
				  NULL);
	word = look.events & DHOW_IN ? &channel->ring.shm->wait_in : &channel->ring.shm->wait_out;
	/* For both, sleeping on the first is right: a channel without a message has room, unless
	 * every slot is lent, and then the slices of wait_until() find it. */
	rc = wait_until(&channel->habit, word, deadline_ns, try_poll, &look);
	wait_notify(word, channel->segment);
	if (rc == 0)
		*ret_events = look.seen;
	return rc;
}
