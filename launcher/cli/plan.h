/* SPDX-License-Identifier: MIT */
/*
 * plan.h - what a run will be: decided from the options and this machine before anything starts.
 */
#ifndef LAUNCH_PLAN_H
#define LAUNCH_PLAN_H

#include <limits.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/options.h"
#include "cli/select.h"
#include "place/place.h"
#include "wlm/wlm.h"

struct launch_plan {
	const struct launch_options *options;
	const struct launch_wlm *source;
	struct launch_hosts hosts;	/* all that may be used, the first @nodes are; owned */
	struct launch_shape shape;	/* decided */
	uint32_t nodes, tasks_per_node, ntasks;	/* tasks_per_node 0 = it is uneven */
	uint32_t start_timeout_s;	/* for all nodes to come up */
	struct launch_place *map;	/* ntasks entries; owned */
	char **env;			/* of the tasks; owned array, borrowed strings */
	char wdir[PATH_MAX];		/* absolute */
	char dhowd[PATH_MAX];		/* program of the daemons */
	struct launch_selection selection;	/* its agent is empty with one node */
};

/* Return: 0; else the exit code (2, 125, 126 or 127) with @reterr filled. */
int launch_plan_make(const struct launch_options *options, struct launch_plan *ret_plan,
		     struct base_err *reterr);
void launch_plan_fini(struct launch_plan *plan);
/* `4 nodes x 3 tasks = 12 tasks`, with one line a task if @tasks. */
void launch_plan_print(const struct launch_plan *plan, int tasks);

#endif
