/* SPDX-License-Identifier: MIT */
/*
 * environment.h - variables by which programs learn their place in a run: what must not be
 * inherited from whoever started us, and what each task gets. Both are tables in environment.c.
 *
 * A task's environment is the user's (of the front end), without what describes another run, with
 * what describes this node taken from the daemon, and with what describes the task.
 */
#ifndef LAUNCH_PMI_ENVIRONMENT_H
#define LAUNCH_PMI_ENVIRONMENT_H

#include "pmi/layout.h"

/* When a row of the tables is used. */
enum {
	LAUNCH_ENVIRONMENT_MPI = 1 << 0,	/* the run is served by some PMI */
	LAUNCH_ENVIRONMENT_PMI1 = 1 << 1,
	LAUNCH_ENVIRONMENT_PMIX = 1 << 2,
	LAUNCH_ENVIRONMENT_SLURM = 1 << 3,	/* inside an allocation of Slurm */
	LAUNCH_ENVIRONMENT_CROWD = 1 << 4,	/* PMIx for several nodes on one machine */
};

/* LAUNCH_ENVIRONMENT_SLURM if @env says that it is one of a Slurm job, else 0. */
unsigned launch_environment_detect(const char *const *env);

/* 1 when a task must not get @entry (NAME=VALUE) of the user's environment: it is of another run,
 * of the daemon itself, or something that launch_environment_task() says anew. */
int launch_environment_is_foreign(const char *entry, unsigned when);

/* 1 when @entry, found in the daemon's own environment, describes the node and is passed on to
 * tasks, whatever the front end has under that name. */
int launch_environment_is_of_node(const char *entry);

/* What is the same for all tasks of a run here. */
struct launch_environment;

/* @layout is borrowed until launch_environment_free(). @directory: for files of ranks here.
 * Return: NULL no memory. */
struct launch_environment *launch_environment_new(const struct launch_pmi_layout *layout,
						  const char *directory, unsigned when);
void launch_environment_free(struct launch_environment *environment);

/**
 * launch_environment_task - give all variables of a task to @add, each once.
 * @local: which task of this node.
 * @add:   gets NAME=VALUE, which it must copy. Return: 0, or negative errno that ends it.
 *
 * Return: 0; what @add returned.
 */
int launch_environment_task(const struct launch_environment *environment, uint32_t local,
			    int (*add)(void *arg, const char *entry), void *arg);

#endif
