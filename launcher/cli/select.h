/* SPDX-License-Identifier: MIT */
/*
 * select.h - which transport, fabric, provider and NIC: from the options, the environment and
 * what this machine has.
 *
 * An option beats a variable: one that belongs to the other transport is then ignored. Whoever
 * names a fabric, a provider or a NIC has named its transport. Else hsta is taken where there
 * is an RDMA device and its agent can use it, and tcp everywhere else.
 */
#ifndef LAUNCH_SELECT_H
#define LAUNCH_SELECT_H

#include <limits.h>
#include <stddef.h>

#include "base/err.h"
#include "cli/program.h"

/* One wish, and who uttered it. */
struct launch_wish {
	const char *value;	/* NULL = none */
	const char *origin;	/* "--fabric" or "DHOW_FABRIC" */
	int is_option;
};

struct launch_wishes {
	struct launch_wish transport, fabric, provider, nic;
};

struct launch_selection {
	const char *transport;		/* "tcp" or "hsta" */
	char fabric[32];		/* each empty: the agent chooses */
	char provider[64], nic[64];
	char agent[PATH_MAX];		/* program */
	char why[512];			/* what led to it, for people */
};

/* Take for each wish that no option has uttered what its variable says. */
void launch_wishes_environment(struct launch_wishes *wishes);

/**
 * launch_select - validate the wishes and choose.
 * @sys: where the kernel shows its devices: "/sys".
 * @needed: an agent will run. If 0, only what an option asks for is tried on this machine.
 *
 * May run the agent for a second, to hear what it can use. Return: 0; else the exit code
 * (2 wrong usage, 125) with @reterr filled.
 */
int launch_select(const struct launch_wishes *wishes, const char *sys, int needed,
		  struct launch_selection *ret_selection, struct base_err *reterr);

/* The first RDMA device under @sys: "cxi0 (class cxi)". Return: 0; -ENODEV. */
int launch_rdma_find(const char *sys, char *ret_text, size_t room);

#endif
