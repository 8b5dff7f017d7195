/* SPDX-License-Identifier: MIT */
/*
 * semaphore.c - a channel of empty messages; see the public semaphore.h.
 *
 * Each slot that is not free is a unit: READY or RETRY it can be taken, READING it is held.
 * A held unit stays in its slot, and the ring cannot write past that slot; a release that
 * finds the ring full therefore makes any other slot that is free a message given again
 * (ring_give_new()). So the count is exact, however acquire and hold are mixed.
 */
#include "src/semaphore.h"

#include <errno.h>

#include "base/clock.h"
#include "src/context.h"
#include "src/liveness.h"
#include "src/remote.h"

enum { UNIT_INLINE = 24, RELEASE_MS = 5000 };

struct dhow_semaphore {
	struct dhow_channel channel;	/* the handle is the channel's; no other is made */
};

static struct dhow_semaphore *of_channel(struct dhow_channel *channel)
{
	return (struct dhow_semaphore *)(void *)channel;
}

static int known(struct dhow_channel *channel)
{
	int rc = liveness_check(channel->segment);

	return rc < 0 ? dhow_fail(rc, "%s", dhow_strerror(rc)) : 0;
}

int dhow_semaphore_create(const char *name, uint32_t initial, uint32_t maximum,
			  struct dhow_semaphore **ret_semaphore)
{
	struct dhow_channel_attr attr = { .capacity = maximum, .inline_bytes = UNIT_INLINE };
	struct dhow_channel *channel;
	struct segment *segment;
	int rc = channel_home(name, NULL, &segment);

	if (rc == 0 && (maximum == 0 || initial > maximum))
		rc = dhow_fail(-EINVAL, "semaphore of %u units, at most %u", initial, maximum);
	if (rc == 0)
		rc = channel_make(segment, &attr, -1, &channel);
	if (rc < 0)
		return rc;
	/* Nobody knows its address yet. */
	atomic_store_explicit(&channel->ring.shm->kind, KIND_SEMAPHORE, memory_order_relaxed);
	channel->kind = KIND_SEMAPHORE;
	if (initial)
		semaphore_release(channel, initial);
	rc = channel_publish(channel, name);
	if (rc == 0)
		*ret_semaphore = of_channel(channel);
	return rc;
}

int dhow_semaphore_open(const char *where, uint64_t deadline_ns,
			struct dhow_semaphore **ret_semaphore)
{
	struct dhow_channel *channel;
	int rc = channel_open_as(KIND_SEMAPHORE, where, deadline_ns, &channel);

	if (rc == 0)
		*ret_semaphore = of_channel(channel);
	return rc;
}

void dhow_semaphore_close(struct dhow_semaphore *semaphore)
{
	if (semaphore)
		dhow_channel_close(&semaphore->channel);
}

int dhow_semaphore_destroy(struct dhow_semaphore *semaphore)
{
	return dhow_channel_destroy(&semaphore->channel);
}

int dhow_semaphore_acquire(struct dhow_semaphore *semaphore, uint64_t deadline_ns)
{
	size_t bytes;

	return dhow_recv(&semaphore->channel, NULL, 0, &bytes, NULL, deadline_ns);
}

static uint32_t free_slots(const struct ring *ring)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < ring->capacity; i++) {
		unsigned state = WORD_STATE(atomic_load_explicit(&ring_slot(ring, i)->word,
								 memory_order_relaxed));

		count += state == SLOT_FREE || state == SLOT_TOMB;
	}
	return count;
}

static int release_one(struct dhow_channel *channel)
{
	static const struct envelope none;
	int rc = channel_put(channel, NULL, 0, 0, &none, DHOW_TRY, NULL);

	if (rc != -EAGAIN)
		return rc;
	if (!ring_give_new(&channel->ring, channel->segment->me))
		return -EOVERFLOW;
	wait_notify(&channel->ring.shm->wait_in, channel->segment);
	return 0;
}

int semaphore_release(struct dhow_channel *channel, uint32_t count)
{
	int rc = 0;

	if (count > 1 && free_slots(&channel->ring) < count)
		rc = -EOVERFLOW;
	for (uint32_t i = 0; rc == 0 && i < count; i++)
		rc = release_one(channel);
	if (rc == -EOVERFLOW)
		return dhow_fail(rc, "%u units more than the semaphore's maximum of %u", count,
				 channel->ring.capacity);
	return rc;
}

int dhow_semaphore_release(struct dhow_semaphore *semaphore, uint32_t count)
{
	struct dhow_channel *channel = &semaphore->channel;
	int rc = known(channel);

	if (rc == 0 && count == 0)
		rc = dhow_fail(-EINVAL, "release of no unit");
	if (rc < 0)
		return rc;
	return channel->is_remote ? remote_ask(channel, GATEWAY_RELEASE, count, 0,
					       dhow_in_ms(RELEASE_MS), NULL, NULL) :
				    semaphore_release(channel, count);
}

int dhow_semaphore_hold(struct dhow_semaphore *semaphore, struct dhow_unit *ret_unit,
			uint64_t deadline_ns)
{
	struct dhow_message message;
	int rc = dhow_recv_begin(&semaphore->channel, &message, deadline_ns);

	if (rc == 0)
		*ret_unit = (struct dhow_unit){ .word_ = message.word_, .slot_ = message.slot_ };
	return rc;
}

int dhow_semaphore_give_back(struct dhow_semaphore *semaphore, struct dhow_unit *unit)
{
	struct dhow_message message = { .word_ = unit->word_, .slot_ = unit->slot_ };
	int rc = dhow_recv_cancel(&semaphore->channel, &message);

	if (rc == 0)
		*unit = (struct dhow_unit){ 0 };
	return rc < 0 ? dhow_fail(rc, "not a unit that this process holds") : 0;
}

uint32_t semaphore_value(struct dhow_channel *channel)
{
	uint32_t value = 0;

	for (uint32_t i = 0; i < channel->ring.capacity; i++) {
		unsigned state = WORD_STATE(atomic_load_explicit(
			&ring_slot(&channel->ring, i)->word, memory_order_relaxed));

		value += state == SLOT_READY || state == SLOT_RETRY;
	}
	return value;
}

int dhow_semaphore_value(struct dhow_semaphore *semaphore, uint32_t *ret_value)
{
	struct dhow_channel *channel = &semaphore->channel;
	int rc = known(channel);

	if (rc < 0)
		return rc;
	if (channel->is_remote)
		return remote_ask(channel, GATEWAY_VALUE, 0, 0, dhow_in_ms(RELEASE_MS), ret_value,
				  NULL);
	if (!channel_is_open(channel->ring.shm, channel->generation))
		return dhow_fail(-EPIPE, "the semaphore was destroyed");
	*ret_value = semaphore_value(channel);
	return 0;
}

void dhow_semaphore_address(const struct dhow_semaphore *semaphore,
			    struct dhow_address *ret_address)
{
	dhow_channel_address(&semaphore->channel, ret_address);
}

struct dhow_channel *dhow_semaphore_channel(struct dhow_semaphore *semaphore)
{
	return &semaphore->channel;
}
