/* SPDX-License-Identifier: MIT */
/* stats.c - how full a channel is, and how it ends: shut, drain. */
#include <errno.h>

#include "src/channel.h"
#include "src/context.h"
#include "src/liveness.h"

static int check_local(struct dhow_channel *channel)
{
	int rc = liveness_check(channel->segment);

	if (rc < 0)
		return dhow_fail(rc, "%s", dhow_strerror(rc));
	if (channel->is_remote)
		return dhow_fail(-EREMOTE, "the channel's home is node %u", channel->address.node);
	return 0;
}

static void count_messages(struct ring *ring, struct dhow_channel_stats *stats)
{
	for (uint32_t i = 0; i < ring->capacity; i++) {
		const struct shm_slot *slot = ring_slot(ring, i);
		/* A2: pairs with R2 in ring_publish(). */
		uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);

		if (WORD_STATE(word) != SLOT_READY && WORD_STATE(word) != SLOT_RETRY)
			continue;
		stats->count++;
		stats->bytes += __atomic_load_n(&slot->bytes, __ATOMIC_RELAXED);
	}
}

int dhow_channel_stats(struct dhow_channel *channel, struct dhow_channel_stats *ret_stats)
{
	struct segment *segment = channel->segment;
	struct ring *ring = &channel->ring;
	struct dhow_channel_stats stats = { .capacity = ring->capacity,
					    .inline_bytes = ring->inline_bytes };
	int rc = check_local(channel);

	if (rc < 0)
		return rc;
	stats.received = ring_head(ring);
	stats.sent = ring_tail(ring);
	count_messages(ring, &stats);
	stats.high_water = atomic_load_explicit(&ring->shm->high_water, memory_order_relaxed);
	if (stats.high_water < stats.count)
		stats.high_water = stats.count;
	stats.receivers_asleep = liveness_asleep(segment, &ring->shm->wait_in);
	stats.senders_asleep = liveness_asleep(segment, &ring->shm->wait_out);
	stats.is_shut = channel_is_shut(channel);
	*ret_stats = stats;
	return 0;
}

int dhow_channel_shut(struct dhow_channel *channel)
{
	struct shm_channel *shm = channel->ring.shm;
	int rc = check_local(channel);

	if (rc < 0)
		return rc;
	if (!channel_is_open(shm, channel->generation))
		return dhow_fail(-EPIPE, "the channel was destroyed");
	/* S1: pairs with S2 in channel_is_shut(). */
	atomic_exchange_explicit(&shm->shut, 1, memory_order_seq_cst);
	wait_wake_all(&shm->wait_in, channel->segment);
	wait_wake_all(&shm->wait_out, channel->segment);
	return 0;
}

static int try_drained(void *arg)
{
	struct dhow_channel *channel = arg;

	if (!channel_is_open(channel->ring.shm, channel->generation))
		return dhow_fail(-EPIPE, "the channel was destroyed");
	return ring_is_empty(&channel->ring) ? 0 : -EAGAIN;
}

int dhow_channel_drain(struct dhow_channel *channel, uint64_t deadline_ns)
{
	_Atomic uint32_t *word = &channel->ring.shm->wait_out;
	int rc = check_local(channel);

	if (rc < 0)
		return rc;
	rc = wait_until(&channel->habit, word, deadline_ns, try_drained, channel);
	/* A wake-up wakes one; it may have been meant for a sender that waits for room. */
	wait_notify(word, channel->segment);
	return rc;
}
