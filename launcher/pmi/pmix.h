/* SPDX-License-Identifier: MIT */
/*
 * pmix.h - server of PMIx for the ranks of this node: what Open MPI speaks with whoever started it.
 *
 * The work is libpmix's, which is loaded when the first run wants it, so that a node without it
 * still serves PMI-1. libpmix has one server in a process and calls back on a thread of its own;
 * what it says there is queued and told by the hooks when the epoll set of the caller says so.
 * All functions here are for one thread.
 */
#ifndef LAUNCH_PMIX_H
#define LAUNCH_PMIX_H

#include <stdint.h>

#include "base/err.h"
#include "pmi/layout.h"

struct launch_pmix;
struct launch_pmix_run;

/* May not close a run or the server. */
struct launch_pmix_hooks {
	void *arg;
	/* Give @data to @nodes nodes that come to a fence of that key; launch_pmix_fenced() brings
	 * what all gave. */
	void (*fence)(void *arg, const char *key, uint32_t nodes, const void *data,
		      uint32_t bytes);
	/* Ask the node of @rank what that published; launch_pmix_modex_answer() brings it. */
	void (*modex)(void *arg, uint64_t ticket, uint32_t rank);
	/* For launch_pmix_modex_request(). */
	void (*modex_answer)(void *arg, uint32_t to, uint64_t ticket, int rc, const void *data,
			     uint32_t bytes);
	/* A rank wants the run to end. */
	void (*abort)(void *arg, uint32_t rank, uint32_t code, const char *text);
};

enum launch_pmix_progress {
	LAUNCH_PMIX_SILENT,	/* never connected */
	LAUNCH_PMIX_INSIDE,
	LAUNCH_PMIX_OUTSIDE,	/* said goodbye */
};

/**
 * launch_pmix_open - load libpmix and start its server.
 * @directory: 0700, for its files; the caller removes what is left in it.
 * @node:      number of this node in the job, @host: its name in layouts.
 * @epoll:     where events of the queue are watched (source.h).
 *
 * Blocks for some milliseconds. Return: 0; -EBUSY there is a server already; -ENOSYS built without
 * PMIx; -ENOENT no libpmix here, or not one that will do; -EIO it does not start.
 */
int launch_pmix_open(const char *directory, uint32_t node, const char *host, int epoll,
		     struct launch_pmix **ret_pmix, struct base_err *reterr);
/* For a process that is about to end; there cannot be another server in it. NULL is fine. */
void launch_pmix_close(struct launch_pmix *pmix);

/**
 * launch_pmix_run_open - let the ranks of a run connect.
 * @layout, @hooks: borrowed until the close.
 * @name:      the same on all nodes, and of no other run here.
 * @directory: for files of its ranks.
 */
int launch_pmix_run_open(struct launch_pmix *pmix, const struct launch_pmi_layout *layout,
			 const char *name, const char *directory,
			 const struct launch_pmix_hooks *hooks, struct launch_pmix_run **ret_run,
			 struct base_err *reterr);
void launch_pmix_run_close(struct launch_pmix_run *run);

/* As launch_environment_task(). */
int launch_pmix_task(const struct launch_pmix_run *run, uint32_t local,
		     int (*add)(void *arg, const char *entry), void *arg);
/* The task has ended: hear its last words, and say how far it came. */
enum launch_pmix_progress launch_pmix_ended(struct launch_pmix_run *run, uint32_t local);
/* How many ranks here are connected. */
uint32_t launch_pmix_inside(const struct launch_pmix_run *run);

void launch_pmix_fenced(struct launch_pmix_run *run, const char *key, int rc, const void *data,
			uint32_t bytes);
/* Another node asks for what @rank, which is here, has published or will publish. */
void launch_pmix_modex_request(struct launch_pmix_run *run, uint32_t origin, uint64_t ticket,
			       uint32_t rank);
void launch_pmix_modex_answer(struct launch_pmix_run *run, uint64_t ticket, int rc,
			      const void *data, uint32_t bytes);

#endif
