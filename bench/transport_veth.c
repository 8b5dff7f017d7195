/* SPDX-License-Identifier: MIT */
/*
 * transport_veth.c - see transport_veth.h.
 *
 * dlaunch knows nodes, not namespaces; so each side is a small daemon: a node service, an agent
 * and a task, in a namespace without a name. Names and addresses go over a socket pair.
 */
#include "transport_veth.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dhow/node.h>

#include "base/spawn.h"

enum { SIDES = 2, DOOR_FD = 3, VARIABLES = 9, TEXT = 64, LOOK_MS = 10, GRACE_MS = 2000 };
#define DEVICE "dhow0"
#define ADDRESS_FORMAT "10.78.0.%u"

enum kind { PEER = 1, NAME_REQUEST, NAME_ANSWER };
struct note {
	enum kind kind;
	union {
		struct dhow_node_peer peer;
		struct dhow_name_request request;
		struct dhow_name_answer answer;
	} is;
};

/* A side is a process, so there is one. */
static struct {
	unsigned index;
	int other, go;			/* to the other side; to the parent */
	struct dhow_node_service *service;
	struct dhow_node_peer peers[SIDES];
	pid_t agent, task;
	uint8_t secret[DHOW_SECRET_BYTES];
} side;

/* ---- namespaces ---- */

static int set_address(int fd, unsigned long what, const char *text)
{
	struct ifreq request = { .ifr_addr.sa_family = AF_INET };
	struct sockaddr_in *address = (struct sockaddr_in *)(void *)&request.ifr_addr;

	strcpy(request.ifr_name, DEVICE);
	inet_pton(AF_INET, text, &address->sin_addr);
	return ioctl(fd, what, &request);
}

static int bring_up(int fd, const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_UP | IFF_RUNNING };

	strcpy(request.ifr_name, name);
	return ioctl(fd, SIOCSIFFLAGS, &request);
}

static int configure(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;
	char own[TEXT];

	if (fd < 0)
		return -errno;
	snprintf(own, sizeof(own), ADDRESS_FORMAT, side.index + 1);
	rc = set_address(fd, SIOCSIFADDR, own) < 0 ||
	     set_address(fd, SIOCSIFNETMASK, "255.255.255.0") < 0 || bring_up(fd, DEVICE) < 0 ||
	     bring_up(fd, "lo") < 0 ? -errno : 0;
	close(fd);
	return rc;
}

/* Parent: a pair between the namespaces of two processes. */
static int join(const pid_t pids[SIDES])
{
	char path[PATH_MAX], first[TEXT], second[TEXT];
	char *argv[] = { (char[]){ "ip" }, (char[]){ "link" }, (char[]){ "add" },
			 (char[]){ DEVICE },
			 (char[]){ "netns" }, first, (char[]){ "type" }, (char[]){ "veth" },
			 (char[]){ "peer" }, (char[]){ "name" }, (char[]){ DEVICE },
			 (char[]){ "netns" }, second, NULL };
	struct base_spawn spec = { .path = path, .argv = argv, .envp = environ,
				   .stdio = { -1, -1, -1 } };
	struct base_err err = { "" };
	int status;
	pid_t pid;

	snprintf(first, sizeof(first), "%d", (int)pids[0]);
	snprintf(second, sizeof(second), "%d", (int)pids[1]);
	if (base_spawn_find("ip", "/usr/sbin:/sbin:/usr/bin:/bin", NULL, path) < 0 ||
	    base_spawn(&spec, &pid, &err) < 0)
		return -ENOENT;
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -EPERM;
}

/* ---- one side ---- */

static void tell(const struct note *note)
{
	/* If the other side is gone, the task says so. */
	(void)!send(side.other, note, sizeof(*note), MSG_NOSIGNAL);
}

static void know(const struct dhow_node_peer *peer)
{
	side.peers[peer->node % SIDES] = *peer;
	if (side.peers[0].bytes && side.peers[1].bytes)
		dhow_node_set_peers(side.service, side.peers, SIDES);
}

static void on_agent_up(void *arg, const struct dhow_node_peer *self)
{
	struct note note = { .kind = PEER, .is.peer = *self };

	(void)arg;
	note.is.peer.node = side.index;
	tell(&note);
	know(&note.is.peer);
}

static void on_name_request(void *arg, uint32_t to, const struct dhow_name_request *request)
{
	const struct note note = { .kind = NAME_REQUEST, .is.request = *request };

	(void)arg, (void)to;
	tell(&note);
}

static void on_name_answer(void *arg, uint32_t to, const struct dhow_name_answer *answer)
{
	const struct note note = { .kind = NAME_ANSWER, .is.answer = *answer };

	(void)arg, (void)to;
	tell(&note);
}

static void on_agent_down(void *arg)
{
	(void)arg;
	fprintf(stderr, "transport: the agent of side %u ended\n", side.index);
}

static void on_peer_down(void *arg, uint32_t peer, const char *why)
{
	(void)arg;
	fprintf(stderr, "transport: side %u: side %u is dead: %s\n", side.index, peer, why);
}

static void listen_to_other(void)
{
	struct note note;

	while (recv(side.other, &note, sizeof(note), MSG_DONTWAIT) == sizeof(note)) {
		if (note.kind == PEER)
			know(&note.is.peer);
		else if (note.kind == NAME_REQUEST)
			dhow_node_name_request(side.service, &note.is.request);
		else
			dhow_node_name_answer(side.service, &note.is.answer);
	}
}

/* What a child needs, then our own environment. */
static char **environment(void)
{
	static char text[VARIABLES][TEXT];
	static char *env[512];
	const unsigned numbers[] = { DOOR_FD, side.index, SIDES, side.index, SIDES, 0, 1 };
	static const char *const names[] = { DHOW_ENV_NODE_FD, DHOW_ENV_NODE, DHOW_ENV_NODES,
					     DHOW_ENV_RANK, DHOW_ENV_SIZE, DHOW_ENV_LOCAL_RANK,
					     DHOW_ENV_LOCAL_SIZE };
	size_t at = 0;

	for (; at < sizeof(names) / sizeof(*names); at++)
		snprintf(text[at], TEXT, "%s=%u", names[at], numbers[at]);
	snprintf(text[at++], TEXT, VETH_HOST "=" ADDRESS_FORMAT, side.index + 1);
	for (size_t i = 0; i < at; i++)
		env[i] = text[i];
	for (char **own = environ; *own && at + 1 < sizeof(env) / sizeof(*env); own++)
		env[at++] = *own;
	env[at] = NULL;
	return env;
}

static int start(const char *path, char **argv, pid_t *ret_pid)
{
	struct base_spawn spec = {
		.path = path,
		.argv = argv,
		.envp = environment(),
		.stdio = { -1, -1, -1 },
		.fds = { { .to = DOOR_FD } },
		.fd_count = 1,
		.death_signal = SIGKILL,
	};
	struct base_err err = { "" };
	int rc = dhow_node_door(side.service, &spec.fds[0].from);

	if (rc < 0)
		return rc;
	rc = base_spawn(&spec, ret_pid, &err);
	close(spec.fds[0].from);
	if (rc < 0)
		fprintf(stderr, "transport: %s\n", err.text);
	return rc;
}

static int start_both(char **argv, const char *agent, const char *fabric)
{
	char bind[TEXT], name[TEXT];
	char *words[] = { (char[]){ "dhow-tcp" }, (char[]){ "--bind" }, bind,
			  (char[]){ "--fabric" }, name, NULL };
	int rc;

	snprintf(bind, sizeof(bind), ADDRESS_FORMAT, side.index + 1);
	snprintf(name, sizeof(name), "%s", fabric ? fabric : "auto");
	rc = start(agent, words, &side.agent);
	if (rc == 0) {
		dhow_node_expect_agent(side.service, side.agent);
		rc = start("/proc/self/exe", argv, &side.task);
	}
	return rc;
}

/* Until the task has ended. Return: its exit code. */
static int serve(void)
{
	struct pollfd fds[] = { { .fd = dhow_node_fd(side.service), .events = POLLIN },
				{ .fd = side.other, .events = POLLIN } };
	int status;

	for (;;) {
		pid_t pid;

		poll(fds, 2, LOOK_MS);
		dhow_node_step(side.service);
		listen_to_other();
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			if (pid == side.task)
				return WIFEXITED(status) ? WEXITSTATUS(status) :
							   128 + WTERMSIG(status);
	}
}

static int run_side(char **argv, const char *agent, const char *fabric)
{
	const struct dhow_node_hooks hooks = {
		.name_request = on_name_request,
		.name_answer = on_name_answer,
		.agent_up = on_agent_up,
		.agent_down = on_agent_down,
		.peer_down = on_peer_down,
	};
	struct dhow_node_options options = { .job = (uint32_t)getppid(), .node = side.index,
					     .nodes = SIDES };
	char go = unshare(CLONE_NEWNET) == 0 ? 'y' : 'n';
	int code;

	/* The parent joins the namespaces between these two. */
	if (write(side.go, &go, 1) != 1 || read(side.go, &go, 1) != 1 || go != 'y')
		return VETH_MISSING;
	memcpy(options.secret, side.secret, sizeof(options.secret));
	if (configure() < 0 || dhow_node_create(&options, &hooks, &side.service) < 0 ||
	    start_both(argv, agent, fabric) < 0) {
		fprintf(stderr, "transport: side %u cannot start\n", side.index);
		return 1;
	}
	code = serve();
	kill(side.agent, SIGTERM);
	for (int i = 0; i < GRACE_MS / LOOK_MS && waitpid(side.agent, NULL, WNOHANG) == 0; i++)
		usleep(LOOK_MS * 1000);
	dhow_node_destroy(side.service);
	return code;
}

/* ---- both ---- */

static pid_t fork_side(unsigned index, int pair[SIDES], int go[2])
{
	pid_t parent = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	side.index = index;
	side.other = pair[index];
	side.go = go[1];
	close(pair[1 - index]);
	close(go[0]);
	return 0;
}

static int wait_for(const pid_t pids[SIDES])
{
	int highest = 0;

	for (unsigned i = 0; i < SIDES; i++) {
		int status = 0, code;

		waitpid(pids[i], &status, 0);
		code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		highest = code > highest ? code : highest;
	}
	return highest;
}

int veth_run(char **argv, const char *agent, const char *fabric)
{
	int pair[SIDES], go[SIDES][2];
	pid_t pids[SIDES] = { 0 };
	const char *missing = NULL;
	char said;

	if (getrandom(side.secret, sizeof(side.secret), 0) != (ssize_t)sizeof(side.secret) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return 1;
	for (unsigned i = 0; i < SIDES; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, go[i]) < 0)
			return 1;
		pids[i] = fork_side(i, pair, go[i]);
		if (pids[i] == 0)
			_exit(run_side(argv, agent, fabric));
		close(go[i][1]);
	}
	close(pair[0]);
	close(pair[1]);
	for (unsigned i = 0; i < SIDES; i++)
		if (read(go[i][0], &said, 1) != 1 || said != 'y')
			missing = "a network namespace of its own needs root";
	if (!missing && join(pids) < 0)
		missing = "no veth pair: is `ip` there, and CONFIG_VETH in the kernel?";
	if (missing)
		fprintf(stderr, "transport: no rows for veth: %s\n", missing);
	said = missing ? 'n' : 'y';
	for (unsigned i = 0; i < SIDES; i++)
		(void)!write(go[i][0], &said, 1);
	return wait_for(pids);
}
