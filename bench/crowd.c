/* SPDX-License-Identifier: MIT */
/*
 * crowd.c - what an agent needs for a thousand links: one real dhow-tcp, whose other nodes are
 * played by this process, with proper handshakes, heartbeats and messages.
 *
 *     build/bench/crowd [--links N] [--limit MIB] [--fabric NAME]
 *
 * Prints the agent's own memory (RssAnon: the segment, which is shared, apart) alone, with all
 * links up, and after each of them brought messages. Exit 1: over the limit, or a link was lost.
 */
#include <argp.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dhow/dhow.h>
#include <dhow/node.h>

#include "agent/hello.h"
#include "agent/level.h"
#include "agent/wire.h"
#include "base/clock.h"
#include "base/spawn.h"
#include "tcp/address.h"
#include "tcp/wire.h"

enum { DOOR_FD = 3, ADDRESS_FD = 4, LIMIT_S = 20, MESSAGES = 200, MESSAGE_BYTES = 64,
	FRAME_ROOM = 32768, BEAT_MS = 500, JOB = 0xc0d, FILES_MORE = 64,
	LINKS_MAX = 1023, LIMIT_MIB_MAX = 1 << 20 };

struct member {			/* a node that we play */
	int fd;
	uint32_t node;
	uint64_t sequence;
	struct agent_seal seal;
};

static struct {
	struct dhow_node_options options;
	struct dhow_node_service *service;
	struct dhow_node_peer peer;	/* the agent */
	pid_t agent, task;
	uint64_t received;		/* by the task, as it tells */
	int task_says;
} here;

static struct {
	unsigned links, limit_mib;
	const char *fabric;
	bool is_task;
} wanted = { .links = 1000, .limit_mib = 64, .fabric = "auto" };

static void fail(const char *what, int rc)
{
	fprintf(stderr, "crowd: %s: %s\n", what, strerror(rc < 0 ? -rc : rc));
	exit(1);	/* the children die with us */
}

/* ---- the task of node 0: one channel, and how much came ---- */

static int run_task(void)
{
	const struct dhow_channel_attr attr = { .capacity = 256 };
	struct dhow_address address;
	struct dhow_channel *channel;
	char data[MESSAGE_BYTES];
	uint64_t count = 0;
	size_t bytes;

	if (dhow_init() || dhow_channel_create("crowd", &attr, &channel))
		return 1;
	dhow_channel_address(channel, &address);
	if (write(ADDRESS_FD, &address, sizeof(address)) != sizeof(address))
		return 1;
	while (dhow_recv(channel, data, sizeof(data), &bytes, NULL, dhow_in_ms(60000)) == 0)
		if (++count % MESSAGES == 0 &&
		    write(ADDRESS_FD, &count, sizeof(count)) != sizeof(count))
			return 1;
	return 0;
}

/* ---- the daemon of node 0 ---- */

static void on_agent_up(void *arg, const struct dhow_node_peer *self)
{
	(void)arg;
	here.peer = *self;
}

static void on_peer_down(void *arg, uint32_t node, const char *why)
{
	(void)arg;
	fprintf(stderr, "crowd: the agent lost node %u: %s\n", node, why);
	exit(1);
}

static void on_request(void *arg, uint32_t to, const struct dhow_name_request *request)
{
	const struct dhow_name_answer answer = { .ticket = request->ticket };

	(void)arg, (void)to;
	dhow_node_name_answer(here.service, &answer);	/* names are kept by nobody */
}

static void on_answer(void *arg, uint32_t to, const struct dhow_name_answer *answer)
{
	(void)arg, (void)to, (void)answer;
}

static pid_t start(const char *path, char **argv, int extra)
{
	char text[4][32], *env[8] = { text[0], text[1], text[2], text[3] };
	struct base_spawn spec = { .path = path, .argv = argv, .envp = env,
				   .stdio = { -1, -1, -1 }, .fds = { { .to = DOOR_FD } },
				   .fd_count = 1, .death_signal = SIGKILL };
	struct base_err err = { "" };
	pid_t pid = 0;

	snprintf(text[0], 32, "%s=%d", DHOW_ENV_NODE_FD, DOOR_FD);
	snprintf(text[1], 32, "%s=0", DHOW_ENV_RANK);
	snprintf(text[2], 32, "%s=1", DHOW_ENV_SIZE);
	snprintf(text[3], 32, "DHOW_LOG=%.16s", getenv("DHOW_LOG") ? getenv("DHOW_LOG") : "warn");
	if (extra >= 0)
		spec.fds[spec.fd_count++] = (struct base_spawn_fd){ extra, ADDRESS_FD };
	if (dhow_node_door(here.service, &spec.fds[0].from) < 0 ||
	    base_spawn(&spec, &pid, &err) < 0)
		fail(err.text, EIO);
	close(spec.fds[0].from);
	return pid;
}

/* Serve the node for @ms; others may have written to the task's pipe. */
static void serve(unsigned ms)
{
	uint64_t until = base_now_ns() + ms * BASE_MS;
	struct pollfd fds[] = { { .fd = dhow_node_fd(here.service), .events = POLLIN },
				{ .fd = here.task_says, .events = POLLIN } };

	do {
		poll(fds, 2, 1);
		dhow_node_step(here.service);
		if (here.peer.bytes && fds[1].revents & POLLIN)
			(void)!read(here.task_says, &here.received, sizeof(here.received));
		if (waitpid(-1, NULL, WNOHANG) > 0)
			fail("a child ended", ECHILD);
	} while (base_now_ns() < until);
}

static void start_node(struct dhow_address *ret_address)
{
	static const struct dhow_node_hooks hooks = { .name_request = on_request,
						      .name_answer = on_answer,
						      .agent_up = on_agent_up,
						      .peer_down = on_peer_down };
	char self[PATH_MAX] = "", agent[PATH_MAX + 32], fabric[16];
	char *task_words[] = { (char[]){ "crowd" }, (char[]){ "--task" }, NULL };
	char *agent_words[] = { (char[]){ "dhow-tcp" }, (char[]){ "--fabric" }, fabric, NULL };
	struct pollfd said = { .events = POLLIN };
	uint64_t until_ns;
	int ends[2], rc;

	here.options = (struct dhow_node_options){ .job = JOB, .nodes = wanted.links + 1 };
	randombytes_buf(here.options.secret, sizeof(here.options.secret));
	rc = dhow_node_create(&here.options, &hooks, &here.service);
	if (rc < 0 || pipe(ends) < 0 || readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		fail("cannot make the node", rc < 0 ? rc : errno);
	here.task_says = said.fd = ends[0];
	here.task = start("/proc/self/exe", task_words, ends[1]);
	close(ends[1]);
	until_ns = base_now_ns() + LIMIT_S * 1000 * BASE_MS;
	/* It is less than a pipe takes in one piece. */
	while (poll(&said, 1, 0) == 0 && base_now_ns() < until_ns)
		serve(1);
	if (poll(&said, 1, 0) != 1 ||
	    read(ends[0], ret_address, sizeof(*ret_address)) != sizeof(*ret_address))
		fail("the task does not tell its address", ETIMEDOUT);
	snprintf(fabric, sizeof(fabric), "%s", wanted.fabric);
	snprintf(agent, sizeof(agent), "%s/../bin/dhow-tcp", dirname(self));
	here.agent = start(agent, agent_words, -1);
	dhow_node_expect_agent(here.service, here.agent);
	for (int i = 0; i < LIMIT_S * 1000 && !here.peer.bytes; i++)
		serve(1);
	if (!here.peer.bytes)
		fail("the agent does not start", ETIMEDOUT);
}

/* ---- the others ---- */

static void put(struct member *member, const void *frame, size_t bytes)
{
	uint8_t wire[TCP_WIRE_BYTES + FRAME_ROOM];

	tcp_wire_encode(wire, TCP_FRAME, 0, bytes);
	memcpy(wire + TCP_WIRE_BYTES, frame, bytes);
	for (size_t sent = 0; sent < TCP_WIRE_BYTES + bytes;) {
		ssize_t n = send(member->fd, wire + sent, TCP_WIRE_BYTES + bytes - sent,
				 MSG_NOSIGNAL);

		if (n < 0)
			fail("a connection broke", errno);
		sent += (size_t)n;
	}
}

static void put_sealed(struct member *member, enum agent_frame_kind kind, const uint8_t *body,
		       size_t bytes)
{
	uint8_t frame[FRAME_ROOM];
	struct agent_header header = { .kind = kind, .source = member->node, .epoch = member->node,
				       .bytes = (uint32_t)bytes };

	if (kind == AGENT_DATA)
		header.sequence = ++member->sequence;
	agent_seal_frame(&member->seal, &header, body, frame);
	put(member, frame, AGENT_HEADER_BYTES + bytes);
}

/* As handshake.c does it, one after the other. */
static void join(struct member *member)
{
	const struct timeval limit = { .tv_sec = LIMIT_S };
	uint8_t secret[AGENT_KEY_BYTES], private_key[AGENT_KEY_BYTES], ours[AGENT_HELLO_BYTES];
	uint8_t theirs[TCP_WIRE_BYTES + AGENT_HELLO_BYTES], proof[AGENT_PROOF_BYTES];
	struct agent_hello hello = { .initiator = true, .job = JOB, .node = member->node,
				     .epoch = member->node, .ciphers = (uint8_t)agent_ciphers() };
	struct agent_hello answer;
	struct agent_session session;
	union tcp_address address;
	int rc = tcp_address_decode(here.peer.address, here.peer.bytes, &address);

	memcpy(secret, here.options.secret, sizeof(secret));
	hello.level = (uint8_t)agent_level_id(agent_level_find(NULL));
	member->fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (rc < 0 || member->fd < 0 ||
	    connect(member->fd, &address.any, tcp_address_bytes(&address)) < 0)
		fail("cannot connect", rc < 0 ? rc : errno);
	setsockopt(member->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(member->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	agent_hello_keypair(private_key, hello.public_key);
	agent_hello_encode(&hello, secret, ours);
	put(member, ours, sizeof(ours));
	if (recv(member->fd, theirs, sizeof(theirs), MSG_WAITALL) != sizeof(theirs) ||
	    agent_hello_decode(theirs + TCP_WIRE_BYTES, AGENT_HELLO_BYTES, secret, &answer) ||
	    agent_hello_session(ours, theirs + TCP_WIRE_BYTES, true, secret, private_key,
				answer.public_key, &session, proof))
		fail("a handshake failed", EPROTO);
	agent_seal_init(&member->seal, agent_level_find(NULL), hello.ciphers & answer.ciphers,
			&session);
	put_sealed(member, AGENT_CONTROL, NULL, 0);
}

/* One frame: a stream and MESSAGES messages in it. */
static void bring(struct member *member, const struct dhow_address *target)
{
	uint8_t body[FRAME_ROOM - AGENT_HEADER_BYTES];
	static const char data[MESSAGE_BYTES];
	struct agent_record record = { .kind = AGENT_OPEN, .generation = 1, .target = *target };
	size_t bytes = agent_record_encode(&record, body, sizeof(body));

	record = (struct agent_record){ .kind = AGENT_MESSAGE, .generation = 1, .payload = data,
					.bytes = sizeof(data) };
	for (record.number = 1; record.number <= MESSAGES; record.number++)
		bytes += agent_record_encode(&record, body + bytes, sizeof(body) - bytes);
	put_sealed(member, AGENT_DATA, body, bytes);
}

/* Heartbeats to the agent, and its own are read, for @ms. */
static void live(struct member *members, unsigned ms)
{
	uint64_t until = base_now_ns() + ms * BASE_MS;
	char waste[4096];

	do {
		for (unsigned i = 0; i < wanted.links; i++) {
			ssize_t n;

			put_sealed(&members[i], AGENT_CONTROL, NULL, 0);
			while ((n = recv(members[i].fd, waste, sizeof(waste), MSG_DONTWAIT)) > 0)
				;
			if (n == 0)
				fail("the agent ended a connection", EPIPE);
		}
		serve(BEAT_MS);
	} while (base_now_ns() < until);
}

/* ---- all ---- */

/* Of the agent, KiB. */
static long memory_kib(void)
{
	char path[64], line[128];
	long kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)here.agent);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "RssAnon: %ld", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

/* @text, from @least to @most; else the usage, and the end. */
static unsigned number(struct argp_state *state, const char *option, const char *text,
		       unsigned least, unsigned most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value < least || value > most)
		argp_error(state, "%s %s: from %u to %u", option, text, least, most);
	return (unsigned)value;
}

static error_t take_option(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'n':
		wanted.links = number(state, "--links", arg, 1, LINKS_MAX);
		return 0;
	case 'l':
		wanted.limit_mib = number(state, "--limit", arg, 1, LIMIT_MIB_MAX);
		return 0;
	case 'f':
		wanted.fabric = arg;
		return 0;
	case 't':
		wanted.is_task = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int measure(void)
{
	struct member *members = calloc(wanted.links, sizeof(*members));
	struct dhow_address target;
	long alone, joined, used;
	uint64_t begin, took;

	if (!members)
		fail("members", ENOMEM);
	start_node(&target);
	serve(100);
	alone = memory_kib();
	begin = base_now_ns();
	for (unsigned i = 0; i < wanted.links; i++) {
		members[i].node = i + 1;
		join(&members[i]);
		serve(0);
	}
	took = base_now_ns() - begin;
	live(members, 2 * BEAT_MS);
	joined = memory_kib();
	for (unsigned i = 0; i < wanted.links; i++)
		bring(&members[i], &target);
	for (int i = 0; i < LIMIT_S && here.received < (uint64_t)MESSAGES * wanted.links; i++)
		live(members, BEAT_MS);
	used = memory_kib();
	printf("crowd: %u links over %s: joined in %.0f ms; memory of the agent %.1f MiB alone, "
	       "%.1f with all links, %.1f after %d messages from each (%llu received), limit %u\n",
	       wanted.links, wanted.fabric, (double)took / 1e6, (double)alone / 1024,
	       (double)joined / 1024, (double)used / 1024, MESSAGES,
	       (unsigned long long)here.received, wanted.limit_mib);
	free(members);
	return used <= (long)wanted.limit_mib * 1024 &&
	       here.received == (uint64_t)MESSAGES * wanted.links ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "links", 'n', "N", 0, "how many [1000]", 0 },
		{ "limit", 'l', "MIB", 0, "of memory [64]", 0 },
		{ "fabric", 'f', "NAME", 0, "uring, epoll or auto [auto]", 0 },
		{ "task", 't', NULL, OPTION_HIDDEN, "be the task", 0 },
		{ 0 }
	};
	const struct argp argp = { options, take_option, NULL,
				   "Memory of an agent with many links.", NULL, NULL, NULL };
	struct rlimit files;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	if (wanted.is_task)
		return run_task();
	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_max < wanted.links + FILES_MORE) {
		printf("crowd: not run: only %llu descriptors are allowed\n",
		       (unsigned long long)files.rlim_max);
		return 77;
	}
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (sodium_init() < 0)
		return 1;
	return measure();
}
