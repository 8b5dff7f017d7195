/* SPDX-License-Identifier: MIT */
/* gpus.h - which GPUs a task may see, as the variables that their libraries read. */
#ifndef LAUNCH_BIND_GPUS_H
#define LAUNCH_BIND_GPUS_H

#include <stdint.h>

#include "base/err.h"

/* What launch_gpus_assign() asks and tells. */
struct launch_gpus_hooks {
	void *arg;
	/* Value of a variable that says which GPUs we may use ourselves; NULL = it is not set. */
	const char *(*get)(void *arg, const char *name);
	/* NAME=VALUE for the task. Return: 0; negative errno. */
	int (*set)(void *arg, const char *entry);
};

/**
 * launch_gpus_assign - make GPUs @first to @first + @count - 1 of this node visible.
 * @root: "" for this machine; tests make another one.
 * @share: where there are too few, begin again with the first.
 *
 * Numbers count within what is visible to us: a list that was inherited is shortened, never
 * extended. Each kind of GPU that is here, or that an inherited list speaks of, gets its variable.
 * Return: 0; -ENODEV there is no GPU; -ENOSPC too few; what @set said.
 */
int launch_gpus_assign(const char *root, const struct launch_gpus_hooks *hooks, uint32_t first,
		       uint32_t count, int share, struct base_err *reterr);

#endif
