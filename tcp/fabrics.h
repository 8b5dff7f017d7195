/* SPDX-License-Identifier: MIT */
/* fabrics.h - the fabrics of this agent and the choice among them. */
#ifndef TCP_FABRICS_H
#define TCP_FABRICS_H

#include <stdbool.h>

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

/* A part of a fabric that can be left out, as the kernel here has it. */
struct tcp_feature {
	const char *name, *what;
	const char *since; /* of Linux */
	bool standard;	   /* used when nobody says otherwise */
	bool usable;
	char why[64];	   /* it is not */
};
enum { TCP_FEATURES_MAX = 8 };

/* Try what `uring` could use. Return: how many; 0: none, there is no io_uring. */
int tcp_uring_features(struct tcp_feature ret_features[TCP_FEATURES_MAX]);

/* Are these options of `uring`? 0; -EINVAL with a message in @why. */
int tcp_tuning_check(const char *tuning, char *why, size_t why_bytes);

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
