/* SPDX-License-Identifier: MIT */
/*
 * pmi1.h - server of PMI-1 for the ranks of one run on this node: what MPICH, Intel MPI and MVAPICH
 * speak with whoever started them.
 *
 * Ranks publish keys; at a barrier all nodes exchange what is new by a fence. Each rank has one
 * socket, non-blocking here; a rank that breaks the rules loses it. One thread.
 */
#ifndef LAUNCH_PMI1_H
#define LAUNCH_PMI1_H

#include <stdint.h>

#include "base/err.h"
#include "pmi/layout.h"

struct launch_pmi1;

struct launch_pmi1_hooks {
	void *arg;
	/* Give @data to all nodes; launch_pmi1_fenced() brings what all gave. */
	void (*fence)(void *arg, const char *key, const void *data, uint32_t bytes);
	/* The run cannot go on: a rank said so, or the protocol did. */
	void (*abort)(void *arg, uint32_t rank, uint32_t code, const char *text);
};

enum launch_pmi1_progress {
	LAUNCH_PMI1_SILENT,	/* never said init */
	LAUNCH_PMI1_INSIDE,
	LAUNCH_PMI1_OUTSIDE,	/* said finalize */
};

/* @layout and @hooks are borrowed until the close; descriptors are watched in @epoll (source.h).
 * @name: no spaces. */
int launch_pmi1_open(const struct launch_pmi_layout *layout, const char *name, int epoll,
		     const struct launch_pmi1_hooks *hooks, struct launch_pmi1 **ret_pmi1,
		     struct base_err *reterr);
void launch_pmi1_close(struct launch_pmi1 *pmi1);

/* A new socket for a task that is about to start, also for the second time. The caller closes
 * @ret_child. */
int launch_pmi1_connect(struct launch_pmi1 *pmi1, uint32_t local, int *ret_child);
/* Take over a connected socket from which `initack` was read. */
int launch_pmi1_adopt(struct launch_pmi1 *pmi1, uint32_t local, int fd);

/* The same key as the fence had, see launch_pmi1_is_mine(). */
void launch_pmi1_fenced(struct launch_pmi1 *pmi1, int rc, const void *data, uint32_t bytes);
int launch_pmi1_is_mine(const char *key);

/* The task has ended with exit code @code: hear its last words, and say how far it came. */
enum launch_pmi1_progress launch_pmi1_ended(struct launch_pmi1 *pmi1, uint32_t local, int code);

#endif
