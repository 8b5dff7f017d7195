/* SPDX-License-Identifier: MIT */
/*
 * daemon.h - the daemon of one node: what its files share.
 *
 * dhowd.c starts it, daemon.c has the loop and the states of the node, control.c hears the owner of
 * the job, service.c drives the node's service and its agent; node/run.h has the runs.
 */
#ifndef LAUNCH_DAEMON_H
#define LAUNCH_DAEMON_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <dhow/node.h>

#include "base/err.h"
#include "base/list.h"
#include "proto/boot.h"
#include "proto/relay.h"

enum {
	DAEMON_FAILED = 125,
	DAEMON_KILL_AFTER_MS = 500,	/* from SIGTERM to SIGKILL when the node cannot go on */
	DAEMON_AGENT_LOST_MS = 300,	/* from the end of its connection to its death */
	DAEMON_AGENT_GRACE_MS = 100,	/* for the agent's goodbye */
	DAEMON_BELOW_MS = 1000,		/* for the nodes below, if we leave before they were told */
	DAEMON_CUT_MS = 10000,		/* without a way to the owner: it has given us up by then */
	DAEMON_UNHEARD_MS = 20000,	/* the same before it was heard at all */
	DAEMON_SWEEP_MS = 5,		/* between looks for children that are left */
	DAEMON_DOOR_FD = 198,		/* of a child: out of the way of scripts */
};

enum daemon_state {
	DAEMON_STARTING,	/* segment and agent are coming up */
	DAEMON_READY,		/* takes runs */
	DAEMON_FAILING,		/* cannot go on: its runs are being stopped */
	DAEMON_LEAVING,		/* runs, agent and all children are ended */
	DAEMON_LEFT,		/* done */
};

/* Who hears of events of a descriptor. It stays where it is while the descriptor is watched, and
 * until the loop has gone round once more. */
struct daemon_watch {
	void (*ready)(void *arg, uint32_t events);
	void *arg;
};

struct daemon {
	struct launch_boot *boot;	/* owned, locked memory */
	struct launch_relay *relay;
	uint8_t parent_key[LAUNCH_KEY_BYTES];	/* public; of a node that is not the root's child */
	int joined;			/* the way to the root is as it shall be */
	struct dhow_node_peer self;	/* of the agent, when it is up */
	struct dhow_node_service *service;
	int epoll, signals, lifeline;
	enum daemon_state state;
	int exit_code;

	pid_t agent;			/* 0 none */
	int agent_up;
	int heard;			/* something from dlaunch */
	int told_broken;		/* that dlaunch cannot be reached */
	uint64_t agent_kill_at_ns;
	uint64_t below_until_ns;
	uint64_t agent_lost_ns;		/* UINT64_MAX never: then it counts as gone */

	struct daemon_mpi *mpi;		/* of pmi.c; NULL until a run wants it */
	struct base_list runs;		/* of struct daemon_run, in the order of their start */
	struct rlimit core, files;	/* as we found them: the ranks get them back */
	struct daemon_watch on_link, on_service, on_signals, on_lifeline, on_broken;
};

/* daemon.c */
int launch_daemon_run(struct launch_boot *boot, int lifeline, const struct rlimit *core,
		      const struct rlimit *files);
int launch_daemon_watch(struct daemon *daemon, int fd, uint32_t events,
			struct daemon_watch *watch, struct base_err *reterr);
/* Other events for a watched descriptor. */
void launch_daemon_rewatch(struct daemon *daemon, int fd, uint32_t events,
			   struct daemon_watch *watch);
void launch_daemon_unwatch(struct daemon *daemon, int fd);
/* Send; a link that does not take it ends the daemon. */
void launch_daemon_send(struct daemon *daemon, const struct launch_message *message);
/* Tell the owner that this node cannot go on, end its runs, and leave. */
void launch_daemon_fail(struct daemon *daemon, unsigned code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void launch_daemon_check_ready(struct daemon *daemon);
void launch_daemon_leave(struct daemon *daemon);
/* Reap all children that have ended. */
void launch_daemon_reap(struct daemon *daemon);

/* control.c: all that has come. Return: 0 nothing had. */
int launch_daemon_hear(struct daemon *daemon);

/* join.c: the place in the tree of daemons */
int launch_daemon_tree_open(struct daemon *daemon, struct base_err *reterr);
void launch_daemon_hear_parent(struct daemon *daemon, const struct launch_message *message);

/* service.c */
int launch_daemon_service_open(struct daemon *daemon, struct base_err *reterr);
void launch_daemon_service_close(struct daemon *daemon);
int launch_daemon_agent_start(struct daemon *daemon, struct base_err *reterr);
void launch_daemon_agent_ended(struct daemon *daemon, int status);

#endif
