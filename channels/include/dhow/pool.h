/* SPDX-License-Identifier: MIT */
/*
 * pool.h - a pool gives out blocks of one segment of shared memory.
 *
 * Each node has a default pool; an application may create more. A block has one
 * owner at a time: a process, a message in a channel, or nobody. When a process
 * dies, its blocks return to their pool by themselves.
 */
#ifndef DHOW_POOL_H
#define DHOW_POOL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct dhow_pool;

/* Zero in each field but the first means the default. */
struct dhow_pool_attr {
	uint64_t bytes;		/* as dhow_pool_create() */
	int huge_pages;		/* 1: of 2 MiB, if enough are free; default: ordinary ones */
	int numa_node;		/* 1 + the node to prefer; default: where it is touched first */
};

/* See dhow_pool_stats(). */
struct dhow_pool_stats {
	uint64_t bytes;		/* that the pool can give out in all */
	uint64_t free_bytes;	/* not given out; a moment's value */
	uint64_t block_max;	/* largest block that an empty pool gives */
	uint64_t blocks;	/* given out */
	uint64_t page_bytes;	/* of the pages that it has: 2 MiB if they are huge */
	int numa_node;		/* 1 + the node of its first page; 0: the kernel does not say */
};

/**
 * dhow_pool_create - make a pool in a new segment.
 * @bytes: memory for blocks, 64 KiB to 1 TiB; rounded up to 64 KiB. All of it is
 *         committed here, so that a pool which does not fit fails now and no
 *         access faults later.
 * @ret_pool: on success an attached pool; release with dhow_pool_close(). The
 *         segment lives as long as one process of the node holds it.
 *
 * Blocking: for the time that the kernel needs to clear @bytes. Thread-safe.
 * Return: 0; -EINVAL @bytes out of range; -ENOMEM memory, limit or /dev/shm quota
 * is too small (the text says which and how much there is); -ENOTCONN no
 * dhow_init(); -ENFILE too many segments on this node.
 */
int dhow_pool_create(uint64_t bytes, struct dhow_pool **ret_pool);

/**
 * dhow_pool_create_with - the same with choices.
 * @attr: borrowed. What cannot be had is replaced by what can, with one warning in the log;
 *        dhow_pool_stats() tells what it became.
 *
 * Return: as dhow_pool_create(); -EINVAL also if the machine has no such NUMA node.
 */
int dhow_pool_create_with(const struct dhow_pool_attr *attr, struct dhow_pool **ret_pool);

/* The node's own pool. Borrowed; closing it does nothing. NULL before dhow_init(). */
struct dhow_pool *dhow_pool_default(void);

/* Give up the handle; NULL is allowed. Channels and messages of the pool may still be in use: its
 * memory leaves the address space of this process when the last of them is closed or freed, or with
 * dhow_fini(). Those of other processes stay. Thread-safe, but @pool itself is gone: no call that
 * is given it, and no dhow_message_free() of its messages, may run meanwhile; afterwards each of
 * those takes a lock and a look for another one. The node's own pool is never closed. */
void dhow_pool_close(struct dhow_pool *pool);

/* Fill @ret_stats. Cost: a walk over the pool's tree; not for hot paths. Thread-safe. */
void dhow_pool_stats(struct dhow_pool *pool, struct dhow_pool_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
