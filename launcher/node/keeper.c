/* SPDX-License-Identifier: MIT */
/* keeper.c - see keeper.h. */
#include "node/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/spawn.h"
#include "sweep/rundir.h"
#include "sweep/sweep.h"

enum { FAILED = 125, SWEEP_MS = 5, SWEEP_ROUNDS_MAX = 2000 };

static int start(int argc, char **argv, pid_t *ret_pid, struct base_err *reterr)
{
	char path[PATH_MAX];
	char **words = calloc((size_t)argc + 1, sizeof(*words));
	struct base_spawn spec = { .path = path,
				   .argv = words,
				   .envp = environ,
				   .stdio = { -1, -1, -1 },
				   .death_signal = SIGTERM };
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	int kept = 0, rc;

	if (!words || n < 0) {
		free(words);
		return base_err(reterr, -ENOMEM, "cannot find this program or memory for it");
	}
	path[n] = 0;
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], LAUNCH_KEEPER_OPTION) != 0)
			words[kept++] = argv[i];
	rc = base_spawn(&spec, ret_pid, reterr);
	free(words);
	return rc;
}

/* Return: status of @daemon when it has ended; others are reaped on the way. */
static int wait_for(pid_t daemon, const sigset_t *mask)
{
	int status;
	pid_t pid;

	for (;;) {
		int number = sigwaitinfo(mask, NULL);

		if (number > 0 && number != SIGCHLD)
			kill(daemon, number);	/* it knows how to end */
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			if (pid == daemon)
				return status;
	}
}

static void sweep(void)
{
	for (int round = 0; round < SWEEP_ROUNDS_MAX && launch_sweep_children() > 0; round++) {
		usleep(SWEEP_MS * 1000);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

int launch_keeper_run(int argc, char **argv)
{
	static const int numbers[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP };
	int status, null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct base_err err;
	sigset_t mask;
	pid_t daemon;

	sigemptyset(&mask);
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigaddset(&mask, numbers[i]);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (start(argc, argv, &daemon, &err) < 0) {
		base_log_error("%s", err.text);
		return FAILED;
	}
	if (null >= 0)	/* the life line is the daemon's alone */
		dup2(null, STDIN_FILENO);
	status = wait_for(daemon, &mask);
	sweep();
	launch_rundir_sweep();
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
