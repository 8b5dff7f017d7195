/* SPDX-License-Identifier: MIT */
/*
 * rig.h - nodes with agents and traffic, joined by an injector, and what became of them.
 *
 * A case runs in a process of its own, which is the parent of all others of the rig: they die
 * with it, and their namespaces with them. Every wait has a limit.
 */
#ifndef FIRE_RIG_H
#define FIRE_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "injector.h"
#include "node.h"
#include "traffic.h"

enum { RIG_NOTES_MAX = 4096, RIG_LIMIT_MS = 30000 };

struct rig_fabric {
	const char *name;	/* as the user says it */
	const char *agent;	/* program */
	const char *fabric, *provider;
};

struct rig_node {
	pid_t pid;		/* 0: not started */
	int space, socket;
	pid_t agent;
	bool agent_up;
	struct dhow_node_peer address;
	struct node_note *notes;
	size_t notes_count;
	unsigned connections;	/* that its agent logged */
};

struct rig {
	const struct rig_fabric *fabric;
	unsigned count;
	struct rig_node nodes[SPACES_MAX];
	int tuns[SPACES_MAX];
	pid_t injector_pid;
	struct injector *injector;
	struct traffic *traffic;
	int ledger;
	char why[512];		/* the first thing that went wrong; empty: none */
};

/* Make namespaces and injector, and start all nodes with their agents.
 * Return: 0; -EPERM or -ENOENT the machine does not allow it, see @rig->why; others. */
int rig_open(struct rig *rig, const struct rig_fabric *fabric, unsigned count);
/* End all processes of it and wait for them. */
void rig_close(struct rig *rig);
/* Note what went wrong; only the first is kept. Return: false. */
bool rig_fail(struct rig *rig, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Print what the nodes said, for a case that failed. */
void rig_dump(const struct rig *rig);

/* Start node @index and its agent, wait until it is up, and tell all nodes its address. */
bool rig_node_start(struct rig *rig, unsigned index);
/* Kill node @index with all its processes, and wait until they are gone. */
void rig_node_kill(struct rig *rig, unsigned index);

/* Signal an agent, or another child of a node. Return: when, ns. */
uint64_t rig_agent_signal(struct rig *rig, unsigned index, int signal);
uint64_t rig_signal(struct rig *rig, unsigned index, pid_t pid, int signal);

/* Take what came, for @ms. */
void rig_run(struct rig *rig, unsigned ms);

/**
 * rig_await - wait for a note of node @index.
 * @kind, @text: what it is, and what is in its text (NULL: anything).
 * @since_ns: not before.
 * @limit_ms: from now; then rig_fail().
 * Return: the note; NULL.
 */
const struct node_note *rig_await(struct rig *rig, unsigned index, enum node_note_kind kind,
				  const char *text, uint64_t since_ns, unsigned limit_ms);

/* Start flow @flow, which must be unused: zero its account, start receiver and sender. */
bool rig_flow_start(struct rig *rig, unsigned flow, unsigned from, unsigned to,
		    pid_t *ret_receiver);
struct traffic_flow *rig_flow(struct rig *rig, unsigned flow);
/* Wait until the flow has @more acknowledged messages than now. */
bool rig_flow_moves(struct rig *rig, unsigned flow, uint64_t more, unsigned limit_ms);
/* Let the sender end, wait until it did. */
bool rig_flow_stop(struct rig *rig, unsigned flow, unsigned limit_ms);
/* Let the receiver empty its channel, and judge: nothing acknowledged may be lost, nothing
 * repeated, damaged or out of order. */
bool rig_flow_check(struct rig *rig, unsigned flow, unsigned limit_ms);

/* Milliseconds from @from_ns to @to_ns, for printing. */
double rig_ms(uint64_t from_ns, uint64_t to_ns);

#endif
