/* SPDX-License-Identifier: MIT */
/*
 * spawn.c - see spawn.h.
 *
 * clone(CLONE_VM | CLONE_VFORK) is vfork() with a stack of its own, which is what lets child() be a
 * plain function: nothing of the caller's frame is shared. child() makes system calls only.
 */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	STACK_BYTES = 64 * 1024,
	FD_ASIDE = 512,			/* copies wait above every number we place at */
	FD_FALLBACK_MAX = 65536,	/* without close_range(), kernels before 5.9 */
};

/* Shared with the child, which ends or execs before base_spawn() goes on. */
struct birth {
	const struct base_spawn *spec;
	pid_t parent;
	int error;		/* errno of the step that failed; written by the child */
	const char *step;
};

static const char default_path[] = "/usr/local/bin:/usr/bin:/bin";

/* Return: 0, -ENOENT or -EACCES. */
static int check_program(const char *file)
{
	struct stat st;

	if (stat(file, &st) < 0)
		return errno == EACCES ? -EACCES : -ENOENT;
	if (!S_ISREG(st.st_mode) || access(file, X_OK) < 0)
		return -EACCES;
	return 0;
}

/* A folder on the way that we may not search hides its files: that is "not found". */
static int is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int join(char *ret_path, const char *dir, size_t dir_bytes, const char *name)
{
	if (dir_bytes + 1 + strlen(name) >= PATH_MAX)
		return -ENAMETOOLONG;
	sprintf(ret_path, "%.*s/%s", (int)dir_bytes, dir, name);
	return 0;
}

int base_spawn_find(const char *name, const char *path, const char *cwd, char *ret_path)
{
	int worst = -ENOENT, rc;

	if (!*name)
		return -ENOENT;
	if (strchr(name, '/')) {
		if (*name == '/' || !cwd)
			rc = strlen(name) < PATH_MAX ? (strcpy(ret_path, name), 0) : -ENAMETOOLONG;
		else
			rc = join(ret_path, cwd, strlen(cwd), name);
		return rc < 0 ? rc : check_program(ret_path);
	}
	for (const char *dir = path && *path ? path : default_path; dir;) {
		size_t bytes = strcspn(dir, ":");

		rc = bytes ? join(ret_path, dir, bytes, name) : join(ret_path, ".", 1, name);
		if (rc == 0)
			rc = check_program(ret_path);
		if (rc == 0)
			return 0;
		if (rc == -EACCES && is_file(ret_path))
			worst = -EACCES;
		dir = dir[bytes] ? dir + bytes + 1 : NULL;
	}
	return worst;
}

int base_spawn_beside(const char *name, const char *const *places, char *ret_path)
{
	char self[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	ret_path[0] = 0;
	self[n > 0 ? n : 0] = 0;
	slash = strrchr(self, '/');
	if (!slash)
		return -ENOENT;
	*slash = 0;
	for (; *places; places++)
		if (snprintf(ret_path, PATH_MAX, "%s/%s%s", self, *places, name) < PATH_MAX &&
		    access(ret_path, X_OK) == 0)
			return 0;
	return -ENOENT;
}

int base_spawn_exit_code(int rc)
{
	return rc == -ENOENT ? 127 : 126;
}

/* Sanitizers hook what does not return, and would stumble over the child's stack. */
#define ON_OWN_STACK __attribute__((no_sanitize("address")))

static void ON_OWN_STACK leave(void)
{
	for (;;)
		syscall(SYS_exit_group, 127);
}

static int ON_OWN_STACK fail(struct birth *birth, const char *step)
{
	birth->error = errno;
	birth->step = step;
	leave();
	return 0;
}

static void close_span(unsigned first, unsigned last)
{
	if (first > last)
		return;
#ifdef SYS_close_range
	if (syscall(SYS_close_range, first, last, 0) == 0)
		return;
#endif
	for (unsigned fd = first; fd <= last && fd < FD_FALLBACK_MAX; fd++)
		close((int)fd);
}

/* Close all but 0, 1, 2 and the placed ones. Now, not by close-on-exec: exec lets the parent go on
 * before it closes, and a copy that lives on keeps the parent's closed descriptors in its epoll. */
static void close_others(const struct base_spawn *spec)
{
	unsigned first = 3;

	for (;;) {
		unsigned next = ~0u;

		for (int i = 0; i < spec->fd_count; i++)
			if ((unsigned)spec->fds[i].to >= first && (unsigned)spec->fds[i].to < next)
				next = (unsigned)spec->fds[i].to;
		close_span(first, next == ~0u ? ~0u : next - 1);
		if (next == ~0u)
			return;
		first = next + 1;
	}
}

/* Copies first, so that no number we place at is one we still need to read from. */
static void place_fds(struct birth *birth)
{
	const struct base_spawn *spec = birth->spec;
	int aside[3 + BASE_SPAWN_FDS_MAX], count = 0;

	for (int i = 0; i < 3 + spec->fd_count; i++) {
		int from = i < 3 ? spec->stdio[i] : spec->fds[i - 3].from;

		aside[count++] = from < 0 ? -1 : fcntl(from, F_DUPFD_CLOEXEC, FD_ASIDE);
		if (from >= 0 && aside[count - 1] < 0)
			fail(birth, "copy a descriptor");
	}
	for (int i = 0; i < count; i++) {
		int to = i < 3 ? i : spec->fds[i - 3].to;

		if (aside[i] >= 0 && dup2(aside[i], to) < 0)
			fail(birth, "place a descriptor");
	}
	close_others(spec);
}

static void reset_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		if (number != SIGKILL && number != SIGSTOP)
			sigaction(number, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int ON_OWN_STACK child(void *arg)
{
	struct birth *birth = arg;
	const struct base_spawn *spec = birth->spec;

	if (spec->flags & BASE_SPAWN_SESSION ? setsid() < 0 :
	    spec->flags & BASE_SPAWN_GROUP ? setpgid(0, 0) < 0 : 0)
		fail(birth, "make a process group");
	if (spec->death_signal) {
		prctl(PR_SET_PDEATHSIG, spec->death_signal);
		if (getppid() != birth->parent)
			leave();
	}
	if (spec->cwd && chdir(spec->cwd) < 0)
		fail(birth, "enter the directory");
	place_fds(birth);
	if (spec->set_umask)
		umask(spec->umask);
	if (spec->cpus && sched_setaffinity(0, spec->cpus_bytes, spec->cpus) < 0)
		fail(birth, "take the CPUs");
	if (spec->core)
		setrlimit(RLIMIT_CORE, spec->core);
	if (spec->files)
		setrlimit(RLIMIT_NOFILE, spec->files);
	reset_signals();
	execve(spec->path, spec->argv, spec->envp);
	return fail(birth, "execute");
}

int base_spawn(const struct base_spawn *spec, pid_t *ret_pid, struct base_err *reterr)
{
	struct birth birth = { .spec = spec, .parent = getpid() };
	sigset_t all, before;
	char *stack;
	pid_t pid;
	int saved;

	if (spec->fd_count < 0 || spec->fd_count > BASE_SPAWN_FDS_MAX)
		return base_err(reterr, -EINVAL, "%d descriptors to hand over", spec->fd_count);
	stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED)
		return base_err(reterr, -errno, "no memory to start %s", spec->path);
	/* A handler of ours must not run in the child: it would change our memory. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = clone(child, stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | SIGCHLD, &birth);
	saved = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	munmap(stack, STACK_BYTES);
	if (pid < 0)
		return base_err(reterr, -saved, "cannot start %s: %s", spec->path,
				strerror(saved));
	if (birth.error) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return base_err(reterr, -birth.error, "cannot %s for %s: %s", birth.step,
				spec->cwd && *birth.step == 'e' && birth.step[1] == 'n' ?
					spec->cwd : spec->path,
				strerror(birth.error));
	}
	*ret_pid = pid;
	return 0;
}
