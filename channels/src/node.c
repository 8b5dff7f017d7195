/* SPDX-License-Identifier: MIT */
/*
 * node.c - the service of a node; see dhow/node.h.
 *
 * It owns the node's segment and the descriptors of all others of the node, hands them to
 * the clients of its user, keeps its part of the directory, and repairs what a dead client
 * left. A client is a connection; its end without a goodbye, or its pidfd, starts a sweep
 * over the liveness words.
 */
#include <dhow/node.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "src/channel.h"
#include "src/context.h"
#include "src/directory.h"
#include "src/liveness.h"
#include "src/recover.h"
#include "src/remote.h"

enum {
	POOL_DEFAULT = 64 << 20,
	GATEWAY_CAPACITY = 1024,	/* messages of all processes that the agent has not seen */
	GATEWAY_INLINE = 216,		/* slots of four lines: payloads up to this need no block */
	CLIENTS_MAX = 4 * LAYOUT_PROCESSES,
	DOORS_MAX = 1024,
	EVENTS = 64,
	SWEEP_FIRST_MS = 1,
	SWEEP_TRIES = 12,	/* doubling: 4 s in all, for threads that are slow to die */
};

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

static int watch_add(struct dhow_node_service *service, struct watch *watch, enum watch_kind kind,
		     int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = watch };

	watch->kind = kind;
	watch->fd = fd;
	return epoll_ctl(service->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* Leave the set first: closing does not, while another process holds a copy for a moment. */
static void watch_close(struct dhow_node_service *service, struct watch *watch)
{
	if (watch->fd < 0)
		return;
	epoll_ctl(service->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	close(watch->fd);
	watch->fd = -1;
}

/* ---- clients ---- */

static int pidfd_of(pid_t pid)
{
#ifdef SYS_pidfd_open
	return pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
#else
	return -1;
#endif
}

static int client_add(struct dhow_node_service *service, int fd, pid_t pid)
{
	struct client *client;
	int rc;

	if (service->clients_count >= CLIENTS_MAX || !(client = calloc(1, sizeof(*client))))
		return -ENFILE;
	client->pid = pid;
	client->pidfd.fd = -1;
	base_fd_set_nonblocking(fd, 1);
	rc = watch_add(service, &client->watch, WATCH_CLIENT, fd);
	if (rc < 0) {
		free(client);
		return rc;
	}
	fd = pidfd_of(pid);
	if (fd >= 0 && watch_add(service, &client->pidfd, WATCH_PIDFD, fd) < 0)
		watch_close(service, &client->pidfd);
	base_list_add_tail(&service->clients, &client->watch.link);
	service->clients_count++;
	return 0;
}

static void sweep_soon(struct dhow_node_service *service)
{
	service->sweep_tries = 0;
	service->sweep_at = base_now_ns();
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

static void client_del(struct dhow_node_service *service, struct client *client)
{
	bool is_agent = service->agent == client;
	bool said_bye = client->said_bye;

	base_list_for (at, &service->tickets) {
		struct ticket *ticket = base_list_entry(at, struct ticket, link);

		if (ticket->client == client)
			ticket->client = NULL;
	}
	if (client->said_hello && !said_bye)
		sweep_soon(service);
	for (unsigned i = 0; i < SEGMENT_MAX; i++)
		pool_drop(service, client, i);
	watch_close(service, &client->watch);
	watch_close(service, &client->pidfd);
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

static void tell_agent_peer(struct dhow_node_service *service, const struct dhow_node_peer *peer)
{
	struct node_reply news = { .news = NODE_NEWS_PEER, .peer = *peer };

	if (service->agent)
		reply(service->agent, &news, NULL, 0);
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

	if (wants_agent && (client->pid != service->expected_agent || service->agent)) {
		answer.rc = -EPERM;
		strcpy(answer.why, "it is not the agent that the daemon started");
		reply(client, &answer, NULL, 0);
		return;
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
		tell_agent_peer(service, &service->peers[i]);
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
		if (ticket->client)
			reply(ticket->client, &message, NULL, 0);
		base_list_del(&ticket->link);
		free(ticket);
		return;
	}
}

static void on_directory_answer(void *arg, uint32_t node, const struct dhow_name_answer *answer)
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

/* ---- events ---- */

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
	case NODE_BYE:
		client->said_bye = true;
		break;
	default:
		reply_rc(client, request->serial, -EINVAL);
	}
}

/* False: nothing more, or the client is gone. */
static bool client_read(struct dhow_node_service *service, struct client *client)
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
		client_del(service, client);
		return false;
	}
	request.name[sizeof(request.name) - 1] = '\0';
	request.address[sizeof(request.address) - 1] = '\0';
	client_request(service, client, &request, count > 0 ? fds[0] : -1);
	return true;
}

static void door_read(struct dhow_node_service *service, struct watch *door)
{
	struct node_request request = { 0 };
	int fds[BASE_FD_PASS_MAX], count = 0;
	pid_t pid = 0;
	ssize_t n = base_fd_recv(door->fd, &request, sizeof(request), fds, &count, &pid);

	if (n == -EAGAIN)
		return;
	if (n <= 0) {	/* all who held the other end are gone */
		watch_close(service, door);
		base_list_del(&door->link);
		service->doors_count--;
		free(door);
		return;
	}
	for (int i = 1; i < count; i++)
		close(fds[i]);
	if (count > 0 && (n != sizeof(request) || request.op != NODE_DOOR ||
			  client_add(service, fds[0], pid) < 0))
		close(fds[0]);
}

static void listener_accept(struct dhow_node_service *service)
{
	struct ucred who;
	socklen_t size = sizeof(who);
	int fd = accept4(service->listener.fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 || who.uid != getuid()) {
		base_log_warn("process %d of user %u refused", (int)who.pid, who.uid);
		close(fd);
		return;
	}
	if (client_add(service, fd, who.pid) < 0)
		close(fd);
}

static bool sweep(struct dhow_node_service *service)
{
	unsigned found = liveness_sweep(&service->segment);

	for (unsigned i = 0; i < SEGMENT_MAX; i++)
		if (service->pools[i].fd >= 0)
			found += liveness_sweep(&service->pools[i].segment);
	return found > 0;
}

static void sweep_if_due(struct dhow_node_service *service)
{
	if (base_now_ns() < service->sweep_at)
		return;
	if (sweep(service))
		service->sweep_tries = 0;
	if (++service->sweep_tries > SWEEP_TRIES)
		service->sweep_at = UINT64_MAX;
	else
		service->sweep_at =
			dhow_in_ms((uint64_t)SWEEP_FIRST_MS << (service->sweep_tries - 1));
}

int dhow_node_fd(const struct dhow_node_service *service)
{
	return service->epoll;
}

static void handle(struct dhow_node_service *service, struct watch *watch)
{
	struct client *client;

	switch (watch->kind) {
	case WATCH_LISTEN:
		listener_accept(service);
		break;
	case WATCH_DOOR:
		door_read(service, watch);
		break;
	case WATCH_CLIENT:
		client = (struct client *)(void *)watch;
		while (client_read(service, client))
			;
		break;
	case WATCH_PIDFD:
		/* Dead, though others may hold its connection: the sweep proves what follows. */
		watch_close(service, watch);
		sweep_soon(service);
		break;
	}
}

int dhow_node_step(struct dhow_node_service *service)
{
	struct epoll_event event;
	uint64_t next;

	/* One event at a time: handling it may free what another event would lead to. */
	for (int i = 0; i < EVENTS && epoll_wait(service->epoll, &event, 1, 0) > 0; i++)
		handle(service, event.data.ptr);
	next = directory_expire(service->directory);
	sweep_if_due(service);
	if (service->sweep_at < next)
		next = service->sweep_at;
	return base_poll_ms(next);
}

int dhow_node_door(struct dhow_node_service *service, int *ret_fd)
{
	struct watch *door;
	const int on = 1;
	int pair[2], rc;

	if (service->doors_count >= DOORS_MAX || !(door = calloc(1, sizeof(*door))))
		return -ENFILE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		rc = -errno;
		free(door);
		return rc;
	}
	base_fd_set_nonblocking(pair[0], 1);
	setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	rc = watch_add(service, door, WATCH_DOOR, pair[0]);
	if (rc < 0) {
		close(pair[0]);
		close(pair[1]);
		free(door);
		return rc;
	}
	base_list_add_tail(&service->doors, &door->link);
	service->doors_count++;
	*ret_fd = pair[1];
	return 0;
}

void dhow_node_expect_agent(struct dhow_node_service *service, pid_t pid)
{
	service->expected_agent = pid;
}

int dhow_node_set_peers(struct dhow_node_service *service, const struct dhow_node_peer *peers,
			size_t count)
{
	struct dhow_node_peer *copy = calloc(count ? count : 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	memcpy(copy, peers, count * sizeof(*copy));
	free(service->peers);
	service->peers = copy;
	service->peers_count = count;
	for (size_t i = 0; i < count; i++)
		tell_agent_peer(service, &copy[i]);
	return 0;
}

void dhow_node_peer_dead(struct dhow_node_service *service, uint32_t node, const char *why)
{
	struct node_reply news = { .news = NODE_NEWS_PEER_DEAD, .peer.node = node };

	strncpy(news.why, why, sizeof(news.why) - 1);
	if (service->agent)
		reply(service->agent, &news, NULL, 0);
}

/* ---- life ---- */

static int listen_at(struct dhow_node_service *service, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(name);
	mode_t old;
	int fd, rc;

	if (length == 0 || length >= sizeof(address.sun_path))
		return -EINVAL;
	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	old = umask(077);
	rc = bind(fd, (struct sockaddr *)&address,
		  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
	rc = rc < 0 || listen(fd, 128) < 0 ? -errno : 0;
	umask(old);
	if (rc == 0 && name[0] != '@')
		memcpy(service->path, name, length + 1);
	if (rc == 0)
		rc = watch_add(service, &service->listener, WATCH_LISTEN, fd);
	if (rc < 0)
		close(fd);
	return rc;
}

static int make_segment(struct dhow_node_service *service)
{
	const struct dhow_node_options *options = &service->options;
	struct segment_options wanted = { .job = options->job,
					  .node = options->node,
					  .nodes = options->nodes ? options->nodes : 1,
					  .pool_bytes = options->pool_bytes ? options->pool_bytes :
									      POOL_DEFAULT,
					  .is_node = 1 };
	struct dhow_channel_attr attr = { .capacity = GATEWAY_CAPACITY,
					  .inline_bytes = GATEWAY_INLINE };
	struct dhow_channel *gateway;
	struct base_err err = { "" };
	int rc = segment_create(&wanted, &service->fd, &err);

	service->options.nodes = wanted.nodes;
	if (rc == 0)
		rc = segment_map(service->fd, &service->segment, &err);
	if (rc < 0)
		return dhow_fail(rc, "%s", err.text);
	service->segment.bell = service->bell;
	rc = liveness_enter(&service->segment, UINT32_MAX);
	if (rc == 0)
		rc = channel_make(&service->segment, &attr, LAYOUT_GATEWAY, &gateway);
	if (rc == 0)
		free(gateway);	/* held open by the service for the node's life */
	return rc;
}

int dhow_node_create(const struct dhow_node_options *options, const struct dhow_node_hooks *hooks,
		     struct dhow_node_service **ret_service)
{
	struct dhow_node_service *service = calloc(1, sizeof(*service));
	int rc;

	if (!service)
		return -ENOMEM;
	service->options = *options;
	if (hooks)
		service->hooks = *hooks;
	service->fd = service->listener.fd = -1;
	service->segment.fd = -1;
	service->sweep_at = UINT64_MAX;
	base_list_init(&service->doors);
	base_list_init(&service->clients);
	base_list_init(&service->tickets);
	for (unsigned i = 0; i < SEGMENT_MAX; i++)
		service->pools[i].fd = -1;
	service->epoll = epoll_create1(EPOLL_CLOEXEC);
	service->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	service->directory = directory_create(on_directory_answer, service);
	rc = service->epoll < 0 || service->bell < 0 || !service->directory ? -ENOMEM : 0;
	if (rc == 0)
		rc = make_segment(service);
	if (rc == 0 && options->socket)
		rc = listen_at(service, options->socket);
	if (rc < 0) {
		dhow_node_destroy(service);
		return rc;
	}
	*ret_service = service;
	return 0;
}

void dhow_node_destroy(struct dhow_node_service *service)
{
	int saved_errno = errno;

	if (!service)
		return;
	if (service->path[0])
		unlink(service->path);
	service->hooks = (struct dhow_node_hooks){ 0 };
	base_list_for (at, &service->clients)
		client_del(service,
			   (struct client *)(void *)base_list_entry(at, struct watch, link));
	base_list_for (at, &service->doors) {
		struct watch *door = base_list_entry(at, struct watch, link);

		watch_close(service, door);
		free(door);
	}
	base_list_for (at, &service->tickets)
		free(base_list_entry(at, struct ticket, link));
	watch_close(service, &service->listener);
	if (service->segment.base) {
		liveness_leave(&service->segment);
		segment_unmap(&service->segment);
	} else if (service->fd >= 0) {
		close(service->fd);
	}
	directory_destroy(service->directory);
	if (service->bell >= 0)
		close(service->bell);
	if (service->epoll >= 0)
		close(service->epoll);
	explicit_bzero(service->options.secret, sizeof(service->options.secret));
	free(service->peers);
	free(service);
	errno = saved_errno;
}
