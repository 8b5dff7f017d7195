/* SPDX-License-Identifier: MIT */
/* run_start.c - from the plan to a job, and to what it shall run. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "cli/run.h"
#include "proto/mpi.h"

static mode_t read_umask(void)
{
	mode_t mask = umask(077);

	umask(mask);
	return mask;
}

static void fill_job(struct run *run)
{
	const struct launch_plan *plan = run->plan;

	run->job_spec = (struct launch_job_spec){
		.source = plan->source,
		.wishes = &plan->options->sources,
		.hosts = &plan->hosts,
		.nodes = plan->nodes,
		.dhowd = plan->dhowd,
		.agent = plan->selection.agent,
		.fabric = plan->selection.fabric,
		.provider = plan->selection.provider,
		.nic = plan->selection.nic,
		.security = plan->options->security,
		.pool_bytes = plan->options->pool_bytes,
		.start_timeout_ms = plan->start_timeout_s * 1000,
		.verbose = plan->options->verbose,
	};
}

/* Local nodes share the machine: their daemons must not all begin with its first processor. */
static void add_settings(const struct launch_plan *plan, char *ret_settings[4])
{
	static char mpi[32];
	static char overcommit[] = "overcommit=1", one_machine[] = "one-machine=1";
	int count = 0;

	if (plan->options->overcommit)
		ret_settings[count++] = overcommit;
	if (plan->source->same_machine && plan->nodes > 1)
		ret_settings[count++] = one_machine;
	if (plan->options->mpi) {
		snprintf(mpi, sizeof(mpi), LAUNCH_SETTING_MPI "=%s", plan->options->mpi);
		ret_settings[count++] = mpi;
	}
	ret_settings[count] = NULL;
}

static enum launch_input_from input_from(enum launch_stdin_from from)
{
	switch (from) {
	case LAUNCH_STDIN_ALL:
		return LAUNCH_INPUT_ALL;
	case LAUNCH_STDIN_NONE:
		return LAUNCH_INPUT_NULL;
	default:
		return LAUNCH_INPUT_RANK;
	}
}

/* It is queued until all nodes are up. */
static int start(struct run *run, struct base_err *reterr)
{
	const struct launch_plan *plan = run->plan;
	char *settings[4];
	const struct launch_run_spec spec = {
		.apps = plan->apps,
		.app_count = plan->app_count,
		.map = plan->map,
		.size = plan->ntasks,
		.app_of_rank = plan->app_of_rank,
		.output = { run->streams.policy[0], run->streams.policy[1] },
		.input = input_from(plan->options->input),
		.input_rank = plan->options->input_rank,
		.umask = read_umask(),
		.restartable = plan->options->restarts > 0,
		.extras = run->streams.extras,
		.extra_count = run->streams.extra_count,
		.settings = settings,
	};
	struct launch_run_hooks hooks = launch_run_run_hooks;

	add_settings(plan, settings);
	hooks.arg = run;
	return launch_run_start(run->job, &spec, &hooks, &run->launched, reterr);
}

static int open_streams(struct run *run, struct base_err *reterr)
{
	uint32_t labels = run->options->label ? run->plan->ntasks : 0;
	int rc = launch_streams_open(run->plan, launch_job_tag(run->job), &run->streams, reterr);

	for (int i = 0; rc == 0 && i < 2; i++)
		launch_output_init(&run->output[i], run->streams.fd[i], labels);
	return rc;
}

int launch_run_open(struct run *run, struct base_err *reterr)
{
	struct launch_job_hooks hooks = launch_run_job_hooks;
	int rc;

	run->places = calloc(run->plan->nodes, sizeof(*run->places));
	run->ranks = calloc(run->plan->ntasks, sizeof(*run->ranks));
	if (!run->places || !run->ranks)
		return base_err(reterr, -ENOMEM, "no memory for %u tasks", run->plan->ntasks);
	run->signals = launch_run_open_signals(reterr);
	if (run->signals < 0)
		return run->signals;
	fill_job(run);
	hooks.arg = run;
	rc = launch_job_open(&run->job_spec, &hooks, &run->job, reterr);
	if (rc == 0)
		rc = open_streams(run, reterr);
	if (rc == 0)
		rc = start(run, reterr);
	if (rc == 0)
		snprintf(run->tag, sizeof(run->tag), "%s", launch_run_tag(run->launched));
	return rc;
}
