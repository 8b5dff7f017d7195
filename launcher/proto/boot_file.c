/* SPDX-License-Identifier: MIT */
/* boot_file.c - see boot_file.h. */
#include "wlm/boot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int launch_boot_file_write(const struct launch_boot *boot, struct launch_boot_file *ret_file,
			   struct base_err *reterr)
{
	struct launch_boot_file *file = ret_file;
	const char *where = getenv("DHOW_BOOT_DIR");
	int fd, rc;

	if (!where || !*where)
		where = getenv("HOME");
	if (!where || *where != '/')
		return base_err(reterr, -EINVAL, "no folder for the start message: set "
				"DHOW_BOOT_DIR to one that all nodes share");
	if (snprintf(file->dir, sizeof(file->dir), "%s/.dhow-%s", where, boot->tag) >=
	    (int)sizeof(file->dir) || mkdir(file->dir, 0700) < 0) {
		rc = base_err(reterr, errno ? -errno : -ENAMETOOLONG, "cannot make a folder in "
			      "\"%.150s\" (DHOW_BOOT_DIR): %s", where, strerror(errno));
		file->dir[0] = 0;
		return rc;
	}
	snprintf(file->path, sizeof(file->path), "%s/boot", file->dir);
	fd = open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	rc = fd < 0 ? -errno : launch_boot_write(fd, boot);
	if (fd >= 0 && close(fd) < 0 && rc == 0)
		rc = -errno;
	if (rc < 0) {
		base_err(reterr, rc, "cannot write \"%.180s\": %s", file->path, strerror(-rc));
		launch_boot_file_remove(file);
	}
	return rc;
}

void launch_boot_file_remove(struct launch_boot_file *file)
{
	int saved_errno = errno;

	if (file->path[0])
		unlink(file->path);
	if (file->dir[0])
		rmdir(file->dir);
	file->path[0] = file->dir[0] = 0;
	errno = saved_errno;
}
