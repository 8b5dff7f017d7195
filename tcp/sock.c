/* SPDX-License-Identifier: MIT */
/* sock.c - see sock.h. */
#include "tcp/sock.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum {
	BACKLOG = 128,
	USER_TIMEOUT_MS = 3000, /* unacknowledged data: the peer's host is gone */
	KEEP_IDLE_S = 2,	/* nothing said: ask after 2 s, */
	KEEP_INTERVAL_S = 1,	/* then each second, */
	KEEP_COUNT = 2,		/* twice */
};

static void set_int(int fd, int level, int name, int value)
{
	/* An option that a kernel lacks costs comfort, not correctness. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

void tcp_sock_tune(int fd)
{
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
	set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S);
	set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT);
}

int tcp_sock_create(const union tcp_address *address)
{
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	tcp_sock_tune(fd);
	return fd;
}

int tcp_sock_listen(union tcp_address *address)
{
	socklen_t bytes = sizeof(*address);
	int fd = tcp_sock_create(address);
	int rc;

	if (fd < 0)
		return fd;
	if (bind(fd, &address->any, tcp_address_bytes(address)) < 0 || listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, &address->any, &bytes) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

/*
 * On one machine there is no way to fill, and the kernel would let some MiB pile up, which the
 * processors' caches do not hold: a copy then takes twice as long.
 */
void tcp_sock_settle(int fd)
{
	union tcp_address own, other;
	socklen_t own_bytes = sizeof(own), other_bytes = sizeof(other);

	if (getsockname(fd, &own.any, &own_bytes) < 0 ||
	    getpeername(fd, &other.any, &other_bytes) < 0 || !tcp_address_is_near(&own, &other))
		return;
	set_int(fd, SOL_SOCKET, SO_SNDBUF, TCP_NEAR_SEND_BYTES);
}

int tcp_sock_error(int fd)
{
	int error = 0;
	socklen_t bytes = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0)
		return -errno;
	return -error;
}
