/* SPDX-License-Identifier: MIT */
/* fake_job.c - see fake_job.h. */
#include "fake_job.h"

#include <stdio.h>
#include <string.h>

struct launch_run fake_runs[FAKE_RUNS_MAX];
unsigned fake_run_count;
int fake_start_result;

void fake_reset(void)
{
	memset(fake_runs, 0, sizeof(fake_runs));
	fake_run_count = 0;
	fake_start_result = 0;
}

static void join(char *text, size_t room, char *const *list)
{
	size_t used = 0;

	for (; list && *list && used < room; list++)
		used += (size_t)snprintf(text + used, room - used, "%s;", *list);
}

int launch_run_start(struct launch_job *job, const struct launch_run_spec *spec,
		     const struct launch_run_hooks *hooks, struct launch_run **ret_run,
		     struct base_err *reterr)
{
	struct launch_run *run = &fake_runs[fake_run_count];
	size_t used = 0;

	(void)job;
	if (fake_start_result < 0)
		return base_err(reterr, fake_start_result, "as the test wants it");
	fake_run_count++;
	run->hooks = *hooks;
	run->size = spec->size;
	for (uint32_t i = 0; i < spec->size && i < 64; i++)
		run->nodes[i] = spec->map[i].node;
	snprintf(run->argv0, sizeof(run->argv0), "%s", spec->apps[0].argv[0]);
	snprintf(run->wdir, sizeof(run->wdir), "%s", spec->apps[0].wdir);
	join(run->env, sizeof(run->env), spec->apps[0].env);
	join(run->settings, sizeof(run->settings), spec->settings);
	if (spec->output[0].to == LAUNCH_OUTPUT_FILE)
		snprintf(run->output, sizeof(run->output), "%s", spec->output[0].path);
	if (spec->output[1].to == LAUNCH_OUTPUT_FILE)
		snprintf(run->error, sizeof(run->error), "%s", spec->output[1].path);
	for (size_t i = 0; i < spec->extra_count && used < sizeof(run->extras); i++)
		used += (size_t)snprintf(run->extras + used, sizeof(run->extras) - used,
					 "%u:%s;", spec->extras[i].rank, spec->extras[i].text);
	run->grace_ms = spec->grace_ms;
	*ret_run = run;
	return 0;
}

void launch_run_stop(struct launch_run *run, uint32_t grace_ms)
{
	run->stopped++;
	run->stop_grace_ms = (int)grace_ms;
}

void launch_run_free(struct launch_run *run)
{
	run->freed = 1;
}

void fake_start(struct launch_run *run)
{
	for (uint32_t i = 0; i < run->size; i++)
		run->hooks.started(run->hooks.arg, i, 1000);
}

void fake_end(struct launch_run *run, int code, int signal)
{
	for (uint32_t i = 0; i < run->size; i++)
		run->hooks.exited(run->hooks.arg, i, code, signal);
	run->ended = 1;
	run->hooks.ended(run->hooks.arg);
}
