/* SPDX-License-Identifier: MIT */
/*
 * run.h - a run: one launched program (or several, side by side) on nodes of a job.
 *
 * Its life: it waits until the job is up, its ranks are started, they end by themselves or are
 * stopped, what they left behind is ended, and then `ended` is called, once and as the last hook.
 * When ranks have a bad end nothing is stopped here: that is for the owner to decide.
 * See job.h for what hooks may do. One thread.
 */
#ifndef LAUNCH_JOB_RUN_H
#define LAUNCH_JOB_RUN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "job/job.h"
#include "place/place.h"
#include "proto/message.h"

enum {
	LAUNCH_RUN_TAG_BYTES = 48,
	LAUNCH_RUN_GRACE_MS = 500,	/* from SIGTERM to SIGKILL, unless told */
	LAUNCH_RUN_APPS_MAX = 4096,
};

struct launch_run;

/* One program. Pointers are borrowed for the call of launch_run_start(). */
struct launch_app {
	char *const *argv, *const *env;	/* NULL at the end */
	const char *wdir;		/* absolute */
	/* `name=value` strings that only the daemon's modules understand, e.g. cpu-bind=core;
	 * NULL = none */
	char *const *settings;
};

struct launch_output_policy {
	enum launch_output_to to;
	const char *path;	/* absolute, of all ranks; NULL: each rank has an extra */
	int truncate;		/* only where each rank has a file of its own */
};

/* Something that one rank alone has. */
struct launch_extra {
	uint32_t rank;
	enum launch_extra_kind kind;
	const char *text;
};

/* Borrowed for the call of launch_run_start(). */
struct launch_run_spec {
	const struct launch_app *apps;
	uint32_t app_count;
	/* In the order of ranks, from rank 0 on; local ranks of a node count up from 0 in that
	 * order. */
	const struct launch_place *map;
	uint32_t size;
	const uint32_t *app_of_rank;	/* NULL = all run apps[0] */
	struct launch_output_policy output[2];	/* stdout, stderr; the same file may be both */
	enum launch_input_from input;
	uint32_t input_rank;
	mode_t umask;
	uint32_t grace_ms;		/* 0 = LAUNCH_RUN_GRACE_MS */
	int restartable;		/* launch_run_restart() may be called */
	const struct launch_extra *extras;	/* in the order of ranks */
	size_t extra_count;
	char *const *settings;		/* as of an app, for all: e.g. mpi=none; NULL = none */
};

/* Each may be NULL. */
struct launch_run_hooks {
	void *arg;
	void (*started)(void *arg, uint32_t rank, pid_t pid);
	/* Whole lines where lines are shorter than LAUNCH_PIECE_BYTES. When the bytes have been
	 * passed on, launch_run_taken() must be told, or the ranks will wait in their write(). */
	void (*output)(void *arg, uint32_t rank, enum launch_stream stream, const void *data,
		       uint32_t bytes);
	/* A rank was reaped; @signal killed it, or 0. Its output may still come. */
	void (*exited)(void *arg, uint32_t rank, int code, int signal);
	/* The run cannot go on and is being stopped; the first call tells the cause. @code is the
	 * exit code to tell: 126, 127, 125, or what the application gave to its abort. */
	void (*failed)(void *arg, int code, const char *text);
	/* Nothing of the run is left on any node that lives, and its output is complete. */
	void (*ended)(void *arg);
};

/**
 * launch_run_start - start a run, or queue it until the job is up.
 *
 * Return: 0, then @ret_run lives until launch_run_free(); -EINVAL the spec is wrong; -E2BIG
 * arguments, environment or map are too large for a message; -EHOSTUNREACH one of its nodes is
 * dead; -ESHUTDOWN the job is leaving; -ENOMEM. @reterr has the words.
 */
int launch_run_start(struct launch_job *job, const struct launch_run_spec *spec,
		     const struct launch_run_hooks *hooks, struct launch_run **ret_run,
		     struct base_err *reterr);

/* SIGTERM to all, after @grace_ms SIGKILL; 0 kills at once; a second call can only shorten. */
void launch_run_stop(struct launch_run *run, uint32_t grace_ms);

/* Send a signal to each rank (its process group) that runs. */
void launch_run_signal(struct launch_run *run, int number);

/* Start @rank, which has exited, once more. Return: 0; -EINVAL it runs or must not. */
int launch_run_restart(struct launch_run *run, uint32_t rank);

/* How many bytes launch_run_input() takes now. */
uint32_t launch_run_input_room(const struct launch_run *run);
/* Bytes for stdin; 0 bytes = end of file. Return: 0; -ENOBUFS more than there is room for. */
int launch_run_input(struct launch_run *run, const void *data, uint32_t bytes);

/* @bytes of the output of @node (of the map) have been passed on. */
void launch_run_taken(struct launch_run *run, uint32_t node, uint32_t bytes);

/* After `ended`, but not inside a hook. NULL is fine. */
void launch_run_free(struct launch_run *run);

/* Never 0; no other run of the job has it. */
uint32_t launch_run_id(const struct launch_run *run);
/* Value of LAUNCH_ENV_RUN_TAG of its tasks. */
const char *launch_run_tag(const struct launch_run *run);
uint32_t launch_run_node(const struct launch_run *run, uint32_t rank);

#endif
