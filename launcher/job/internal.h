/* SPDX-License-Identifier: MIT */
/*
 * internal.h - what the files of a job share.
 *
 * job.c has the life of a job, start.c brings its nodes up, tree.c speaks to the daemons and hear.c
 * hears them, nodes.c sees nodes die, run.c has the life of a run, spec.c makes its start message,
 * fence.c joins what nodes tell each other.
 */
#ifndef LAUNCH_JOB_INTERNAL_H
#define LAUNCH_JOB_INTERNAL_H

#include "base/list.h"
#include "job/job.h"
#include "job/run.h"
#include "proto/relay.h"
#include "sweep/owner.h"

enum {
	JOB_STUCK_MS = 10000,	/* beyond the grace: a daemon that does not end its ranks */
	JOB_LATE_MS = 2000,	/* for last words that come by way of others */
	JOB_FENCES_MAX = 1024,	/* of a run at a time */
};

enum job_state {
	JOB_STARTING,	/* nodes are coming up */
	JOB_READY,
	JOB_LEAVING,
};

enum job_node_state {
	JOB_NODE_STARTED,	/* its daemon process exists */
	JOB_NODE_GREETED,	/* and has said hello */
	JOB_NODE_READY,		/* segment and agent are up */
	JOB_NODE_FAILING,	/* it said that it cannot go on, and will leave */
	JOB_NODE_LEFT,		/* nothing of the job is left on it */
	JOB_NODE_DEAD,
};

struct job_node {
	enum job_node_state state;
	int joined;			/* its way by its parent in the tree is open */
	char endpoint[LAUNCH_NAME_BYTES];	/* for the nodes below it */
	uint64_t missed_ns;	/* its link is broken since; 0 = it is not */
	struct dhow_node_peer peer;
};

struct launch_job {
	const struct launch_job_spec *spec;
	struct launch_job_hooks hooks;
	enum job_state state;
	int broken;			/* hook `failed` was called */
	struct launch_link *link;
	struct launch_keys *server_keys;
	struct launch_boot *boot;	/* locked memory */
	struct launch_carriers *carriers;	/* of the daemons */
	int epoll;			/* what else wakes the owner */
	char **carrier_env;
	char owner_entry[LAUNCH_OWNER_BYTES + 32], tag_entry[64];	/* of their environment */
	char tag[LAUNCH_TAG_BYTES];
	uint32_t id;
	struct launch_tree tree;
	struct job_node *nodes;
	uint32_t nodes_ready;
	struct base_list runs;		/* of struct launch_run, until they are freed */
	uint32_t last_run;
	int foreign_children;		/* there were children before we started any */
	uint64_t started_ns, start_limit_ns;
};

enum run_state {
	RUN_QUEUED,	/* until the job is up */
	RUN_RUNNING,
	RUN_STOPPING,	/* daemons end its ranks */
	RUN_FINISHING,	/* all ranks have ended, daemons clean up */
	RUN_ENDED,
};

/* A node of the job that has ranks of the run. */
struct run_node {
	uint32_t node;
	int done;		/* nothing of the run is left there, or the node is gone */
	uint32_t running;
	int code;		/* highest exit code of its ranks, by the rules of shells */
	uint32_t owed_bytes;	/* output that was passed on but not yet told */
	uint64_t taken;		/* bytes of stdin that ranks there have read */
};

struct run_rank {
	uint32_t node;
	uint8_t started, ended;
};

struct launch_run {
	struct base_list entry;	/* of job->runs */
	struct launch_job *job;
	struct launch_run_hooks hooks;
	enum run_state state;
	uint32_t id;
	char tag[LAUNCH_RUN_TAG_BYTES];
	struct launch_frame start;	/* of a queued run */
	int has_start;
	int restartable, failed;
	uint32_t grace_ms;
	uint64_t stop_limit_ns;		/* UINT64_MAX = not stopped */

	uint32_t size, ranks_ended, ranks_started;
	struct run_rank *ranks;
	uint32_t node_count, nodes_done;
	struct run_node *nodes;		/* in the order of numbers */

	enum launch_input_from input;
	uint32_t input_rank;
	int input_ended;
	uint64_t input_sent;
	struct base_list fences;
	uint32_t fence_count;
};

/* job.c */
void job_say(const struct launch_job *job, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void job_failed(struct launch_job *job, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Node that is up and has not left. */
int job_node_hears(const struct launch_job *job, uint32_t node);

/* tree.c */
/* Send to one node. Return: 0; -EHOSTUNREACH it is dead, or was found so; -E2BIG; -ENOMEM. */
int job_send(struct launch_job *job, uint32_t node, const struct launch_message *message);
/* To those of @nodes (in rising order) that hear. */
void job_send_frame(struct launch_job *job, const struct launch_frame *frame,
		    const uint32_t *nodes, uint32_t count);
void job_send_all(struct launch_job *job, const struct launch_message *message);
/* Node @node has said where those below it connect to: tell whom it concerns. */
void job_tree_greeted(struct launch_job *job, uint32_t node);

/* start.c */
int job_start(struct launch_job *job, struct base_err *reterr);
/* All nodes are up. */
void job_introduce(struct launch_job *job);
void job_start_timeout(struct launch_job *job);

/* hear.c */
void job_hear(struct launch_job *job);

/* nodes.c */
void job_reap(struct launch_job *job);
/* Connections have broken: find out whose. */
void job_miss_nodes(struct launch_job *job);
/* For whatever cause: node @node is gone for good. */
void job_node_lost(struct launch_job *job, uint32_t node, const char *text);
void job_node_left(struct launch_job *job, uint32_t node);
void job_clean_up(struct launch_job *job);

/* run.c */
struct launch_run *run_find(struct launch_job *job, uint32_t id);
/* Return: NULL no rank of the run is there. */
struct run_node *run_node_find(const struct launch_run *run, uint32_t node);
void run_send(struct launch_run *run, const struct launch_message *message);
void run_begin(struct launch_run *run);
void run_failed(struct launch_run *run, int code, const char *text);
void run_node_done(struct launch_run *run, uint32_t node);
void run_finish(struct launch_run *run);
/* Return: ms until it wants to be called again, -1 never. */
int run_step(struct launch_run *run);

/* spec.c: check the spec, take what the run needs of it, and make its start message. */
int run_take_spec(struct launch_run *run, const struct launch_run_spec *spec,
		  struct base_err *reterr);

/* fence.c */
void run_hear_fence(struct launch_run *run, uint32_t node, const struct launch_message *message);
void run_drop_fences(struct launch_run *run);
/* After ranks have ended: a fence to which a node will never come ends the run. */
void run_check_fences(struct launch_run *run);

#endif
