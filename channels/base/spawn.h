/* SPDX-License-Identifier: MIT */
/*
 * spawn.h - start a program: vfork + exec, never a bare fork.
 *
 * A fork of a process with threads and large maps is slow and unsafe; here the child borrows our
 * memory until it execs, so that its errno comes back without a pipe.
 */
#ifndef BASE_SPAWN_H
#define BASE_SPAWN_H

#include <sched.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/err.h"

enum {
	BASE_SPAWN_FDS_MAX = 4,
	BASE_SPAWN_GROUP = 1 << 0,	/* a process group of its own */
	BASE_SPAWN_SESSION = 1 << 1,	/* a session of its own */
};

struct base_spawn_fd {
	int from;	/* ours; borrowed */
	int to;		/* number in the child, 3 to 511 */
};

/* All pointers are borrowed for the call. Zero means: nothing special. */
struct base_spawn {
	const char *path;		/* as found by base_spawn_find() */
	char *const *argv, *const *envp;
	const char *cwd;		/* NULL = ours */
	int stdio[3];			/* descriptors to become 0, 1, 2; -1 = ours */
	struct base_spawn_fd fds[BASE_SPAWN_FDS_MAX];
	int fd_count;
	unsigned flags;			/* BASE_SPAWN_* */
	int death_signal;		/* sent to the child when the calling thread ends */
	int set_umask;			/* use @umask */
	mode_t umask;
	const struct rlimit *core;	/* RLIMIT_CORE of the child; NULL = ours */
	const struct rlimit *files;	/* RLIMIT_NOFILE of the child; NULL = ours */
	const cpu_set_t *cpus;		/* that it may run on; NULL = ours */
	size_t cpus_bytes;
};

/**
 * base_spawn_find - find the program that a shell would run for @name.
 * @name: with a slash: a file, relative to @cwd; else searched in @path.
 * @path: value of PATH; NULL = /usr/local/bin:/usr/bin:/bin.
 * @cwd:  where relative names start; NULL = our directory.
 * @ret_path: at least PATH_MAX bytes.
 *
 * Return: 0; -ENOENT there is no such file; -EACCES there is, but it cannot be executed;
 * -ENAMETOOLONG.
 */
int base_spawn_find(const char *name, const char *path, const char *cwd, char *ret_path);

/**
 * base_spawn_beside - find a program that belongs to this one.
 * @places: from the folder of this program: "" or "../bin/"; NULL at the end.
 * @ret_path: at least PATH_MAX bytes; the last place if it is in none.
 *
 * Return: 0; -ENOENT it is in none of them, or our own place is not known.
 */
int base_spawn_beside(const char *name, const char *const *places, char *ret_path);

/* The exit code by which shells tell the two apart: 127 not found, 126 not executable. */
int base_spawn_exit_code(int rc);

/**
 * base_spawn - start a program.
 *
 * In the child all signals have their default action and none is blocked, and only the
 * descriptors named in @spec are open. Thread-safe. Blocks until the child has exec'ed.
 * Return: 0; negative errno of what failed in the child, the child is then reaped.
 */
int base_spawn(const struct base_spawn *spec, pid_t *ret_pid, struct base_err *reterr);

#endif
