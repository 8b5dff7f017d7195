/* SPDX-License-Identifier: MIT */
/*
 * heap.h - the pool's blocks: a buddy system whose every step has an owner.
 *
 * The tree has a word per possible block, numbered as a binary heap: 1 is the whole pool,
 * 2i and 2i+1 are the halves of i. Blocks have power-of-two sizes and no header, so a
 * payload is aligned to its size (up to a page) and can be registered with a fabric.
 * Algorithm: buddy system (Knuth, TAOCP vol. 1, 2.5). Differences: freed blocks are merged
 * only when an allocation finds none; each step is one compare-and-swap of an owned word.
 */
#ifndef CHANNELS_HEAP_H
#define CHANNELS_HEAP_H

#include <stdbool.h>

#include "src/segment.h"

/* Orders (log2 of bytes) of the smallest and of the whole block for @data_bytes. */
void heap_plan(uint64_t data_bytes, uint32_t *ret_order_min, uint32_t *ret_order_max);
uint64_t heap_tree_bytes(unsigned order_min, unsigned order_max);
void heap_format(struct segment *segment);

/* Largest payload that fits an empty pool. */
uint64_t heap_block_max(const struct segment *segment);

/* What a block for @bytes takes of the pool. */
uint64_t heap_rounded(const struct segment *segment, uint64_t bytes);

/* Take a block owned by this process. Return: 0; -EMSGSIZE; -EAGAIN none is free. */
int heap_alloc(struct segment *segment, uint64_t bytes, uint32_t *ret_block);

/* Free a block whose word is @word. False: it is not (another did it). */
bool heap_free(struct segment *segment, uint32_t block, uint64_t word);
bool heap_free_mine(struct segment *segment, uint32_t block);

/* Change a block's owner from word to word. False: it was not @from. */
bool heap_pass(struct segment *segment, uint32_t block, uint64_t from, uint64_t to);

/* Is it the index of a block inside the pool? For values read from shared memory. */
bool heap_valid(const struct segment *segment, uint32_t block);
void *heap_data(const struct segment *segment, uint32_t block);
uint64_t heap_bytes(const struct segment *segment, uint32_t block);
/* The block that starts at @data and holds @bytes by its word, or 0. */
uint64_t heap_word(const struct segment *segment, uint32_t block);

/* Has this process a block, or one half done? The search begins at block *@at (1 the first time),
 * where it had one when it was last asked: cheap for who asks again and again. */
bool heap_owns(const struct segment *segment, uint32_t *at);

/* Finish or undo what dead process @dead left; free what it owned. Idempotent. */
void heap_recover(struct segment *segment, uint32_t dead);

struct heap_stats {
	uint64_t free_bytes, blocks;
};
void heap_stats(const struct segment *segment, struct heap_stats *ret_stats);

#endif
