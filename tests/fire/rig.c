/* SPDX-License-Identifier: MIT */
/* rig.c - see rig.h. */
#include "rig.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { STEP_MS = 5, SOCKET_BYTES = 1 << 20 };

bool rig_fail(struct rig *rig, const char *format, ...)
{
	va_list args;

	if (!rig->why[0]) {
		va_start(args, format);
		vsnprintf(rig->why, sizeof(rig->why), format, args);
		va_end(args);
	}
	return false;
}

double rig_ms(uint64_t from_ns, uint64_t to_ns)
{
	return ((double)to_ns - (double)from_ns) / 1e6;
}

static uint64_t in_ms(unsigned ms)
{
	return base_now_ns() + ms * BASE_MS;
}

/* ---- notes ---- */

static void take_note(struct rig *rig, unsigned index, const struct node_note *note)
{
	struct rig_node *node = &rig->nodes[index];

	if (node->notes_count < RIG_NOTES_MAX)
		node->notes[node->notes_count++] = *note;
	switch (note->kind) {
	case NODE_STARTED:
		if (note->value == NODE_AGENT)
			node->agent = note->pid;
		break;
	case NODE_AGENT_UP:
		node->agent_up = true;
		node->address = note->peer;
		break;
	case NODE_EXITED:
		if (note->pid == node->agent)
			node->agent_up = false;
		break;
	case NODE_LOG:
		node->connections += strstr(note->text, ": connected") != NULL;
		break;
	case NODE_FAILED:
		rig_fail(rig, "node %u: %s", index, note->text);
		break;
	default:
		break;
	}
}

static void pump(struct rig *rig, unsigned ms)
{
	struct pollfd fds[SPACES_MAX];
	struct node_note note;

	for (unsigned i = 0; i < rig->count; i++)
		fds[i] = (struct pollfd){ .fd = rig->nodes[i].pid ? rig->nodes[i].socket : -1,
					  .events = POLLIN };
	poll(fds, rig->count, (int)ms);
	for (unsigned i = 0; i < rig->count; i++)
		while (fds[i].revents && recv(fds[i].fd, &note, sizeof(note), MSG_DONTWAIT) ==
						 sizeof(note))
			take_note(rig, i, &note);
}

void rig_run(struct rig *rig, unsigned ms)
{
	uint64_t limit = in_ms(ms);

	do
		pump(rig, ms < STEP_MS ? ms : STEP_MS);
	while (base_now_ns() < limit);
}

static const struct node_note *find(const struct rig_node *node, enum node_note_kind kind,
				    const char *text, uint64_t since_ns)
{
	for (size_t i = 0; i < node->notes_count; i++) {
		const struct node_note *note = &node->notes[i];

		if (note->kind == kind && note->at_ns >= since_ns &&
		    (!text || strstr(note->text, text)))
			return note;
	}
	return NULL;
}

const struct node_note *rig_await(struct rig *rig, unsigned index, enum node_note_kind kind,
				  const char *text, uint64_t since_ns, unsigned limit_ms)
{
	uint64_t limit = in_ms(limit_ms);
	const struct node_note *note;

	while (!(note = find(&rig->nodes[index], kind, text, since_ns))) {
		if (base_now_ns() >= limit) {
			rig_fail(rig, "node %u: nothing like '%s' (kind %d) in %u ms", index,
				 text ? text : "", (int)kind, limit_ms);
			return NULL;
		}
		pump(rig, STEP_MS);
	}
	return note;
}

void rig_dump(const struct rig *rig)
{
	static const char *const kinds[] = { "", "started", "agent up", "agent down", "peer down",
					     "exited", "signalled", "log", "silent", "failed" };
	uint64_t first = UINT64_MAX;

	for (unsigned i = 0; i < rig->count; i++)
		if (rig->nodes[i].notes_count && rig->nodes[i].notes[0].at_ns < first)
			first = rig->nodes[i].notes[0].at_ns;
	for (unsigned i = 0; i < rig->count; i++)
		for (size_t k = 0; k < rig->nodes[i].notes_count; k++) {
			const struct node_note *note = &rig->nodes[i].notes[k];

			fprintf(stderr, "  node %u %9.1f ms %s %d %u %s\n", i,
				rig_ms(first, note->at_ns), kinds[note->kind], (int)note->pid,
				note->value, note->text);
		}
}

/* ---- nodes ---- */

static void order(struct rig *rig, unsigned index, const struct node_order *what)
{
	if (send(rig->nodes[index].socket, what, sizeof(*what), MSG_NOSIGNAL) < 0)
		rig_fail(rig, "node %u is gone: %s", index, strerror(errno));
}

static void tell_peers(struct rig *rig)
{
	struct node_order peers = { .kind = NODE_PEERS };

	for (unsigned i = 0; i < rig->count; i++)
		if (rig->nodes[i].agent_up)
			peers.peers[peers.count++] = rig->nodes[i].address;
	for (unsigned i = 0; i < rig->count; i++)
		if (rig->nodes[i].pid)
			order(rig, i, &peers);
}

static bool fork_node(struct rig *rig, unsigned index)
{
	struct rig_node *node = &rig->nodes[index];
	struct node_setup setup = {
		.index = index,
		.count = rig->count,
		.space = node->space,
		.ledger = rig->ledger,
		.agent = rig->fabric->agent,
		.fabric = rig->fabric->fabric,
		.provider = rig->fabric->provider,
	};
	const int bytes = SOCKET_BYTES;
	pid_t parent = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return rig_fail(rig, "socketpair: %s", strerror(errno));
	setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	node->pid = fork();
	if (node->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		/* Else other nodes would not see the end of the case. */
		for (unsigned i = 0; i < rig->count; i++)
			if (i != index && rig->nodes[i].pid)
				close(rig->nodes[i].socket);
		close(ends[0]);
		setup.socket = ends[1];
		_exit(node_run(&setup));
	}
	close(ends[1]);
	node->socket = ends[0];
	if (node->pid < 0) {
		node->pid = 0;
		close(ends[0]);
		return rig_fail(rig, "fork: %s", strerror(errno));
	}
	return true;
}

bool rig_node_start(struct rig *rig, unsigned index)
{
	const struct node_order agent = { .kind = NODE_AGENT };
	uint64_t start = base_now_ns();

	if (!fork_node(rig, index))
		return false;
	order(rig, index, &agent);
	if (!rig_await(rig, index, NODE_AGENT_UP, NULL, start, RIG_LIMIT_MS))
		return false;
	tell_peers(rig);
	return true;
}

/* Wait for all children, and for those that they left to us. */
static void reap(pid_t until, uint64_t limit)
{
	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0 || base_now_ns() >= limit)
			return;
		if (pid == until)
			until = 0;
		if (pid == 0) {
			if (until == 0)
				return;
			usleep(1000);
		}
	}
}

void rig_node_kill(struct rig *rig, unsigned index)
{
	struct rig_node *node = &rig->nodes[index];

	if (!node->pid)
		return;
	pump(rig, 0);
	kill(node->pid, SIGKILL);
	reap(node->pid, in_ms(RIG_LIMIT_MS));
	close(node->socket);
	node->pid = 0;
	node->agent = 0;
	node->agent_up = false;
}

uint64_t rig_signal(struct rig *rig, unsigned index, pid_t pid, int signal)
{
	struct node_order what = { .kind = NODE_SIGNAL, .pid = pid, .signal = signal };
	uint64_t start = base_now_ns();
	const struct node_note *note;

	order(rig, index, &what);
	note = rig_await(rig, index, NODE_SIGNALLED, NULL, start, RIG_LIMIT_MS);
	return note ? note->at_ns : 0;
}

uint64_t rig_agent_signal(struct rig *rig, unsigned index, int signal)
{
	return rig_signal(rig, index, rig->nodes[index].agent, signal);
}

/* ---- all of it ---- */

static bool fork_injector(struct rig *rig)
{
	pid_t parent = getpid();
	const char *seed = getenv("DHOW_FIRE_SEED");

	rig->injector_pid = fork();
	if (rig->injector_pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		injector_run(rig->injector, rig->tuns, rig->count,
			     seed ? strtoull(seed, NULL, 10) : 1);
	}
	return rig->injector_pid > 0 || rig_fail(rig, "fork: %s", strerror(errno));
}

static void *share(size_t bytes, int fd)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

static bool share_memory(struct rig *rig)
{
	rig->ledger = memfd_create("fire", MFD_CLOEXEC);
	if (rig->ledger < 0 || ftruncate(rig->ledger, sizeof(struct traffic)) < 0)
		return rig_fail(rig, "memfd: %s", strerror(errno));
	rig->traffic = share(sizeof(*rig->traffic), rig->ledger);
	rig->injector = share(sizeof(*rig->injector), -1);
	for (unsigned i = 0; i < rig->count; i++) {
		rig->nodes[i].notes = calloc(RIG_NOTES_MAX, sizeof(struct node_note));
		if (!rig->nodes[i].notes)
			return rig_fail(rig, "no memory");
	}
	return (rig->traffic && rig->injector) || rig_fail(rig, "no memory");
}

int rig_open(struct rig *rig, const struct rig_fabric *fabric, unsigned count)
{
	memset(rig, 0, sizeof(*rig));
	rig->fabric = fabric;
	rig->count = count;
	/* The children of a node that was killed come to us. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (unsigned i = 0; i < count; i++) {
		int rc = space_create(i, &rig->nodes[i].space, &rig->tuns[i], rig->why,
				      sizeof(rig->why));

		if (rc)
			return rc;
	}
	if (!share_memory(rig) || !fork_injector(rig))
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++)
		if (!rig_node_start(rig, i))
			return -EIO;
	return 0;
}

void rig_close(struct rig *rig)
{
	for (unsigned i = 0; i < rig->count; i++)
		rig_node_kill(rig, i);
	if (rig->injector_pid > 0)
		kill(rig->injector_pid, SIGKILL);
	reap(rig->injector_pid, in_ms(RIG_LIMIT_MS));
}

/* ---- flows ---- */

struct traffic_flow *rig_flow(struct rig *rig, unsigned flow)
{
	return &rig->traffic->flows[flow];
}

bool rig_flow_start(struct rig *rig, unsigned flow, unsigned from, unsigned to,
		    pid_t *ret_receiver)
{
	struct node_order sender = { .kind = NODE_SEND, .flow = flow };
	struct node_order receiver = { .kind = NODE_RECEIVE, .flow = flow };
	uint64_t start = base_now_ns();
	const struct node_note *note;

	memset(rig_flow(rig, flow), 0, sizeof(struct traffic_flow));
	atomic_store_explicit(&rig_flow(rig, flow)->pause_us, 500, memory_order_relaxed);
	order(rig, to, &receiver);
	note = rig_await(rig, to, NODE_STARTED, NULL, start, RIG_LIMIT_MS);
	if (!note)
		return false;
	if (ret_receiver)
		*ret_receiver = note->pid;
	start = base_now_ns();
	order(rig, from, &sender);
	return rig_await(rig, from, NODE_STARTED, NULL, start, RIG_LIMIT_MS);
}

bool rig_flow_moves(struct rig *rig, unsigned flow, uint64_t more, unsigned limit_ms)
{
	struct traffic_flow *at = rig_flow(rig, flow);
	uint64_t wanted = at->acknowledged + more, limit = in_ms(limit_ms);

	while (at->acknowledged < wanted) {
		if (at->error)
			return rig_fail(rig, "flow %u: error %d, %s", flow, at->error,
					at->error_text);
		if (base_now_ns() >= limit)
			return rig_fail(rig, "flow %u: stands still at %llu", flow,
					(unsigned long long)at->acknowledged);
		pump(rig, STEP_MS);
	}
	return true;
}

bool rig_flow_stop(struct rig *rig, unsigned flow, unsigned limit_ms)
{
	struct traffic_flow *at = rig_flow(rig, flow);
	uint64_t limit = in_ms(limit_ms);

	at->stop = 1;
	while (!at->sent_all) {
		if (base_now_ns() >= limit)
			return rig_fail(rig, "flow %u: its sender does not end", flow);
		pump(rig, STEP_MS);
	}
	return true;
}

bool rig_flow_check(struct rig *rig, unsigned flow, unsigned limit_ms)
{
	struct traffic_flow *at = rig_flow(rig, flow);
	uint64_t limit = in_ms(limit_ms);

	at->drain = 1;
	while (!at->received_all) {
		if (base_now_ns() >= limit)
			return rig_fail(rig, "flow %u: its receiver does not end", flow);
		pump(rig, STEP_MS);
	}
	if (at->received_all != 1)
		return rig_fail(rig, "flow %u: its receiver failed", flow);
	if (at->received < at->acknowledged || at->missed || at->repeated || at->damaged)
		return rig_fail(rig, "flow %u: %llu acknowledged, %llu received, %llu missing, "
				"%llu repeated or out of order, %llu damaged, first wrong: %llu",
				flow, (unsigned long long)at->acknowledged,
				(unsigned long long)at->received, (unsigned long long)at->missed,
				(unsigned long long)at->repeated, (unsigned long long)at->damaged,
				(unsigned long long)at->wrong);
	return true;
}
