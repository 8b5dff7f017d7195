/* SPDX-License-Identifier: MIT */
/* run_start.c - from the plan to a job, and to what it shall run. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "cli/run.h"

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

/* It is queued until all nodes are up. */
static int start(struct run *run, struct base_err *reterr)
{
	const struct launch_plan *plan = run->plan;
	const struct launch_app app = { .argv = plan->options->argv,
					.env = plan->env,
					.wdir = plan->wdir };
	const struct launch_run_spec spec = {
		.apps = &app,
		.app_count = 1,
		.map = plan->map,
		.size = plan->ntasks,
		.output = { { .to = LAUNCH_OUTPUT_FORWARD }, { .to = LAUNCH_OUTPUT_FORWARD } },
		.input = LAUNCH_INPUT_RANK,
		.umask = read_umask(),
	};
	struct launch_run_hooks hooks = launch_run_run_hooks;

	hooks.arg = run;
	return launch_run_start(run->job, &spec, &hooks, &run->launched, reterr);
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
		rc = start(run, reterr);
	if (rc == 0)
		snprintf(run->tag, sizeof(run->tag), "%s", launch_run_tag(run->launched));
	return rc;
}
