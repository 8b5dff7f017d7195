/* SPDX-License-Identifier: MIT */
/*
 * node.h (internal) - what the two files of the node's service share: its state.
 *
 * node.c owns it, waits for events and sweeps; node_client.c answers what clients ask.
 */
#ifndef CHANNELS_NODE_H
#define CHANNELS_NODE_H

#include <stdbool.h>

#include <dhow/node.h>

#include "base/list.h"
#include "src/directory.h"
#include "src/protocol.h"
#include "src/segment.h"

enum watch_kind { WATCH_LISTEN, WATCH_DOOR, WATCH_CLIENT, WATCH_PIDFD };

struct watch {			/* what an epoll event leads to */
	enum watch_kind kind;
	int fd;
	struct base_list link;	/* of all doors or clients */
};

struct client {
	struct watch watch;
	struct watch pidfd;	/* fd -1: kernel without pidfd_open() */
	pid_t pid;
	bool said_hello, said_bye;
	uint64_t pools;		/* bit per entry of service->pools that it uses */
};

struct ticket {			/* a directory request on its way */
	struct base_list link;
	uint64_t number;
	struct client *client;
	uint32_t serial;
};

struct pool_entry {
	int fd;			/* -1: free */
	struct segment segment;
	uint32_t users;
};

struct dhow_node_service {
	struct dhow_node_options options;
	struct dhow_node_hooks hooks;
	char path[108];		/* to unlink at the end */
	int epoll, bell, fd;	/* fd: of the node's segment */
	struct segment segment;
	struct watch listener;
	struct base_list doors, clients, tickets;
	unsigned doors_count, clients_count;
	uint64_t last_ticket;
	struct directory *directory;
	struct pool_entry pools[SEGMENT_MAX];
	struct client *agent;
	pid_t expected_agent;
	struct dhow_node_peer *peers;
	size_t peers_count;
	uint64_t sweep_at;	/* deadline, UINT64_MAX none */
	unsigned sweep_tries;
};

int node_watch_add(struct dhow_node_service *service, struct watch *watch, enum watch_kind kind,
		   int fd);
void node_watch_close(struct dhow_node_service *service, struct watch *watch);
/* Look for dead clients with the next step, and some more times after it. */
void node_sweep_soon(struct dhow_node_service *service);

/* A connection of process @pid; the service owns @fd on success. -ENFILE. */
int node_client_add(struct dhow_node_service *service, int fd, pid_t pid);
void node_client_del(struct dhow_node_service *service, struct client *client);
/* Read and answer one request. False: nothing more, or the client is gone. */
bool node_client_read(struct dhow_node_service *service, struct client *client);
/* Send news to the agent, if there is one. */
void node_tell_agent(struct dhow_node_service *service, struct node_reply *news);
void node_tell_agent_peer(struct dhow_node_service *service, const struct dhow_node_peer *peer);
/* What the directory calls: @arg is the service. */
void node_on_directory_answer(void *arg, uint32_t node, const struct dhow_name_answer *answer);

#endif
