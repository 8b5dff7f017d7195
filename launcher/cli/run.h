/* SPDX-License-Identifier: MIT */
/*
 * run.h - one run under way in dlaunch: what its files share.
 *
 * run.c has the loop and the states, run_start.c brings the nodes up, run_link.c hears the
 * daemons, run_end.c hears signals and the deaths of daemons and cleans up, report.c writes --json.
 */
#ifndef LAUNCH_RUN_H
#define LAUNCH_RUN_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "cli/output.h"
#include "cli/plan.h"
#include "proto/link.h"
#include "wlm/carriers.h"

enum {
	RUN_FAILED = 125,		/* exit code: dlaunch itself failed */
	RUN_TIMED_OUT = 124,
	RUN_STOP_LIMIT_MS = 1300,	/* from STOP until daemons are killed, too */
	RUN_TWICE_MS = 2000,		/* between two ^C that mean it */
};

enum run_state {
	RUN_STARTING,	/* nodes are coming up */
	RUN_RUNNING,
	RUN_STOPPING,	/* daemons end their ranks */
	RUN_FINISHING,	/* all ranks have ended, daemons clean up */
	RUN_OVER,
};

enum run_node_state {
	NODE_STARTED,	/* its daemon is being started */
	NODE_GREETED,	/* and has said hello */
	NODE_READY,	/* segment and agent are up */
	NODE_DONE,	/* nothing of the run is left on it */
	NODE_DEAD,
};

struct run_node {
	enum run_node_state state;
	uint32_t running, ended;
	uint32_t owed_bytes;		/* output that was passed on but not yet told */
	struct dhow_node_peer peer;
};

struct run_rank {
	pid_t pid;
	int started, ended;
	int code, signal;
	uint64_t started_ns, ended_ns;
};

struct run {
	const struct launch_plan *plan;
	const struct launch_options *options;
	enum run_state state;
	int code;			/* exit code so far */
	char reason[256];		/* why it was stopped; empty = it was not */

	struct launch_boot *boot;	/* locked memory */
	struct launch_carriers *carriers;	/* of the daemons */
	char **carrier_env;
	char owner_entry[64], tag_entry[64];	/* of their environment */
	struct launch_link *link;
	struct launch_keys *server_keys;
	char tag[LAUNCH_TAG_BYTES];
	uint32_t job;
	struct run_node *nodes;
	struct run_rank *ranks;
	uint32_t nodes_ready, ranks_ended;

	struct launch_output output[2];	/* stdout, stderr */
	uint32_t input_window_bytes;
	int input_ended;
	uint64_t input_retry_ns;	/* not before: we are in the background of a terminal */

	int signals;
	int foreign_children;		/* there were children before we started any */
	uint64_t started_ns, start_limit_ns, run_limit_ns, stop_limit_ns, interrupted_ns;
};

/* run.c: the whole life of a run. Return: exit code. */
int launch_run(const struct launch_plan *plan);
void launch_run_say(const struct run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3)));		/* with -v only */
/* End the run: @code < 0 keeps the highest code of the ranks. Only the first one counts. */
void launch_run_stop(struct run *run, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* To all nodes that live. */
void launch_run_send_all(struct run *run, const struct launch_message *message);

/* run_start.c */
int launch_run_open(struct run *run, struct base_err *reterr);
void launch_run_start_ranks(struct run *run);
void launch_run_start_timeout(struct run *run);

/* run_link.c */
void launch_run_hear(struct run *run);

/* run_end.c */
void launch_run_node_died(struct run *run, uint32_t node, const char *text);
void launch_run_take_signals(struct run *run);
/* Look at daemons that have left. Return: 1 when all nodes are done or dead. */
int launch_run_check_nodes(struct run *run);
void launch_run_clean_up(struct run *run);

/* report.c */
int launch_run_report(const struct run *run, const char *path, struct base_err *reterr);

#endif
