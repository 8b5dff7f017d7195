/* SPDX-License-Identifier: MIT */
/*
 * target.c - a small hash of open channels.
 *
 * Requests come one by one, so their channel is kept open for a while; not for long,
 * because an open handle keeps a destroyed channel's memory.
 */
#include "agent/target.h"

#include <errno.h>
#include <string.h>

static struct base_list *bucket(struct agent *agent, const struct dhow_address *address)
{
	uint32_t hash = (address->index ^ address->segment << 16) * UINT32_C(2654435761);

	return &agent->targets[hash >> 16 & (AGENT_TARGET_BUCKETS - 1)];
}

static bool same(const struct dhow_address *a, const struct dhow_address *b)
{
	return a->index == b->index && a->generation == b->generation &&
	       a->segment == b->segment && a->node == b->node && a->job == b->job;
}

static void destroy(struct agent *agent, struct agent_target *target)
{
	base_list_del(&target->node);
	dhow_channel_close(target->channel);
	agent_slab_put(&agent->slab, target);
}

int agent_target_get(struct agent *agent, const struct dhow_address *address,
		     struct agent_target **ret_target)
{
	struct base_list *list = bucket(agent, address);
	struct agent_target *target;
	int rc;

	base_list_for(node, list) {
		target = base_list_entry(node, struct agent_target, node);
		if (!target->broken && same(&target->address, address)) {
			target->users++;
			*ret_target = target;
			return 0;
		}
	}
	if (address->job != agent->job || address->node != agent->self)
		return -EXDEV;
	target = agent_slab_get(&agent->slab, sizeof(*target));
	if (!target)
		return -ENOMEM;
	memset(target, 0, sizeof(*target));
	rc = gateway_open(agent->gateway, address, &target->channel);
	if (rc) {
		agent_slab_put(&agent->slab, target);
		return rc;
	}
	target->address = *address;
	target->users = 1;
	base_list_add_tail(list, &target->node);
	*ret_target = target;
	return 0;
}

void agent_target_put(struct agent *agent, struct agent_target *target)
{
	if (!target || --target->users)
		return;
	target->idle_ns = agent->now_ns;
	if (target->broken)
		destroy(agent, target);
}

void agent_target_result(struct agent_target *target, int rc)
{
	if (rc == -EPIPE || rc == -ESTALE || rc == -ENOTCONN)
		target->broken = true;
}

void agent_targets_sweep(struct agent *agent, bool all)
{
	if (!all && agent->now_ns - agent->targets_ns < AGENT_IDLE_NS)
		return;
	agent->targets_ns = agent->now_ns;
	for (int i = 0; i < AGENT_TARGET_BUCKETS; i++) {
		base_list_for(node, &agent->targets[i]) {
			struct agent_target *target =
				base_list_entry(node, struct agent_target, node);

			if (!target->users &&
			    (all || agent->now_ns - target->idle_ns >= AGENT_IDLE_NS))
				destroy(agent, target);
		}
	}
}
