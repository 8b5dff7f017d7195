/* SPDX-License-Identifier: MIT */
/* carrier_start.c - the start of one carrier; see carriers.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/spawn.h"
#include "keys/keys.h"
#include "wlm/carrier.h"

static int open_errors(struct launch_carriers *carriers, uint32_t index, int *ret_child)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = index };
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	base_fd_set_nonblocking(fds[0], 1);
	if (epoll_ctl(carriers->epoll, EPOLL_CTL_ADD, fds[0], &event) < 0) {
		int rc = -errno;

		close(fds[0]);
		close(fds[1]);
		return rc;
	}
	carriers->carriers[index].errors = fds[0];
	*ret_child = fds[1];
	return 0;
}

static int spawn(struct launch_carriers *carriers, struct carrier *carrier, char **argv,
		 const int stdio[3], struct base_err *reterr)
{
	char path[PATH_MAX];
	struct base_spawn spec = {
		.path = path,
		.argv = argv,
		.envp = carriers->spec.envp,
		.cwd = "/",
		.stdio = { stdio[0], stdio[1], stdio[2] },
		.core = launch_keys_core_limit(),
		.flags = BASE_SPAWN_GROUP,	/* ^C at the terminal is for dlaunch alone */
	};
	int rc = base_spawn_find(argv[0], getenv("PATH"), NULL, path);

	if (rc < 0)
		return base_err(reterr, rc, "program \"%.150s\" %s", argv[0], rc == -ENOENT ?
				"not found" : "cannot be executed");
	return base_spawn(&spec, &carrier->pid, reterr);
}

static void say_command(const struct launch_carriers *carriers, const struct carrier *carrier,
			char *const *argv)
{
	char text[CARRIER_LINE_BYTES];
	size_t used;

	if (!carriers->hooks.say)
		return;
	used = (size_t)snprintf(text, sizeof(text), "%s %u: pid %d:", carrier->count > 1 ?
				"nodes from" : "node", carrier->first, (int)carrier->pid);
	for (; *argv && used < sizeof(text); argv++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, " %s", *argv);
	carriers->hooks.say(carriers->hooks.arg, text);
}

/* Stdin with the start message in it; or /dev/null, and the message is in a file. */
static int open_stdin(struct launch_carriers *carriers, struct carrier *carrier, int *ret_fd)
{
	if (!carriers->spec.source->boot_by_file)
		return launch_boot_pipe(carriers->spec.boot, ret_fd, &carrier->lifeline);
	*ret_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? -errno : 0;
}

int launch_carrier_start(struct launch_carriers *carriers, uint32_t index,
			 struct base_err *reterr)
{
	const struct launch_carriers_spec *spec = &carriers->spec;
	struct carrier *carrier = &carriers->carriers[index];
	const struct launch_carry carry = {
		.wishes = spec->wishes,
		.hosts = spec->hosts,
		.nodes = spec->nodes,
		.first = carrier->first,
		.count = carrier->count,
		.dhowd = spec->wishes->dhowd && !spec->source->same_machine ?
			spec->wishes->dhowd : spec->dhowd,
		.tag = spec->tag,
		.owner = spec->owner,
		.boot_file = carriers->boot_file.path,
	};
	int stdio[3] = { -1, STDERR_FILENO, -1 }, errors = -1, rc;
	struct launch_words words = { 0 };

	rc = spec->source->command(&carry, &words, reterr);
	if (rc < 0 || words.failed < 0) {
		rc = rc < 0 ? rc : base_err(reterr, -ENOMEM, "no memory for a command line");
		goto out;
	}
	rc = open_stdin(carriers, carrier, &stdio[0]);
	if (rc == 0 && !spec->source->same_machine)
		rc = open_errors(carriers, index, &errors);
	if (rc < 0) {
		base_err(reterr, rc, "cannot hand node %u its start message: %s", carrier->first,
			 strerror(-rc));
		goto out;
	}
	if (errors >= 0)
		stdio[1] = stdio[2] = errors;
	rc = spawn(carriers, carrier, words.word, stdio, reterr);
	if (rc == 0)
		say_command(carriers, carrier, words.word);
out:
	launch_words_fini(&words);
	if (stdio[0] >= 0)
		close(stdio[0]);
	if (errors >= 0)
		close(errors);
	carrier->started = rc == 0;
	return rc;
}
