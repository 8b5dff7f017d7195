/* SPDX-License-Identifier: MIT */
/* server_trials.h - what bench/server measures, see server.c. */
#ifndef BENCH_SERVER_TRIALS_H
#define BENCH_SERVER_TRIALS_H

#include "harness.h"

/* The echo and its keys; the server is started by the first trial that needs it. First of all
 * calls: it forks. Return: 0; -1 after it has said why. */
int trial_server_open(void);
/* Also after an open that failed. */
void trial_server_close(void);

bench_trial trial_status, trial_status_new, trial_accept, trial_steps, trial_startup, raw_echo,
	raw_echo_rate, raw_spawn_rate, raw_connect;

#endif
