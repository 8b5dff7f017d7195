/* SPDX-License-Identifier: MIT */
/* uring_ring.h - the ring itself: set up with what this kernel has, and receive buffers. */
#ifndef TCP_URING_RING_H
#define TCP_URING_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	URING_BUFFERS = 64,
	URING_BUFFER_BYTES = 32768,
	/* A line more, or all buffers would begin in one cache set. */
	URING_BUFFER_STRIDE = URING_BUFFER_BYTES + 64,
	URING_GROUP = 1,
};

struct uring_ring {
	struct io_uring io;
	struct io_uring_buf_ring *buffers; /* NULL = the kernel has no buffer rings */
	size_t buffers_bytes;
	uint8_t *memory;
};

/* 0, or negative errno and why. */
int uring_ring_open(struct uring_ring *ring, char *why, size_t why_bytes);
void uring_ring_close(struct uring_ring *ring);
/* An entry to fill; submits if the queue is full. NULL if the kernel takes none. */
struct io_uring_sqe *uring_ring_sqe(struct uring_ring *ring);
/* The kernel may fill buffer @id again. */
void uring_ring_recycle(struct uring_ring *ring, unsigned id);
/* Is a completion with this user_data queued? It stays there. */
bool uring_ring_holds(struct uring_ring *ring, uint64_t user_data);

#endif
