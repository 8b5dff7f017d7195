/* SPDX-License-Identifier: MIT */
/*
 * sweep.h - find and end what a run left behind, and nothing else.
 *
 * Two nets, because each has a hole: the children of a subreaper (which has all descendants that
 * lost their parent, whatever they did to their environment), and the run tag in the environment
 * (which finds those whose reaper was killed). A process is only ever signalled through a pidfd
 * that was opened before its tag was read for the last time.
 */
#ifndef LAUNCH_SWEEP_H
#define LAUNCH_SWEEP_H

#include <sys/types.h>

#define LAUNCH_ENV_RUN_TAG "DHOW_RUN_TAG"	/* of one run */
#define LAUNCH_ENV_JOB_TAG "DHOW_JOB_TAG"	/* of all runs of a job, and of its agents */
#define LAUNCH_ENV_DAEMON_TAG "DHOW_DAEMON_TAG"
#define LAUNCH_ENV_SERVER_TAG "DHOW_SERVER_TAG"	/* of a server that SmartSim started */
/* Of the dlaunch that owns a tag; see owner.h. */
#define LAUNCH_ENV_OWNER "DHOW_RUN_OWNER"

enum { LAUNCH_SWEEP_ROUNDS_MAX = 20 };

/**
 * launch_sweep_tag - SIGKILL every process of this user whose environment holds all of @wanted.
 * @wanted: `NAME=value` strings, NULL at the end; each must match an entry exactly.
 * @spare:  pid that is never touched (0 = none); the caller itself is never touched either.
 *
 * Goes round until a round finds nothing. Return: how many processes were signalled.
 */
int launch_sweep_tag(const char *const *wanted, pid_t spare);

/* The same for one process. Return: 1 it was signalled, 0 not. */
int launch_sweep_one(pid_t pid, const char *const *wanted);

/* Call @one for each child of this process that runs, adopted ones included; none of them is reaped
 * meanwhile. Return: how often @one returned 1. */
int launch_sweep_each_child(int (*one)(void *arg, pid_t pid), void *arg);
/* SIGKILL the children of this process, adopted ones included. Return: how many there were. */
int launch_sweep_children(void);
/* How many children this process has that are still running. */
int launch_sweep_count_children(void);

/* Start time of a process in clock ticks since boot, which with the pid names it for good.
 * Return: 0 if there is no such process. */
unsigned long long launch_sweep_start_time(pid_t pid);

/* Value of one variable of a process's environment. Return: 0; -ENOENT; -EACCES; -ENODATA for a
 * moment in the middle of an exec or of its end. */
int launch_sweep_env(pid_t pid, const char *name, char *ret_value, size_t room);

#endif
