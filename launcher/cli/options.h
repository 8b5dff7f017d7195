/* SPDX-License-Identifier: MIT */
/*
 * options.h - the command line of dlaunch, parsed once and then only read.
 */
#ifndef LAUNCH_OPTIONS_H
#define LAUNCH_OPTIONS_H

#include <stdint.h>

#include "cli/environment.h"
#include "cli/parse.h"
#include "cli/select.h"
#include "place/place.h"
#include "wlm/wlm.h"

enum { LAUNCH_SEGMENTS_MAX = 64 };	/* programs with ':' between them */

/* What each of the programs between ':' has of its own. Strings are borrowed from main(). */
struct launch_segment {
	struct launch_shape shape;	/* as it was said */
	const char *wdir;		/* NULL = ours */
	const char *exports;		/* of --export; NULL = ALL */
	struct launch_env_edits env;
	const char *cpu_bind;		/* checked; NULL = not said */
	uint32_t cpus_per_task, gpus_per_task;	/* 0 = not said */
	char **argv;			/* NULL: --multi-prog says it; within @words */
};

enum launch_stdin_from { LAUNCH_STDIN_RANK, LAUNCH_STDIN_ALL, LAUNCH_STDIN_NONE };

struct launch_options {
	struct launch_segment segment[LAUNCH_SEGMENTS_MAX];
	uint32_t segment_count;
	struct launch_env_edits env;	/* of all programs */
	const char *multi_prog;		/* file; NULL = none */
	enum launch_distribution distribution;
	const char *mpi;		/* kind of service (proto/mpi.h); NULL = auto */
	uint32_t timeout_s;		/* 0 = none */
	uint32_t start_timeout_s;	/* 0 = what the source of nodes takes */
	uint32_t restarts;		/* of a rank that failed */
	uint64_t pool_bytes;		/* 0 = what the library takes */
	struct launch_wlm_wishes sources;	/* where nodes come from, and which */
	struct launch_wishes wishes;	/* transport, fabric, provider, NIC */
	const char *security;		/* of links between nodes: mac, integrity or encrypt */
	const char *output[2];		/* patterns for stdout and stderr; NULL = ours */
	enum launch_stdin_from input;
	uint32_t input_rank;
	const char *json;		/* NULL = no report */
	int label, verbose, quiet, progress, dry_run, overcommit;
	int kill_on_bad_exit;		/* -1 = not said */
	char **words;			/* owned */
};

/**
 * launch_options_parse - read the command line.
 * @ret_options: filled; launch_options_fini() gives back what it owns.
 *
 * With DLAUNCH_STRICT=1 in the environment only long options are known. Prints help, version and
 * errors itself and ends the process then: 0, or 2 for wrong usage.
 */
void launch_options_parse(int argc, char **argv, struct launch_options *ret_options);
void launch_options_fini(struct launch_options *options);

/* Where nodes come from: what no option has said, by $DHOW_WLM, _HOSTFILE, _SSH and _LISTEN. */
void launch_sources_environment(struct launch_wlm_wishes *sources);

/* Say what is wrong and end the process: exit code 2. */
void launch_options_wrong(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

#endif
