/* SPDX-License-Identifier: MIT */
/*
 * job.h - a job: the set of daemons that serves many runs, from their start to their end.
 *
 * The owner opens a job, waits for launch_job_socket(), launch_job_fd() and SIGCHLD in its own
 * loop, calls launch_job_step() before each wait, and is told by hooks. Runs (job/run.h) are added
 * at any time, also before the nodes are up. Nothing blocks but launch_job_close(). One thread.
 *
 * Hooks are called from inside launch_job_step(), launch_run_*() and launch_job_leave(); they may
 * call back all functions of a job and its runs but launch_job_step(), launch_job_close() and
 * launch_run_free().
 */
#ifndef LAUNCH_JOB_H
#define LAUNCH_JOB_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "wlm/carriers.h"
#include "wlm/wlm.h"

enum {
	LAUNCH_JOB_FAILED = 125,	/* exit code: the launcher itself failed */
	LAUNCH_JOB_LEAVE_MS = 1300,	/* from launch_job_leave() until daemons may be killed */
};

struct launch_job;

/* All of it is borrowed until launch_job_close(). NULL strings are empty ones. */
struct launch_job_spec {
	const struct launch_wlm *source;
	const struct launch_wlm_wishes *wishes;	/* of the user, about nodes */
	const struct launch_hosts *hosts;	/* the first @nodes of them are used */
	uint32_t nodes;
	const char *dhowd;		/* program of the daemons */
	const char *agent;		/* program; empty = none is needed */
	const char *fabric, *provider, *nic;	/* each empty: the agent chooses */
	const char *security;		/* level of the agents' links */
	uint64_t pool_bytes;		/* 0 = what the library takes */
	uint32_t start_timeout_ms;	/* for all nodes to come up */
	int verbose;
};

/* Each may be NULL. */
struct launch_job_hooks {
	void *arg;
	void (*node_up)(void *arg, uint32_t node);
	/* All nodes are up; runs that were added before are being started. */
	void (*ready)(void *arg);
	/* A node is lost, @text says why; its runs are told by their own hooks, later. The job goes
	 * on with the others. */
	void (*node_dead)(void *arg, uint32_t node, const char *text);
	/* The job cannot go on: it did not come up, or its control link is broken. @code is the
	 * exit code to tell. No run will be started any more; the owner should leave and close. */
	void (*failed)(void *arg, int code, const char *text);
	/* What a daemon, or what carries it, wrote to stderr: a line without its end. */
	void (*line)(void *arg, const char *line);
	/* What only an owner who was asked to be verbose passes on. */
	void (*say)(void *arg, const char *text);
	/* A child that the job did not start was reaped: launch_job_step() reaps all. */
	void (*reaped)(void *arg, pid_t pid, int status);
};

/**
 * launch_job_open - keys, control socket, daemons. They come up in the background.
 *
 * Makes this process a subreaper and sets SIGCHLD to its default action; the owner has blocked it
 * before, and hears it by a signalfd. Return: 0; negative errno with @reterr filled, nothing is
 * then left running.
 */
int launch_job_open(const struct launch_job_spec *spec, const struct launch_job_hooks *hooks,
		    struct launch_job **ret_job, struct base_err *reterr);

/* For zmq_poll(), ZMQ_POLLIN: the socket, and a descriptor beside it. */
void *launch_job_socket(const struct launch_job *job);
int launch_job_fd(const struct launch_job *job);

/* Hear what has come, look for deaths, do what is due. Return: ms until the next timer, -1 none. */
int launch_job_step(struct launch_job *job);

/* End all runs and let the daemons go. launch_job_over() tells when they have gone. */
void launch_job_leave(struct launch_job *job);
/* 1 when each node has left or is dead. */
int launch_job_over(const struct launch_job *job);

/**
 * launch_job_close - end what is left of the job, and free it and all its runs. NULL is fine.
 *
 * Daemons that have left are waited for, the others are killed, and what they left behind is
 * swept. Blocks: for at most about 2 s with local nodes, LAUNCH_CARRIERS_CLOSE_MS with others.
 */
void launch_job_close(struct launch_job *job);

/* 1 from the hook `ready` on, until launch_job_leave(). */
int launch_job_is_ready(const struct launch_job *job);
uint32_t launch_job_nodes(const struct launch_job *job);
/* It has been up; it may be dead meanwhile. */
int launch_job_node_was_up(const struct launch_job *job, uint32_t node);
int launch_job_node_is_dead(const struct launch_job *job, uint32_t node);
/* 32 hexadecimal digits, in the environment of each process of the job (LAUNCH_ENV_JOB_TAG). */
const char *launch_job_tag(const struct launch_job *job);
/* How many strangers were refused at the control socket. */
unsigned launch_job_refused(const struct launch_job *job);

#endif
