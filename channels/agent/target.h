/* SPDX-License-Identifier: MIT */
/* target.h - handles of local channels that other nodes use, shared and counted. */
#ifndef AGENT_TARGET_H
#define AGENT_TARGET_H

#include "agent/core.h"

struct agent_target {
	struct base_list node;
	struct dhow_address address;
	struct dhow_channel *channel;
	unsigned users;
	bool broken;		/* an error that lasts: not to be used again */
	uint64_t idle_ns;	/* since when without users */
};

/* Return: 0; what gateway_open() says; -ENOMEM. */
int agent_target_get(struct agent *agent, const struct dhow_address *address,
		     struct agent_target **ret_target);
/* NULL allowed. A handle without users is kept for AGENT_IDLE_NS. */
void agent_target_put(struct agent *agent, struct agent_target *target);
/* Note what a call on it returned. */
void agent_target_result(struct agent_target *target, int rc);
/* Close handles without users; @all: now. */
void agent_targets_sweep(struct agent *agent, bool all);

#endif
