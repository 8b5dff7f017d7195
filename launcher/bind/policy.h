/* SPDX-License-Identifier: MIT */
/* policy.h - what --cpu-bind says, as numbers. */
#ifndef LAUNCH_BIND_POLICY_H
#define LAUNCH_BIND_POLICY_H

#include <stdint.h>

#include "base/err.h"

enum { LAUNCH_BIND_CPUS_MAX = 1024 };	/* of a node, as in cpu_set_t */

enum launch_bind_kind {
	LAUNCH_BIND_NONE,
	LAUNCH_BIND_CORE,	/* whole cores, one behind the other */
	LAUNCH_BIND_SOCKET,	/* a socket, ranks spread evenly over all */
	LAUNCH_BIND_NUMA,	/* the same with NUMA nodes */
	LAUNCH_BIND_RANK,	/* hardware threads, one behind the other */
	LAUNCH_BIND_MAP,	/* the processor in a list */
	LAUNCH_BIND_MASK,	/* the processors of a mask in a list */
};

struct launch_bind_policy {
	enum launch_bind_kind kind;
	int verbose;
	const char *list;	/* of MAP and MASK; borrowed from the text */
};

/* For people: all that can be written. */
#define LAUNCH_BIND_WORDS "none, core, socket, numa, rank, map:0,2,... or mask:0x3,0xc,..."

/* @text: `[verbose,]KIND[:LIST]`; srun's names (cores, sockets, ldoms, map_cpu, mask_cpu) are
 * taken, too. Return: 0; -EINVAL with @reterr filled. */
int launch_bind_parse(const char *text, struct launch_bind_policy *ret_policy,
		      struct base_err *reterr);

/* Item @index of a list that was parsed, counted round and round. */
void launch_bind_item(const struct launch_bind_policy *policy, uint32_t index, char *ret_item,
		      unsigned room);

#endif
