/* SPDX-License-Identifier: MIT */
/* plan.c - see plan.h. */
#include "cli/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USAGE = 2, FAILED = 125 };
enum { POOL_DEFAULT_BYTES = 64 << 20 };	/* as in <dhow/node.h> */

static const char *plural(uint32_t count)
{
	return count == 1 ? "" : "s";
}

/* The three readings of -n and -N differ from launcher to launcher: never guess. */
static int too_many_nodes(const struct launch_plan *plan, uint32_t wanted,
			  struct base_err *reterr)
{
	uint32_t there = plan->hosts.count;

	if (plan->source->same_machine)
		base_err(reterr, -EINVAL, "-n %u: -n is NODES here, and there are %u (%s); for %u "
			 "tasks on one node write -n 1 -N %u", wanted, there, plan->source->name,
			 wanted, wanted);
	else
		base_err(reterr, -EINVAL, "-n is NODES here (%s has %u). For %u tasks in total "
			 "write --ntasks %u; for %u nodes --nodes %u", plan->source->name, there,
			 wanted, wanted, there, there);
	return USAGE;
}

/* Programs that do not say how many nodes they want get all that the others are on. */
static int decide_shapes(struct launch_plan *plan, uint32_t wanted, struct base_err *reterr)
{
	uint32_t there = wanted ? wanted : plan->hosts.count;

	for (uint32_t i = 0; i < plan->options->segment_count; i++) {
		struct launch_shape *shape = &plan->segments[i].shape;

		if (launch_shape_decide(shape, there, plan->hosts.tasks_per_node, reterr) < 0)
			return USAGE;
		if (plan->nodes < shape->first_node + shape->nodes)
			plan->nodes = shape->first_node + shape->nodes;
		plan->ntasks += shape->tasks;
	}
	return 0;
}

static int count_nodes(const struct launch_options *options, struct launch_plan *plan,
		       struct base_err *reterr)
{
	uint32_t wanted = 0;
	int rc;

	for (uint32_t i = 0; i < options->segment_count; i++) {
		uint32_t needs = launch_shape_nodes(&options->segment[i].shape);

		plan->segments[i].shape = options->segment[i].shape;
		wanted = needs > wanted ? needs : wanted;
	}
	plan->source = launch_wlm_find(&options->sources, reterr);
	if (!plan->source)
		return options->sources.wlm ? USAGE : FAILED;
	rc = launch_wlm_hosts(plan->source, &options->sources, wanted, &plan->hosts, reterr);
	if (rc < 0)
		return rc == -EINVAL ? USAGE : FAILED;
	if (wanted > plan->hosts.count)
		return too_many_nodes(plan, wanted, reterr);
	plan->start_timeout_s = options->start_timeout_s ? options->start_timeout_s :
							   plan->source->start_timeout_s;
	return decide_shapes(plan, wanted, reterr);
}

static int place_tasks(struct launch_plan *plan, struct base_err *reterr)
{
	uint32_t count = plan->options->segment_count;
	struct launch_shape *shapes = calloc(count, sizeof(*shapes));
	uint32_t *slots = calloc(plan->nodes, sizeof(*slots));
	const struct launch_place_spec spec = { .apps = shapes,
						.app_count = count,
						.slots = slots,
						.nodes = plan->nodes,
						.overcommit = plan->options->overcommit,
						.distribution = plan->options->distribution };
	int rc = -ENOMEM;

	for (uint32_t i = 0; slots && i < plan->nodes; i++)
		slots[i] = plan->hosts.host[i].slots;
	for (uint32_t i = 0; shapes && i < count; i++)
		shapes[i] = plan->segments[i].shape;
	plan->map = calloc(plan->ntasks, sizeof(*plan->map));
	plan->app_of_rank = calloc(plan->ntasks, sizeof(*plan->app_of_rank));
	if (shapes && slots && plan->map && plan->app_of_rank)
		rc = launch_place(&spec, plan->map, plan->app_of_rank, reterr);
	else
		base_err(reterr, -ENOMEM, "no memory for %u tasks", plan->ntasks);
	free(shapes);
	free(slots);
	return rc >= 0 ? 0 : rc == -ENOMEM ? FAILED : USAGE;
}

static int check_input(const struct launch_plan *plan, struct base_err *reterr)
{
	if (plan->options->input != LAUNCH_STDIN_RANK ||
	    plan->options->input_rank < plan->ntasks)
		return 0;
	base_err(reterr, -EINVAL, "--stdin %u: the ranks are 0 to %u", plan->options->input_rank,
		 plan->ntasks - 1);
	return USAGE;
}

/* MemAvailable of /proc/meminfo. Return: 0 when unknown. */
static uint64_t available_bytes(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];

	while (file && !kib && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) != 1)
			kib = 0;
	if (file)
		fclose(file);
	return kib * 1024;
}

/* Each node checks its own pool; only we know that local nodes share one memory, and would
 * otherwise see the kernel kill somebody when all of them fill theirs at once. */
static int check_memory(const struct launch_plan *plan, struct base_err *reterr)
{
	uint64_t pool = plan->options->pool_bytes, there = available_bytes();

	if (!pool)
		pool = POOL_DEFAULT_BYTES;
	if (!there || pool <= (there - there / 16) / plan->nodes)
		return 0;
	base_err(reterr, -ENOMEM, "--pool: %u node%s with %llu MiB each on this machine, where "
		 "%llu MiB are available\ntry: a smaller --pool, or fewer nodes", plan->nodes,
		 plural(plan->nodes), (unsigned long long)pool >> 20,
		 (unsigned long long)there >> 20);
	return FAILED;
}

int launch_plan_make(const struct launch_options *options, struct launch_plan *ret_plan,
		     struct base_err *reterr)
{
	struct launch_plan *plan = ret_plan;
	int code;

	memset(plan, 0, sizeof(*plan));
	plan->options = options;
	plan->segments = calloc(options->segment_count, sizeof(*plan->segments));
	if (!plan->segments) {
		base_err(reterr, -ENOMEM, "no memory for %u programs", options->segment_count);
		return FAILED;
	}
	code = count_nodes(options, plan, reterr);
	if (!code)
		code = place_tasks(plan, reterr);
	if (!code)
		code = check_input(plan, reterr);
	if (!code)
		code = launch_plan_apps(plan, reterr);
	if (!code && plan->source->same_machine)
		code = check_memory(plan, reterr);
	if (!code)
		code = launch_select(&options->wishes, "/sys", plan->nodes > 1, &plan->selection,
				     reterr);
	if (!code && plan->nodes == 1)
		plan->selection.agent[0] = 0;
	if (!code && launch_program_find("dhowd", plan->dhowd) < 0) {
		base_err(reterr, -ENOENT, "the daemon dhowd is not installed beside dlaunch");
		code = FAILED;
	}
	if (code)
		launch_plan_fini(plan);
	return code;
}

void launch_plan_fini(struct launch_plan *plan)
{
	launch_plan_apps_fini(plan);
	launch_hosts_fini(&plan->hosts);
	free(plan->map);
	free(plan->app_of_rank);
	plan->map = NULL;
	plan->app_of_rank = NULL;
}

static void print_shape(const char *what, const struct launch_shape *shape)
{
	if (shape->tasks_per_node && shape->tasks == shape->nodes * shape->tasks_per_node)
		fprintf(stderr, "dlaunch: %s%u node%s x %u task%s = %u task%s\n", what,
			shape->nodes, plural(shape->nodes), shape->tasks_per_node,
			plural(shape->tasks_per_node), shape->tasks, plural(shape->tasks));
	else
		fprintf(stderr, "dlaunch: %s%u task%s on %u node%s\n", what, shape->tasks,
			plural(shape->tasks), shape->nodes, plural(shape->nodes));
}

static void print_segments(const struct launch_plan *plan, int settings)
{
	uint32_t count = plan->options->segment_count, first = 0;
	char what[160];

	for (uint32_t i = 0; i < count; i++) {
		const struct launch_plan_segment *segment = &plan->segments[i];

		snprintf(what, sizeof(what), "ranks %u to %u: %.100s: ", first,
			 first + segment->shape.tasks - 1,
			 plan->options->multi_prog ? plan->options->multi_prog :
						     plan->options->segment[i].argv[0]);
		first += segment->shape.tasks;
		print_shape(count > 1 ? what : "", &segment->shape);
		for (char *const *at = segment->settings; settings && *at; at++)
			fprintf(stderr, "dlaunch: %s\n", *at);
	}
	if (count > 1)
		fprintf(stderr, "dlaunch: %u programs, %u tasks on %u node%s\n", count,
			plan->ntasks, plan->nodes, plural(plan->nodes));
}

void launch_plan_print(const struct launch_plan *plan, int tasks)
{
	print_segments(plan, tasks || plan->options->verbose);
	if (plan->nodes > 1)
		fprintf(stderr, "dlaunch: transport %s%s%s: %s\n", plan->selection.transport,
			*plan->selection.fabric ? ", fabric " : "", plan->selection.fabric,
			plan->selection.why);
	for (uint32_t i = 0; tasks && i < plan->ntasks; i++)
		fprintf(stderr, "dlaunch: rank %u node %u local rank %u\n", plan->map[i].rank,
			plan->map[i].node, plan->map[i].local_rank);
}
