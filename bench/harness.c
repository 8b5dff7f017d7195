/* SPDX-License-Identifier: MIT */
/*
 * harness.c - options, the processes of a benchmark and how they keep in step.
 */
#include "harness.h"

#include <argp.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINK_TIMEOUT_S = 60 };

static const struct argp_option option_table[] = {
	{ "json", 'j', "FILE", 0, "also write the rows as JSON", 0 },
	{ "quick", 'q', NULL, 0, "end within 20 seconds", 0 },
	{ "list", 'l', NULL, 0, "print the rows and run nothing", 0 },
	{ "filter", 'f', "NAME,...", 0, "only rows whose `name config size' contains a NAME", 0 },
	{ "progress", 'P' + 256, NULL, 0, "say on stderr which row begins", 0 },
	{ 0 }
};

struct parsing {
	struct bench_options *options;
	void *input;	/* of more options */
};

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
	struct parsing *parsing = state->input;
	struct bench_options *options = parsing->options;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = parsing->input;
		return 0;
	case 'j':
		options->json = arg;
		return 0;
	case 'q':
		options->quick = true;
		return 0;
	case 'l':
		options->list = true;
		return 0;
	case 'f':
		options->filter = arg;
		return 0;
	case 'P' + 256:
		options->progress = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void bench_options_parse_more(int argc, char **argv, const char *doc, const struct argp *more,
			      void *input, struct bench_options *ret_options)
{
	const struct argp_child children[] = { { more, 0, NULL, 0 }, { NULL, 0, NULL, 0 } };
	const struct argp argp = { option_table, option_parse, NULL, doc, children, NULL, NULL };
	struct parsing parsing = { ret_options, input };

	argp_err_exit_status = 2;
	memset(ret_options, 0, sizeof(*ret_options));
	argp_parse(&argp, argc, argv, 0, NULL, &parsing);
}

void bench_options_parse(int argc, char **argv, const char *doc, struct bench_options *ret_options)
{
	static const struct argp none;

	bench_options_parse_more(argc, argv, doc, &none, NULL, ret_options);
}

bool bench_selected(const struct bench_options *options, const struct bench_case *row)
{
	char label[160], parts[256], *part, *rest = NULL;

	if (!options->filter)
		return true;
	snprintf(label, sizeof(label), "%s %s %zu", row->name, row->config, row->bytes);
	snprintf(parts, sizeof(parts), "%s", options->filter);
	for (part = strtok_r(parts, ",", &rest); part; part = strtok_r(NULL, ",", &rest))
		if (strstr(label, part))
			return true;
	return false;
}

void bench_list(const char *bench, const struct bench_case *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		printf("%s %s %s %zu\n", bench, rows[i].name, rows[i].config, rows[i].bytes);
}

static int link_limit(int fd)
{
	const struct timeval limit = { .tv_sec = LINK_TIMEOUT_S };

	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ? -errno : 0;
}

/* In the child: keep only the own end. */
static int become_side(unsigned side, int link, pid_t parent, struct bench_run *run)
{
	for (unsigned i = 1; i < side; i++)
		close(run->links[i]);
	for (unsigned i = 0; i < BENCH_SIDES_MAX; i++) {
		run->links[i] = -1;
		run->children[i] = 0;
	}
	run->side = side;
	run->links[0] = link;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The parent may have died before the line above: then nobody would end us. */
	return getppid() == parent ? 0 : -ECHILD;
}

int bench_fork(unsigned sides, struct bench_run *ret_run)
{
	pid_t parent = getpid();

	memset(ret_run, 0, sizeof(*ret_run));
	ret_run->sides = sides;
	for (unsigned i = 0; i < BENCH_SIDES_MAX; i++)
		ret_run->links[i] = -1;
	for (unsigned side = 1; side < sides; side++) {
		int ends[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
			return -errno;
		link_limit(ends[0]);
		link_limit(ends[1]);
		fflush(NULL);
		ret_run->children[side] = fork();
		if (ret_run->children[side] < 0)
			return -errno;
		if (!ret_run->children[side]) {
			close(ends[0]);
			return become_side(side, ends[1], parent, ret_run);
		}
		close(ends[1]);
		ret_run->links[side] = ends[0];
	}
	return 0;
}

int bench_join(struct bench_run *run)
{
	int worst = 0;

	for (unsigned side = 1; side < run->sides; side++) {
		int status = 0;

		if (run->children[side] <= 0)
			continue;
		/* If we failed, it may still wait for us. */
		close(run->links[side]);
		if (waitpid(run->children[side], &status, 0) < 0 || status)
			worst = 1;
	}
	return worst;
}

void bench_pin(struct bench_run *run, unsigned cpus_needed)
{
	cpu_set_t allowed, one;
	unsigned count, wanted, seen = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed)) {
		snprintf(run->pinning, sizeof(run->pinning), "not pinned: %s", strerror(errno));
		return;
	}
	count = (unsigned)CPU_COUNT(&allowed);
	if (count < 2 || count < cpus_needed) {
		snprintf(run->pinning, sizeof(run->pinning), "not pinned: %u CPUs for %u processes",
			 count, cpus_needed);
		return;
	}
	wanted = run->side % count;
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && seen++ == wanted)
			CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		snprintf(run->pinning, sizeof(run->pinning), "not pinned: %s", strerror(errno));
	else
		snprintf(run->pinning, sizeof(run->pinning), "each process on its own CPU of %u",
			 count);
}

static int link_read(int fd, uint64_t *ret_value)
{
	size_t done = 0;

	while (done < sizeof(*ret_value)) {
		ssize_t got = recv(fd, (char *)ret_value + done, sizeof(*ret_value) - done, 0);

		if (!got)
			return -EPIPE;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		done += (size_t)got;
	}
	return 0;
}

static int link_write(int fd, uint64_t value)
{
	/* Eight bytes on an idle socket are never cut. */
	return send(fd, &value, sizeof(value), MSG_NOSIGNAL) == sizeof(value) ? 0 : -EPIPE;
}

int bench_sync(struct bench_run *run, unsigned sides, uint64_t *value)
{
	uint64_t ready = 0;
	int rc = 0;

	if (run->side) {
		rc = link_write(run->links[0], *value);
		return rc ? rc : link_read(run->links[0], value);
	}
	for (unsigned side = 1; !rc && side < sides; side++)
		rc = link_read(run->links[side], &ready);
	for (unsigned side = 1; !rc && side < sides; side++)
		rc = link_write(run->links[side], *value);
	return rc;
}

int bench_alone(int argc, char **argv, const struct bench_alone *alone)
{
	struct bench_run run = { .side = 0, .sides = 1, .pinning = "none" };
	struct bench_options options;
	int code = 1;

	bench_options_parse(argc, argv, alone->doc, &options);
	if (options.list) {
		bench_list(alone->bench, alone->rows, alone->count);
		return 0;
	}
	if (!alone->open || alone->open() == 0)
		code = bench_main(&run, &options, alone->bench, alone->rows, alone->count);
	alone->close();
	return code;
}
