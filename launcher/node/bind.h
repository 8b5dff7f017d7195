/* SPDX-License-Identifier: MIT */
/* bind.h - processors and GPUs of the tasks of a run on this node, as its settings ask. */
#ifndef LAUNCH_NODE_BIND_H
#define LAUNCH_NODE_BIND_H

#include <sched.h>

#include "node/birth.h"

/**
 * launch_daemon_bind - what the rank that is being born gets.
 * @ret_cpus: filled when the return value is 1.
 *
 * Puts the variables for its GPUs into its environment. The first call for a run computes all.
 * Return: 1 it is to be bound; 0 it is not; negative errno with @reterr filled.
 */
int launch_daemon_bind(struct daemon_task *task, cpu_set_t *ret_cpus, struct base_err *reterr);
void launch_daemon_bind_close(struct daemon_run *run);

#endif
