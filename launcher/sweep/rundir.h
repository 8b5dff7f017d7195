/* SPDX-License-Identifier: MIT */
/*
 * rundir.h - a directory for the files of one daemon, that does not outlive it.
 *
 * It is in $TMPDIR (or /tmp), is called dhow-UID-NAME, has mode 0700, and is locked as long as its
 * owner lives. The lock is the kernel's proof: a directory of ours that can be locked belongs to
 * nobody any more, and whoever comes next removes it. It gets its name when it is locked.
 */
#ifndef LAUNCH_RUNDIR_H
#define LAUNCH_RUNDIR_H

#include <limits.h>

#include "base/err.h"

struct launch_rundir {
	int lock;		/* descriptor of the directory; -1 none */
	char path[PATH_MAX - 256];
};

/* Also removes those of dead owners. @name: short, no slashes, of nobody else. */
int launch_rundir_open(const char *name, struct launch_rundir *ret_rundir,
		       struct base_err *reterr);
/* Removes it with all that is in it. */
void launch_rundir_close(struct launch_rundir *rundir);

/* Remove a directory of ours and all below it; does not follow links. */
void launch_rundir_remove(const char *path);
/* Remove the directories of dead owners. Return: how many. */
int launch_rundir_sweep(void);

#endif
