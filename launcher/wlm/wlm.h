/* SPDX-License-Identifier: MIT */
/*
 * wlm.h - where nodes come from: one row of a table for each workload manager, and local nodes.
 */
#ifndef LAUNCH_WLM_H
#define LAUNCH_WLM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "proto/boot.h"

/* A daemon that was started, or the process here that stands for it (srun, ssh). */
struct launch_started {
	pid_t pid;
	int lifeline;		/* write end of its stdin; closing it ends the daemon */
};

struct launch_wlm {
	const char *name;
	/* 1 if this source can be used here; else 0 and why not. */
	int (*detect)(char *ret_reason, size_t room);
	/* How many nodes it takes when not told, and at most. */
	int (*nodes)(uint32_t *ret_default, uint32_t *ret_max, struct base_err *reterr);
	/* Address that dlaunch's control socket is bound to. */
	const char *listen_address;
	/* Nodes share our file system and machine: programs can be checked before starting. */
	int same_machine;
	/* What the agent of a node binds to. */
	void (*bind_address)(uint32_t node, char *ret_address, size_t room);
	/* Start the daemon of node boot->node and hand it @boot. */
	int (*start)(const char *dhowd, const struct launch_boot *boot, char *const *envp,
		     struct launch_started *ret_started, struct base_err *reterr);
};

/* The source named @name, or the first that detects itself for NULL. Return: NULL none. */
const struct launch_wlm *launch_wlm_find(const char *name);

extern const struct launch_wlm launch_wlm_local;

#endif
