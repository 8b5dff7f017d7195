/* SPDX-License-Identifier: MIT */
/*
 * local.c - local nodes: this machine plays several, each with a daemon, an agent, a loopback
 * address and segments of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/spawn.h"
#include "wlm/wlm.h"

enum { LOCAL_NODES_MAX = 64 };

static int detect(char *ret_reason, size_t room)
{
	snprintf(ret_reason, room, "this machine");
	return 1;
}

static int nodes(uint32_t *ret_default, uint32_t *ret_max, struct base_err *reterr)
{
	(void)reterr;
	*ret_default = 1;
	*ret_max = LOCAL_NODES_MAX;
	return 0;
}

/* All of 127/8 is this machine: node N has an address of its own. */
static void bind_address(uint32_t node, char *ret_address, size_t room)
{
	snprintf(ret_address, room, "127.0.0.%u", node + 1);
}

static int start(const char *dhowd, const struct launch_boot *boot, char *const *envp,
		 struct launch_started *ret_started, struct base_err *reterr)
{
	char node[32];
	char *argv[] = { (char[]){ "dhowd" }, node, NULL };
	int pipe_fds[2], rc;
	struct base_spawn spec = {
		.path = dhowd,
		.argv = argv,
		.envp = envp,
		.cwd = "/",
		.stdio = { -1, STDERR_FILENO, -1 },
		.flags = BASE_SPAWN_GROUP,	/* ^C at the terminal is for dlaunch alone */
	};

	snprintf(node, sizeof(node), "--node=%u", boot->node);
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return base_err(reterr, -errno, "no pipe for node %u: %s", boot->node,
				strerror(errno));
	spec.stdio[0] = pipe_fds[0];
	/* A pipe holds 64 KiB: the message fits before anybody reads. */
	rc = launch_boot_write(pipe_fds[1], boot);
	if (rc < 0)
		base_err(reterr, rc, "cannot hand node %u its start message: %s", boot->node,
			 strerror(-rc));
	else
		rc = base_spawn(&spec, &ret_started->pid, reterr);
	close(pipe_fds[0]);
	if (rc < 0)
		close(pipe_fds[1]);
	else
		ret_started->lifeline = pipe_fds[1];
	return rc;
}

const struct launch_wlm launch_wlm_local = {
	.name = "local",
	.detect = detect,
	.nodes = nodes,
	.listen_address = "127.0.0.1",
	.same_machine = 1,
	.bind_address = bind_address,
	.start = start,
};
