/* SPDX-License-Identifier: MIT */
/*
 * raw.c - baselines in shared memory.
 */
#include "raw.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	PIECE = 8192,			/* of a large payload, so that two copies overlap */
	PAYLOAD_MAX = 1 << 20,
	PIECES = PAYLOAD_MAX / PIECE,
	RING_SLOTS = 1024,
	RING_STRIDE_MAX = 256,
	SPINS = 256,			/* then yield: cores may be fewer than spinners */
	CREATE_SLOTS = 100,
};

/* A sequence number and payload behind it. */
struct cell {
	alignas(128) _Atomic uint64_t sequence;
	unsigned char payload[PIECE];
};

struct ring {
	alignas(128) _Atomic uint64_t taken;	/* written by: consumer, now and then */
	alignas(128) unsigned char slots[RING_SLOTS * RING_STRIDE_MAX];
};

struct raw_area {
	struct cell lanes[2][PIECES];		/* [n]: written by: side n */
	alignas(128) _Atomic uint32_t bells[2];	/* [n]: rung by: side n */
	struct ring rings[BENCH_SIDES_MAX - 1];
};

struct raw_area *raw_area_create(void)
{
	void *area = mmap(NULL, sizeof(struct raw_area), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return area == MAP_FAILED ? NULL : area;
}

static void spin(unsigned *count)
{
	if (++*count % SPINS == 0)
		sched_yield();
#if defined(__x86_64__)
	else
		__builtin_ia32_pause();
#endif
}

/* Side 0 clears the area while nobody uses it. */
static int start(struct bench_run *run, struct raw_area *area)
{
	uint64_t nothing = 0;

	if (!run->side)
		memset(area, 0, sizeof(*area));
	return bench_sync(run, run->row->sides, &nothing);
}

static void await_sequence(const _Atomic uint64_t *sequence, uint64_t wanted)
{
	unsigned count = 0;

	/* A1: pairs with R1. The payload is visible. */
	while (atomic_load_explicit(sequence, memory_order_acquire) != wanted)
		spin(&count);
}

static void put(struct cell *lane, uint64_t round, const unsigned char *data, size_t bytes)
{
	size_t done = 0;

	for (unsigned i = 0; done < bytes || !i; i++) {
		size_t piece = bytes - done < PIECE ? bytes - done : PIECE;

		memcpy(lane[i].payload, data + done, piece);
		/* R1: pairs with A1 in await_sequence(). Publishes the payload. */
		atomic_store_explicit(&lane[i].sequence, round, memory_order_release);
		done += piece;
	}
}

static void get(struct cell *lane, uint64_t round, unsigned char *data, size_t bytes)
{
	size_t done = 0;

	for (unsigned i = 0; done < bytes || !i; i++) {
		size_t piece = bytes - done < PIECE ? bytes - done : PIECE;

		await_sequence(&lane[i].sequence, round);
		memcpy(data + done, lane[i].payload, piece);
		done += piece;
	}
}

int raw_oneway(struct bench_run *run, struct raw_area *area)
{
	static unsigned char data[PAYLOAD_MAX];
	struct cell *mine = area->lanes[run->side], *theirs = area->lanes[1 - run->side];
	uint64_t round = 0, begin = 0;
	int rc = start(run, area);

	for (uint64_t i = 0; i < run->values_count && !rc; i++) {
		begin = base_now_ns();
		for (uint64_t j = 0; j < run->batch; j++) {
			round++;
			if (!run->side)
				put(mine, round, data, run->row->bytes);
			get(theirs, round, data, run->row->bytes);
			if (run->side)
				put(mine, round, data, run->row->bytes);
		}
		run->values[i] = (double)(base_now_ns() - begin) / (double)(2 * run->batch);
	}
	return rc;
}

int raw_handover(struct bench_run *run, struct raw_area *area)
{
	static unsigned char place[8];
	struct cell *mine = area->lanes[run->side], *theirs = area->lanes[1 - run->side];
	uint64_t round = 0;
	int rc = start(run, area);

	for (uint64_t i = 0; i < run->values_count && !rc; i++) {
		uint64_t begin = base_now_ns();

		for (uint64_t j = 0; j < run->batch; j++) {
			round++;
			if (!run->side)
				put(mine, round, place, sizeof(place));
			get(theirs, round, place, sizeof(place));
			if (run->side)
				put(mine, round, place, sizeof(place));
		}
		run->values[i] = (double)(base_now_ns() - begin) / (double)(2 * run->batch);
	}
	return rc;
}

int raw_copy(struct bench_run *run, struct raw_area *area)
{
	static unsigned char data[PAYLOAD_MAX];
	struct cell *lane = area->lanes[1];
	_Atomic uint64_t *taken = &area->rings[0].taken;
	uint64_t nothing = 0, begin;
	int rc = start(run, area);

	if (rc)
		return rc;
	begin = base_now_ns();
	for (uint64_t round = 1; round <= run->batch; round++) {
		if (!run->side) {
			get(lane, round, data, run->row->bytes);
			/* R4: pairs with A4. The lane may be filled again. */
			atomic_store_explicit(taken, round, memory_order_release);
			continue;
		}
		await_sequence(taken, round - 1);	/* A4 */
		put(lane, round, data, run->row->bytes);
	}
	rc = bench_sync(run, run->row->sides, &nothing);
	run->values[0] = (double)(run->batch * run->row->bytes) / (double)(base_now_ns() - begin);
	return rc;
}

static void futex_wait_while(_Atomic uint32_t *word, uint32_t seen)
{
	while (atomic_load_explicit(word, memory_order_acquire) == seen)
		syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void futex_ring(_Atomic uint32_t *word, uint32_t value)
{
	atomic_store_explicit(word, value, memory_order_release);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static int sleepers(struct bench_run *run, struct raw_area *area, size_t bytes, unsigned divisor)
{
	static unsigned char data[PAYLOAD_MAX];
	struct cell *mine = area->lanes[run->side], *theirs = area->lanes[1 - run->side];
	_Atomic uint32_t *bell = &area->bells[run->side], *other = &area->bells[1 - run->side];
	uint32_t round = 0;
	int rc = start(run, area);

	for (uint64_t i = 0; i < run->values_count && !rc; i++) {
		uint64_t begin = base_now_ns();

		for (uint64_t j = 0; j < run->batch; j++, round++) {
			if (!run->side) {
				put(mine, round, data, bytes);
				futex_ring(bell, round + 1);
			}
			futex_wait_while(other, round);
			get(theirs, round, data, bytes);
			if (run->side) {
				put(mine, round, data, bytes);
				futex_ring(bell, round + 1);
			}
		}
		run->values[i] = (double)(base_now_ns() - begin) / (double)(divisor * run->batch);
	}
	return rc;
}

int raw_oneway_sleep(struct bench_run *run, struct raw_area *area)
{
	return sleepers(run, area, run->row->bytes, 2);
}

int raw_wake(struct bench_run *run, struct raw_area *area)
{
	return sleepers(run, area, run->row->bytes, 1);
}

static size_t ring_stride(size_t bytes)
{
	return (bytes + sizeof(uint64_t) + 63) / 64 * 64;
}

static unsigned char *ring_slot(struct ring *ring, uint64_t position, size_t stride)
{
	return ring->slots + position % RING_SLOTS * stride;
}

static void ring_push(struct ring *ring, uint64_t position, uint64_t *credit, size_t stride,
		      const void *data, size_t bytes)
{
	unsigned char *slot = ring_slot(ring, position, stride);
	unsigned count = 0;

	while (position >= *credit) {
		/* A2: pairs with R2. The slots before it are read. */
		*credit = atomic_load_explicit(&ring->taken, memory_order_acquire) + RING_SLOTS;
		if (position >= *credit)
			spin(&count);
	}
	memcpy(slot + sizeof(uint64_t), data, bytes);
	/* R3: pairs with A3 in ring_pop(). Publishes the payload. */
	atomic_store_explicit((_Atomic uint64_t *)(void *)slot, position + 1, memory_order_release);
}

static void ring_pop(struct ring *ring, uint64_t position, size_t stride, void *data, size_t bytes)
{
	unsigned char *slot = ring_slot(ring, position, stride);
	unsigned count = 0;

	/* A3: pairs with R3 in ring_push(). */
	while (atomic_load_explicit((_Atomic uint64_t *)(void *)slot, memory_order_acquire) !=
	       position + 1)
		spin(&count);
	memcpy(data, slot + sizeof(uint64_t), bytes);
	/* R2: pairs with A2. Gives a quarter of the slots back at once. */
	if ((position + 1) % (RING_SLOTS / 4) == 0)
		atomic_store_explicit(&ring->taken, position + 1, memory_order_release);
}

/* Lane l leads from sender l to receiver l, each counted from 0 again where there are fewer. */
struct lanes {
	unsigned count, step, first;	/* those of this side: first, first + step, ... */
	uint64_t each;			/* messages by each lane */
	bool sends;
};

static struct lanes lanes_of(const struct bench_run *run)
{
	unsigned senders = (unsigned)__builtin_popcount(run->row->senders), rank = 0;
	unsigned receivers = run->row->sides - senders;
	struct lanes lanes = { .count = senders > receivers ? senders : receivers,
			       .each = run->batch,
			       .sends = run->row->senders >> run->side & 1 };

	for (unsigned side = 0; side < run->side; side++)
		rank += (run->row->senders >> side & 1) == lanes.sends;
	lanes.first = rank;
	lanes.step = lanes.sends ? senders : receivers;
	return lanes;
}

int raw_ring(struct bench_run *run, struct raw_area *area)
{
	const struct lanes lanes = lanes_of(run);
	size_t bytes = run->row->bytes, stride = ring_stride(bytes);
	unsigned char data[RING_STRIDE_MAX] = { 0 };
	uint64_t credit[BENCH_SIDES_MAX - 1] = { 0 }, nothing = 0, begin;
	int rc = stride <= RING_STRIDE_MAX ? start(run, area) : -EINVAL;

	if (rc)
		return rc;
	begin = base_now_ns();
	for (uint64_t position = 0; position < lanes.each; position++)
		for (unsigned lane = lanes.first; lane < lanes.count; lane += lanes.step) {
			if (lanes.sends)
				ring_push(&area->rings[lane], position, &credit[lane], stride,
					  data, bytes);
			else
				ring_pop(&area->rings[lane], position, stride, data, bytes);
		}
	/* All lanes must be through before the time counts. */
	rc = bench_sync(run, run->row->sides, &nothing);
	run->values[0] = (double)(lanes.each * lanes.count) * 1e3 /
			 (double)(base_now_ns() - begin);
	return rc;
}

static uint64_t cpu_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int raw_pair(struct bench_run *run, struct raw_area *area)
{
	struct ring *ring = &area->rings[0];
	size_t bytes = run->row->bytes, stride = ring_stride(bytes);
	unsigned char data[RING_STRIDE_MAX] = { 0 };
	uint64_t position = 0, credit = 0;
	int rc = stride <= RING_STRIDE_MAX ? start(run, area) : -EINVAL;

	for (uint64_t i = 0; i < run->values_count && !rc; i++) {
		uint64_t begin = cpu_now_ns();

		for (uint64_t j = 0; j < run->batch; j++, position++) {
			ring_push(ring, position, &credit, stride, data, bytes);
			ring_pop(ring, position, stride, data, bytes);
		}
		run->values[i] = (double)(cpu_now_ns() - begin) / (double)run->batch;
	}
	return rc;
}

int raw_create(struct bench_run *run, struct raw_area *area)
{
	size_t bytes = CREATE_SLOTS * ring_stride(run->row->bytes);
	int rc = start(run, area);

	for (uint64_t i = 0; i < run->values_count && !rc; i++) {
		uint64_t begin = base_now_ns();

		for (uint64_t j = 0; j < run->batch; j++) {
			memset(area->rings[0].slots, 0, bytes);
			/* The next one must not be merged with this one. */
			atomic_signal_fence(memory_order_seq_cst);
		}
		run->values[i] = (double)(base_now_ns() - begin) / (double)run->batch;
	}
	return rc;
}

static __attribute__((noinline)) uint32_t sides_of(const struct bench_run *run)
{
	return *(const _Atomic unsigned *)&run->sides;
}

int raw_call(struct bench_run *run, struct raw_area *area)
{
	int rc = start(run, area);

	for (uint64_t i = 0; i < run->values_count && !rc; i++) {
		uint64_t begin = base_now_ns();
		uint32_t sum = 0;

		for (uint64_t j = 0; j < run->batch; j++)
			sum += sides_of(run);
		run->values[i] = (double)(base_now_ns() - begin) / (double)run->batch;
		if (sum == 1)	/* never: the sum is used */
			return -EINVAL;
	}
	return rc;
}
