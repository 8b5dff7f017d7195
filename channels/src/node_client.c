/* SPDX-License-Identifier: MIT */
/* node_client.c - the clients of a node's service, and what they ask; see node.h. */
#include "src/node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "src/liveness.h"

enum { CLIENTS_MAX = 4 * LAYOUT_PROCESSES };

static int pidfd_of(pid_t pid)
{
#ifdef SYS_pidfd_open
	return pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
#else
	return -1;
#endif
}

int node_client_add(struct dhow_node_service *service, int fd, pid_t pid)
{
	struct client *client;
	int rc;

	if (service->clients_count >= CLIENTS_MAX || !(client = calloc(1, sizeof(*client))))
		return -ENFILE;
	client->pid = pid;
	client->pidfd.fd = -1;
	base_fd_set_nonblocking(fd, 1);
	rc = node_watch_add(service, &client->watch, WATCH_CLIENT, fd);
	if (rc < 0) {
		free(client);
		return rc;
	}
	fd = pidfd_of(pid);
	if (fd >= 0 && node_watch_add(service, &client->pidfd, WATCH_PIDFD, fd) < 0)
		node_watch_close(service, &client->pidfd);
	base_list_add_tail(&service->clients, &client->watch.link);
	service->clients_count++;
	return 0;
}

static void pool_drop(struct dhow_node_service *service, struct client *client, unsigned i)
{
	struct pool_entry *pool = &service->pools[i];

	if (!(client->pools >> i & 1))
		return;
	client->pools &= ~(UINT64_C(1) << i);
	if (--pool->users > 0)
		return;
	liveness_leave(&pool->segment);
	segment_unmap(&pool->segment);	/* closes pool->fd, which it was mapped from */
	pool->fd = -1;
}

/* A client asks one thing at a time: what it asked before it no longer waits for. So there
 * are never more tickets than clients, also when the node that keeps a name never answers. */
static void drop_tickets(struct dhow_node_service *service, const struct client *client)
{
	base_list_for (at, &service->tickets) {
		struct ticket *ticket = base_list_entry(at, struct ticket, link);

		if (ticket->client != client)
			continue;
		base_list_del(&ticket->link);
		free(ticket);
	}
}

void node_client_del(struct dhow_node_service *service, struct client *client)
{
	bool is_agent = service->agent == client;
	bool said_bye = client->said_bye;

	drop_tickets(service, client);
	if (client->said_hello && !said_bye)
		node_sweep_soon(service);
	for (unsigned i = 0; i < SEGMENT_MAX; i++)
		pool_drop(service, client, i);
	node_watch_close(service, &client->watch);
	node_watch_close(service, &client->pidfd);
	base_list_del(&client->watch.link);
	service->clients_count--;
	free(client);
	if (!is_agent)
		return;
	service->agent = NULL;
	if (!said_bye && service->hooks.agent_down)
		service->hooks.agent_down(service->hooks.arg);
}

static void reply(struct client *client, struct node_reply *answer, const int *fds, int count)
{
	answer->protocol = NODE_PROTOCOL;
	/* A client that does not read is its own loss: the socket holds many answers. */
	if (base_fd_send(client->watch.fd, answer, sizeof(*answer), fds, count, 0) < 0)
		base_log_debug("client %d does not read its answers", (int)client->pid);
}

static void reply_rc(struct client *client, uint32_t serial, int rc)
{
	struct node_reply answer = { .serial = serial, .rc = rc };

	reply(client, &answer, NULL, 0);
}

/* ---- the agent ---- */

void node_tell_agent(struct dhow_node_service *service, struct node_reply *news)
{
	if (service->agent)
		reply(service->agent, news, NULL, 0);
}

void node_tell_agent_peer(struct dhow_node_service *service, const struct dhow_node_peer *peer)
{
	struct node_reply news = { .news = NODE_NEWS_PEER, .peer = *peer };

	node_tell_agent(service, &news);
}

/* It serves the gateway: only now may tasks start that want to reach other nodes. */
static void agent_ready(struct dhow_node_service *service, const struct dhow_node_peer *peer)
{
	struct dhow_node_peer self = *peer;

	self.node = service->options.node;
	if (self.bytes > sizeof(self.address))
		self.bytes = sizeof(self.address);
	if (service->hooks.agent_up)
		service->hooks.agent_up(service->hooks.arg, &self);
}

static void hello(struct dhow_node_service *service, struct client *client,
		  const struct node_request *request)
{
	struct node_reply answer = { .serial = request->serial };
	const int fds[] = { service->fd, service->bell };
	bool wants_agent = request->op == NODE_HELLO_AGENT;
	struct base_err err;

	if (wants_agent && (client->pid != service->expected_agent || service->agent)) {
		answer.rc = -EPERM;
		strcpy(answer.why, "it is not the agent that the daemon started");
		reply(client, &answer, NULL, 0);
		return;
	}
	/* Programs that have no use for channels cost the node no memory, and a start no time. */
	if (!wants_agent) {
		answer.rc = segment_commit(&service->segment, service->fd, &err);
		if (answer.rc < 0) {
			snprintf(answer.why, sizeof(answer.why), "%.*s",
				 (int)sizeof(answer.why) - 1, err.text);
			reply(client, &answer, NULL, 0);
			return;
		}
	}
	client->said_hello = true;
	if (wants_agent)
		memcpy(answer.secret, service->options.secret, sizeof(answer.secret));
	reply(client, &answer, fds, 2);
	explicit_bzero(answer.secret, sizeof(answer.secret));
	if (!wants_agent)
		return;
	service->agent = client;
	for (size_t i = 0; i < service->peers_count; i++)
		node_tell_agent_peer(service, &service->peers[i]);
}

/* ---- segments ---- */

static int pool_find(struct dhow_node_service *service, uint64_t id)
{
	for (int i = 0; i < SEGMENT_MAX; i++)
		if (service->pools[i].fd >= 0 && service->pools[i].segment.id == id)
			return i;
	return -ENOENT;
}

static int pool_put(struct dhow_node_service *service, struct client *client, int fd)
{
	struct pool_entry *pool = NULL;
	unsigned i;
	int rc;

	for (i = 0; i < SEGMENT_MAX && !pool; i++)
		if (service->pools[i].fd < 0)
			pool = &service->pools[i];
	if (!pool)
		return -ENFILE;
	rc = segment_map(fd, &pool->segment, NULL);
	if (rc < 0)
		return rc;
	if (pool_find(service, pool->segment.id) >= 0) {
		pool->segment.fd = -1;
		segment_unmap(&pool->segment);
		return -EEXIST;
	}
	rc = liveness_enter(&pool->segment, UINT32_MAX);
	if (rc < 0) {
		pool->segment.fd = -1;	/* the caller's to close */
		segment_unmap(&pool->segment);
		return rc;
	}
	pool->fd = fd;
	pool->users = 1;
	client->pools |= UINT64_C(1) << (i - 1);
	return 0;
}

static void segment_request(struct dhow_node_service *service, struct client *client,
			    const struct node_request *request, int fd)
{
	struct node_reply answer = { .serial = request->serial };
	int i = pool_find(service, request->value);

	switch (request->op) {
	case NODE_SEGMENT_PUT:
		answer.rc = fd < 0 ? -EINVAL : pool_put(service, client, fd);
		if (answer.rc < 0 && fd >= 0)
			close(fd);
		reply(client, &answer, NULL, 0);
		break;
	case NODE_SEGMENT_GET:
		answer.rc = i < 0 ? i : 0;
		if (i >= 0 && !(client->pools >> i & 1)) {
			client->pools |= UINT64_C(1) << i;
			service->pools[i].users++;
		}
		reply(client, &answer, i < 0 ? NULL : &service->pools[i].fd, i >= 0);
		break;
	default:
		if (i >= 0)
			pool_drop(service, client, (unsigned)i);
	}
}

/* ---- the directory ---- */

static void name_reply(struct dhow_node_service *service, const struct dhow_name_answer *answer)
{
	base_list_for (at, &service->tickets) {
		struct ticket *ticket = base_list_entry(at, struct ticket, link);
		struct node_reply message = { .serial = ticket->serial, .rc = answer->rc };

		if (ticket->number != answer->ticket)
			continue;
		memcpy(message.address, answer->address, sizeof(message.address));
		reply(ticket->client, &message, NULL, 0);
		base_list_del(&ticket->link);
		free(ticket);
		return;
	}
}

void node_on_directory_answer(void *arg, uint32_t node, const struct dhow_name_answer *answer)
{
	struct dhow_node_service *service = arg;

	if (node == service->options.node)
		name_reply(service, answer);
	else if (service->hooks.name_answer)
		service->hooks.name_answer(service->hooks.arg, node, answer);
}

static void name_request(struct dhow_node_service *service, struct client *client,
			 const struct node_request *request)
{
	struct dhow_name_request forward = { .op = request->op - NODE_NAME_PUT + DHOW_NAME_PUT,
					     .origin = service->options.node,
					     .wait_ms = request->value };
	struct ticket *ticket = calloc(1, sizeof(*ticket));
	uint32_t keeper;

	if (!ticket) {
		reply_rc(client, request->serial, -ENOMEM);
		return;
	}
	drop_tickets(service, client);
	memcpy(forward.name, request->name, DHOW_NAME_MAX);
	memcpy(forward.address, request->address, sizeof(forward.address) - 1);
	ticket->number = forward.ticket = ++service->last_ticket;
	ticket->client = client;
	ticket->serial = request->serial;
	base_list_add_tail(&service->tickets, &ticket->link);
	keeper = directory_keeper(forward.name, service->options.nodes);
	if (keeper == service->options.node)
		directory_request(service->directory, &forward);
	else
		service->hooks.name_request(service->hooks.arg, keeper, &forward);
}

void dhow_node_name_request(struct dhow_node_service *service,
			    const struct dhow_name_request *request)
{
	directory_request(service->directory, request);
}

void dhow_node_name_answer(struct dhow_node_service *service,
			   const struct dhow_name_answer *answer)
{
	name_reply(service, answer);
}

static void client_request(struct dhow_node_service *service, struct client *client,
			   const struct node_request *request, int fd)
{
	if (fd >= 0 && request->op != NODE_SEGMENT_PUT)
		close(fd);
	switch (request->op) {
	case NODE_HELLO:
	case NODE_HELLO_AGENT:
		hello(service, client, request);
		break;
	case NODE_AGENT_READY:
		if (client == service->agent)
			agent_ready(service, &request->peer);
		break;
	case NODE_SEGMENT_PUT:
	case NODE_SEGMENT_GET:
	case NODE_SEGMENT_DROP:
		segment_request(service, client, request, fd);
		break;
	case NODE_NAME_PUT:
	case NODE_NAME_GET:
	case NODE_NAME_DEL:
		name_request(service, client, request);
		break;
	case NODE_REPORT:
		if (client == service->agent && service->hooks.peer_down)
			service->hooks.peer_down(service->hooks.arg, (uint32_t)request->value,
						 request->name);
		break;
	case NODE_SILENT:
		if (client == service->agent && service->hooks.peer_silent)
			service->hooks.peer_silent(service->hooks.arg, (uint32_t)request->value,
						   *request->name ? request->name : NULL);
		break;
	case NODE_BYE:
		client->said_bye = true;
		break;
	default:
		reply_rc(client, request->serial, -EINVAL);
	}
}

/* False: nothing more, or the client is gone. */
bool node_client_read(struct dhow_node_service *service, struct client *client)
{
	struct node_request request = { 0 };
	int fds[BASE_FD_PASS_MAX], count = 0;
	ssize_t n = base_fd_recv(client->watch.fd, &request, sizeof(request), fds, &count, NULL);

	if (n == -EAGAIN)
		return false;
	for (int i = 1; i < count; i++)
		close(fds[i]);
	if (n != sizeof(request) || request.protocol != NODE_PROTOCOL) {
		if (count > 0)
			close(fds[0]);
		if (n > 0) {
			base_log_warn("process %d speaks another version of dhow: refused",
				      (int)client->pid);
			reply_rc(client, request.serial, -EPROTO);
		}
		node_client_del(service, client);
		return false;
	}
	request.name[sizeof(request.name) - 1] = '\0';
	request.address[sizeof(request.address) - 1] = '\0';
	client_request(service, client, &request, count > 0 ? fds[0] : -1);
	return true;
}
