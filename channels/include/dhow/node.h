/* SPDX-License-Identifier: MIT */
/*
 * node.h - the service of one node: its segment, its clients, its part of the directory.
 *
 * A node daemon (or the first process of a standalone node) owns one service and drives
 * it from one thread: poll dhow_node_fd() for reading, then call dhow_node_step().
 * What must cross to other nodes leaves by hooks and comes back by calls; the service
 * itself never talks to the network. Nothing here blocks. Not thread-safe.
 */
#ifndef DHOW_NODE_H
#define DHOW_NODE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <dhow/address.h>
#include <dhow/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sizes of a job's secret, and of the longest address of an agent. */
#define DHOW_SECRET_BYTES 32
#define DHOW_FABRIC_ADDRESS_BYTES 256

struct dhow_node_service;

/* What a node is, for dhow_node_create(). */
struct dhow_node_options {
	const char *socket;	/* `@abstract` or a path to listen at; NULL = doors only */
	uint32_t job;		/* its id */
	uint32_t node;		/* this one's number */
	uint32_t nodes;		/* how many there are */
	uint64_t pool_bytes;	/* default pool; 0 = 64 MiB */
	uint8_t secret[DHOW_SECRET_BYTES];	/* of the job; given to the agent only */
};

/* Publish a name, look it up, take it back. */
enum dhow_name_op { DHOW_NAME_PUT = 1, DHOW_NAME_GET, DHOW_NAME_DEL };

/* A request to the directory on its way to the node that keeps the name. */
struct dhow_name_request {
	uint32_t op;		/* one of enum dhow_name_op */
	uint32_t origin;	/* node that asked */
	uint64_t ticket;	/* given back in the answer */
	uint64_t wait_ms;	/* NAME_GET: how long the keeper may hold it */
	char name[DHOW_NAME_MAX + 1];		/* with a zero at the end */
	char address[DHOW_ADDRESS_BYTES];	/* NAME_PUT: what it stands for */
};

/* The answer to a request. */
struct dhow_name_answer {
	uint64_t ticket;	/* of the request */
	int32_t rc;		/* 0 or negative errno */
	char address[DHOW_ADDRESS_BYTES];	/* NAME_GET: what the name stands for */
};

/* How other nodes' agents are reached: an opaque fabric address. */
struct dhow_node_peer {
	uint32_t node;		/* its number */
	uint32_t bytes;		/* of address */
	uint8_t address[DHOW_FABRIC_ADDRESS_BYTES];	/* of its agent */
};

/* Called from dhow_node_step() and the calls below; may call back into the service. */
struct dhow_node_hooks {
	void *arg;		/* handed to each of them */
	/* carry @request to node @to, where dhow_node_name_request() is called with it */
	void (*name_request)(void *arg, uint32_t to, const struct dhow_name_request *request);
	/* carry @answer to node @to, where dhow_node_name_answer() is called with it */
	void (*name_answer)(void *arg, uint32_t to, const struct dhow_name_answer *answer);
	/* this node's agent is up; its fabric address must reach the other nodes */
	void (*agent_up)(void *arg, const struct dhow_node_peer *self);
	/* the agent's connection ended without a goodbye */
	void (*agent_down)(void *arg);
	/* the agent found that it cannot reach node @node */
	void (*peer_down)(void *arg, uint32_t node, const char *why);
	/* node @node has missed three heartbeats (1.9 s) and is not dead yet: @why; NULL: it
	 * speaks again */
	void (*peer_silent)(void *arg, uint32_t node, const char *why);
};

/* Make a node's service: allocates and clears its segment. Return: 0; -ENOMEM; -EADDRINUSE;
 * -EINVAL. */
int dhow_node_create(const struct dhow_node_options *options, const struct dhow_node_hooks *hooks,
		     struct dhow_node_service **ret_service);

/* End it; clients find their daemon gone. */
void dhow_node_destroy(struct dhow_node_service *service);

/* An epoll descriptor; readable when dhow_node_step() has work. Owned by the service. */
int dhow_node_fd(const struct dhow_node_service *service);

/* Do what is due (clients, deaths, expired look-ups). Return: ms until the next timer, -1 none. */
int dhow_node_step(struct dhow_node_service *service);

/**
 * dhow_node_door - a socket by which a child and its descendants find this node.
 * @ret_fd: close-on-exec; hand it to a child as descriptor N with DHOW_NODE_FD=N in its
 *          environment; the caller closes its own copy.
 */
int dhow_node_door(struct dhow_node_service *service, int *ret_fd);

/* Only process @pid may become this node's agent (and get the secret). */
void dhow_node_expect_agent(struct dhow_node_service *service, pid_t pid);

/* Tell the agent how to reach the others; may be called before it is up. */
int dhow_node_set_peers(struct dhow_node_service *service, const struct dhow_node_peer *peers,
			size_t count);

/* Node @node is dead: the agent fails all that waits for it. */
void dhow_node_peer_dead(struct dhow_node_service *service, uint32_t node, const char *why);

/* What other nodes sent, see the hooks. */
void dhow_node_name_request(struct dhow_node_service *service,
			    const struct dhow_name_request *request);
void dhow_node_name_answer(struct dhow_node_service *service,
			   const struct dhow_name_answer *answer);

/* Environment of the tasks that dhow_init() reads. */
#define DHOW_ENV_NODE_FD "DHOW_NODE_FD"
#define DHOW_ENV_NODE_SOCKET "DHOW_NODE_SOCKET"
#define DHOW_ENV_RANK "DHOW_RANK"
#define DHOW_ENV_SIZE "DHOW_SIZE"
#define DHOW_ENV_NODE "DHOW_NODE"
#define DHOW_ENV_NODES "DHOW_NODES"
#define DHOW_ENV_LOCAL_RANK "DHOW_LOCAL_RANK"
#define DHOW_ENV_LOCAL_SIZE "DHOW_LOCAL_SIZE"

#ifdef __cplusplus
}
#endif
#endif
