/* SPDX-License-Identifier: MIT */
/*
 * segment.h - this process's view of a mapped segment.
 */
#ifndef CHANNELS_SEGMENT_H
#define CHANNELS_SEGMENT_H

#include "src/layout.h"

#include "base/err.h"

enum { SEGMENT_MAX = 64 };	/* mapped by one process; a bit each in a thread's record */

struct segment {
	struct shm_segment *shm;
	unsigned char *base;
	uint64_t bytes;
	int fd;			/* kept to register with agents and to hand on; -1 none */
	int agent_bell;		/* eventfd of the node's agent, -1 none; borrowed */
	int committed;		/* of a node, as its service knows */
	uint32_t id;
	uint32_t me;		/* owner id of this process, 0 = not entered */
	unsigned slot;		/* index in the process's table of segments */
	/* copies of checked offsets */
	struct shm_process *processes;
	struct shm_thread *threads;
	struct shm_channel *channels;
	struct shm_stream *streams;
	struct shm_request *requests;
	struct shm_node *nodes;
	_Atomic uint64_t *tree;
	unsigned char *data;
	uint64_t data_bytes;
	unsigned order_min, order_max;
	uint32_t nodes_count;
	_Atomic uint32_t hints[64];	/* per order: block that this process freed last */
	uint16_t handles[LAYOUT_CHANNELS];	/* open in this process; guarded in channel.c */
	struct watch *watch;	/* who here watches its channels; NULL: nobody (bell.h) */
};

struct segment_options {
	uint32_t job, node, nodes, segment;
	uint64_t pool_bytes;
	int is_node;		/* with streams, requests and node table */
	int wants_huge;
	int numa_node;		/* 1 + node; 0: wherever the kernel puts it */
};

/* Make a sealed memfd with a formatted segment. All memory is committed here, but for that of a
 * node: there only what the node itself needs, the rest by segment_commit().
 * Return: 0; -ENOMEM and a text that says what is too small; -EINVAL. */
int segment_create(const struct segment_options *options, int *ret_fd, struct base_err *err);

/* Commit the rest; a second call finds nothing to do. Return: 0; -ENOMEM with a text. */
int segment_commit(struct segment *segment, int fd, struct base_err *err);

/* Map and check; everything in it is treated as hostile. -EPROTO: another version, damaged, or its
 * size could change. */
int segment_map(int fd, struct segment *ret_segment, struct base_err *err);
void segment_unmap(struct segment *segment);

#endif
