/* SPDX-License-Identifier: MIT */
/* shape.c - nodes, tasks per node and all tasks: what follows from what; see place.h. */
#include <errno.h>

#include "place/place.h"

static uint32_t quotient_up(uint32_t a, uint32_t b)
{
	return a / b + (a % b != 0);
}

uint32_t launch_shape_nodes(const struct launch_shape *shape)
{
	if (shape->nodes)
		return shape->first_node + shape->nodes;
	if (shape->tasks_per_node && shape->tasks)
		return shape->first_node + quotient_up(shape->tasks, shape->tasks_per_node);
	return shape->first_node ? shape->first_node + 1 : 0;
}

static int check_range(const struct launch_shape *shape, struct base_err *reterr)
{
	if (shape->nodes > LAUNCH_NODES_MAX)
		return base_err(reterr, -EINVAL, "%u nodes: at most %d", shape->nodes,
				LAUNCH_NODES_MAX);
	if (shape->tasks_per_node > LAUNCH_TASKS_PER_NODE_MAX)
		return base_err(reterr, -EINVAL, "%u tasks per node: at most %d",
				shape->tasks_per_node, LAUNCH_TASKS_PER_NODE_MAX);
	return 0;
}

/* Both numbers of a node and the total were said. */
static int agree(const struct launch_shape *shape, struct base_err *reterr)
{
	uint64_t product = (uint64_t)shape->nodes * shape->tasks_per_node;

	if (product == shape->tasks)
		return 0;
	return base_err(reterr, -EINVAL, "--ntasks %u does not agree with %u nodes x %u tasks = "
			"%llu tasks", shape->tasks, shape->nodes, shape->tasks_per_node,
			(unsigned long long)product);
}

int launch_shape_decide(struct launch_shape *shape, uint32_t there, uint32_t tasks_per_node,
			struct base_err *reterr)
{
	uint32_t needs = launch_shape_nodes(shape);
	uint64_t total;
	int rc = 0;

	if (needs > there)
		return base_err(reterr, -EINVAL, "%u nodes are needed, and there are %u", needs,
				there);
	if (shape->nodes && shape->tasks_per_node && shape->tasks)
		rc = agree(shape, reterr);
	if (rc < 0)
		return rc;
	if (!shape->nodes && shape->tasks_per_node && shape->tasks)
		shape->nodes = quotient_up(shape->tasks, shape->tasks_per_node);
	if (!shape->nodes)
		shape->nodes = there - shape->first_node;
	if (shape->tasks && !shape->tasks_per_node && shape->tasks < shape->nodes) {
		if (needs)
			return base_err(reterr, -EINVAL, "--ntasks %u leaves some of %u nodes "
					"empty: --nodes %u", shape->tasks, shape->nodes,
					shape->tasks);
		shape->nodes = shape->tasks;
	}
	if (!shape->tasks && !shape->tasks_per_node)
		shape->tasks_per_node = tasks_per_node ? tasks_per_node : 1;
	rc = check_range(shape, reterr);
	if (rc < 0)
		return rc;
	total = shape->tasks ? shape->tasks : (uint64_t)shape->nodes * shape->tasks_per_node;
	if (total > LAUNCH_RANKS_MAX)
		return base_err(reterr, -E2BIG, "%u nodes x %u tasks: more than %d tasks",
				shape->nodes, shape->tasks_per_node, LAUNCH_RANKS_MAX);
	shape->tasks = (uint32_t)total;
	return 0;
}
