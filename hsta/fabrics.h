/* SPDX-License-Identifier: MIT */
/* fabrics.h - the fabrics of this agent and the choice among them. */
#ifndef HSTA_FABRICS_H
#define HSTA_FABRICS_H

#include "agent/fabric.h"

#ifdef DHOW_HAVE_OFI
extern const struct fabric_ops hsta_ofi;
#endif
#ifdef DHOW_HAVE_UCX
extern const struct fabric_ops hsta_ucx;
#endif

struct hsta_fabric {
	const char *name;
	const struct fabric_ops *ops; /* NULL = not in this build */
	const char *absent;	      /* why */
	const char *loopback;	      /* instead of any address of 127/8; NULL = as it is */
};

/* In order of preference; ends with a NULL name. */
extern const struct hsta_fabric hsta_fabrics[];

/* Set what the libraries below read from the environment, unless the user did. Once, before
 * anything else here: they read it at their first call. */
void hsta_environment(void);

/* 0 and what it would use, or negative errno and why it cannot run here, in @why. Corrects
 * @options to how this fabric calls what is meant. */
int hsta_fabric_probe(const struct hsta_fabric *fabric, struct fabric_options *options,
		      char *why, size_t why_bytes);

/* @name: of the table, or "auto" = the first that can run; says in one log line why the
 * preferred one is not used. @options are corrected, @why says what it would use. NULL with
 * a message in @why if there is none. */
const struct fabric_ops *hsta_fabric_choose(const char *name, struct fabric_options *options,
					    char *why, size_t why_bytes);

#endif
