/* SPDX-License-Identifier: MIT */
/*
 * message.h - bytes with a small fixed header.
 */
#ifndef DHOW_MESSAGE_H
#define DHOW_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include <dhow/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of a header. */
enum dhow_header_flag {
	DHOW_URGENT = 1 << 8,	/* received before all that are not; urgent ones in their order */
};

/* The header that travels with each message. */
struct dhow_header {
	uint32_t sender;	/* rank of the sender; filled in by the library */
	uint32_t tag;		/* free for the application */
	uint64_t user;		/* free for the application */
	uint32_t flags;		/* 0 or DHOW_URGENT; anything else is -EINVAL */
};

/* One message of a batch. */
struct dhow_item {
	void *data;		/* sending: its bytes; receiving: room for them; borrowed */
	size_t bytes;		/* payload; receiving: filled in */
	size_t room;		/* receiving: of @data; sending: ignored */
	struct dhow_header header;	/* receiving: filled in; sending: sender is ignored */
};

/*
 * A message in hand: @data points into shared memory. The struct itself is the
 * caller's and may be moved; only one copy of it may be given back or away.
 */
struct dhow_message {
	void *data;		/* NULL if bytes is 0 and no block is held */
	size_t bytes;		/* payload */
	struct dhow_header header;	/* as it was sent, or is to be */
	/* private to the library */
	void *segment_;
	uint32_t block_;
	uint32_t slot_;
	uint64_t word_;
};

/**
 * dhow_message_alloc - take a block from a pool.
 * @pool:  attached pool; NULL = the node's default pool.
 * @bytes: payload, 0 to the pool's block_max.
 * @deadline_ns: how long to wait for memory (see wait.h).
 * @ret_message: on success holds the block, owned by the caller, who gives it away
 *               with dhow_send_message() or frees it. Its content is undefined.
 *
 * Cost: O(1) when the size was freed lately, O(log n) otherwise; no system call
 * unless it waits. Thread-safe. Async-signal: no.
 * Algorithm: buddy system (Knuth, TAOCP vol. 1, 2.5) on a tree of owner-tagged
 * words, so that a step begun by a dead process can be undone by any other.
 * Return: 0; -EMSGSIZE larger than the pool; -EAGAIN (DHOW_TRY) or -ETIMEDOUT no
 * block became free; -ENOTCONN.
 */
int dhow_message_alloc(struct dhow_pool *pool, size_t bytes, uint64_t deadline_ns,
		       struct dhow_message *ret_message);

/* Give a block back to its pool. A message without a block is allowed. Thread-safe. */
void dhow_message_free(struct dhow_message *message);

#ifdef __cplusplus
}
#endif
#endif
