/* SPDX-License-Identifier: MIT */
/* ask.c - see ask.h. */
#include "cli/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/spawn.h"

enum { REAP_STEP_US = 1000 };

/* Read until the end, the room is full (the rest is read and dropped) or the deadline. */
static int read_all(int fd, uint64_t deadline_ns, char *text, size_t room)
{
	size_t used = 0;
	char rest[512];

	for (;;) {
		struct pollfd poller = { .fd = fd, .events = POLLIN };
		int rc = poll(&poller, 1, base_poll_ms(deadline_ns));
		ssize_t n;

		if (rc == 0)
			return -ETIMEDOUT;
		if (rc < 0 && errno != EINTR)
			return -errno;
		if (rc < 0)
			continue;
		if (used + 1 < room)
			n = read(fd, text + used, room - 1 - used);
		else
			n = read(fd, rest, sizeof(rest));
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && used + 1 < room)
			used += (size_t)n;
		text[used] = 0;
	}
}

static int reap(pid_t pid, uint64_t deadline_ns)
{
	int status;
	pid_t done;

	while ((done = waitpid(pid, &status, WNOHANG)) == 0 && base_now_ns() < deadline_ns)
		usleep(REAP_STEP_US);
	if (done == 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);	/* nothing survives SIGKILL */
		return -ETIMEDOUT;
	}
	if (done < 0)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EPROTO;
}

/* UCX writes its warnings where our answer goes; its level is read before main(). */
static char **make_environment(void)
{
	static char quiet[] = "UCX_LOG_LEVEL=fatal";
	size_t count = 0, kept = 0;
	char **env;

	while (environ[count])
		count++;
	env = calloc(count + 2, sizeof(*env));
	for (size_t i = 0; env && i < count; i++)
		if (strncmp(environ[i], quiet, strcspn(quiet, "=") + 1) != 0)
			env[kept++] = environ[i];
	if (env)
		env[kept] = quiet;
	return env;
}

int launch_ask(const char *program, char *const *argv, int timeout_ms, char *ret_text,
	       size_t room)
{
	uint64_t deadline_ns = base_now_ns() + (uint64_t)timeout_ms * BASE_MS;
	struct base_spawn spec = { .path = program,
				   .argv = argv,
				   .flags = BASE_SPAWN_GROUP,
				   .death_signal = SIGKILL };
	char **env = make_environment();
	int ends[2], null = open("/dev/null", O_RDWR | O_CLOEXEC), rc;
	pid_t pid = 0;

	ret_text[0] = 0;
	if (!env || null < 0 || pipe2(ends, O_CLOEXEC) < 0) {
		free(env);
		if (null >= 0)
			close(null);
		return -ENOMEM;
	}
	spec.envp = env;
	spec.stdio[0] = spec.stdio[2] = null;
	spec.stdio[1] = ends[1];
	rc = base_spawn(&spec, &pid, NULL);
	close(ends[1]);
	close(null);
	free(env);
	if (rc == 0) {
		int code;

		rc = read_all(ends[0], deadline_ns, ret_text, room);
		if (rc < 0)
			kill(pid, SIGKILL);
		code = reap(pid, deadline_ns);
		rc = rc < 0 ? rc : code;
	}
	close(ends[0]);
	return rc;
}
