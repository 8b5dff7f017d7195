/* SPDX-License-Identifier: MIT */
/* cases.h - the cases of the catalogue; each runs alone in its own rig. */
#ifndef FIRE_CASES_H
#define FIRE_CASES_H

#include <stdbool.h>
#include <stdio.h>

#include "rig.h"

struct fire_run {
	struct rig rig;
	FILE *figures;		/* what it measured, for the line that the case prints */
	bool is_long;
	unsigned kills;
};

enum fire_needs {
	FIRE_TCP = 1 << 0,	/* it speaks TCP to the agent */
	FIRE_SLOW = 1 << 1,	/* only by name or with --long */
	FIRE_QUICK = 1 << 2,	/* the one for builds that are slow */
};

struct fire_case {
	const char *name;
	const char *id;		/* in the catalogue of docs/reliability.md */
	unsigned nodes;
	unsigned limit_s, long_limit_s;	/* a hang is longer than that */
	unsigned needs;
	bool (*run)(struct fire_run *run);	/* false: rig_fail() said why */
};

extern const struct fire_case fire_cases[];	/* ends with a NULL name */

/* Both directions between nodes 0 and 1: flow 0 comes from node 1, flow 1 goes to it. */
bool fire_flows_start(struct fire_run *run);
/* Senders end (they may have failed), receivers empty their channels, all is judged. */
bool fire_flows_check(struct fire_run *run);
/* "acknowledged N, ..." of the flows 0 and 1. */
void fire_flows_print(struct fire_run *run);

bool fire_kill(struct fire_run *run);
bool fire_half_open(struct fire_run *run);
bool fire_stopped_receiver(struct fire_run *run);
bool fire_stopped_agent(struct fire_run *run);
bool fire_fencing(struct fire_run *run);
bool fire_partition(struct fire_run *run);
bool fire_one_way(struct fire_run *run);
bool fire_short_cut(struct fire_run *run);
bool fire_bad_net(struct fire_run *run);
bool fire_damage(struct fire_run *run);
bool fire_resets(struct fire_run *run);
bool fire_strangers(struct fire_run *run);

#endif
