/* SPDX-License-Identifier: MIT */
/*
 * serve_options.h - the command line of `dhow serve`. An option without a value on it takes the
 * one of its variable: SmartSim makes the command line itself, and has no place for ours.
 */
#ifndef LAUNCH_SERVE_OPTIONS_H
#define LAUNCH_SERVE_OPTIONS_H

#include <stdint.h>
#include <sys/types.h>

#include "cli/select.h"
#include "server/schedule.h"
#include "wlm/wlm.h"

struct launch_serve_options {
	uint32_t nodes;			/* 0 = all that the source has */
	uint32_t local_nodes;		/* when the source is this machine; 0 = not said */
	enum server_schedule schedule;
	uint32_t grace_ms, orphan_ms;
	uint32_t cooling_ms;		/* UINT32_MAX = not said */
	uint32_t gpus;			/* of a node; UINT32_MAX = look */
	uint32_t start_timeout_s;	/* 0 = as the source says */
	const char *address;		/* NULL = the one that faces the launcher, or 127.0.0.1 */
	unsigned port;
	const char *folder;		/* NULL = the usual one */
	const char *metrics;		/* where to tell them; NULL = nowhere */
	uint64_t pool_bytes;
	const char *security;
	struct launch_wishes wishes;
	struct launch_wlm_wishes sources;
	int verbose;
	/* from the process in front, see dragon.c */
	const char *launcher;
	int launcher_timeout_ms;
	int front_fd;
	pid_t client;
	unsigned long long client_start;
};

/* Prints help and errors itself and ends the process then: 0, or 2 for wrong usage. */
void launch_serve_options_parse(int argc, char **argv, struct launch_serve_options *ret_options);

#endif
