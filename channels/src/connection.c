/* SPDX-License-Identifier: MIT */
/* connection.c - see connection.h. */
#include "src/connection.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "src/context.h"

enum { NEWS_MAX = 4096 };

struct news {
	struct news *next;
	struct node_reply reply;
};

static struct {
	pthread_mutex_t lock;		/* guards what follows; rank 20 */
	int fd;
	uint32_t rank, serial;
	struct news *news;		/* oldest first */
	unsigned news_count;
} connection = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

int connection_through_door(int door)
{
	struct node_request request = { .protocol = NODE_PROTOCOL, .op = NODE_DOOR };
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return dhow_fail(-errno, "socketpair: %s", strerror(errno));
	rc = base_fd_send(door, &request, sizeof(request), &pair[1], 1, 1);
	close(pair[1]);
	if (rc < 0) {
		close(pair[0]);
		return dhow_fail(rc, "descriptor %d (" DHOW_ENV_NODE_FD ") leads to no daemon: %s",
				 door, strerror(-rc));
	}
	connection.fd = pair[0];
	return 0;
}

int connection_to(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(name);
	struct ucred who;
	socklen_t size = sizeof(who);
	int fd;

	if (length == 0 || length >= sizeof(address.sun_path))
		return dhow_fail(-EINVAL, "socket name \"%s\": must have 1 to 107 bytes", name);
	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return dhow_fail(-errno, "socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0) {
		int rc = -errno;

		close(fd);
		return dhow_fail(rc, "no node is served at \"%s\": %s", name, strerror(-rc));
	}
	/* An abstract name is no proof of who listens. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 || who.uid != getuid()) {
		close(fd);
		return dhow_fail(-EPERM, "\"%s\" belongs to user %u", name, who.uid);
	}
	connection.fd = fd;
	return 0;
}

void connection_set_rank(uint32_t rank)
{
	connection.rank = rank;
}

int connection_fd(void)
{
	return connection.fd;
}

void connection_close(void)
{
	if (connection.fd >= 0)
		close(connection.fd);
	connection_forget();
}

void connection_forget(void)
{
	connection.fd = -1;
	connection.news = NULL;
	connection.news_count = 0;
}

static void keep_news(const struct node_reply *reply)
{
	struct news **last = &connection.news, *news;

	if (connection.news_count >= NEWS_MAX || !(news = malloc(sizeof(*news))))
		return;
	*news = (struct news){ .reply = *reply };
	while (*last)
		last = &(*last)->next;
	*last = news;
	connection.news_count++;
}

/* One message from the service; -ETIMEDOUT, -EHOSTDOWN. */
static int hear(struct node_reply *ret_reply, int *fds, int *ret_count, uint64_t deadline_ns)
{
	struct pollfd pollfd = { .fd = connection.fd, .events = POLLIN };
	ssize_t n;
	int rc;

	do
		rc = poll(&pollfd, 1, base_poll_ms(deadline_ns));
	while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return dhow_fail(-ETIMEDOUT, "the node's daemon does not answer");
	n = base_fd_recv(connection.fd, ret_reply, sizeof(*ret_reply), fds, ret_count, NULL);
	if (n <= 0)
		return dhow_fail(-EHOSTDOWN, "the node's daemon has ended");
	if (n != sizeof(*ret_reply) || ret_reply->protocol != NODE_PROTOCOL)
		return dhow_fail(-EPROTO, "the node's daemon speaks another version of dhow");
	return 0;
}

static int talk(struct node_request *request, int fd, struct node_reply *ret_reply, int *fds,
		int *ret_count, uint64_t deadline_ns)
{
	int rc;

	request->protocol = NODE_PROTOCOL;
	request->serial = ++connection.serial ? connection.serial : ++connection.serial;
	request->rank = connection.rank;
	rc = base_fd_send(connection.fd, request, sizeof(*request), &fd, fd >= 0, 0);
	if (rc < 0)
		return dhow_fail(-EHOSTDOWN, "the node's daemon has ended");
	for (;;) {
		*ret_count = 0;
		rc = hear(ret_reply, fds, ret_count, deadline_ns);
		if (rc < 0 || ret_reply->serial == request->serial)
			return rc;
		for (int i = 0; i < *ret_count; i++)
			close(fds[i]);
		if (ret_reply->serial == 0)
			keep_news(ret_reply);
	}
}

int connection_ask(struct node_request *request, int fd, struct node_reply *ret_reply,
		   int *ret_fds, int *ret_count, uint64_t deadline_ns)
{
	int rc;

	pthread_mutex_lock(&connection.lock);
	rc = talk(request, fd, ret_reply, ret_fds, ret_count, deadline_ns);
	pthread_mutex_unlock(&connection.lock);
	return rc;
}

void connection_tell(struct node_request *request)
{
	request->protocol = NODE_PROTOCOL;
	pthread_mutex_lock(&connection.lock);
	request->serial = ++connection.serial;
	base_fd_send(connection.fd, request, sizeof(*request), NULL, 0, 0);
	pthread_mutex_unlock(&connection.lock);
}

int connection_news(struct node_reply *ret_news)
{
	int rc = 0;

	pthread_mutex_lock(&connection.lock);
	if (connection.news) {
		struct news *first = connection.news;

		*ret_news = first->reply;
		connection.news = first->next;
		connection.news_count--;
		free(first);
		rc = 1;
	} else {
		int count = 0;

		rc = hear(ret_news, NULL, &count, 0);
		rc = rc == 0 ? 1 : rc == -ETIMEDOUT ? 0 : -EHOSTDOWN;
	}
	pthread_mutex_unlock(&connection.lock);
	return rc;
}
