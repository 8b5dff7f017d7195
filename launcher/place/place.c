/* SPDX-License-Identifier: MIT */
/* place.c - see place.h. */
#include "place/place.h"

#include <errno.h>
#include <stddef.h>

int launch_place_block(uint32_t nodes, uint32_t tasks, struct launch_place *ret_map)
{
	uint64_t count = (uint64_t)nodes * tasks;

	if (nodes < 1 || nodes > LAUNCH_NODES_MAX || tasks < 1 || tasks > LAUNCH_TASKS_PER_NODE_MAX)
		return -EINVAL;
	if (count > LAUNCH_RANKS_MAX)
		return -E2BIG;
	for (uint32_t rank = 0; ret_map && rank < count; rank++) {
		ret_map[rank].rank = rank;
		ret_map[rank].node = rank / tasks;
		ret_map[rank].local_rank = rank % tasks;
	}
	return (int)count;
}
