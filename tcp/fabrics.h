/* SPDX-License-Identifier: MIT */
/* fabrics.h - the fabrics of this agent and the choice among them. */
#ifndef TCP_FABRICS_H
#define TCP_FABRICS_H

#include "agent/fabric.h"

extern const struct fabric_ops fabric_epoll;
#ifdef DHOW_HAVE_URING
extern const struct fabric_ops fabric_uring;
#endif

struct tcp_fabric {
	const char *name;
	const struct fabric_ops *ops; /* NULL = not in this build */
	const char *absent;	      /* why */
};

/* In order of preference; ends with a NULL name. */
extern const struct tcp_fabric tcp_fabrics[];

/* 0, or negative errno and why it cannot run here. */
int tcp_fabric_probe(const struct tcp_fabric *fabric, const struct fabric_options *options,
		     char *why, size_t why_bytes);

/* @name: of the table, or "auto" = the first that can run; says in one log line why the
 * preferred one is not used. NULL with a message in @why if there is none. */
const struct fabric_ops *tcp_fabric_choose(const char *name, const struct fabric_options *options,
					   char *why, size_t why_bytes);

#endif
