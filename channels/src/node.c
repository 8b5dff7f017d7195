/* SPDX-License-Identifier: MIT */
/*
 * node.c - the service of a node; see dhow/node.h.
 *
 * It owns the node's segment and the descriptors of all others of the node, hands them to
 * the clients of its user, keeps its part of the directory, and repairs what a dead client
 * left. A client is a connection; its end without a goodbye, or its pidfd, starts a sweep
 * over the liveness words.
 */
#include "src/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "src/channel.h"
#include "src/context.h"
#include "src/liveness.h"

enum {
	POOL_DEFAULT = 64 << 20,
	GATEWAY_CAPACITY = 1024,	/* messages of all processes that the agent has not seen */
	GATEWAY_INLINE = 216,		/* slots of four lines: payloads up to this need no block */
	DOORS_MAX = 1024,
	EVENTS = 64,
	SWEEP_FIRST_MS = 1,
	SWEEP_TRIES = 12,	/* doubling: 4 s in all, for threads that are slow to die */
};

int node_watch_add(struct dhow_node_service *service, struct watch *watch, enum watch_kind kind,
		     int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = watch };

	watch->kind = kind;
	watch->fd = fd;
	return epoll_ctl(service->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* Leave the set first: closing does not, while another process holds a copy for a moment. */
void node_watch_close(struct dhow_node_service *service, struct watch *watch)
{
	if (watch->fd < 0)
		return;
	epoll_ctl(service->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	close(watch->fd);
	watch->fd = -1;
}

void node_sweep_soon(struct dhow_node_service *service)
{
	service->sweep_tries = 0;
	service->sweep_at = base_now_ns();
}

/* ---- events ---- */

static void door_read(struct dhow_node_service *service, struct watch *door)
{
	struct node_request request = { 0 };
	int fds[BASE_FD_PASS_MAX], count = 0;
	pid_t pid = 0;
	ssize_t n = base_fd_recv(door->fd, &request, sizeof(request), fds, &count, &pid);

	if (n == -EAGAIN)
		return;
	if (n <= 0) {	/* all who held the other end are gone */
		node_watch_close(service, door);
		base_list_del(&door->link);
		service->doors_count--;
		free(door);
		return;
	}
	for (int i = 1; i < count; i++)
		close(fds[i]);
	if (count > 0 && (n != sizeof(request) || request.op != NODE_DOOR ||
			  node_client_add(service, fds[0], pid) < 0))
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
	if (node_client_add(service, fd, who.pid) < 0)
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
		while (node_client_read(service, client))
			;
		break;
	case WATCH_PIDFD:
		/* Dead, though others may hold its connection: the sweep proves what follows. */
		node_watch_close(service, watch);
		node_sweep_soon(service);
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
	rc = node_watch_add(service, door, WATCH_DOOR, pair[0]);
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
		node_tell_agent_peer(service, &copy[i]);
	return 0;
}

void dhow_node_peer_dead(struct dhow_node_service *service, uint32_t node, const char *why)
{
	struct node_reply news = { .news = NODE_NEWS_PEER_DEAD, .peer.node = node };

	strncpy(news.why, why, sizeof(news.why) - 1);
	node_tell_agent(service, &news);
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
		rc = node_watch_add(service, &service->listener, WATCH_LISTEN, fd);
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
	service->segment.agent_bell = service->bell;
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
	service->directory = directory_create(node_on_directory_answer, service);
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
		node_client_del(service,
			   (struct client *)(void *)base_list_entry(at, struct watch, link));
	base_list_for (at, &service->doors) {
		struct watch *door = base_list_entry(at, struct watch, link);

		node_watch_close(service, door);
		free(door);
	}
	base_list_for (at, &service->tickets)
		free(base_list_entry(at, struct ticket, link));
	node_watch_close(service, &service->listener);
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
