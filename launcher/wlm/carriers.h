/* SPDX-License-Identifier: MIT */
/*
 * carriers.h - the processes here that stand for the daemons of a job: the daemons themselves
 * (local nodes), one ssh for each, or one srun for all.
 *
 * A carrier's stdin is the start message and then the life line: it ends the daemons when it is
 * closed, also by our death. What carriers write to stderr is passed on line by line; the last
 * line before the daemon has greeted is kept back, because it says why it never will.
 *
 * Only launch_carriers_close() blocks. One thread. Children are reaped by the owner.
 */
#ifndef LAUNCH_CARRIERS_H
#define LAUNCH_CARRIERS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "proto/boot.h"
#include "wlm/wlm.h"

enum {
	LAUNCH_CARRIER_TEXT_BYTES = 256,
	LAUNCH_CARRIERS_CLOSE_MS = 4000,	/* at most, for launch_carriers_close() */
};

struct launch_carriers;

/* Called from inside launch_carriers_step(); each may be NULL. */
struct launch_carriers_hooks {
	void *arg;
	/* What carried the daemon of @node has ended before it was over; once for each node. */
	void (*lost)(void *arg, uint32_t node, const char *text);
	/* A line that a carrier or a daemon wrote to stderr, without its end. */
	void (*line)(void *arg, const char *line);
	/* With @text of a command line or a pid: only for those who want to know much. */
	void (*say)(void *arg, const char *text);
};

/* All of it is borrowed until launch_carriers_close(). */
struct launch_carriers_spec {
	const struct launch_wlm *source;
	const struct launch_wlm_wishes *wishes;
	const struct launch_host *hosts;
	uint32_t nodes;
	const char *dhowd;		/* program here; elsewhere the same path, unless wished */
	const struct launch_boot *boot;
	char *const *envp;		/* of the carriers */
	const char *tag, *owner;	/* NAME=value: what a daemon must have in its environment */
};

/* Starts the first of them. Return: 0; negative errno with @reterr filled, then nothing runs. */
int launch_carriers_open(const struct launch_carriers_spec *spec,
			 const struct launch_carriers_hooks *hooks,
			 struct launch_carriers **ret_carriers, struct base_err *reterr);

/* For poll(), POLLIN: a carrier has written to stderr. */
int launch_carriers_fd(const struct launch_carriers *carriers);
/* Start more, pass lines on, tell of losses. Return: ms until it wants to be called, -1 none;
 * after any of the functions below it wants to be called soon. */
int launch_carriers_step(struct launch_carriers *carriers);

/* A child of ours was reaped. Return: 1 it was a carrier. */
int launch_carriers_reaped(struct launch_carriers *carriers, pid_t pid, int status);
/* The daemon of @node has said hello. */
void launch_carriers_greeted(struct launch_carriers *carriers, uint32_t node);
/* It is over with @node: that its carrier ends is no loss any more. */
void launch_carriers_over(struct launch_carriers *carriers, uint32_t node);
/* What is known of a node that has not greeted: "waits for its turn", or a line of its carrier. */
void launch_carriers_describe(const struct launch_carriers *carriers, uint32_t node,
			      char *ret_text, size_t room);

/* End them all and free. Local daemons that are not over are killed, others lose their life line
 * and get time to clean up. NULL is fine. */
void launch_carriers_close(struct launch_carriers *carriers);

#endif
