/* SPDX-License-Identifier: MIT */
/* fake_job.h - a job without processes: the test says when ranks start and end. */
#ifndef TEST_SERVER_FAKE_JOB_H
#define TEST_SERVER_FAKE_JOB_H

#include "job/run.h"

enum { FAKE_RUNS_MAX = 64 };

struct launch_run {
	struct launch_run_hooks hooks;
	uint32_t size, nodes[64];	/* node of the first ranks */
	char argv0[256], wdir[256], output[256], error[256], env[4096], extras[1024];
	char settings[64];
	uint32_t grace_ms;
	int stopped, stop_grace_ms, freed, ended;
};

/* In the order of their start; they stay readable after they were freed. */
extern struct launch_run fake_runs[FAKE_RUNS_MAX];
extern unsigned fake_run_count;
/* What the next launch_run_start() returns; 0 = it works. */
extern int fake_start_result;

void fake_reset(void);
/* All ranks start, exit with @code or by @signal, and the run ends. */
void fake_start(struct launch_run *run);
void fake_end(struct launch_run *run, int code, int signal);

#endif
