/* SPDX-License-Identifier: MIT */
/*
 * service.c - the node's service in its daemon: what it asks for goes to the owner, and the agent.
 */
#include <errno.h>
#include <signal.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dhow/error.h>
#include <dhow/node.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/spawn.h"
#include "node/daemon.h"
#include "sweep/sweep.h"

enum { AGENT_VARIABLES = 4, AGENT_WORDS = 11 };

static void name_request(void *arg, uint32_t to, const struct dhow_name_request *request)
{
	struct launch_message message = { .type = LAUNCH_NAME_REQUEST };

	message.name_request.to = to;
	message.name_request.request = *request;
	launch_daemon_send(arg, &message);
}

static void name_answer(void *arg, uint32_t to, const struct dhow_name_answer *answer)
{
	struct launch_message message = { .type = LAUNCH_NAME_ANSWER };

	message.name_answer.to = to;
	message.name_answer.answer = *answer;
	launch_daemon_send(arg, &message);
}

static void agent_up(void *arg, const struct dhow_node_peer *self)
{
	struct daemon *daemon = arg;

	if (daemon->agent_up)
		return;
	daemon->agent_up = 1;
	daemon->self = *self;
	launch_daemon_check_ready(daemon);
}

static void agent_down(void *arg)
{
	struct daemon *daemon = arg;

	/* Most likely it died, and its exit status, which tells more, comes a moment later. */
	if (daemon->state < DAEMON_FAILING && daemon->agent > 0)
		daemon->agent_lost_ns = base_now_ns() + DAEMON_AGENT_LOST_MS * BASE_MS;
}

static void peer_down(void *arg, uint32_t node, const char *why)
{
	struct launch_message message = { .type = LAUNCH_PEER_DOWN };
	struct daemon *daemon = arg;

	if (daemon->state >= DAEMON_LEAVING)
		return;
	message.node.node = node;
	snprintf(message.node.text, sizeof(message.node.text), "%s", why ? why : "");
	launch_daemon_send(daemon, &message);
}

/* Worth a line, no more: what heals before it is dead goes on without loss. */
static void peer_silent(void *arg, uint32_t node, const char *why)
{
	const struct daemon *daemon = arg;

	if (daemon->state >= DAEMON_LEAVING)
		return;
	if (why)
		base_log_warn("node %" PRIu32 ": node %" PRIu32 " is silent: %s; it counts as dead "
			      "after 10 s", daemon->boot->node, node, why);
	else
		base_log_warn("node %" PRIu32 ": node %" PRIu32 " speaks again", daemon->boot->node,
			      node);
}

int launch_daemon_service_open(struct daemon *daemon, struct base_err *reterr)
{
	const struct dhow_node_hooks hooks = {
		.arg = daemon,
		.name_request = name_request,
		.name_answer = name_answer,
		.agent_up = agent_up,
		.agent_down = agent_down,
		.peer_down = peer_down,
		.peer_silent = peer_silent,
	};
	struct dhow_node_options options = {
		.job = daemon->boot->job,
		.node = daemon->boot->node,
		.nodes = daemon->boot->nodes,
		.pool_bytes = daemon->boot->pool_bytes,
	};
	int rc;

	memcpy(options.secret, daemon->boot->secret, sizeof(options.secret));
	rc = dhow_node_create(&options, &hooks, &daemon->service);
	launch_keys_wipe(options.secret, sizeof(options.secret));
	if (rc < 0) {
		const char *why = dhow_error_text();

		return base_err(reterr, rc, "cannot create the node's segment (--pool): %s",
				*why ? why : dhow_strerror(rc));
	}
	return launch_daemon_watch(daemon, dhow_node_fd(daemon->service), EPOLLIN,
				   &daemon->on_service, reterr);
}

void launch_daemon_service_close(struct daemon *daemon)
{
	if (daemon->service)
		dhow_node_destroy(daemon->service);
	daemon->service = NULL;
}

/* Our environment with @add in front; the caller frees the array. */
static char **make_environment(char *const *add)
{
	size_t count = 0, at = 0;
	char **env;

	while (environ[count])
		count++;
	env = calloc(count + AGENT_VARIABLES + 1, sizeof(*env));
	for (; env && *add; add++)
		env[at++] = *add;
	for (size_t i = 0; env && i < count; i++)
		if (strncmp(environ[i], LAUNCH_ENV_RUN_TAG "=", sizeof(LAUNCH_ENV_RUN_TAG)) != 0 &&
		    strncmp(environ[i], LAUNCH_ENV_JOB_TAG "=", sizeof(LAUNCH_ENV_JOB_TAG)) != 0 &&
		    strncmp(environ[i], LAUNCH_ENV_DAEMON_TAG "=",
			    sizeof(LAUNCH_ENV_DAEMON_TAG)) != 0 &&
		    strncmp(environ[i], "DHOW_NODE", 9) != 0)
			env[at++] = environ[i];
	return env;
}

/* What is empty the agent chooses; the one for TCP knows only the first three. */
static void add_options(struct launch_boot *boot, char **words)
{
	static char bind[] = "--bind", fabric[] = "--fabric", provider[] = "--provider";
	static char nic[] = "--nic", security[] = "--security";
	const struct {
		char *option, *value;
	} rows[] = {
		{ bind, boot->bind },
		{ fabric, boot->fabric },
		{ security, boot->security },
		{ provider, boot->provider },
		{ nic, boot->nic },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (!*rows[i].value)
			continue;
		*words++ = rows[i].option;
		*words++ = rows[i].value;
	}
}

int launch_daemon_agent_start(struct daemon *daemon, struct base_err *reterr)
{
	struct launch_boot *boot = daemon->boot;
	const char *base = strrchr(boot->agent, '/');
	char name[64], door[32], node[32], tag[64];
	char *argv[AGENT_WORDS + 1] = { name };
	char *add[] = { tag, node, door, NULL };
	struct base_spawn spec = { .path = boot->agent,
				   .argv = argv,
				   .cwd = "/",
				   .stdio = { -1, STDERR_FILENO, -1 },
				   .fd_count = 1,
				   .flags = BASE_SPAWN_GROUP,
				   .death_signal = SIGKILL };
	char **env = make_environment(add);
	int fd, rc;

	snprintf(name, sizeof(name), "%.60s", base ? base + 1 : boot->agent);
	snprintf(tag, sizeof(tag), "%s=%s", LAUNCH_ENV_JOB_TAG, boot->tag);
	snprintf(node, sizeof(node), "%s=%u", DHOW_ENV_NODE, boot->node);
	snprintf(door, sizeof(door), "%s=%d", DHOW_ENV_NODE_FD, DAEMON_DOOR_FD);
	add_options(boot, argv + 1);
	if (!env)
		return base_err(reterr, -ENOMEM, "no memory to start the agent");
	rc = dhow_node_door(daemon->service, &fd);
	if (rc < 0) {
		free(env);
		return base_err(reterr, rc, "no door for the agent: %s", dhow_strerror(rc));
	}
	spec.envp = env;
	spec.fds[0] = (struct base_spawn_fd){ .from = fd, .to = DAEMON_DOOR_FD };
	rc = base_spawn(&spec, &daemon->agent, reterr);
	close(fd);
	free(env);
	if (rc == 0)
		dhow_node_expect_agent(daemon->service, daemon->agent);
	return rc;
}

void launch_daemon_agent_ended(struct daemon *daemon, int status)
{
	int pid = (int)daemon->agent;

	daemon->agent = 0;
	daemon->agent_lost_ns = UINT64_MAX;
	if (daemon->state >= DAEMON_LEAVING)
		return;
	if (WIFSIGNALED(status))
		launch_daemon_fail(daemon, DAEMON_FAILED,
				   "agent (pid %d) was killed by signal %d (%s)", pid,
				   WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		launch_daemon_fail(daemon, DAEMON_FAILED,
				   "agent (pid %d) ended with exit code %d%s", pid,
				   WEXITSTATUS(status),
				   daemon->agent_up ? "" : " before it was up");
}
