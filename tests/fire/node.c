/* SPDX-License-Identifier: MIT */
/* node.c - see node.h. */
#include "node.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "traffic.h"

enum { DOOR_FD = 3, CHILDREN_MAX = 64, VARIABLES = 12, LOOK_MS = 10 };

/* A node is a process, so there is one. */
static struct {
	const struct node_setup *setup;
	struct dhow_node_service *service;
	pid_t children[CHILDREN_MAX];
	unsigned children_count;
	int log;			/* the agent's stderr, -1 none */
	int nothing;			/* for the traffic's: its account says it all */
	char line[NODE_TEXT];
	size_t line_bytes;
} node;

static void tell(struct node_note *note)
{
	if (!note->at_ns)
		note->at_ns = base_now_ns();
	/* If the case is gone, so are we, in a moment. */
	(void)!send(node.setup->socket, note, sizeof(*note), MSG_NOSIGNAL);
}

static void tell_text(enum node_note_kind kind, uint32_t value, const char *text)
{
	struct node_note note = { .kind = kind, .value = value };

	snprintf(note.text, sizeof(note.text), "%s", text ? text : "");
	tell(&note);
}

static void on_agent_up(void *arg, const struct dhow_node_peer *self)
{
	struct node_note note = { .kind = NODE_AGENT_UP, .peer = *self };

	(void)arg;
	note.peer.node = node.setup->index;
	tell(&note);
}

static void on_agent_down(void *arg)
{
	(void)arg;
	tell_text(NODE_AGENT_DOWN, 0, "");
}

static void on_peer_down(void *arg, uint32_t peer, const char *why)
{
	(void)arg;
	tell_text(NODE_PEER_DOWN, peer, why);
}

static void on_peer_silent(void *arg, uint32_t peer, const char *why)
{
	(void)arg;
	tell_text(NODE_PEER_SILENT, peer, why);
}

/* Names are not used, so nothing crosses between daemons. */
static void on_name_request(void *arg, uint32_t to, const struct dhow_name_request *request)
{
	(void)arg, (void)to, (void)request;
}

static void on_name_answer(void *arg, uint32_t to, const struct dhow_name_answer *answer)
{
	(void)arg, (void)to, (void)answer;
}

/* ---- children ---- */

/* Our environment and what a child needs; one thing is started at a time. */
static char **environment(void)
{
	static char text[VARIABLES][64];
	static char *env[256];
	const uint32_t index = node.setup->index, count = node.setup->count;
	size_t at = 0;

	snprintf(text[at++], 64, "%s=%d", DHOW_ENV_NODE_FD, DOOR_FD);
	snprintf(text[at++], 64, "%s=%u", DHOW_ENV_NODE, index);
	snprintf(text[at++], 64, "%s=%u", DHOW_ENV_NODES, count);
	snprintf(text[at++], 64, "%s=%u", DHOW_ENV_RANK, index);
	snprintf(text[at++], 64, "%s=%u", DHOW_ENV_SIZE, count);
	snprintf(text[at++], 64, "%s=0", DHOW_ENV_LOCAL_RANK);
	snprintf(text[at++], 64, "%s=1", DHOW_ENV_LOCAL_SIZE);
	snprintf(text[at++], 64, "UCX_NET_DEVICES=%s", SPACE_DEVICE);
	if (!getenv("DHOW_LOG"))
		snprintf(text[at++], 64, "DHOW_LOG=info");
	for (size_t i = 0; i < at; i++)
		env[i] = text[i];
	for (char **own = environ; *own && at + 1 < sizeof(env) / sizeof(*env); own++)
		env[at++] = *own;
	env[at] = NULL;
	return env;
}

static void start(const char *path, char **argv, uint32_t what, int error_fd)
{
	struct base_spawn spec = {
		.path = path,
		.argv = argv,
		.envp = environment(),
		.stdio = { -1, error_fd, error_fd },
		.fds = { { .to = DOOR_FD }, { node.setup->ledger, TRAFFIC_LEDGER_FD } },
		.fd_count = 2,
		.death_signal = SIGKILL,
	};
	struct node_note note = { .kind = NODE_STARTED, .value = what };
	struct base_err err = { "" };
	int rc = dhow_node_door(node.service, &spec.fds[0].from);

	if (rc < 0 || node.children_count == CHILDREN_MAX) {
		tell_text(NODE_FAILED, what, "no door");
		return;
	}
	rc = base_spawn(&spec, &note.pid, &err);
	close(spec.fds[0].from);
	if (rc < 0) {
		tell_text(NODE_FAILED, what, err.text);
		return;
	}
	node.children[node.children_count++] = note.pid;
	if (what == NODE_AGENT)
		dhow_node_expect_agent(node.service, note.pid);
	tell(&note);
}

static void start_agent(void)
{
	const struct node_setup *setup = node.setup;
	char bind[32], fabric[32], provider[64], with[] = "--provider";
	char *argv[8] = { (char[]){ "agent" }, (char[]){ "--bind" }, bind,
			  (char[]){ "--fabric" }, fabric };
	int ends[2];

	snprintf(bind, sizeof(bind), SPACE_ADDRESS_FORMAT, SPACE_FIRST + setup->index);
	snprintf(fabric, sizeof(fabric), "%s", setup->fabric);
	if (setup->provider) {
		snprintf(provider, sizeof(provider), "%s", setup->provider);
		argv[5] = with;
		argv[6] = provider;
	}
	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	base_fd_set_nonblocking(ends[0], 1);
	node.log = ends[0];
	start(setup->agent, argv, NODE_AGENT, ends[1]);
	close(ends[1]);
}

static void start_traffic(enum node_order_kind kind, uint32_t flow)
{
	char number[16];
	char *argv[] = { (char[]){ "fire" }, kind == NODE_SEND ? (char[]){ "--send" } :
								  (char[]){ "--receive" },
			 number, NULL };

	snprintf(number, sizeof(number), "%u", flow);
	start("/proc/self/exe", argv, kind, node.nothing);
}

static void reap(void)
{
	struct node_note note;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		note = (struct node_note){ .kind = NODE_EXITED, .pid = pid };
		note.value = (uint32_t)status;
		for (unsigned i = 0; i < node.children_count; i++)
			if (node.children[i] == pid)
				node.children[i] = node.children[--node.children_count];
		tell(&note);
	}
}

static void send_signal(pid_t pid, int signal)
{
	struct node_note note = { .kind = NODE_SIGNALLED, .pid = pid };

	reap();
	/* Before it, or what follows from it may seem to precede it. */
	note.at_ns = base_now_ns();
	for (unsigned i = 0; i < node.children_count; i++)
		if (node.children[i] == pid && kill(pid, signal) == 0)
			tell(&note);
}

/* ---- the loop ---- */

static void obey(const struct node_order *order)
{
	switch (order->kind) {
	case NODE_AGENT:
		start_agent();
		break;
	case NODE_PEERS:
		dhow_node_set_peers(node.service, order->peers, order->count);
		break;
	case NODE_SEND:
	case NODE_RECEIVE:
		start_traffic(order->kind, order->flow);
		break;
	case NODE_SIGNAL:
		send_signal(order->pid, order->signal);
		break;
	}
}

static void read_log(void)
{
	char text[1024];
	ssize_t bytes = read(node.log, text, sizeof(text));

	if (bytes == 0 || (bytes < 0 && errno != EAGAIN && errno != EINTR)) {
		close(node.log);
		node.log = -1;
	}
	for (ssize_t i = 0; i < bytes; i++) {
		if (text[i] != '\n' && node.line_bytes < sizeof(node.line) - 1) {
			node.line[node.line_bytes++] = text[i];
		} else if (text[i] == '\n') {
			node.line[node.line_bytes] = '\0';
			tell_text(NODE_LOG, 0, node.line);
			node.line_bytes = 0;
		}
	}
}

static void serve(void)
{
	struct node_order order;

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = node.setup->socket, .events = POLLIN },
			{ .fd = dhow_node_fd(node.service), .events = POLLIN },
			{ .fd = node.log, .events = POLLIN },
		};

		poll(fds, 3, LOOK_MS);
		dhow_node_step(node.service);
		if (fds[2].revents)
			read_log();
		reap();
		if (!fds[0].revents)
			continue;
		if (recv(node.setup->socket, &order, sizeof(order), 0) != sizeof(order))
			return;
		obey(&order);
	}
}

/* Go into the namespace; and see it in /sys, where UCX looks for devices. */
static int enter(void)
{
	if (setns(node.setup->space, CLONE_NEWNET) < 0)
		return -errno;
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("fire", "/sys", "sysfs", 0, NULL) < 0)
		return -errno;
	return 0;
}

int node_run(const struct node_setup *setup)
{
	const struct dhow_node_hooks hooks = {
		.name_request = on_name_request,
		.name_answer = on_name_answer,
		.agent_up = on_agent_up,
		.agent_down = on_agent_down,
		.peer_down = on_peer_down,
		.peer_silent = on_peer_silent,
	};
	struct dhow_node_options options = {
		.job = 0xf12e, .node = setup->index, .nodes = setup->count, .pool_bytes = 32 << 20,
	};

	node.setup = setup;
	node.log = -1;
	node.nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
	memset(options.secret, 0x5a, sizeof(options.secret));
	if (enter() < 0 || dhow_node_create(&options, &hooks, &node.service) < 0) {
		tell_text(NODE_FAILED, 0, "cannot create the node");
		return 1;
	}
	serve();
	/* The children die with us. */
	return 0;
}
