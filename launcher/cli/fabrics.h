/* SPDX-License-Identifier: MIT */
/* fabrics.h - the fabrics of this machine, as its agents list them, and what would be taken. */
#ifndef LAUNCH_FABRICS_H
#define LAUNCH_FABRICS_H

#include <jansson.h>

/* What the agents print for --list --json, each row with its "transport"; an agent that does not
 * answer is a row with "error". A new array. Takes up to a second for each agent. */
json_t *launch_fabrics_list(void);

/* What a run on several nodes would take with this environment: "transport", "fabric",
 * "provider", "nic", "why"; or "error". A new object. */
json_t *launch_fabrics_chosen(void);

/* Both for people. */
void launch_fabrics_print(const json_t *list, const json_t *chosen);

#endif
