/* SPDX-License-Identifier: MIT */
/*
 * backing.h - the memory behind a segment: how much there is, its pages, its NUMA node.
 */
#ifndef CHANNELS_BACKING_H
#define CHANNELS_BACKING_H

#include <stdint.h>

#include "base/err.h"

struct backing_options {
	uint64_t bytes;
	uint64_t first_bytes;	/* committed at once, the rest by backing_commit(); 0 = all */
	int wants_huge;		/* 2 MiB pages, if there are any to be had */
	int numa_node;		/* -1: wherever the kernel puts it */
};

/* Make a memfd of at least @options->bytes, sealed in its size, committed as @options says.
 * What was asked for and could not be had is said in the log.
 * Return: 0; -EINVAL no such NUMA node; -ENOMEM and a text that says what is too small. */
int backing_create(const struct backing_options *options, int *ret_fd, uint64_t *ret_bytes,
		   struct base_err *err);

/* Commit all of a memfd. Return: 0; -ENOMEM and a text that says what is too small. */
int backing_commit(int fd, uint64_t bytes, struct base_err *err);

/* Round up to what a mapping of @fd must have; its page size. */
uint64_t backing_page_bytes(int fd);

/* NUMA node of the page at @at, which must have been touched; -1: the kernel does not say. */
int backing_numa_node(const void *at);

/* What this process may still take, by the machine and by its control groups. */
uint64_t backing_available(void);

#endif
