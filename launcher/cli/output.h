/* SPDX-License-Identifier: MIT */
/*
 * output.h - stdout or stderr of dlaunch: whole lines of many ranks, labelled, never blocking.
 */
#ifndef LAUNCH_OUTPUT_H
#define LAUNCH_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

struct launch_chunk;

struct launch_output {
	int fd;
	int can_block;		/* a pipe or socket: write only what it has room for */
	int is_terminal;
	int closed;		/* nobody reads: what comes is dropped */
	int label_width;	/* 0 = no labels */
	int mid_line;		/* the last byte was no line end */
	uint32_t last_rank;
	struct launch_chunk *first, **last;
};

/* @ranks: to pad labels; 0 = no labels. */
void launch_output_init(struct launch_output *output, int fd, uint32_t ranks);
void launch_output_fini(struct launch_output *output);

/* Queue the bytes of @rank; they count @bytes for @node when they are out. Return: 0; -ENOMEM. */
int launch_output_add(struct launch_output *output, uint32_t rank, uint32_t node,
		      const void *data, uint32_t bytes);
int launch_output_pending(const struct launch_output *output);

/**
 * launch_output_write - write what the descriptor takes now.
 * @taken: called with node and bytes for each chunk that is out.
 * Return: 0; -EPIPE nobody reads; other negative errno, e.g. -ENOSPC. The queue is then dropped.
 */
int launch_output_write(struct launch_output *output,
			void (*taken)(void *arg, uint32_t node, uint32_t bytes), void *arg);

#endif
