/* SPDX-License-Identifier: MIT */
/*
 * bind.h - masks of processors for the tasks of a node, by its topology.
 *
 * One thread. Opening a topology reads /sys (1 to 3 ms on 2 cores), so only do it when a policy
 * asks for it.
 */
#ifndef LAUNCH_BIND_H
#define LAUNCH_BIND_H

#include <sched.h>
#include <stdint.h>

#include "base/err.h"
#include "bind/policy.h"

struct launch_topology;

struct launch_bind_task {
	const struct launch_bind_policy *policy;
	uint32_t cpus;		/* hardware threads that it wants; 0 = 1 */
	uint32_t local_rank;
};

/**
 * launch_topology_open - what processors there are.
 * @synthetic: a description of hwloc, e.g. "pack:2 core:8 pu:2"; NULL = this machine.
 * @allowed: those that may be used; NULL = all.
 *
 * Return: 0, launch_topology_close() ends it; -ENOENT none of @allowed is there; -ENOMEM; -EIO
 * hwloc does not know this machine; -ENOSYS built without hwloc.
 */
int launch_topology_open(const char *synthetic, const cpu_set_t *allowed,
			 struct launch_topology **ret_topology, struct base_err *reterr);
void launch_topology_close(struct launch_topology *topology);	/* NULL is fine */

/**
 * launch_bind_masks - a mask for each of the tasks that share the machine.
 * @share: where there are too few processors, begin again with the first.
 * @ret_masks: @count masks; that of a task without binding is all allowed processors.
 *
 * Return: 0; -ENOSPC too few processors; -EINVAL a list names one that is not allowed.
 */
int launch_bind_masks(const struct launch_topology *topology,
		      const struct launch_bind_task *tasks, uint32_t count, int share,
		      cpu_set_t *ret_masks, struct base_err *reterr);

/* `0-3,8`, cut off where there is no room. */
void launch_cpus_text(const cpu_set_t *cpus, char *ret_text, unsigned room);

#endif
