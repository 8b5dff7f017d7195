/* SPDX-License-Identifier: MIT */
/* bell.c - see bell.h; the edges are in docs/memory-model.md. */
#include "src/bell.h"

#include <dhow/wait.h>

#include "src/segment.h"
#include "src/wait.h"

static unsigned own_index(const struct segment *segment)
{
	return segment->me & (LAYOUT_PROCESSES - 1);
}

static void ring_process(struct segment *segment, unsigned process, uint32_t index)
{
	struct shm_process *to = &segment->processes[process];
	uint64_t bit = UINT64_C(1) << (index % 64);

	/* B1: pairs with B2 in bell_clear(): if the bit is still set, the look that follows its
	 * clearing sees the change that we tell about. */
	if (atomic_load_explicit(&to->rung[index / 64], memory_order_seq_cst) & bit)
		return;
	atomic_fetch_or_explicit(&to->rung[index / 64], bit, memory_order_seq_cst);
	/* As W1, for the bell: the bit is the condition. All who sleep on it must look, since
	 * only they know whose channel it is. */
	if (atomic_load_explicit(&to->bell, memory_order_seq_cst) & WAIT_SLEEPING)
		wait_wake_all(&to->bell, NULL);
}

static void ring_watchers(struct segment *segment, uint32_t index, _Atomic uint32_t *word,
			  uint32_t seen)
{
	struct shm_channel *shm = &segment->channels[index];
	bool any = false;

	for (unsigned i = 0; i < LAYOUT_PROCESSES / 64; i++) {
		/* B3: pairs with B4 in bell_watch(). Who announced himself is in the bitmap. */
		uint64_t bits = atomic_load_explicit(&shm->watchers[i], memory_order_seq_cst);

		for (; bits; bits &= bits - 1, any = true)
			ring_process(segment, i * 64 + (unsigned)__builtin_ctzll(bits), index);
	}
	/* Nobody watches any more. Who began to meanwhile has moved the epoch. */
	if (!any)
		atomic_compare_exchange_strong_explicit(word, &seen, seen & ~(uint32_t)WAIT_BELLS,
							memory_order_relaxed, memory_order_relaxed);
}

static void ring_owner(struct segment *segment, uint32_t index)
{
	uint64_t word = atomic_load_explicit(&segment->requests[index].word, memory_order_relaxed);

	ring_process(segment, WORD_OWNER(word) & (LAYOUT_PROCESSES - 1), LAYOUT_GATEWAY);
}

void bell_ring(struct segment *segment, _Atomic uint32_t *word, uint32_t seen)
{
	const unsigned char *at = (const unsigned char *)word;
	size_t of_channels = (size_t)(at - (const unsigned char *)segment->channels);
	size_t of_requests = (size_t)(at - (const unsigned char *)segment->requests);

	if (of_channels < sizeof(struct shm_channel) * LAYOUT_CHANNELS)
		ring_watchers(segment, (uint32_t)(of_channels / sizeof(struct shm_channel)), word,
			      seen);
	else if (segment->requests && of_requests < sizeof(struct shm_request) * LAYOUT_REQUESTS)
		ring_owner(segment, (uint32_t)(of_requests / sizeof(struct shm_request)));
}

void bell_watch(struct segment *segment, uint32_t index, unsigned events)
{
	struct shm_channel *shm = &segment->channels[index];
	unsigned me = own_index(segment);

	/* B4: pairs with B3 in ring_watchers(); the announcement follows and so publishes it. */
	atomic_fetch_or_explicit(&shm->watchers[me / 64], UINT64_C(1) << (me % 64),
				 memory_order_seq_cst);
	if (events & DHOW_IN)
		wait_announce(&shm->wait_in, WAIT_BELLS);
	if (events & DHOW_OUT)
		wait_announce(&shm->wait_out, WAIT_BELLS);
}

void bell_unwatch(struct segment *segment, uint32_t index, unsigned process)
{
	_Atomic uint64_t *watchers = &segment->channels[index].watchers[process / 64];
	uint64_t bit = UINT64_C(1) << (process % 64);

	/* B4 taken back. Who sees the bit a moment longer rings in vain. */
	if (atomic_load_explicit(watchers, memory_order_relaxed) & bit)
		atomic_fetch_and_explicit(watchers, ~bit, memory_order_seq_cst);
}

_Atomic uint32_t *bell_word(struct segment *segment)
{
	return &segment->processes[own_index(segment)].bell;
}

uint64_t bell_rung(struct segment *segment, unsigned group)
{
	/* W2: the look that follows the announcement in the bell; see W1 in ring_process(). */
	return atomic_load_explicit(&segment->processes[own_index(segment)].rung[group],
				    memory_order_seq_cst);
}

void bell_clear(struct segment *segment, uint32_t index)
{
	/* B2: pairs with B1 in ring_process(); seq_cst, as is the look that follows. */
	atomic_fetch_and_explicit(&segment->processes[own_index(segment)].rung[index / 64],
				  ~(UINT64_C(1) << (index % 64)), memory_order_seq_cst);
}
