/* SPDX-License-Identifier: MIT */
/* rundir.c - see rundir.h. */
#include "sweep/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DEPTH_FDS = 16, YOUNG_S = 60, TRIES = 10, TRY_US = 1000 };

/* What is not locked yet; nobody needs that for a minute. */
#define YOUNG "new-"

static const char *base_directory(void)
{
	const char *base = getenv("TMPDIR");

	return base && *base == '/' ? base : "/tmp";
}

/* Return: length of the prefix of all our directories' names. */
static int print_prefix(char *at, size_t room)
{
	return snprintf(at, room, "dhow-%u-", (unsigned)geteuid());
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)place;
	if (type == FTW_DP)
		rmdir(path);
	else
		unlink(path);
	return 0;
}

/* Somebody may still be adding files, or removing what was just seen. */
void launch_rundir_remove(const char *path)
{
	for (int i = 0; i < TRIES; i++) {
		nftw(path, remove_one, DEPTH_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
		if (access(path, F_OK) < 0)
			return;
		usleep(TRY_US);
	}
}

static int is_old(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0 && time(NULL) - status.st_mtime > YOUNG_S;
}

/* Return: a locked descriptor; -EWOULDBLOCK its owner lives; -EPERM not one of ours. */
static int lock(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), rc = 0;
	struct stat status;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0 || status.st_uid != geteuid())
		rc = -EPERM;
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		rc = -errno;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

int launch_rundir_sweep(void)
{
	const char *base = base_directory();
	DIR *directory = opendir(base);
	char prefix[32], path[PATH_MAX];
	int bytes = print_prefix(prefix, sizeof(prefix)), count = 0;
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		int fd, young = strncmp(entry->d_name, YOUNG, strlen(YOUNG)) == 0;

		if (strncmp(entry->d_name + (young ? strlen(YOUNG) : 0), prefix, (size_t)bytes))
			continue;
		snprintf(path, sizeof(path), "%s/%s", base, entry->d_name);
		/* Not locked to look at it: its owner is about to do that, and would fail. */
		if (young && !is_old(path))
			continue;
		fd = lock(path);
		if (fd < 0)
			continue;
		launch_rundir_remove(path);
		count++;
		close(fd);
	}
	if (directory)
		closedir(directory);
	return count;
}

/* rename() that replaces nothing. File systems that cannot do so have no other of that name. */
static int rename_new(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	return errno == EINVAL || errno == ENOSYS ? rename(from, to) : -1;
}

int launch_rundir_open(const char *name, struct launch_rundir *ret_rundir,
		       struct base_err *reterr)
{
	char prefix[32], young[sizeof(ret_rundir->path)], *path = ret_rundir->path;
	int rc;

	ret_rundir->lock = -1;
	launch_rundir_sweep();
	print_prefix(prefix, sizeof(prefix));
	if (snprintf(path, sizeof(ret_rundir->path), "%s/%s%s", base_directory(), prefix, name) >=
		    (int)sizeof(ret_rundir->path) ||
	    snprintf(young, sizeof(young), "%s/" YOUNG "%sXXXXXX", base_directory(), prefix) >=
		    (int)sizeof(young))
		return base_err(reterr, -ENAMETOOLONG, "TMPDIR is too long");
	if (!mkdtemp(young))
		return base_err(reterr, -errno, "cannot make a directory in %.150s: %s",
				base_directory(), strerror(errno));
	rc = lock(young);
	ret_rundir->lock = rc;
	if (rc >= 0 && rename_new(young, path) == 0)
		return 0;
	rc = rc < 0 ? rc : -errno;
	rmdir(young);
	if (ret_rundir->lock >= 0)
		close(ret_rundir->lock);
	ret_rundir->lock = -1;
	return base_err(reterr, rc, "cannot make directory %.150s: %s", path, strerror(-rc));
}

void launch_rundir_close(struct launch_rundir *rundir)
{
	if (rundir->lock < 0)
		return;
	launch_rundir_remove(rundir->path);
	close(rundir->lock);
	rundir->lock = -1;
}
