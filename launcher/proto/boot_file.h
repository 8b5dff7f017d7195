/* SPDX-License-Identifier: MIT */
/*
 * boot_file.h - the start message in a file, where nothing carries a stdin to the nodes.
 *
 * It is in a folder of mode 0700 on a file system that the nodes share: the user's home, or
 * $DHOW_BOOT_DIR. It is removed when all daemons have read it, at the latest when the job ends.
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

#endif
