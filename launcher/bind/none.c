/* SPDX-License-Identifier: MIT */
/* none.c - in place of bind.c where there is no hwloc. */
#include <errno.h>
#include <stddef.h>

#include "bind/bind.h"

int launch_topology_open(const char *synthetic, const cpu_set_t *allowed,
			 struct launch_topology **ret_topology, struct base_err *reterr)
{
	(void)synthetic;
	(void)allowed;
	*ret_topology = NULL;
	return base_err(reterr, -ENOSYS, "this dhow was built without hwloc: --cpu-bind=none and "
			"no --cpus-per-task");
}

void launch_topology_close(struct launch_topology *topology)
{
	(void)topology;
}

int launch_bind_masks(const struct launch_topology *topology,
		      const struct launch_bind_task *tasks, uint32_t count, int share,
		      cpu_set_t *ret_masks, struct base_err *reterr)
{
	(void)topology;
	(void)tasks;
	(void)count;
	(void)share;
	(void)ret_masks;
	return base_err(reterr, -ENOSYS, "built without hwloc");
}
