/* SPDX-License-Identifier: MIT */
/*
 * bed_init.c - the first process of a test node: `bed_init OWNER NAME` makes network, mount, host
 * name, IPC and process namespaces, prints the pid of their init and returns.
 *
 * The init reaps, and ends when process OWNER does: then the kernel kills all that is inside and
 * takes the namespaces down. So a test that is killed leaves nothing behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAMESPACES = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID };

static int fail(const char *what)
{
	fprintf(stderr, "bed_init: %s: %s\n", what, strerror(errno));
	return 1;
}

static void serve(int owner, int signals)
{
	struct pollfd poller[2] = { { .fd = owner, .events = POLLIN },
				    { .fd = signals, .events = POLLIN } };
	struct signalfd_siginfo info;

	while (!poller[0].revents) {
		poll(poller, 2, -1);
		while (read(signals, &info, sizeof(info)) > 0)
			;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

int main(int argc, char **argv)
{
	sigset_t mask;
	int owner, signals, null;
	pid_t pid;

	if (argc != 3)
		return fail("usage: bed_init OWNER NAME");
	owner = (int)syscall(SYS_pidfd_open, atoi(argv[1]), 0);
	if (owner < 0)
		return fail("owner");
	if (unshare(NAMESPACES) < 0)
		return fail("unshare (root is needed)");
	pid = fork();
	if (pid < 0)
		return fail("fork");
	if (pid > 0) {
		printf("%d\n", (int)pid);
		fflush(stdout);
		_exit(0);	/* a sanitizer's look at leaks wants threads, which cannot be */
	}
	setsid();
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ||
	    sethostname(argv[2], strlen(argv[2])) < 0 || chdir("/") < 0)
		return fail(argv[2]);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd < 3; fd++)	/* whoever waits for our end of a pipe may go on */
		dup2(null, fd);
	serve(owner, signals);
	_exit(0);
}
