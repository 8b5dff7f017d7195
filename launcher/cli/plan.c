/* SPDX-License-Identifier: MIT */
/* plan.c - see plan.h. */
#include "cli/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/spawn.h"

enum { USAGE = 2, FAILED = 125 };
enum { POOL_DEFAULT_BYTES = 64 << 20 };	/* as in <dhow/node.h> */

static const char *plural(uint32_t count)
{
	return count == 1 ? "" : "s";
}

/* The three readings of -n and -N differ from launcher to launcher: never guess. */
static int too_many_nodes(const struct launch_options *options, const struct launch_plan *plan,
			  struct base_err *reterr)
{
	uint32_t wanted = options->nodes, there = plan->hosts.count;

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

static int count_nodes(const struct launch_options *options, struct launch_plan *plan,
		       struct base_err *reterr)
{
	int rc;

	plan->shape = (struct launch_shape){ options->nodes, options->tasks_per_node,
					     options->ntasks, 0 };
	plan->source = launch_wlm_find(&options->sources, reterr);
	if (!plan->source)
		return options->sources.wlm ? USAGE : FAILED;
	rc = launch_wlm_hosts(plan->source, &options->sources, launch_shape_nodes(&plan->shape),
			      &plan->hosts, reterr);
	if (rc < 0)
		return rc == -EINVAL ? USAGE : FAILED;
	if (options->nodes > plan->hosts.count)
		return too_many_nodes(options, plan, reterr);
	plan->start_timeout_s = options->start_timeout_s ? options->start_timeout_s :
							   plan->source->start_timeout_s;
	if (launch_shape_decide(&plan->shape, plan->hosts.count, plan->hosts.tasks_per_node,
				reterr) < 0)
		return USAGE;
	plan->nodes = plan->shape.nodes;
	plan->tasks_per_node = plan->shape.tasks_per_node;
	plan->ntasks = plan->shape.tasks;
	return 0;
}

static int place_tasks(struct launch_plan *plan, struct base_err *reterr)
{
	const struct launch_place_spec spec = { .apps = &plan->shape, .app_count = 1,
						.nodes = plan->nodes };

	plan->map = calloc(plan->ntasks, sizeof(*plan->map));
	if (!plan->map) {
		base_err(reterr, -ENOMEM, "no memory for %u tasks", plan->ntasks);
		return FAILED;
	}
	return launch_place(&spec, plan->map, NULL, reterr) < 0 ? USAGE : 0;
}

static int choose_wdir(const struct launch_options *options, struct launch_plan *plan,
		       struct base_err *reterr)
{
	struct stat st;
	int rc = 0;

	if (!realpath(options->wdir ? options->wdir : ".", plan->wdir))
		rc = -errno;
	else if (stat(plan->wdir, &st) < 0)
		rc = -errno;
	else if (!S_ISDIR(st.st_mode))
		rc = -ENOTDIR;
	else if (access(plan->wdir, X_OK) < 0)
		rc = -errno;
	if (rc == 0)
		return 0;
	base_err(reterr, rc, "--wdir \"%.150s\": %s", options->wdir ? options->wdir : ".",
		 strerror(-rc));
	return USAGE;
}

static int same_name(const char *a, const char *b)
{
	size_t bytes = strcspn(a, "=");

	return strncmp(a, b, bytes) == 0 && b[bytes] == '=';
}

/* Our environment, in which --env replaces and adds; the last one of a name wins. */
static int make_environment(const struct launch_options *options, struct launch_plan *plan)
{
	size_t count = 0, kept = 0;

	while (environ[count])
		count++;
	plan->env = calloc(count + options->env_count + 1, sizeof(*plan->env));
	if (!plan->env)
		return -ENOMEM;
	for (size_t i = 0; i < count + options->env_count; i++) {
		char *entry = i < count ? environ[i] : options->env[i - count];
		size_t at = 0;

		while (at < kept && !same_name(entry, plan->env[at]))
			at++;
		plan->env[at] = entry;
		kept += at == kept;
	}
	return 0;
}

static const char *find_path(char *const *env)
{
	for (; *env; env++)
		if (strncmp(*env, "PATH=", 5) == 0)
			return *env + 5;
	return NULL;
}

static int check_program(const struct launch_plan *plan, struct base_err *reterr)
{
	const char *name = plan->options->argv[0], *path = find_path(plan->env);
	char found[PATH_MAX];
	int rc = base_spawn_find(name, path, plan->wdir, found);

	if (rc == 0)
		return 0;
	if (rc == -ENOENT && !strchr(name, '/'))
		base_err(reterr, rc, "program \"%.100s\" not found: it is in no directory of PATH "
			 "(a program of this directory is ./%.60s)", name, name);
	else if (rc == -ENOENT)
		base_err(reterr, rc, "program \"%.150s\" not found: no such file", name);
	else
		base_err(reterr, rc, "program \"%.150s\" cannot be executed: %s", name,
			 strerror(-rc));
	return base_spawn_exit_code(rc);
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
	code = count_nodes(options, plan, reterr);
	if (!code)
		code = place_tasks(plan, reterr);
	if (!code)
		code = choose_wdir(options, plan, reterr);
	if (!code && make_environment(options, plan) < 0) {
		base_err(reterr, -ENOMEM, "no memory for the environment");
		code = FAILED;
	}
	if (!code && plan->source->same_machine)
		code = check_program(plan, reterr);
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
	launch_hosts_fini(&plan->hosts);
	free(plan->map);
	free(plan->env);
	plan->map = NULL;
	plan->env = NULL;
}

void launch_plan_print(const struct launch_plan *plan, int tasks)
{
	if (plan->tasks_per_node)
		fprintf(stderr, "dlaunch: %u node%s x %u task%s = %u task%s\n", plan->nodes,
			plural(plan->nodes), plan->tasks_per_node,
			plural(plan->tasks_per_node), plan->ntasks, plural(plan->ntasks));
	else
		fprintf(stderr, "dlaunch: %u task%s on %u node%s\n", plan->ntasks,
			plural(plan->ntasks), plan->nodes, plural(plan->nodes));
	if (plan->nodes > 1)
		fprintf(stderr, "dlaunch: transport %s%s%s: %s\n", plan->selection.transport,
			*plan->selection.fabric ? ", fabric " : "", plan->selection.fabric,
			plan->selection.why);
	for (uint32_t i = 0; tasks && i < plan->ntasks; i++)
		fprintf(stderr, "dlaunch: rank %u node %u local rank %u\n", plan->map[i].rank,
			plan->map[i].node, plan->map[i].local_rank);
}
