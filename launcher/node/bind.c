/* SPDX-License-Identifier: MIT */
/*
 * bind.c - see bind.h.
 *
 * Nodes that are one machine share its processors and GPUs: each of their daemons computes the
 * masks of all tasks, and uses those of its own.
 */
#include "node/bind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind/bind.h"
#include "bind/gpus.h"

struct daemon_binding {
	struct launch_bind_policy *policies;	/* by app */
	uint32_t *cpus, *gpus;			/* of each task, by app */
	int binds, share;
	/* Tasks of this machine in the order of ranks, and which are ours. */
	struct launch_bind_task *tasks;
	uint32_t count;
	cpu_set_t *masks;
	uint32_t *first_gpu;
	uint32_t *index;			/* in @tasks, by local rank of this node */
};

static uint32_t number(const struct daemon_run *run, uint32_t app, const char *name)
{
	const char *text = launch_daemon_run_setting(run, app, name);

	return text ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

/* Return: 1 some app wants something; 0; negative errno. */
static int read_settings(const struct daemon_run *run, struct daemon_binding *binding,
			 struct base_err *reterr)
{
	int wanted = 0;

	for (uint32_t i = 0; i < run->start->apps.count; i++) {
		const char *text = launch_daemon_run_setting(run, i, "cpu-bind");

		if (text && launch_bind_parse(text, &binding->policies[i], reterr) < 0)
			return -EINVAL;
		binding->cpus[i] = number(run, i, "cpus-per-task");
		binding->gpus[i] = number(run, i, "gpus-per-task");
		binding->binds |= binding->policies[i].kind != LAUNCH_BIND_NONE ||
				  binding->policies[i].verbose;
		wanted |= binding->gpus[i] > 0;
	}
	return wanted || binding->binds;
}

static int list_tasks(const struct daemon_run *run, struct daemon_binding *binding)
{
	int one_machine = launch_daemon_run_setting(run, 0, "one-machine") != NULL;
	uint32_t here = run->daemon->boot->node, ours = 0, gpu = 0;
	uint32_t *locals = calloc(run->daemon->boot->nodes + 1, sizeof(*locals));
	struct launch_start_range range;
	const uint8_t *at = NULL;

	binding->tasks = calloc(run->start->size, sizeof(*binding->tasks));
	binding->first_gpu = calloc(run->start->size, sizeof(*binding->first_gpu));
	binding->index = calloc(run->task_count, sizeof(*binding->index));
	if (!locals || !binding->tasks || !binding->first_gpu || !binding->index) {
		free(locals);
		return -ENOMEM;
	}
	while (launch_range_next(run->start, &at, &range)) {
		for (uint32_t i = 0; i < range.count; i++) {
			if (range.node > run->daemon->boot->nodes ||
			    (range.node != here && !one_machine))
				continue;
			if (range.node == here && ours < run->task_count)
				binding->index[ours++] = binding->count;
			binding->first_gpu[binding->count] = gpu;
			gpu += binding->gpus[range.app];
			binding->tasks[binding->count++] = (struct launch_bind_task){
				&binding->policies[range.app], binding->cpus[range.app],
				locals[range.node]++ };
		}
	}
	free(locals);
	return 0;
}

static int make_masks(struct daemon_binding *binding, struct base_err *reterr)
{
	struct launch_topology *topology;
	cpu_set_t allowed;
	int rc;

	binding->masks = calloc(binding->count, sizeof(*binding->masks));
	if (!binding->masks)
		return base_err(reterr, -ENOMEM, "no memory for masks of processors");
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return base_err(reterr, -errno, "cannot learn which processors are allowed: %s",
				strerror(errno));
	rc = launch_topology_open(NULL, &allowed, &topology, reterr);
	if (rc < 0)
		return rc;
	rc = launch_bind_masks(topology, binding->tasks, binding->count, binding->share,
			       binding->masks, reterr);
	launch_topology_close(topology);
	return rc;
}

static int open_binding(struct daemon_run *run, struct base_err *reterr)
{
	struct daemon_binding *binding = calloc(1, sizeof(*binding));
	uint32_t apps = run->start->apps.count;
	int rc;

	run->binding = binding;
	if (binding) {
		binding->policies = calloc(apps, sizeof(*binding->policies));
		binding->cpus = calloc(apps, sizeof(*binding->cpus));
		binding->gpus = calloc(apps, sizeof(*binding->gpus));
	}
	if (!binding || !binding->policies || !binding->cpus || !binding->gpus)
		return base_err(reterr, -ENOMEM, "no memory to bind tasks");
	rc = read_settings(run, binding, reterr);
	if (rc <= 0)
		return rc;
	binding->share = launch_daemon_run_setting(run, 0, "overcommit") ||
			 launch_daemon_run_setting(run, 0, "one-machine");
	rc = list_tasks(run, binding);
	if (rc < 0)
		return base_err(reterr, rc, "no memory to bind tasks");
	return binding->binds ? make_masks(binding, reterr) : 0;
}

/* What this node's own step may use counts, not what came from where dlaunch runs. */
static const char *get_variable(void *arg, const char *name)
{
	const char *value = getenv(name);

	return value ? value : launch_daemon_birth_get(arg, name);
}

static int set_variable(void *arg, const char *entry)
{
	return launch_daemon_birth_add(arg, entry);
}

int launch_daemon_bind(struct daemon_task *task, cpu_set_t *ret_cpus, struct base_err *reterr)
{
	struct daemon_run *run = task->run;
	const struct launch_gpus_hooks hooks = { run->birth, get_variable, set_variable };
	struct daemon_binding *binding;
	char text[128];
	uint32_t index;
	int rc = run->binding ? 0 : open_binding(run, reterr);

	binding = run->binding;
	if (rc < 0 || !binding->index)
		return rc;
	index = binding->index[task - run->tasks];
	if (binding->gpus[task->app])
		rc = launch_gpus_assign("", &hooks, binding->first_gpu[index],
					binding->gpus[task->app], binding->share, reterr);
	if (rc < 0 || !binding->masks)
		return rc;
	*ret_cpus = binding->masks[index];
	if (binding->policies[task->app].verbose) {
		launch_cpus_text(ret_cpus, text, sizeof(text));
		fprintf(stderr, "dhowd: rank %u on node %u: processors %s\n", task->rank,
			run->daemon->boot->node, text);
	}
	return binding->policies[task->app].kind != LAUNCH_BIND_NONE;
}

void launch_daemon_bind_close(struct daemon_run *run)
{
	struct daemon_binding *binding = run->binding;

	run->binding = NULL;
	if (!binding)
		return;
	free(binding->policies);
	free(binding->cpus);
	free(binding->gpus);
	free(binding->tasks);
	free(binding->masks);
	free(binding->first_gpu);
	free(binding->index);
	free(binding);
}
