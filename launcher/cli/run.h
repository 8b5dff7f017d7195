/* SPDX-License-Identifier: MIT */
/*
 * run.h - one run under way in dlaunch: a job that serves one run.
 *
 * run.c has the loop and the states, run_start.c says what to run where, run_hooks.c hears of the
 * job and its ranks, run_end.c hears signals, report.c writes --json.
 */
#ifndef LAUNCH_RUN_H
#define LAUNCH_RUN_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "cli/output.h"
#include "cli/plan.h"
#include "cli/progress.h"
#include "cli/streams.h"
#include "job/job.h"
#include "job/run.h"

enum {
	RUN_FAILED = LAUNCH_JOB_FAILED,	/* exit code: dlaunch itself failed */
	RUN_TIMED_OUT = 124,
	RUN_TWICE_MS = 2000,		/* between two ^C that mean it */
};

enum run_state {
	RUN_STARTING,	/* nodes are coming up */
	RUN_RUNNING,
	RUN_STOPPING,	/* daemons end the ranks */
	RUN_FINISHING,	/* all ranks have ended, daemons clean up and leave */
	RUN_OVER,
};

struct run_place {	/* what people ask of a node */
	uint32_t running, ended;
};

struct run_rank {
	pid_t pid;
	int started, ended;
	uint32_t restarts;
	int code, signal;
	uint64_t started_ns, ended_ns;
};

struct run {
	const struct launch_plan *plan;
	const struct launch_options *options;
	enum run_state state;
	int code;			/* exit code so far */
	char reason[256];		/* why it was stopped; empty = it was not */

	struct launch_job_spec job_spec;
	struct launch_job *job;
	struct launch_run *launched;
	char tag[LAUNCH_RUN_TAG_BYTES];
	int ended;			/* nothing is left of it */
	struct run_place *places;	/* by node */
	struct run_rank *ranks;
	uint32_t nodes_up, ranks_started, ranks_ended;

	struct launch_streams streams;
	struct launch_output output[2];	/* stdout, stderr */
	struct launch_progress progress;
	int input_ended;
	uint64_t input_retry_ns;	/* not before: we are in the background of a terminal */

	int signals;
	uint64_t started_ns, run_limit_ns, stop_limit_ns, interrupted_ns;
};

/* run.c: the whole life of a run. Return: exit code. */
int launch_run(const struct launch_plan *plan);
void launch_run_say(const struct run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3)));		/* with -v only */
/* End the run: @code < 0 keeps the highest code of the ranks. Only the first one counts. */
void launch_run_end(struct run *run, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* run_start.c */
int launch_run_open(struct run *run, struct base_err *reterr);

/* run_hooks.c */
extern const struct launch_job_hooks launch_run_job_hooks;	/* without their arg */
extern const struct launch_run_hooks launch_run_run_hooks;

/* run_end.c */
int launch_run_open_signals(struct base_err *reterr);
void launch_run_take_signals(struct run *run);

/* report.c */
int launch_run_report(const struct run *run, const char *path, struct base_err *reterr);

#endif
