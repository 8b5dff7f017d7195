/* SPDX-License-Identifier: MIT */
/*
 * place.h - which rank runs where: pure functions of numbers, so that --dry-run, the run and the
 * tests agree.
 */
#ifndef LAUNCH_PLACE_H
#define LAUNCH_PLACE_H

#include <stdint.h>

#include "base/err.h"

enum { LAUNCH_NODES_MAX = 4096, LAUNCH_TASKS_PER_NODE_MAX = 4096, LAUNCH_RANKS_MAX = 1 << 20 };

/* How many, as a person says it; 0 = not said. */
struct launch_shape {
	uint32_t nodes, tasks_per_node, tasks;
	uint32_t first_node;		/* the nodes are those from here on */
};

/* How many nodes the shape needs at least, counted from node 0; 0 = it does not say. */
uint32_t launch_shape_nodes(const struct launch_shape *shape);

/**
 * launch_shape_decide - fill in what was not said.
 * @there: nodes that there are.
 * @tasks_per_node: what is usual on them.
 *
 * @shape->tasks_per_node stays 0 where only the total is known: it may be uneven then.
 * Return: 0; -EINVAL the numbers do not fit together, or there are fewer nodes.
 */
int launch_shape_decide(struct launch_shape *shape, uint32_t there, uint32_t tasks_per_node,
			struct base_err *reterr);

struct launch_place {
	uint32_t rank, node, local_rank;
};

enum launch_distribution {
	LAUNCH_BLOCK,		/* ranks fill a node, then the next */
	LAUNCH_CYCLIC,		/* one rank on each node in turn */
};

/* Programs side by side: their ranks count on from one to the next. Borrowed for the call. */
struct launch_place_spec {
	const struct launch_shape *apps;	/* decided */
	uint32_t app_count;
	const uint32_t *slots;		/* of each node, 0 = no limit; NULL = none has one */
	uint32_t nodes;			/* entries of @slots */
	int overcommit;			/* slots do not count */
	enum launch_distribution distribution;
};

/**
 * launch_place - place all ranks.
 * @ret_map: room for the tasks of all apps, filled in the order of ranks; local ranks of a node
 * count up from 0 in that order.
 * @ret_app: index of the app of each rank; may be NULL.
 *
 * A total that is not spread by itself goes round the nodes one by one, past those that are full;
 * so 12 tasks on 5 nodes are 3, 3, 2, 2, 2. Return: how many ranks; -EINVAL out of range;
 * -ENOSPC more than there are slots; -E2BIG more than LAUNCH_RANKS_MAX ranks; -ENOMEM.
 */
int launch_place(const struct launch_place_spec *spec, struct launch_place *ret_map,
		 uint32_t *ret_app, struct base_err *reterr);

/* How many ranks that will be, for the room. Return: as launch_place(). */
int launch_place_count(const struct launch_place_spec *spec, struct base_err *reterr);

#endif
