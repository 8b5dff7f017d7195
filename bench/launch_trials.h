/* SPDX-License-Identifier: MIT */
/* launch_trials.h - what launch.c measures: programs started by daemons, and by posix_spawn(). */
#ifndef BENCH_LAUNCH_TRIALS_H
#define BENCH_LAUNCH_TRIALS_H

#include "harness.h"

enum { LAUNCH_NODES = 4, LAUNCH_IN_FLIGHT = 32 };

/* Each operation is one run of row->bytes tasks of /bin/true; values are in ms. */
int trial_launch(struct bench_run *run);	/* on a job of LAUNCH_NODES nodes that is up */
int trial_step(struct bench_run *run);	/* the same, until the last task was started */
int trial_cold(struct bench_run *run);		/* by dlaunch, from nothing to its end */
int raw_spawn(struct bench_run *run);		/* LAUNCH_IN_FLIGHT at a time */

/* Ends the job that trial_launch() opened. */
void trial_launch_close(void);

#endif
