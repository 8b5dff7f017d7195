/* SPDX-License-Identifier: MIT */
/*
 * place.h - which rank runs where: a pure function of nodes and tasks.
 */
#ifndef LAUNCH_PLACE_H
#define LAUNCH_PLACE_H

#include <stdint.h>

enum { LAUNCH_NODES_MAX = 4096, LAUNCH_TASKS_PER_NODE_MAX = 4096, LAUNCH_RANKS_MAX = 1 << 20 };

struct launch_place {
	uint32_t rank, node, local_rank;
};

/**
 * launch_place_block - ranks 0 to @tasks-1 on node 0, the next @tasks on node 1, and so on.
 * @nodes: 1 to LAUNCH_NODES_MAX.
 * @tasks: per node, 1 to LAUNCH_TASKS_PER_NODE_MAX.
 * @ret_map: room for nodes * tasks entries, filled in the order of ranks.
 *
 * Return: how many ranks; -EINVAL a number is out of its range; -E2BIG more than
 * LAUNCH_RANKS_MAX ranks. @ret_map NULL only counts.
 */
int launch_place_block(uint32_t nodes, uint32_t tasks, struct launch_place *ret_map);

#endif
