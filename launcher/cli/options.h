/* SPDX-License-Identifier: MIT */
/*
 * options.h - the command line of dlaunch, parsed once and then only read.
 */
#ifndef LAUNCH_OPTIONS_H
#define LAUNCH_OPTIONS_H

#include <stdint.h>

#include "cli/select.h"
#include "wlm/wlm.h"

struct launch_options {
	uint32_t nodes;			/* 0 = all nodes of the source */
	uint32_t tasks_per_node;	/* 0 = not given */
	uint32_t ntasks;		/* 0 = not given */
	uint32_t timeout_s;		/* 0 = none */
	uint32_t start_timeout_s;	/* 0 = what the source of nodes takes */
	uint64_t pool_bytes;		/* 0 = what the library takes */
	struct launch_wlm_wishes sources;	/* where nodes come from, and which */
	struct launch_wishes wishes;	/* transport, fabric, provider, NIC */
	const char *security;		/* of links between nodes: mac, integrity or encrypt */
	const char *wdir;		/* NULL = ours */
	const char *json;		/* NULL = no report */
	char **env;			/* K=V, NULL at the end; owned */
	uint32_t env_count;
	int label, verbose, dry_run, kill_on_bad_exit;
	char **argv;			/* program and its arguments; borrowed from main() */
};

/**
 * launch_options_parse - read the command line.
 * @ret_options: filled; launch_options_fini() gives back what it owns.
 *
 * Prints help, version and errors itself and ends the process then: 0, or 2 for wrong usage.
 */
void launch_options_parse(int argc, char **argv, struct launch_options *ret_options);
void launch_options_fini(struct launch_options *options);

/* A whole number in decimal digits and nothing else. Return: 0; -EINVAL; -ERANGE. */
int launch_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);
/* A number with an optional K, M, G or T (1024-based). Return: 0; -EINVAL; -ERANGE. */
int launch_parse_bytes(const char *text, uint64_t *ret_bytes);

#endif
