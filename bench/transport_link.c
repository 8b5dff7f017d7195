/* SPDX-License-Identifier: MIT */
/*
 * transport_link.c - the plain TCP connection for the baseline.
 *
 * Rank 1 says on which machine it runs, rank 0 listens where rank 1 can reach it and nowhere
 * else, and answers with host and port.
 */
#include "transport_link.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "transport_veth.h"

enum { MEET_MS = 20000, RECEIVE_S = 60 };

struct place {
	char host[128];
	char port[8];
};

static int tune(int fd)
{
	const struct timeval limit = { .tv_sec = RECEIVE_S };
	const int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		return -errno;
	return 0;
}

static int exchange_places(int rank, struct dhow_channel *mine, struct dhow_channel *theirs,
			   struct place *place)
{
	struct place other = { 0 };
	size_t bytes = 0;
	int rc = 0;

	if (!rank)
		rc = dhow_send(theirs, place, sizeof(*place), dhow_in_ms(MEET_MS));
	if (!rc)
		rc = dhow_recv(mine, &other, sizeof(other), &bytes, NULL, dhow_in_ms(MEET_MS));
	if (!rc && rank)
		rc = dhow_send(theirs, place, sizeof(*place), dhow_in_ms(MEET_MS));
	*place = other;
	place->host[sizeof(place->host) - 1] = place->port[sizeof(place->port) - 1] = '\0';
	return rc;
}

static int listen_at(int on_loopback, struct place *place)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(on_loopback ? INADDR_LOOPBACK : INADDR_ANY),
	};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 1) ||
	    getsockname(fd, (struct sockaddr *)&address, &size)) {
		close(fd);
		return -EADDRNOTAVAIL;
	}
	snprintf(place->port, sizeof(place->port), "%u", ntohs(address.sin_port));
	return fd;
}

static int accept_one(int listener)
{
	struct pollfd wait = { .fd = listener, .events = POLLIN };
	int fd = poll(&wait, 1, MEET_MS) == 1 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;

	close(listener);
	return fd < 0 ? -ETIMEDOUT : fd;
}

static int connect_to(const struct place *place)
{
	const struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	int fd, rc = 0;

	if (getaddrinfo(place->host, place->port, &hints, &found))
		return -EHOSTUNREACH;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen))
		rc = -errno;
	freeaddrinfo(found);
	if (rc && fd >= 0)
		close(fd);
	return rc ? rc : fd;
}

int link_open(int rank, struct dhow_channel *mine, struct dhow_channel *theirs, int *ret_fd,
	      const char **ret_path)
{
	struct place here = { .port = "0" }, there;
	const char *own = getenv(VETH_HOST);
	int fd, rc, same, listener = -1;

	gethostname(here.host, sizeof(here.host) - 1);
	if (own)
		snprintf(here.host, sizeof(here.host), "%s", own);
	there = here;
	rc = exchange_places(rank, mine, theirs, &there);
	if (rc)
		return rc;
	same = !strcmp(here.host, there.host);
	if (!rank) {
		listener = listen_at(same, &here);
		if (listener < 0)
			return listener;
	}
	if (same)
		snprintf(here.host, sizeof(here.host), "127.0.0.1");
	there = here;
	rc = exchange_places(rank, mine, theirs, &there);
	if (rc) {
		if (listener >= 0)
			close(listener);
		return rc;
	}
	fd = rank ? connect_to(&there) : accept_one(listener);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	*ret_path = same ? "loopback" : own ? "veth" : "network";
	return tune(fd);
}
