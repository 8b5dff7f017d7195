/* SPDX-License-Identifier: MIT */
/*
 * plan.h - what a run will be: decided from the options and this machine before anything starts.
 */
#ifndef LAUNCH_PLAN_H
#define LAUNCH_PLAN_H

#include <limits.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/multi_prog.h"
#include "cli/options.h"
#include "cli/select.h"
#include "job/run.h"
#include "place/place.h"
#include "wlm/wlm.h"

enum { LAUNCH_SETTINGS_MAX = 4 };

/* What the programs of one segment share; owned by the plan. */
struct launch_plan_segment {
	struct launch_shape shape;	/* decided */
	char wdir[PATH_MAX];		/* absolute */
	char **env, *env_owned;		/* array, and the strings that are nobody else's */
	char *settings[LAUNCH_SETTINGS_MAX];	/* for the daemon's modules, NULL at the end */
};

struct launch_plan {
	const struct launch_options *options;
	const struct launch_wlm *source;
	struct launch_hosts hosts;	/* all that may be used, the first @nodes are; owned */
	struct launch_plan_segment *segments;	/* one for each of the options; owned */
	uint32_t nodes, ntasks;
	uint32_t start_timeout_s;	/* for all nodes to come up */
	struct launch_place *map;	/* ntasks entries; owned */
	uint32_t *app_of_rank;		/* as many; owned */
	struct launch_multi_prog multi_prog;
	struct launch_app *apps;	/* a segment each, or as --multi-prog has it; owned */
	uint32_t app_count;
	char dhowd[PATH_MAX];		/* program of the daemons */
	struct launch_selection selection;	/* its agent is empty with one node */
};

/* Return: 0; else the exit code (2, 125, 126 or 127) with @reterr filled. */
int launch_plan_make(const struct launch_options *options, struct launch_plan *ret_plan,
		     struct base_err *reterr);
void launch_plan_fini(struct launch_plan *plan);
/* `4 nodes x 3 tasks = 12 tasks`, with one line a task if @tasks. */
void launch_plan_print(const struct launch_plan *plan, int tasks);

/* plan_apps.c: what runs, once it is decided where. Return: as launch_plan_make(). */
int launch_plan_apps(struct launch_plan *plan, struct base_err *reterr);
void launch_plan_apps_fini(struct launch_plan *plan);

#endif
