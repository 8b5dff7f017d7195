/* SPDX-License-Identifier: MIT */
/*
 * boot_file.h - the start message in a file, where nothing carries a stdin to the nodes.
 *
 * It is in a folder of mode 0700 on a file system that the nodes share: the user's home, or
 * $DHOW_BOOT_DIR. It is removed when all daemons have read it, at the latest when the job ends;
 * if dlaunch is dead, a daemon does it.
 */
#ifndef LAUNCH_BOOT_FILE_H
#define LAUNCH_BOOT_FILE_H

#include <limits.h>

#include "base/err.h"
#include "proto/boot.h"

/* Zeroed is none. */
struct launch_boot_file {
	char dir[PATH_MAX - 8], path[PATH_MAX];
};

int launch_boot_file_write(const struct launch_boot *boot, struct launch_boot_file *ret_file,
			   struct base_err *reterr);
void launch_boot_file_remove(struct launch_boot_file *file);

/* Read it, if nobody else can have written or read it. Return: as launch_boot_read(); -EPERM. */
int launch_boot_file_read(const char *path, int timeout_ms, struct launch_boot *ret_boot,
			  struct base_err *reterr);
/* Remove the file at @path and its folder, in place of a dlaunch that cannot any more. */
void launch_boot_file_forget(const char *path);

#endif
