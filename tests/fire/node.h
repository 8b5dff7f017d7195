/* SPDX-License-Identifier: MIT */
/*
 * node.h - a node of the test: a process that is its daemon, in a namespace of its own.
 *
 * It runs the node's service, starts agent and traffic as its children, and tells the case what
 * happens. Unlike dhowd it tells nobody that its agent died: the others have to notice.
 */
#ifndef FIRE_NODE_H
#define FIRE_NODE_H

#include <stdint.h>
#include <sys/types.h>

#include <dhow/node.h>

#include "space.h"

enum { NODE_TEXT = 200 };

enum node_order_kind {
	NODE_AGENT = 1,		/* start the agent */
	NODE_PEERS,		/* @peers are the others */
	NODE_SEND, NODE_RECEIVE,	/* start a program of flow @flow */
	NODE_SIGNAL,		/* @signal to child @pid */
};

struct node_order {
	enum node_order_kind kind;
	uint32_t flow, count;
	pid_t pid;
	int signal;
	struct dhow_node_peer peers[SPACES_MAX];
};

enum node_note_kind {
	NODE_STARTED = 1,	/* child @pid; @value: what was ordered */
	NODE_AGENT_UP,		/* @peer */
	NODE_AGENT_DOWN,
	NODE_PEER_DOWN,		/* our agent says that node @value is dead: @text */
	NODE_EXITED,		/* child @pid; @value: of waitpid() */
	NODE_SIGNALLED,		/* child @pid */
	NODE_LOG,		/* a line of the agent: @text */
	NODE_PEER_SILENT,	/* our agent says: node @value is silent: @text; empty: not now */
	NODE_FAILED,		/* @text */
};

struct node_note {
	enum node_note_kind kind;
	uint64_t at_ns;
	pid_t pid;
	uint32_t value;
	struct dhow_node_peer peer;
	char text[NODE_TEXT];
};

struct node_setup {
	uint32_t index, count;
	int space;		/* its namespace */
	int socket;		/* SOCK_SEQPACKET: orders in, notes out; its end ends the node */
	int ledger;		/* memory of struct traffic */
	const char *agent;	/* program */
	const char *fabric, *provider;	/* NULL: none */
};

/* Does not return before @setup->socket ends. Return: exit code. */
int node_run(const struct node_setup *setup);

#endif
