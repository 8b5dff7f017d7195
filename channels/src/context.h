/* SPDX-License-Identifier: MIT */
/*
 * context.h - what this process knows: its node, its segments, its library thread.
 */
#ifndef CHANNELS_CONTEXT_H
#define CHANNELS_CONTEXT_H

#include <stdatomic.h>
#include <stdbool.h>

#include <dhow/dhow.h>

#include "src/protocol.h"
#include "src/segment.h"

struct dhow_pool {
	struct segment segment;
	/* guarded by the context's lock */
	uint32_t borrowers;	/* context_segment() without context_return() */
	uint32_t owned_at;	/* a block that this process had; see heap_owns() */
	/* By dhow_pool_close(): mapped for as long as it is in use. Also read without the lock. */
	_Atomic bool is_closed;
};

/* Set dhow_error_text() and return @rc, so that it is one line: return dhow_fail(...). */
int dhow_fail(int rc, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Attach as a task or as the node's agent. */
int context_start(bool is_agent, const char *socket, uint64_t pool_bytes);

/* The node's segment, with this thread made known; NULL and a text: not attached. */
struct segment *context_node(void);
uint32_t context_rank(void);

/* The segment with this id, mapped and entered if need be. Borrowed until context_return(), and
 * for as long as this process has a channel or a message of it. */
int context_segment(uint32_t id, struct segment **ret_segment);
void context_return(struct segment *segment);
/* Map, enter and number a segment of our own. */
int context_add_pool(int fd, struct dhow_pool **ret_pool);
/* Unmap it as soon as no channel or message of it is left. */
void context_close_pool(struct dhow_pool *pool);
/* A channel was closed: unmap what was closed before and is not in use any more. Cheap. */
void context_unmap_unused(void);
/* heap_free_mine(), beside others who may unmap the segment. */
void context_free_block(struct segment *segment, uint32_t block);

/* One request to the node's service; serialised among threads. @fd: -1 or passed along. */
int context_request(struct node_request *request, int fd, struct node_reply *ret_reply,
		    int *ret_fd, uint64_t deadline_ns);
/* For the agent: the job's secret, once. */
void context_secret(uint8_t ret_secret[DHOW_SECRET_BYTES]);

#endif
