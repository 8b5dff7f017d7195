/* SPDX-License-Identifier: MIT */
/* bind.c - see bind.h. */
#include "bind/bind.h"

#include <errno.h>
#include <hwloc.h>
#include <hwloc/glibc-sched.h>
#include <stdlib.h>
#include <string.h>

struct launch_topology {
	hwloc_topology_t hwloc;
	cpu_set_t allowed;
	/* What tasks are bound to, in the order of hwloc: threads of a core are neighbours. */
	struct domains {
		cpu_set_t *cpus;
		uint32_t count;
	} threads, cores, sockets, numas;
};

/* Caches, devices and what else hwloc knows would cost time, and are not looked at. Its x86
 * back end binds itself to each processor in turn, and finds nothing that /sys does not say. */
static int load(struct launch_topology *topology, const char *synthetic)
{
	hwloc_topology_t hwloc;

	if (hwloc_topology_init(&hwloc) < 0)
		return -ENOMEM;
	topology->hwloc = hwloc;
	hwloc_topology_set_all_types_filter(hwloc, HWLOC_TYPE_FILTER_KEEP_NONE);
	hwloc_topology_set_type_filter(hwloc, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
	hwloc_topology_set_type_filter(hwloc, HWLOC_OBJ_PACKAGE, HWLOC_TYPE_FILTER_KEEP_ALL);
	hwloc_topology_set_components(hwloc, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
	if (synthetic && hwloc_topology_set_synthetic(hwloc, synthetic) < 0)
		return -EINVAL;
	return hwloc_topology_load(hwloc) < 0 ? -EIO : 0;
}

static int restrict_to(struct launch_topology *topology, const cpu_set_t *allowed)
{
	hwloc_bitmap_t set = hwloc_bitmap_alloc();
	int rc = set ? 0 : -ENOMEM;

	if (rc == 0 && hwloc_cpuset_from_glibc_sched_affinity(topology->hwloc, set, allowed,
							      sizeof(*allowed)) < 0)
		rc = -EIO;
	if (rc == 0 && !hwloc_bitmap_intersects(
			       set, hwloc_topology_get_topology_cpuset(topology->hwloc)))
		rc = -ENOENT;
	if (rc == 0 && hwloc_topology_restrict(topology->hwloc, set, 0) < 0)
		rc = errno == ENOMEM ? -ENOMEM : -EIO;
	hwloc_bitmap_free(set);
	return rc;
}

/* Objects without processors (memory of a GPU), or with those of one before (a second kind of
 * memory), are no domain of their own. Where there is no object at all, the machine is one. */
static int list_domains(const struct launch_topology *topology, hwloc_obj_type_t type,
			struct domains *ret)
{
	int count = hwloc_get_nbobjs_by_type(topology->hwloc, type);
	cpu_set_t seen, common;

	CPU_ZERO(&seen);
	ret->cpus = calloc(count > 0 ? (size_t)count : 1, sizeof(*ret->cpus));
	if (!ret->cpus)
		return -ENOMEM;
	for (int i = 0; i < count; i++) {
		hwloc_obj_t object = hwloc_get_obj_by_type(topology->hwloc, type, (unsigned)i);
		cpu_set_t *cpus = &ret->cpus[ret->count];

		hwloc_cpuset_to_glibc_sched_affinity(topology->hwloc, object->cpuset, cpus,
						     sizeof(*cpus));
		CPU_AND(&common, cpus, &seen);
		if (CPU_COUNT(cpus) == 0 || CPU_COUNT(&common) > 0)
			continue;
		CPU_OR(&seen, &seen, cpus);
		ret->count++;
	}
	if (ret->count == 0)
		ret->cpus[ret->count++] = topology->allowed;
	return 0;
}

static int list_all(struct launch_topology *topology)
{
	struct launch_topology *t = topology;
	int rc = list_domains(t, HWLOC_OBJ_PU, &t->threads);

	if (rc == 0)	/* some virtual machines show no cores */
		rc = list_domains(t, hwloc_get_nbobjs_by_type(t->hwloc, HWLOC_OBJ_CORE) > 0 ?
						HWLOC_OBJ_CORE : HWLOC_OBJ_PU, &t->cores);
	if (rc == 0)
		rc = list_domains(t, HWLOC_OBJ_PACKAGE, &t->sockets);
	return rc == 0 ? list_domains(t, HWLOC_OBJ_NUMANODE, &t->numas) : rc;
}

int launch_topology_open(const char *synthetic, const cpu_set_t *allowed,
			 struct launch_topology **ret_topology, struct base_err *reterr)
{
	struct launch_topology *topology = calloc(1, sizeof(*topology));
	int rc = topology ? load(topology, synthetic) : -ENOMEM;

	if (rc == 0 && allowed)
		rc = restrict_to(topology, allowed);
	if (rc == 0) {
		hwloc_const_cpuset_t all = hwloc_topology_get_topology_cpuset(topology->hwloc);

		hwloc_cpuset_to_glibc_sched_affinity(topology->hwloc, all, &topology->allowed,
						     sizeof(topology->allowed));
		rc = list_all(topology);
	}
	if (rc < 0) {
		launch_topology_close(topology);
		return base_err(reterr, rc, "cannot learn which processors there are (hwloc): %s",
				strerror(-rc));
	}
	*ret_topology = topology;
	return 0;
}

void launch_topology_close(struct launch_topology *topology)
{
	if (!topology)
		return;
	if (topology->hwloc)
		hwloc_topology_destroy(topology->hwloc);
	free(topology->threads.cpus);
	free(topology->cores.cpus);
	free(topology->sockets.cpus);
	free(topology->numas.cpus);
	free(topology);
}

/* Domains one behind the other until they hold what the task wants. */
static int take_next(const struct domains *domains, uint32_t *next,
		     const struct launch_bind_task *task, int share, cpu_set_t *ret_mask,
		     struct base_err *reterr)
{
	int wanted = task->cpus ? (int)task->cpus : 1;
	uint32_t taken = 0;

	CPU_ZERO(ret_mask);
	while (CPU_COUNT(ret_mask) < wanted && taken < domains->count) {
		if (*next == domains->count && share)
			*next = 0;
		if (*next == domains->count)
			break;
		CPU_OR(ret_mask, ret_mask, &domains->cpus[(*next)++]);
		taken++;
	}
	if (CPU_COUNT(ret_mask) >= wanted)
		return 0;
	return base_err(reterr, -ENOSPC, "local rank %u finds no %d free processor%s of the %u "
			"%s here: fewer tasks or --cpus-per-task%s", task->local_rank, wanted,
			wanted == 1 ? "" : "s", domains->count,
			domains->count == 1 ? "core" : "cores",
			share ? "" : ", or --overcommit to share them");
}

static int take_item(const struct launch_topology *topology, const struct launch_bind_task *task,
		     cpu_set_t *ret_mask, struct base_err *reterr)
{
	char item[LAUNCH_BIND_CPUS_MAX / 4 + 8], there[96];
	hwloc_bitmap_t set;
	cpu_set_t wanted;

	CPU_ZERO(&wanted);
	launch_bind_item(task->policy, task->local_rank, item, sizeof(item));
	if (task->policy->kind == LAUNCH_BIND_MAP) {
		CPU_SET((size_t)atoi(item), &wanted);
	} else {
		set = hwloc_bitmap_alloc();
		if (!set)
			return -ENOMEM;
		hwloc_bitmap_taskset_sscanf(set, item);
		hwloc_cpuset_to_glibc_sched_affinity(topology->hwloc, set, &wanted,
						     sizeof(wanted));
		hwloc_bitmap_free(set);
	}
	CPU_AND(ret_mask, &wanted, &topology->allowed);
	if (CPU_EQUAL(ret_mask, &wanted))
		return 0;
	launch_cpus_text(&topology->allowed, there, sizeof(there));
	return base_err(reterr, -EINVAL, "--cpu-bind: \"%.60s\" of local rank %u is not within "
			"the processors that are allowed here: %s", item, task->local_rank, there);
}

int launch_bind_masks(const struct launch_topology *topology,
		      const struct launch_bind_task *tasks, uint32_t count, int share,
		      cpu_set_t *ret_masks, struct base_err *reterr)
{
	uint32_t core = 0, thread = 0;	/* what the next one gets */
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		const struct domains *spread = NULL;

		switch (tasks[i].policy->kind) {
		case LAUNCH_BIND_NONE:
			ret_masks[i] = topology->allowed;
			break;
		case LAUNCH_BIND_CORE:
			rc = take_next(&topology->cores, &core, &tasks[i], share, &ret_masks[i],
				       reterr);
			break;
		case LAUNCH_BIND_RANK:
			rc = take_next(&topology->threads, &thread, &tasks[i], share,
				       &ret_masks[i], reterr);
			break;
		case LAUNCH_BIND_SOCKET:
			spread = &topology->sockets;
			break;
		case LAUNCH_BIND_NUMA:
			spread = &topology->numas;
			break;
		case LAUNCH_BIND_MAP:
		case LAUNCH_BIND_MASK:
			rc = take_item(topology, &tasks[i], &ret_masks[i], reterr);
			break;
		}
		if (spread)	/* neighbours stay together */
			ret_masks[i] = spread->cpus[(uint64_t)i * spread->count / count];
	}
	return rc;
}
