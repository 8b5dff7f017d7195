/* SPDX-License-Identifier: MIT */
/* heap.c - see heap.h. */
#include "src/heap.h"

#include <errno.h>

#include "src/wait.h"

enum {
	ORDER_MIN = 9,		/* 512 B: smaller payloads travel in the slot */
	DEPTH_MAX = 20,		/* at most a million smallest blocks: 16 MiB of words */
	WINDOW = 64,		/* words looked at around a hint: eight lines */
};

static unsigned order_of(uint64_t bytes)
{
	return bytes <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(bytes - 1);
}

static unsigned depth_of(uint32_t block)
{
	return 31 - (unsigned)__builtin_clz(block);
}

void heap_plan(uint64_t data_bytes, uint32_t *ret_order_min, uint32_t *ret_order_max)
{
	unsigned max = order_of(data_bytes);

	*ret_order_max = max;
	*ret_order_min = max > ORDER_MIN + DEPTH_MAX ? max - DEPTH_MAX : ORDER_MIN;
}

uint64_t heap_tree_bytes(unsigned order_min, unsigned order_max)
{
	return sizeof(uint64_t) << (order_max - order_min + 1);
}

static unsigned block_order(const struct segment *segment, uint32_t block)
{
	return segment->order_max - depth_of(block);
}

static uint64_t block_offset(const struct segment *segment, uint32_t block)
{
	return (uint64_t)(block - (1u << depth_of(block))) << block_order(segment, block);
}

static uint32_t tree_end(const struct segment *segment)
{
	return 1u << (segment->order_max - segment->order_min + 1);
}

bool heap_valid(const struct segment *segment, uint32_t block)
{
	return block >= 1 && block < tree_end(segment) &&
	       block_offset(segment, block) + heap_bytes(segment, block) <= segment->data_bytes;
}

void *heap_data(const struct segment *segment, uint32_t block)
{
	return segment->data + block_offset(segment, block);
}

uint64_t heap_bytes(const struct segment *segment, uint32_t block)
{
	return UINT64_C(1) << block_order(segment, block);
}

uint64_t heap_rounded(const struct segment *segment, uint64_t bytes)
{
	unsigned order = order_of(bytes);

	return UINT64_C(1) << (order < segment->order_min ? segment->order_min : order);
}

uint64_t heap_word(const struct segment *segment, uint32_t block)
{
	return atomic_load_explicit(&segment->tree[block], memory_order_seq_cst);	/* W2 */
}

uint64_t heap_block_max(const struct segment *segment)
{
	return UINT64_C(1) << (63 - __builtin_clzll(segment->data_bytes));
}

/* The pool need not be a power of two: give out the largest blocks that fit in it. */
static void format_block(struct segment *segment, uint32_t block)
{
	uint64_t begin = block_offset(segment, block);

	if (begin >= segment->data_bytes)
		return;
	if (heap_valid(segment, block)) {
		atomic_store_explicit(&segment->tree[block], WORD(0, BLOCK_FREE, 0),
				      memory_order_relaxed);
		return;
	}
	atomic_store_explicit(&segment->tree[block], WORD(0, BLOCK_SPLIT, 0), memory_order_relaxed);
	format_block(segment, 2 * block);
	format_block(segment, 2 * block + 1);
}

void heap_format(struct segment *segment)
{
	format_block(segment, 1);
}

/* H1: pairs with H2. The taker sees all that the former owner of the block wrote.
 * seq_cst, also of the failure: the second look of wait_announce(), see W2. */
static bool swap(struct segment *segment, uint32_t block, uint64_t from, uint64_t to)
{
	return atomic_compare_exchange_strong_explicit(&segment->tree[block], &from, to,
						       memory_order_seq_cst, memory_order_seq_cst);
}

bool heap_pass(struct segment *segment, uint32_t block, uint64_t from, uint64_t to)
{
	return swap(segment, block, from, to);
}

static bool is_free(const struct segment *segment, uint32_t block)
{
	return atomic_load_explicit(&segment->tree[block], memory_order_seq_cst) ==	/* W2 */
	       WORD(0, BLOCK_FREE, 0);
}

static bool take(struct segment *segment, uint32_t block, unsigned state)
{
	/* The tree also has words of blocks beyond the pool; somebody may have written there. */
	return is_free(segment, block) && heap_valid(segment, block) &&
	       swap(segment, block, WORD(0, BLOCK_FREE, 0), WORD(0, state, segment->me));
}

/* A free block of @order in @first..@end-1, taken in @state; 0 = none. */
static uint32_t scan(struct segment *segment, uint32_t first, uint32_t end, unsigned state)
{
	for (uint32_t block = first; block < end; block++)
		if (take(segment, block, state))
			return block;
	return 0;
}

static uint32_t find_near_hints(struct segment *segment, unsigned order, unsigned state)
{
	uint32_t base = 1u << (segment->order_max - order);
	uint32_t mine = atomic_load_explicit(&segment->hints[order], memory_order_relaxed);
	uint32_t shared = atomic_load_explicit(&segment->shm->block_hint[order],
					       memory_order_relaxed);
	uint32_t end;

	if (mine && take(segment, mine, state))
		return mine;
	if (shared < base || shared >= 2 * base)
		shared = base;
	end = shared + WINDOW < 2 * base ? shared + WINDOW : 2 * base;
	return scan(segment, shared, end, state);
}

static uint32_t find_level(struct segment *segment, unsigned order, unsigned state)
{
	uint32_t base = 1u << (segment->order_max - order);

	return scan(segment, base, 2 * base, state);
}

/* Those who wait for a block want different sizes: wake them all. Call after a seq_cst swap that
 * made a block free; W1. */
static void tell_waiters(struct segment *segment)
{
	if (atomic_load_explicit(&segment->shm->wait_block, memory_order_seq_cst) & WAIT_SLEEPING)
		wait_wake_all(&segment->shm->wait_block, segment);
}

/* Split @block, which we hold CHANGING, down to @order; the left-most part is ours. */
static uint32_t split(struct segment *segment, uint32_t block, unsigned order)
{
	const uint64_t reserved = WORD(0, BLOCK_RESERVED, segment->me);
	const uint64_t changing = WORD(0, BLOCK_CHANGING, segment->me);

	while (block_order(segment, block) > order) {
		uint32_t left = 2 * block, right = left + 1;

		atomic_store_explicit(&segment->tree[left], reserved, memory_order_relaxed);
		atomic_store_explicit(&segment->tree[right], reserved, memory_order_relaxed);
		/* H2: pairs with H1. Whoever finds a half free also sees it split off. */
		atomic_store_explicit(&segment->tree[block], WORD(0, BLOCK_SPLIT, 0),
				      memory_order_release);
		swap(segment, right, reserved, WORD(0, BLOCK_FREE, 0));
		atomic_store_explicit(&segment->shm->block_hint[block_order(segment, right)], right,
				      memory_order_relaxed);
		swap(segment, left, reserved, changing);
		block = left;
	}
	swap(segment, block, changing, WORD(0, BLOCK_OWNED, segment->me));
	/* What is free now was hidden from who looked meanwhile. */
	tell_waiters(segment);
	return block;
}

/* Make one block of two free halves. */
static bool merge(struct segment *segment, uint32_t parent)
{
	const uint64_t reserved = WORD(0, BLOCK_RESERVED, segment->me);
	const uint64_t free_word = WORD(0, BLOCK_FREE, 0);
	const uint64_t changing = WORD(0, BLOCK_CHANGING, segment->me);
	uint32_t left = 2 * parent, right = left + 1;

	/* Look first: a half that is reserved in vain is hidden from others, who then must be
	 * woken, and two waiters would keep waking each other. */
	if (WORD_STATE(heap_word(segment, parent)) != BLOCK_SPLIT || !is_free(segment, left) ||
	    !is_free(segment, right) || !swap(segment, left, free_word, reserved))
		return false;
	if (!swap(segment, right, free_word, reserved)) {
		swap(segment, left, reserved, free_word);
		tell_waiters(segment);
		return false;
	}
	swap(segment, parent, WORD(0, BLOCK_SPLIT, 0), changing);
	swap(segment, left, reserved, WORD(0, BLOCK_UNUSED, 0));
	swap(segment, right, reserved, WORD(0, BLOCK_UNUSED, 0));
	swap(segment, parent, changing, free_word);
	tell_waiters(segment);
	return true;
}

/* Merge what is free, from the leaves up, until a block of @order may exist. */
static bool merge_up_to(struct segment *segment, unsigned order)
{
	bool merged = false;

	for (unsigned o = segment->order_min + 1; o <= order; o++) {
		uint32_t base = 1u << (segment->order_max - o);

		for (uint32_t parent = base; parent < 2 * base; parent++)
			merged |= merge(segment, parent);
	}
	return merged;
}

static uint32_t find_larger(struct segment *segment, unsigned order)
{
	for (unsigned o = order + 1; o <= segment->order_max; o++) {
		uint32_t block = find_near_hints(segment, o, BLOCK_CHANGING);

		if (block)
			return block;
	}
	for (unsigned o = order + 1; o <= segment->order_max; o++) {
		uint32_t block = find_level(segment, o, BLOCK_CHANGING);

		if (block)
			return block;
	}
	return 0;
}

static uint32_t find(struct segment *segment, unsigned order)
{
	uint32_t block = find_near_hints(segment, order, BLOCK_OWNED);

	if (!block) {
		block = find_larger(segment, order);
		if (block)
			return split(segment, block, order);
		block = find_level(segment, order, BLOCK_OWNED);
	}
	return block;
}

int heap_alloc(struct segment *segment, uint64_t bytes, uint32_t *ret_block)
{
	unsigned order = order_of(bytes);
	uint32_t block;

	if (bytes > heap_block_max(segment))
		return -EMSGSIZE;
	if (order < segment->order_min)
		order = segment->order_min;
	block = find(segment, order);
	if (!block && merge_up_to(segment, order))
		block = find(segment, order);
	if (!block)
		return -EAGAIN;
	*ret_block = block;
	return 0;
}

bool heap_free(struct segment *segment, uint32_t block, uint64_t word)
{
	unsigned order = block_order(segment, block);

	if (atomic_load_explicit(&segment->tree[block], memory_order_relaxed) != word)
		return false;
	/* seq_cst: the change that wait_notify() tells about, see W1. */
	if (!atomic_compare_exchange_strong_explicit(&segment->tree[block], &word,
						     WORD(0, BLOCK_FREE, 0), memory_order_seq_cst,
						     memory_order_relaxed))
		return false;
	atomic_store_explicit(&segment->hints[order], block, memory_order_relaxed);
	if (atomic_load_explicit(&segment->shm->block_hint[order], memory_order_relaxed) != block)
		atomic_store_explicit(&segment->shm->block_hint[order], block,
				      memory_order_relaxed);
	tell_waiters(segment);
	return true;
}

bool heap_free_mine(struct segment *segment, uint32_t block)
{
	return heap_free(segment, block, WORD(0, BLOCK_OWNED, segment->me));
}

/* A split or merge that died: before the parent's word changed undo it, after it finish it. */
static void recover_changing(struct segment *segment, uint32_t block, uint32_t dead)
{
	const uint64_t reserved = WORD(0, BLOCK_RESERVED, dead);

	if (2 * block + 1 < tree_end(segment)) {
		swap(segment, 2 * block, reserved, WORD(0, BLOCK_UNUSED, 0));
		swap(segment, 2 * block + 1, reserved, WORD(0, BLOCK_UNUSED, 0));
	}
	swap(segment, block, WORD(0, BLOCK_CHANGING, dead), WORD(0, BLOCK_FREE, 0));
}

/* From the root down: a RESERVED half is judged after its parent was. */
void heap_recover(struct segment *segment, uint32_t dead)
{
	uint32_t end = tree_end(segment);

	for (uint32_t block = 1; block < end; block++) {
		/* H2: pairs with H1 in swap(). */
		uint64_t word = atomic_load_explicit(&segment->tree[block], memory_order_acquire);

		if (WORD_OWNER(word) != dead)
			continue;
		switch (WORD_STATE(word)) {
		case BLOCK_CHANGING:
			recover_changing(segment, block, dead);
			break;
		case BLOCK_RESERVED:
			swap(segment, block, word, WORD(0, BLOCK_FREE, 0));
			break;
		case BLOCK_OWNED:
			heap_free(segment, block, word);
			break;
		}
	}
	wait_wake_all(&segment->shm->wait_block, segment);
}

static bool is_mine(const struct segment *segment, uint32_t block)
{
	uint64_t word = heap_word(segment, block);
	unsigned state = WORD_STATE(word);

	return WORD_OWNER(word) == segment->me &&
	       (state == BLOCK_OWNED || state == BLOCK_CHANGING || state == BLOCK_RESERVED);
}

bool heap_owns(const struct segment *segment, uint32_t *at)
{
	uint32_t end = tree_end(segment);

	for (uint32_t i = 1; i < end; i++) {
		if (is_mine(segment, *at))
			return true;
		*at = *at + 1 < end ? *at + 1 : 1;
	}
	return false;
}

void heap_stats(const struct segment *segment, struct heap_stats *ret_stats)
{
	struct heap_stats stats = { 0, 0 };
	uint32_t end = tree_end(segment);

	for (uint32_t block = 1; block < end; block++) {
		unsigned state = WORD_STATE(heap_word(segment, block));

		if (state == BLOCK_FREE)
			stats.free_bytes += heap_bytes(segment, block);
		else if (state >= BLOCK_OWNED)
			stats.blocks++;
	}
	*ret_stats = stats;
}
