/* SPDX-License-Identifier: MIT */
/*
 * birth.h - what a rank is born with: program, environment, descriptors, CPUs.
 *
 * All that is the same for the ranks of a run is prepared once.
 */
#ifndef LAUNCH_NODE_BIRTH_H
#define LAUNCH_NODE_BIRTH_H

#include "node/run.h"

enum { DAEMON_BIRTH_ADD_MAX = 256 };	/* variables that one rank can get besides its app's */

/* Copy NAME=VALUE into the environment of the rank that is being born, in place of an entry of that
 * name. Return: 0; -ENOMEM; -E2BIG more than DAEMON_BIRTH_ADD_MAX. */
int launch_daemon_birth_add(struct daemon_birth *birth, const char *entry);

/* Value of a variable as the rank that is being born will see it. Return: NULL none. */
const char *launch_daemon_birth_get(const struct daemon_birth *birth, const char *name);

/* The environment of the run's first program, as it was sent but for what is dropped. */
char *const *launch_daemon_birth_env(const struct daemon_run *run);

#endif
