/* SPDX-License-Identifier: MIT */
/*
 * uring_ring.h - the ring itself: set up with what is wanted and what this kernel has.
 *
 * What is wanted and cannot be had is left out, with the reason in why_not[]. One thread.
 */
#ifndef TCP_URING_RING_H
#define TCP_URING_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "tcp/uring_options.h"

enum {
	URING_BUFFERS = 64,
	URING_BUFFER_BYTES = 32768,
	/* A line more, or all buffers would begin in one cache set. */
	URING_BUFFER_STRIDE = URING_BUFFER_BYTES + 64,
	URING_GROUP = 1,
	URING_FILES_MAX = 1024, /* sockets that are registered; others are looked up each time */
	URING_MEMORIES_MAX = 16,
};

struct uring_ring {
	struct io_uring io;
	bool on[URING_FEATURES];	     /* what is used */
	char why_not[URING_FEATURES][64];    /* of what is wanted and not used */
	struct io_uring_buf_ring *buffers;   /* NULL = multishot is off */
	size_t buffers_bytes;
	uint8_t *memory;
	uint16_t files[URING_FILES_MAX];     /* stack of free places */
	unsigned files_free;
	bool memories[URING_MEMORIES_MAX];   /* in use */
	uint64_t calls;			     /* of the system, so far */
};

/* 0, or negative errno and why there is no ring at all. */
int uring_ring_open(struct uring_ring *ring, const struct uring_options *options, char *why,
		    size_t why_bytes);
void uring_ring_close(struct uring_ring *ring);
/* An entry to fill; submits if the queue is full. NULL if the kernel takes none. */
struct io_uring_sqe *uring_ring_sqe(struct uring_ring *ring);
/* Submit; when this returns, the kernel holds the files of all entries. Negative errno. */
int uring_ring_submit(struct uring_ring *ring);
/* Submit, and let the kernel make completions that it put off. Negative errno. */
int uring_ring_turn(struct uring_ring *ring);
/* Submit, and sleep until there is a completion or @limit (NULL: for ever). Negative errno. */
int uring_ring_sleep(struct uring_ring *ring, struct __kernel_timespec *limit);
/* The kernel may fill buffer @id again. */
void uring_ring_recycle(struct uring_ring *ring, unsigned id);
/* Is the last completion with this user_data queued? It stays there. */
bool uring_ring_holds(struct uring_ring *ring, uint64_t user_data);

/* Register a socket, or memory; 0 = it is not, use it as it is; else a number to give back. */
unsigned uring_ring_file_add(struct uring_ring *ring, int fd);
void uring_ring_file_del(struct uring_ring *ring, unsigned file);
unsigned uring_ring_memory_add(struct uring_ring *ring, void *base, size_t bytes);
void uring_ring_memory_del(struct uring_ring *ring, unsigned memory);

#endif
