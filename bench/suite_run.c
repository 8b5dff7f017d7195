/* SPDX-License-Identifier: MIT */
/* suite_run.c - runs one benchmark of `dhow bench` and draws the bar. */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/signals.h"
#include "base/spawn.h"

enum { BAR = 24, GRACE_S = 10, LINE_BYTES = 512, READ_BYTES = 4096 };

static const char mark[] = "progress: ";
static int signals = -1;

/* A program and what is known of it. */
struct running {
	const struct suite_command *command;
	struct suite_progress *progress;
	pid_t pid;
	int out, err;			/* our ends; -1 = closed */
	char line[LINE_BYTES];		/* of its stderr, not yet whole */
	size_t used;
	uint64_t deadline_ns;
	int ended_for;			/* -ETIMEDOUT or -EINTR: we end it; 0 = nobody does */
};

void suite_progress_open(struct suite_progress *progress, unsigned parts)
{
	*progress = (struct suite_progress){ .parts = parts,
					     .is_terminal = isatty(STDERR_FILENO),
					     .begin_ns = base_now_ns() };
}

void suite_progress_erase(struct suite_progress *progress)
{
	if (progress->is_drawn)
		fputs("\r\033[K", stderr);
	progress->is_drawn = false;
}

void suite_progress_draw(struct suite_progress *progress, unsigned done, unsigned all,
			 const char *row)
{
	unsigned seconds = (unsigned)((base_now_ns() - progress->begin_ns) / (1000 * BASE_MS));
	unsigned full = all ? (progress->part * BAR + BAR * done / all) / progress->parts : 0;
	char bar[BAR + 1];

	if (!progress->is_terminal)
		return;
	for (unsigned i = 0; i < BAR; i++)
		bar[i] = i < full ? '#' : '.';
	bar[BAR] = 0;
	fprintf(stderr, "\r\033[K[%s] %u/%u %s %.40s %u:%02u", bar, progress->part + 1,
		progress->parts, progress->name, row, seconds / 60, seconds % 60);
	progress->is_drawn = true;
}

int suite_signals_open(struct base_err *reterr)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGCHLD };

	signals = base_signals_open(numbers, sizeof(numbers) / sizeof(*numbers), reterr);
	signal(SIGPIPE, SIG_DFL);	/* `dhow bench | head` ends with head */
	return signals < 0 ? signals : 0;
}

/* "progress: 3/14 oneway copy-spin 64" is for us, all else for the user. */
static void take_line(struct running *running)
{
	unsigned done, all;
	int begin = 0;

	running->line[running->used] = 0;
	running->used = 0;
	if (!strncmp(running->line, mark, strlen(mark)) &&
	    sscanf(running->line + strlen(mark), "%u/%u %n", &done, &all, &begin) == 2 && begin) {
		suite_progress_draw(running->progress, done, all,
				    running->line + strlen(mark) + begin);
		return;
	}
	if (running->command->is_quiet)
		return;
	suite_progress_erase(running->progress);
	fprintf(stderr, "%s\n", running->line);
}

static void take_err(struct running *running, const char *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		if (data[i] == '\n' || running->used == LINE_BYTES - 1)
			take_line(running);
		if (data[i] != '\n')
			running->line[running->used++] = data[i];
	}
}

/* Read once. Return: whether something was read. */
static bool take(struct running *running, int *fd)
{
	char data[READ_BYTES];
	ssize_t n = *fd < 0 ? 0 : read(*fd, data, sizeof(data));

	if (n > 0 && fd == &running->err) {
		take_err(running, data, (size_t)n);
	} else if (n > 0 && !running->command->is_quiet) {
		suite_progress_erase(running->progress);
		fwrite(data, 1, (size_t)n, stdout);
		fflush(stdout);
	}
	if (n == 0 && *fd >= 0) {
		close(*fd);
		*fd = -1;
	}
	return n > 0;
}

static int start(struct running *running)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), out[2] = { -1, -1 }, err[2] = { -1, -1 };
	struct base_spawn spec = { .path = running->command->argv[0],
				   .argv = running->command->argv,
				   .envp = environ,
				   .cwd = running->command->folder,
				   /* a ^C of the terminal is ours alone, we pass it on */
				   .flags = BASE_SPAWN_GROUP,
				   .death_signal = SIGTERM };
	int rc = null < 0 ? -errno : 0;

	if (!rc && (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)))
		rc = -errno;
	spec.stdio[0] = null;
	spec.stdio[1] = out[1];
	spec.stdio[2] = err[1];
	rc = rc ? rc : base_spawn(&spec, &running->pid, NULL);
	if (null >= 0)
		close(null);
	for (int i = 0; i < 2; i++) {
		int *pair = i ? err : out;

		if (pair[1] >= 0)
			close(pair[1]);
		if (rc && pair[0] >= 0)
			close(pair[0]);
		else if (!rc)
			fcntl(pair[0], F_SETFL, O_NONBLOCK);
	}
	running->out = out[0];
	running->err = err[0];
	return rc;
}

/* SIGTERM first: dlaunch then ends its run. */
static void end(struct running *running, int why)
{
	if (running->ended_for)
		kill(running->pid, SIGKILL);
	else
		kill(running->pid, SIGTERM);
	running->ended_for = running->ended_for ? running->ended_for : why;
	running->deadline_ns = base_now_ns() + GRACE_S * 1000 * BASE_MS;
}

static void take_signals(struct running *running)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) > 0)
		if (info.ssi_signo != SIGCHLD)
			end(running, -EINTR);
}

int suite_run(const struct suite_command *command, struct suite_progress *progress)
{
	struct running running = { .command = command, .progress = progress };
	int status = 0, rc = start(&running);
	pid_t done = 0;

	if (rc)
		return rc;
	running.deadline_ns = base_now_ns() + command->timeout_s * 1000 * BASE_MS;
	while (done == 0) {
		struct pollfd fds[] = { { .fd = running.out, .events = POLLIN },
					{ .fd = running.err, .events = POLLIN },
					{ .fd = signals, .events = POLLIN } };

		poll(fds, 3, base_poll_ms(running.deadline_ns));
		take_signals(&running);
		take(&running, &running.out);
		take(&running, &running.err);
		if (base_now_ns() >= running.deadline_ns)
			end(&running, -ETIMEDOUT);
		done = waitpid(running.pid, &status, WNOHANG);
	}
	while (take(&running, &running.out) || take(&running, &running.err))
		;
	if (running.used)
		take_line(&running);
	for (int i = 0; i < 2; i++)
		if ((i ? running.err : running.out) >= 0)
			close(i ? running.err : running.out);
	suite_progress_erase(progress);
	if (running.ended_for)
		return running.ended_for;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
