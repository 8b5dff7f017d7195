/* SPDX-License-Identifier: MIT */
/* boot_file.c - see boot_file.h. */
#include "proto/boot_file.h"

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

int launch_boot_file_read(const char *path, int timeout_ms, struct launch_boot *ret_boot,
			  struct base_err *reterr)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), rc;
	struct stat st;

	if (fd < 0)
		return base_err(reterr, -errno, "cannot read the start message \"%.150s\": %s\n"
				"try: DHOW_BOOT_DIR, a folder that all nodes share", path,
				strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    st.st_mode & 077)
		rc = base_err(reterr, -EPERM, "start message \"%.150s\": others could have "
			      "written or read it", path);
	else
		rc = launch_boot_read(fd, timeout_ms, ret_boot, reterr);
	close(fd);
	return rc;
}

void launch_boot_file_forget(const char *path)
{
	struct launch_boot_file file = { "", "" };
	const char *slash = strrchr(path, '/');

	if (!slash || (size_t)(slash - path) >= sizeof(file.dir) ||
	    strlen(path) >= sizeof(file.path))
		return;
	memcpy(file.dir, path, (size_t)(slash - path));
	strcpy(file.path, path);
	launch_boot_file_remove(&file);
}
