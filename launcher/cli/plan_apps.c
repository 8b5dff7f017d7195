/* SPDX-License-Identifier: MIT */
/* plan_apps.c - the programs of a run: directory, environment, settings; see plan.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/spawn.h"
#include "cli/plan.h"

enum { USAGE = 2, FAILED = 125 };

static int choose_wdir(const char *wanted, struct launch_plan_segment *segment,
		       struct base_err *reterr)
{
	struct stat st;
	int rc = 0;

	if (!realpath(wanted ? wanted : ".", segment->wdir))
		rc = -errno;
	else if (stat(segment->wdir, &st) < 0)
		rc = -errno;
	else if (!S_ISDIR(st.st_mode))
		rc = -ENOTDIR;
	else if (access(segment->wdir, X_OK) < 0)
		rc = -errno;
	if (rc == 0)
		return 0;
	base_err(reterr, rc, "--wdir \"%.150s\": %s", wanted ? wanted : ".", strerror(-rc));
	return USAGE;
}

static int add_setting(struct launch_plan_segment *segment, const char *name, const char *value)
{
	int count = 0;

	while (segment->settings[count])
		count++;
	return asprintf(&segment->settings[count], "%s=%s", name, value) < 0 ? -ENOMEM : 0;
}

static int add_number(struct launch_plan_segment *segment, const char *name, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	return value ? add_setting(segment, name, text) : 0;
}

/* Each node has its own processors and GPUs, so its daemon computes what a task gets. Who asks
 * for processors wants to keep them. */
static int make_settings(const struct launch_segment *said, struct launch_plan_segment *segment)
{
	const char *bind = said->cpu_bind ? said->cpu_bind : said->cpus_per_task ? "core" : NULL;
	int rc = bind ? add_setting(segment, "cpu-bind", bind) : 0;

	if (rc == 0)
		rc = add_number(segment, "cpus-per-task", said->cpus_per_task);
	return rc == 0 ? add_number(segment, "gpus-per-task", said->gpus_per_task) : rc;
}

static int make_segment(const struct launch_options *options, uint32_t index,
			struct launch_plan_segment *segment, struct base_err *reterr)
{
	const struct launch_segment *said = &options->segment[index];
	const struct launch_env_edits *const edits[] = { &options->env, &said->env };
	int code = choose_wdir(said->wdir, segment, reterr);

	if (code)
		return code;
	segment->env = launch_env_make(environ, said->exports, edits, 2, &segment->env_owned);
	if (segment->env && make_settings(said, segment) == 0)
		return 0;
	base_err(reterr, -ENOMEM, "no memory for the environment");
	return FAILED;
}

static int check_program(const struct launch_app *app, struct base_err *reterr)
{
	const char *name = app->argv[0], *path = launch_env_get(app->env, "PATH");
	char found[PATH_MAX];
	int rc = base_spawn_find(name, path, app->wdir, found);

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

/* Return: 0; an exit code. */
static int read_multi_prog(struct launch_plan *plan, struct base_err *reterr)
{
	int rc = launch_multi_prog_read(plan->options->multi_prog, plan->ntasks,
					LAUNCH_RUN_APPS_MAX, &plan->multi_prog, reterr);

	if (rc < 0)
		return rc == -ENOMEM ? FAILED : USAGE;
	memcpy(plan->app_of_rank, plan->multi_prog.of_rank,
	       plan->ntasks * sizeof(*plan->app_of_rank));
	plan->app_count = plan->multi_prog.count;
	return 0;
}

int launch_plan_apps(struct launch_plan *plan, struct base_err *reterr)
{
	const struct launch_options *options = plan->options;
	int code = 0;

	for (uint32_t i = 0; !code && i < options->segment_count; i++)
		code = make_segment(options, i, &plan->segments[i], reterr);
	plan->app_count = options->segment_count;
	if (!code && options->multi_prog)
		code = read_multi_prog(plan, reterr);
	if (code)
		return code;
	plan->apps = calloc(plan->app_count, sizeof(*plan->apps));
	if (!plan->apps) {
		base_err(reterr, -ENOMEM, "no memory for %u programs", plan->app_count);
		return FAILED;
	}
	for (uint32_t i = 0; !code && i < plan->app_count; i++) {
		uint32_t from = options->multi_prog ? 0 : i;
		struct launch_plan_segment *segment = &plan->segments[from];

		plan->apps[i] = (struct launch_app){
			.argv = options->multi_prog ? plan->multi_prog.argv[i] :
						      options->segment[i].argv,
			.env = segment->env,
			.wdir = segment->wdir,
			.settings = segment->settings,
		};
		if (plan->source->same_machine)
			code = check_program(&plan->apps[i], reterr);
	}
	return code;
}

void launch_plan_apps_fini(struct launch_plan *plan)
{
	for (uint32_t i = 0; plan->segments && i < plan->options->segment_count; i++) {
		free(plan->segments[i].env);
		free(plan->segments[i].env_owned);
		for (int k = 0; k < LAUNCH_SETTINGS_MAX; k++)
			free(plan->segments[i].settings[k]);
	}
	launch_multi_prog_fini(&plan->multi_prog);
	free(plan->segments);
	free(plan->apps);
	plan->segments = NULL;
	plan->apps = NULL;
}
