/* SPDX-License-Identifier: MIT */
/*
 * daemon.h - the daemon of one node: what its files share.
 *
 * dhowd.c starts it, daemon.c has the loop and the states, control.c hears dlaunch, tasks.c starts
 * and reaps ranks, stdio.c moves their bytes, service.c drives the node's service and its agent.
 */
#ifndef LAUNCH_DAEMON_H
#define LAUNCH_DAEMON_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <dhow/node.h>

#include "base/err.h"
#include "proto/boot.h"
#include "proto/link.h"

enum {
	DAEMON_KILL_AFTER_MS = 500,	/* from SIGTERM to SIGKILL */
	DAEMON_AGENT_LOST_MS = 300,	/* from the end of its connection to its death */
	DAEMON_AGENT_GRACE_MS = 100,	/* for the agent's goodbye */
	DAEMON_DRAIN_MS = 1000,		/* for a pipe that a stranger keeps open */
	DAEMON_SWEEP_MS = 5,		/* between looks for children that are left */
	DAEMON_DOOR_FD = 198,		/* of a child: out of the way of scripts */
};

enum daemon_state {
	DAEMON_STARTING,	/* segment and agent are coming up */
	DAEMON_READY,		/* waits for what to run */
	DAEMON_RUNNING,
	DAEMON_STOPPING,	/* the ranks were told to end */
	DAEMON_FINISHING,	/* what they left is ended, their last output goes out */
	DAEMON_LEAVING,		/* done */
};

/* What an epoll event is about; the low half of its data is an index. */
enum daemon_source {
	DAEMON_LINK,
	DAEMON_SERVICE,
	DAEMON_SIGNALS,
	DAEMON_LIFELINE,
	DAEMON_OUTPUT,		/* index: 2 * task + stream - 1 */
	DAEMON_INPUT,
};

struct daemon_pipe {
	int fd;			/* -1 closed */
	int paused;		/* not watched until dlaunch has taken something */
	uint32_t used;
	char *buffer;		/* LAUNCH_PIECE_BYTES: the line that is not whole yet */
};

struct daemon_task {
	uint32_t rank;
	pid_t pid;		/* 0 not started or reaped */
	struct daemon_pipe output[2];
};

struct daemon {
	struct launch_boot *boot;	/* owned, locked memory */
	struct launch_link *link;
	struct dhow_node_service *service;
	int epoll, signals, lifeline;
	enum daemon_state state;
	int exit_code;

	pid_t agent;			/* 0 none */
	int agent_up;

	struct daemon_task *tasks;
	uint32_t task_count, running, open_pipes;
	uint32_t window_bytes;		/* output that dlaunch still has room for */

	int input;			/* write end of rank 0's stdin, -1 none */
	int input_ended;		/* close it when the buffer is empty */
	uint32_t input_used;
	char *input_buffer;		/* LAUNCH_WINDOW_BYTES */

	uint64_t kill_at_ns;		/* UINT64_MAX never */
	uint64_t agent_kill_at_ns;
	uint64_t agent_lost_ns;		/* UINT64_MAX never: then it counts as gone */
	uint64_t drain_until_ns;	/* 0 not draining */
	struct rlimit core, files;	/* as we found them: the ranks get them back */
};

/* daemon.c */
int launch_daemon_run(struct launch_boot *boot, int lifeline, const struct rlimit *core,
		      const struct rlimit *files);
int launch_daemon_watch(struct daemon *daemon, int fd, uint32_t events,
			enum daemon_source source, uint32_t index, struct base_err *reterr);
/* Send; a link that does not take it ends the daemon. */
void launch_daemon_send(struct daemon *daemon, const struct launch_message *message);
/* Tell dlaunch that this node cannot go on, and end the ranks. */
void launch_daemon_fail(struct daemon *daemon, unsigned code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void launch_daemon_check_ready(struct daemon *daemon);
void launch_daemon_finish(struct daemon *daemon);

/* control.c: all that has come; how many messages */
int launch_daemon_hear(struct daemon *daemon);

/* tasks.c */
void launch_daemon_start_tasks(struct daemon *daemon, const struct launch_message *message);
void launch_daemon_stop_tasks(struct daemon *daemon);
void launch_daemon_kill_tasks(struct daemon *daemon);
void launch_daemon_reap(struct daemon *daemon);

/* stdio.c */
int launch_daemon_pipe_open(struct daemon *daemon, uint32_t task, enum launch_stream stream,
			    int *ret_child_fd, struct base_err *reterr);
void launch_daemon_pipe_read(struct daemon *daemon, uint32_t index);
void launch_daemon_pipes_resume(struct daemon *daemon, uint32_t taken_bytes);
int launch_daemon_pipes_paused(const struct daemon *daemon);
void launch_daemon_pipes_close(struct daemon *daemon);
int launch_daemon_input_open(struct daemon *daemon, int *ret_child_fd, struct base_err *reterr);
void launch_daemon_input_add(struct daemon *daemon, const void *data, uint32_t bytes);
void launch_daemon_input_write(struct daemon *daemon);
void launch_daemon_input_close(struct daemon *daemon);

/* service.c */
int launch_daemon_service_open(struct daemon *daemon, struct base_err *reterr);
void launch_daemon_service_close(struct daemon *daemon);
int launch_daemon_agent_start(struct daemon *daemon, struct base_err *reterr);

#endif
