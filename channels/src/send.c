/* SPDX-License-Identifier: MIT */
/* send.c - the public calls that put messages into channels. */
#include <errno.h>
#include <string.h>

#include "src/context.h"
#include "src/heap.h"
#include "src/liveness.h"
#include "src/outbound.h"
#include "src/preview.h"
#include "src/remote.h"

struct taken {
	struct dhow_channel *channel;
	uint64_t position;
};

static int try_taken(void *arg)
{
	struct taken *taken = arg;

	return ring_taken(&taken->channel->ring, taken->position) ? 0 : -EAGAIN;
}

static int wait_taken(struct dhow_channel *channel, uint64_t position, uint64_t deadline_ns)
{
	struct taken taken = { .channel = channel, .position = position };
	_Atomic uint32_t *word = &channel->ring.shm->wait_out;
	int rc = wait_until(&channel->habit, word, deadline_ns, try_taken, &taken);

	/* A wake-up wakes one; it may have been meant for a sender that waits for room. */
	wait_notify(word, channel->segment);
	return rc;
}

static int put(struct dhow_channel *channel, const void *data, size_t bytes, uint32_t block,
	       uint32_t preview, const struct dhow_header *header, enum dhow_return_when when,
	       uint64_t deadline_ns)
{
	struct envelope envelope = { .header = *header, .route = preview };
	uint64_t position;
	int rc;

	if (header->flags & ~(uint32_t)SLOT_HEADER_FLAGS)
		return dhow_fail(-EINVAL, "flags 0x%x in a header: only DHOW_URGENT is known",
				 header->flags);
	envelope.header.sender = context_rank();
	if (channel->is_remote)
		return remote_send(channel, data, bytes, block, &envelope.header, when,
				   deadline_ns);
	rc = channel_put(channel, data, bytes, block, &envelope, deadline_ns, &position);
	if (rc == 0 && when == DHOW_RECEIVED)
		rc = wait_taken(channel, position, deadline_ns);
	return rc;
}

static bool was_given_away(int rc, struct segment *segment, uint32_t block)
{
	return rc == 0 || heap_word(segment, block) != WORD(0, BLOCK_OWNED, segment->me);
}

static void free_unsent(struct dhow_channel *channel, uint32_t block)
{
	if (channel->is_remote)
		outbound_release(channel->segment, heap_bytes(channel->segment, block));
	heap_free_mine(channel->segment, block);
}

/* The block that a message is copied to; one that leaves the node needs room there, too. */
static int take_block(struct dhow_channel *channel, size_t bytes, uint64_t deadline_ns,
		      uint32_t *ret_block)
{
	struct segment *segment = channel->segment;
	uint64_t whole = heap_rounded(segment, bytes);
	int rc;

	if (!channel->is_remote || bytes > heap_block_max(segment))
		return channel_block(segment, bytes, deadline_ns, ret_block);
	rc = remote_claim(channel, whole, deadline_ns);
	if (rc < 0)
		return rc;
	rc = channel_block(segment, bytes, deadline_ns, ret_block);
	if (rc < 0)
		outbound_release(segment, whole);
	return rc;
}

/* Copy into a block first: when the slot is claimed all is ready to be published. */
static int send_block(struct dhow_channel *channel, const void *data, size_t bytes,
		      const struct dhow_header *header, enum dhow_return_when when,
		      uint64_t deadline_ns)
{
	struct segment *segment = channel->segment;
	uint32_t block, serial = 0;
	int rc;

	if (deadline_ns == DHOW_TRY && !ring_has_room(&channel->ring))
		return -EAGAIN;
	rc = take_block(channel, bytes, deadline_ns, &block);
	if (rc < 0)
		return rc;
	if (bytes >= PREVIEW_MIN && !channel->is_remote)
		serial = preview_copy_in(channel, block, data, bytes);
	else
		memcpy(heap_data(segment, block), data, bytes);
	rc = put(channel, NULL, bytes, block, serial, header, when, deadline_ns);
	if (serial)
		preview_end(channel, block, serial);
	if (!was_given_away(rc, segment, block))
		free_unsent(channel, block);
	return rc;
}

int dhow_send_with(struct dhow_channel *channel, const void *data, size_t bytes,
		   const struct dhow_header *header, enum dhow_return_when when,
		   uint64_t deadline_ns)
{
	static const struct dhow_header none;
	int rc = liveness_check(channel->segment);

	if (rc < 0)
		return dhow_fail(rc, "%s", dhow_strerror(rc));
	if (!header)
		header = &none;
	if (bytes <= channel->ring.inline_bytes)
		return put(channel, data, bytes, 0, 0, header, when, deadline_ns);
	if (bytes > UINT32_MAX)
		return dhow_fail(-EMSGSIZE, "message of %zu bytes: at most 4 GiB", bytes);
	return send_block(channel, data, bytes, header, when, deadline_ns);
}

int dhow_send(struct dhow_channel *channel, const void *data, size_t bytes, uint64_t deadline_ns)
{
	return dhow_send_with(channel, data, bytes, NULL, DHOW_DEFAULT_RETURN, deadline_ns);
}

int dhow_send_many(struct dhow_channel *channel, const struct dhow_item *items, size_t count,
		   uint64_t deadline_ns, size_t *ret_sent)
{
	size_t sent = 0, run = 0;
	int rc = liveness_check(channel->segment);

	if (rc < 0)
		return dhow_fail(rc, "%s", dhow_strerror(rc));
	if (count == 0)
		return dhow_fail(-EINVAL, "a batch of no messages");
	for (; sent < count && rc == 0; sent += run) {
		const struct dhow_item *item = &items[sent];

		run = 1;
		if (channel->is_remote || item->header.flags ||
		    item->bytes > channel->ring.inline_bytes)
			rc = dhow_send_with(channel, item->data, item->bytes, &item->header,
					    DHOW_DEFAULT_RETURN, deadline_ns);
		else
			rc = channel_put_run(channel, item, count - sent, context_rank(),
					     deadline_ns, &run);
		if (rc < 0)
			break;
	}
	if (sent == 0)
		return rc;
	*ret_sent = sent;
	return 0;
}

int dhow_send_message(struct dhow_channel *channel, struct dhow_message *message,
		      enum dhow_return_when when, uint64_t deadline_ns)
{
	struct segment *segment = channel->segment;
	uint32_t block = message->block_;
	int rc = liveness_check(segment);

	if (rc < 0)
		return dhow_fail(rc, "%s", dhow_strerror(rc));
	if (!block || message->segment_ != segment) {
		rc = dhow_send_with(channel, message->data, message->bytes, &message->header, when,
				    deadline_ns);
		if (rc == 0)
			dhow_message_free(message);
		return rc;
	}
	if (message->bytes > heap_bytes(segment, block))
		return dhow_fail(-EMSGSIZE, "message of %zu bytes in a block of %llu",
				 message->bytes, (unsigned long long)heap_bytes(segment, block));
	if (channel->is_remote)
		rc = remote_claim(channel, heap_bytes(segment, block), deadline_ns);
	if (rc < 0)
		return rc;
	rc = put(channel, NULL, message->bytes, block, 0, &message->header, when, deadline_ns);
	if (was_given_away(rc, segment, block))
		*message = (struct dhow_message){ .header = message->header };
	else if (channel->is_remote)
		outbound_release(segment, heap_bytes(segment, block));
	return rc;
}

int dhow_flush(struct dhow_channel *channel, uint64_t deadline_ns)
{
	return channel->is_remote ? remote_flush(channel, deadline_ns) : 0;
}
