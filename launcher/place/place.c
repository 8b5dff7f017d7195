/* SPDX-License-Identifier: MIT */
/* place.c - see place.h. */
#include "place/place.h"

#include <errno.h>
#include <stdlib.h>

struct node {
	uint32_t room;		/* slots that are free */
	uint32_t count;		/* tasks of the app that is being placed */
	uint32_t placed;	/* tasks of all apps so far */
};

int launch_place_count(const struct launch_place_spec *spec, struct base_err *reterr)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < spec->app_count; i++) {
		const struct launch_shape *app = &spec->apps[i];

		if (!app->nodes || !app->tasks || app->nodes > spec->nodes ||
		    app->first_node > spec->nodes - app->nodes)
			return base_err(reterr, -EINVAL, "nodes %u to %u: there are %u",
					app->first_node, app->first_node + app->nodes - 1,
					spec->nodes);
		total += app->tasks;
	}
	if (total < 1 || total > LAUNCH_RANKS_MAX)
		return base_err(reterr, total ? -E2BIG : -EINVAL, "%llu tasks: 1 to %d",
				(unsigned long long)total, LAUNCH_RANKS_MAX);
	return (int)total;
}

/* The number for each node was said: the last one may get fewer. */
static int count_even(struct node *nodes, const struct launch_shape *app, struct base_err *reterr)
{
	uint32_t left = app->tasks;

	for (uint32_t i = 0; i < app->nodes; i++) {
		struct node *node = &nodes[app->first_node + i];

		node->count = left < app->tasks_per_node ? left : app->tasks_per_node;
		left -= node->count;
		if (node->count > node->room)
			return base_err(reterr, -ENOSPC, "%u tasks on node %u, which has %u free "
					"slot%s: --overcommit does it all the same", node->count,
					app->first_node + i, node->room,
					node->room == 1 ? "" : "s");
		node->room -= node->count;
	}
	return left ? base_err(reterr, -EINVAL, "%u tasks are more than %u nodes x %u",
			       app->tasks, app->nodes, app->tasks_per_node) : 0;
}

/* Only the total was said. */
static int count_round(struct node *nodes, const struct launch_shape *app, struct base_err *reterr)
{
	uint32_t left = app->tasks, before;

	do {
		before = left;
		for (uint32_t i = 0; left && i < app->nodes; i++) {
			struct node *node = &nodes[app->first_node + i];

			if (!node->room || node->count == LAUNCH_TASKS_PER_NODE_MAX)
				continue;
			node->room--;
			node->count++;
			left--;
		}
	} while (left && left < before);
	if (left)
		return base_err(reterr, -ENOSPC, "%u tasks, but %u node%s %s only %u free slots: "
				"--overcommit does it all the same", app->tasks, app->nodes,
				app->nodes == 1 ? "" : "s", app->nodes == 1 ? "has" : "have",
				app->tasks - left);
	return 0;
}

static struct launch_place *put(struct launch_place *at, const struct launch_place *map,
				struct node *nodes, uint32_t node)
{
	at->rank = (uint32_t)(at - map);
	at->node = node;
	at->local_rank = nodes[node].placed++;
	nodes[node].count--;
	return at + 1;
}

static struct launch_place *number(const struct launch_place_spec *spec,
				   const struct launch_shape *app, struct node *nodes,
				   const struct launch_place *map, struct launch_place *at)
{
	const struct launch_place *end = at + app->tasks;

	while (at < end) {
		for (uint32_t i = app->first_node; i < app->first_node + app->nodes; i++) {
			if (spec->distribution == LAUNCH_CYCLIC && nodes[i].count)
				at = put(at, map, nodes, i);
			while (spec->distribution == LAUNCH_BLOCK && nodes[i].count)
				at = put(at, map, nodes, i);
		}
	}
	return at;
}

int launch_place(const struct launch_place_spec *spec, struct launch_place *ret_map,
		 uint32_t *ret_app, struct base_err *reterr)
{
	int count = launch_place_count(spec, reterr), rc = 0;
	struct launch_place *at = ret_map;
	struct node *nodes;

	if (count < 0)
		return count;
	nodes = calloc(spec->nodes, sizeof(*nodes));
	if (!nodes)
		return base_err(reterr, -ENOMEM, "no memory to place tasks");
	for (uint32_t i = 0; i < spec->nodes; i++)
		nodes[i].room = spec->slots && spec->slots[i] && !spec->overcommit ?
					spec->slots[i] : UINT32_MAX;
	for (uint32_t i = 0; rc == 0 && i < spec->app_count; i++) {
		const struct launch_shape *app = &spec->apps[i];

		rc = app->tasks_per_node ? count_even(nodes, app, reterr) :
					   count_round(nodes, app, reterr);
		for (uint32_t k = 0; rc == 0 && ret_app && k < app->tasks; k++)
			*ret_app++ = i;
		if (rc == 0)
			at = number(spec, app, nodes, ret_map, at);
	}
	for (uint32_t i = 0; rc == 0 && i < spec->nodes; i++)
		if (nodes[i].placed > LAUNCH_TASKS_PER_NODE_MAX)
			rc = base_err(reterr, -EINVAL, "%u tasks on node %u: at most %d",
				      nodes[i].placed, i, LAUNCH_TASKS_PER_NODE_MAX);
	free(nodes);
	return rc < 0 ? rc : count;
}
