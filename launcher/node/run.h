/* SPDX-License-Identifier: MIT */
/*
 * run.h - the runs of a daemon: what the files that start, hear and end ranks share.
 *
 * run.c has the table of runs and their ends, tasks.c starts and reaps ranks, birth.c makes what
 * one rank is born with, bind.c its processors, stdio.c and input.c move bytes, orphans.c ends what
 * ranks left behind, pmi.c serves MPI.
 */
#ifndef LAUNCH_NODE_RUN_H
#define LAUNCH_NODE_RUN_H

#include <stdint.h>
#include <sys/types.h>

#include "node/daemon.h"

enum {
	DAEMON_DRAIN_MS = 1000,		/* for a pipe that a stranger keeps open */
	DAEMON_BIRTHS = 16,		/* ranks started in one turn of the loop */
	DAEMON_RUN_TAG_BYTES = 48,
};

enum daemon_run_state {
	DAEMON_RUN_STARTING,	/* some ranks were not started yet */
	DAEMON_RUN_RUNNING,
	DAEMON_RUN_STOPPING,	/* the ranks were told to end */
	DAEMON_RUN_FINISHING,	/* what they left is ended, their last output goes out */
	DAEMON_RUN_DONE,	/* to be freed */
};

struct daemon_task;

/* One stream of a rank on its way to the owner. */
struct daemon_pipe {
	struct daemon_watch watch;
	struct daemon_task *task;
	enum launch_stream stream;
	int fd;			/* -1 closed */
	int paused;		/* not watched until the owner has taken something */
	uint32_t used;
	char *buffer;		/* the line that is not whole yet; NULL none */
};

/* Bytes on their way to a rank's stdin. */
struct daemon_input {
	struct daemon_watch watch;
	int fd;			/* write end, -1 none */
	int ended;		/* close it when the buffer is empty */
	uint32_t used;
	char *buffer;		/* LAUNCH_WINDOW_BYTES; NULL until something comes */
	uint64_t taken;		/* bytes that are the rank's */
};

struct daemon_task {
	struct daemon_run *run;
	uint32_t rank, app;
	pid_t pid;		/* 0 not started or reaped */
	pid_t group;		/* the same, but it stays */
	const uint8_t *extras;	/* its first one in the list of the start message */
	uint32_t extra_count;
	struct daemon_pipe output[2];
	struct daemon_input input;
};

struct daemon_run {
	struct base_list entry;	/* of daemon->runs */
	struct daemon *daemon;
	uint32_t id;
	char tag[DAEMON_RUN_TAG_BYTES];
	enum daemon_run_state state;
	int failed;			/* FAIL was sent */

	void *frame;			/* owned copy, which @start points into */
	struct launch_start *start;
	struct daemon_birth *birth;	/* NULL when all were born and none can be again */

	struct daemon_task *tasks;	/* by local rank */
	uint32_t task_count, born, running, open_pipes;
	uint32_t window_bytes;		/* output that the owner still has room for */
	uint64_t input_told;		/* bytes of stdin that the owner knows of as taken */
	struct launch_writer exits;	/* entries that were not sent yet */
	uint32_t exit_count;

	uint64_t kill_at_ns;		/* UINT64_MAX never */
	uint64_t drain_until_ns;	/* 0 not draining */
	uint64_t undecided_until_ns;	/* for orphans in the middle of an exec; 0 none was seen */
	void *pmi;			/* of pmi.c */
	struct daemon_binding *binding;	/* of bind.c; NULL not computed yet */
};

/* run.c */
void launch_daemon_run_start(struct daemon *daemon, const struct launch_message *message,
			     const struct launch_frame *frame);
/* Return: NULL there is none (any more). */
struct daemon_run *launch_daemon_run_find(struct daemon *daemon, uint32_t id);
/* Tell the owner that the run cannot go on, and stop its ranks here. */
void launch_daemon_run_fail(struct daemon_run *run, unsigned code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void launch_daemon_run_stop(struct daemon_run *run, uint32_t grace_ms);
void launch_daemon_run_finish(struct daemon_run *run);
/* Do what is due for all runs. Return: ms until it wants to be called again, -1 never. */
int launch_daemon_runs_step(struct daemon *daemon);
/* Value of a setting of @app of the run, or of the run itself. Return: NULL not set. */
const char *launch_daemon_run_setting(const struct daemon_run *run, uint32_t app,
				      const char *name);

/* tasks.c */
int launch_daemon_tasks_prepare(struct daemon_run *run, struct base_err *reterr);
void launch_daemon_tasks_start(struct daemon_run *run);
void launch_daemon_tasks_restart(struct daemon_run *run, uint32_t rank);
void launch_daemon_tasks_signal(struct daemon_run *run, int number);
/* Return: 1 @pid was one of its ranks. */
int launch_daemon_tasks_reaped(struct daemon_run *run, pid_t pid, int status);
void launch_daemon_tasks_flush(struct daemon_run *run);

/* birth.c */
struct daemon_birth;
struct base_spawn;
int launch_daemon_birth_open(struct daemon_run *run, struct base_err *reterr);
void launch_daemon_birth_close(struct daemon_run *run);
/* Start one rank. Return: 0; negative errno with @reterr filled. */
int launch_daemon_birth(struct daemon_task *task, struct base_err *reterr);

/* stdio.c */
int launch_daemon_pipe_open(struct daemon_pipe *pipe, int *ret_child_fd, struct base_err *reterr);
void launch_daemon_pipes_resume(struct daemon_run *run, uint32_t taken_bytes);
/* Before a rank is started again: what it said last leaves, and what outlives it has no reader. */
void launch_daemon_pipes_end(struct daemon_task *task);
int launch_daemon_pipes_paused(const struct daemon_run *run);
void launch_daemon_pipes_close(struct daemon_run *run);

/* input.c */
int launch_daemon_input_open(struct daemon_task *task, int *ret_child_fd,
			     struct base_err *reterr);
/* @rank may be LAUNCH_RANK_ALL; no bytes = end of file. */
void launch_daemon_input_add(struct daemon_run *run, uint32_t rank, const void *data,
			     uint32_t bytes);
void launch_daemon_input_close(struct daemon_task *task);

/* orphans.c: SIGKILL what the ranks of @run left behind. Return: how many were still there. */
int launch_daemon_orphans_end(struct daemon_run *run);

#endif
