/* SPDX-License-Identifier: MIT */
/*
 * wlm.h - where nodes come from: one row of a table for each workload manager, and local nodes.
 */
#ifndef LAUNCH_WLM_H
#define LAUNCH_WLM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/address.h"
#include "proto/boot.h"
#include "wlm/hosts.h"
#include "wlm/words.h"

enum { LAUNCH_REASON_BYTES = 160 };

/* What the user said about nodes; NULL = nothing. */
struct launch_wlm_wishes {
	const char *wlm;		/* name of the source */
	const char *hosts, *hostfile;	/* of ssh */
	const char *nodelist, *exclude;	/* which of the nodes that there are */
	const char *ssh;		/* command in place of ssh */
	const char *dhowd;		/* path of dhowd on the other nodes */
	const char *address;		/* of dlaunch: an address, or a network interface */
};

/* One process here that stands for the daemons of @count nodes from @first on. */
struct launch_carry {
	const struct launch_wlm_wishes *wishes;
	const struct launch_host *hosts;	/* of the job, all of them */
	uint32_t nodes;
	uint32_t first, count;
	const char *dhowd;		/* path */
	const char *tag, *owner;	/* NAME=value: what a daemon must have in its environment */
	const char *boot_file;		/* of a source with boot_by_file */
};

struct launch_wlm {
	const char *name;
	/* 1 if this source can be used here, else 0; and why. */
	int (*detect)(const struct launch_wlm_wishes *wishes, char *ret_reason, size_t room);
	/* The nodes there are. @wanted of them are asked for, 0 = not said: only a source that can
	 * make as many as one likes looks at it. @ret_hosts is empty before, owned after. */
	int (*hosts)(const struct launch_wlm_wishes *wishes, uint32_t wanted,
		     struct launch_hosts *ret_hosts, struct base_err *reterr);
	/* The command line that starts dhowd there. */
	int (*command)(const struct launch_carry *carry, struct launch_words *ret_words,
		       struct base_err *reterr);
	const char *carrier;	/* name of that program, for people */
	const char *noise;	/* a line of it that is no news; NULL = none */
	int same_machine;	/* nodes are this machine: programs can be checked before */
	int one_for_all;	/* one process carries all daemons, else one each */
	uint32_t at_once;	/* how many of them may be coming up at the same time */
	int passes_environment;	/* daemons get ours; else by the start message */
	int boot_by_file;	/* no stdin reaches them */
	uint32_t start_timeout_s;	/* for all nodes to come up, when not told */
};

/**
 * launch_wlm_find - the source to use: the one that was named, or the first that detects itself.
 *
 * Return: NULL there is none of that name, or it cannot be used here; @reterr says why.
 */
const struct launch_wlm *launch_wlm_find(const struct launch_wlm_wishes *wishes,
					 struct base_err *reterr);
/* Row @index of the table, for people. Return: NULL behind the last. */
const struct launch_wlm *launch_wlm_row(size_t index);

/* For `--dry-run -v`: each row, whether it was taken, and why. */
void launch_wlm_print(const struct launch_wlm_wishes *wishes, const struct launch_wlm *used);

/* The nodes of @source without those that --nodelist and --exclude leave out. Return: 0;
 * -EINVAL the user is wrong; other negative errno. launch_hosts_fini() ends @ret_hosts. */
int launch_wlm_hosts(const struct launch_wlm *source, const struct launch_wlm_wishes *wishes,
		     uint32_t wanted, struct launch_hosts *ret_hosts, struct base_err *reterr);

/* Address of dlaunch's control socket: one that the nodes can reach. May ask the resolver. */
int launch_wlm_address(const struct launch_wlm *source, const struct launch_wlm_wishes *wishes,
		       const struct launch_hosts *hosts, char ret_address[LAUNCH_ADDRESS_BYTES],
		       struct base_err *reterr);

/* Fill what the start message says of nodes: names, rule for addresses, environment; and move
 * its agent, which must be there already, to where --remote-dhowd is. What it points to is owned
 * by @boot, see launch_boot_free(). Return: 0; -ENOMEM. */
int launch_wlm_fill_boot(const struct launch_wlm *source, const struct launch_wlm_wishes *wishes,
			 const struct launch_host *hosts, uint32_t nodes,
			 struct launch_boot *boot);

extern const struct launch_wlm launch_wlm_slurm, launch_wlm_pals, launch_wlm_pbs, launch_wlm_ssh,
	launch_wlm_local;

#endif
