/* SPDX-License-Identifier: MIT */
/*
 * pmi.h - what MPI programs need from whoever starts them: this is what the daemon sees of it.
 *
 * One launch_pmi for a node, one launch_pmi_run for each run on it. All kinds of PMI are served at
 * once, and one environment serves all MPI libraries: a program takes what it knows. Nothing
 * blocks but the opening calls, for some milliseconds. One thread.
 */
#ifndef LAUNCH_PMI_H
#define LAUNCH_PMI_H

#include <stdint.h>

#include "base/err.h"
#include "pmi/layout.h"
#include "proto/mpi.h"

struct launch_pmi;
struct launch_pmi_run;

enum {
	LAUNCH_PMI_FD = 197,	/* of a task: its socket for PMI-1 */
	LAUNCH_PMI_FENCE_KEY_BYTES = 64,
};

/* Called from inside any function of a run; may not close one. */
struct launch_pmi_hooks {
	void *arg;
	/* This node gives @data to the fence @key, to which @nodes nodes come. When all have given,
	 * each of them is to be told by launch_pmi_fenced(). */
	void (*fence)(void *arg, const char *key, uint32_t nodes, const void *data,
		      uint32_t bytes);
	/* To the node of @rank: launch_pmi_modex_request() there. */
	void (*modex)(void *arg, uint64_t ticket, uint32_t rank);
	/* To node @to, which asked: launch_pmi_modex_answer() there. */
	void (*modex_answer)(void *arg, uint32_t to, uint64_t ticket, int rc, const void *data,
			     uint32_t bytes);
	/* The run is to end now with exit code @code (1 to 255), because of @rank. */
	void (*abort)(void *arg, uint32_t rank, uint32_t code, const char *text);
};

struct launch_pmi_spec {
	struct launch_pmi_layout *layout;	/* sealed; owned by the run, also if it fails */
	const char *tag;			/* of the run; no spaces */
	const char *directory;			/* 0700, for files of this run on this node */
	unsigned serve;				/* LAUNCH_MPI_* of proto/mpi.h */
	unsigned slurm;				/* LAUNCH_ENVIRONMENT_SLURM or 0 */
	int crowd;				/* other nodes of the run are on this machine */
	uint32_t cpus;				/* of one task; 0 = unknown */
	uint64_t secret;			/* the same on all nodes of the run */
};

/* @directory, 0700, exists. @node: in the job; @host: its name as in layouts. */
int launch_pmi_open(const char *directory, uint32_t node, const char *host,
		    struct launch_pmi **ret_pmi, struct base_err *reterr);
void launch_pmi_close(struct launch_pmi *pmi);
/* Readable when launch_pmi_step() has something to do. */
int launch_pmi_fd(const struct launch_pmi *pmi);
void launch_pmi_step(struct launch_pmi *pmi);

/* Strings are borrowed for the call, hooks until the close. */
int launch_pmi_run_open(struct launch_pmi *pmi, const struct launch_pmi_spec *spec,
			const struct launch_pmi_hooks *hooks, struct launch_pmi_run **ret_run,
			struct base_err *reterr);
void launch_pmi_run_close(struct launch_pmi_run *run);

/**
 * launch_pmi_task - before a task is started, also for the second time.
 * @add: gets its variables (NAME=VALUE, to be copied). Return: 0 or negative errno.
 * @ret_fd: to become LAUNCH_PMI_FD of the task and to be closed by the caller; -1 none.
 *
 * Return: 0; negative errno.
 */
int launch_pmi_task(struct launch_pmi_run *run, uint32_t local,
		    int (*add)(void *arg, const char *entry), void *arg, int *ret_fd);
/* Ends the run, by the hook `abort`, if others may wait for the task. */
void launch_pmi_task_ended(struct launch_pmi_run *run, uint32_t local, int code, int signal);

void launch_pmi_fenced(struct launch_pmi_run *run, const char *key, int rc, const void *data,
		       uint32_t bytes);
void launch_pmi_modex_request(struct launch_pmi_run *run, uint32_t origin, uint64_t ticket,
			      uint32_t rank);
void launch_pmi_modex_answer(struct launch_pmi_run *run, uint64_t ticket, int rc,
			     const void *data, uint32_t bytes);

#endif
