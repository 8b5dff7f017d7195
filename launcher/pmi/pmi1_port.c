/* SPDX-License-Identifier: MIT */
/* pmi1_port.c - see pmi1_port.h. */
#include "pmi/pmi1_port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "pmi/pmi1_line.h"
#include "pmi/source.h"

enum {
	GUESTS_MAX = 64,	/* that have not said who they are */
	WRONG_MAX = 64,
	HELLO_BYTES = 64,
	BACKLOG = 1024,
};

struct guest {
	struct launch_pmi_source source;
	struct launch_pmi1_port *port;
	int fd;			/* -1 free */
};

struct launch_pmi1_port {
	struct launch_pmi1 *pmi1;
	struct launch_pmi_source source;
	int epoll, listener;
	unsigned number, wrong, turn;
	struct guest guests[GUESTS_MAX];
	uint32_t id_count, ids[];
};

unsigned launch_pmi1_port_number(const struct launch_pmi1_port *port)
{
	return port->number;
}

uint32_t launch_pmi1_port_id(const struct launch_pmi1_port *port, uint32_t local)
{
	return port->ids[local];
}

static void dismiss(struct guest *guest)
{
	if (guest->fd >= 0)
		close(guest->fd);
	guest->fd = -1;
}

static void close_door(struct launch_pmi1_port *port)
{
	if (port->listener >= 0)
		close(port->listener);
	port->listener = -1;
	for (unsigned i = 0; i < GUESTS_MAX; i++)
		dismiss(&port->guests[i]);
}

/* Return: its local rank; -1 nobody's. */
static int64_t find_id(const struct launch_pmi1_port *port, const char *hello)
{
	long id = -1;

	if (launch_pmi1_command(hello) != LAUNCH_PMI1_INITACK ||
	    launch_pmi1_number(hello, "pmiid", &id) < 0)
		return -1;
	for (uint32_t i = 0; i < port->id_count; i++)
		if ((long)port->ids[i] == id)
			return i;
	return -1;
}

/* The line stays in the socket: its new owner answers it. */
static void guest_ready(void *arg)
{
	struct guest *guest = arg;
	struct launch_pmi1_port *port = guest->port;
	char hello[HELLO_BYTES], *end;
	ssize_t n = guest->fd < 0 ? -1 : recv(guest->fd, hello, sizeof(hello) - 1,
					      MSG_DONTWAIT | MSG_PEEK);
	int64_t local;

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			dismiss(guest);
		return;
	}
	hello[n] = 0;
	end = strchr(hello, '\n');
	if (!end && n < (ssize_t)sizeof(hello) - 1) {
		/* Half a line would wake us again and again: nobody sends one. */
		dismiss(guest);
		return;
	}
	if (end)
		*end = 0;
	local = end ? find_id(port, hello) : -1;
	if (local < 0) {
		base_log_warn("somebody who is no task of this run came to its PMI port");
		dismiss(guest);
		if (++port->wrong == WRONG_MAX) {
			base_log_error("too many strangers at the PMI port: it is closed");
			close_door(port);
		}
		return;
	}
	epoll_ctl(port->epoll, EPOLL_CTL_DEL, guest->fd, NULL);
	if (launch_pmi1_adopt(port->pmi1, (uint32_t)local, guest->fd) < 0)
		close(guest->fd);
	guest->fd = -1;
}

static struct guest *free_guest(struct launch_pmi1_port *port)
{
	struct guest *guest;

	for (unsigned i = 0; i < GUESTS_MAX; i++)
		if (port->guests[i].fd < 0)
			return &port->guests[i];
	guest = &port->guests[port->turn++ % GUESTS_MAX];
	dismiss(guest);		/* the one that has been silent for longest, or nearly so */
	return guest;
}

static void port_ready(void *arg)
{
	struct launch_pmi1_port *port = arg;
	int fd, on = 1;

	while ((fd = port->listener < 0 ? -1 : accept4(port->listener, NULL, NULL,
						       SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		struct guest *guest = free_guest(port);
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = &guest->source };

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		guest->fd = fd;
		if (epoll_ctl(port->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
			dismiss(guest);
	}
}

static int listen_on_loopback(struct launch_pmi1_port *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &port->source };
	socklen_t bytes = sizeof(address);

	port->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (port->listener < 0 ||
	    bind(port->listener, (struct sockaddr *)&address, bytes) < 0 ||
	    listen(port->listener, BACKLOG) < 0 ||
	    getsockname(port->listener, (struct sockaddr *)&address, &bytes) < 0 ||
	    epoll_ctl(port->epoll, EPOLL_CTL_ADD, port->listener, &event) < 0)
		return -errno;
	port->number = ntohs(address.sin_port);
	return 0;
}

/* Clients read it as an int. No two tasks have the same. */
static uint32_t new_id(const struct launch_pmi1_port *port, uint32_t count)
{
	uint32_t id, same;

	do {
		id = randombytes_random() >> 1;
		for (same = 0; same < count && port->ids[same] != id; same++)
			;
	} while (same < count);
	return id;
}

int launch_pmi1_port_open(struct launch_pmi1 *pmi1, int epoll, uint32_t local_size,
			  struct launch_pmi1_port **ret_port, struct base_err *reterr)
{
	struct launch_pmi1_port *port = calloc(1, sizeof(*port) +
					       local_size * sizeof(*port->ids));
	int rc;

	if (!port)
		return base_err(reterr, -ENOMEM, "no memory for PMI-1");
	if (sodium_init() < 0) {
		free(port);
		return base_err(reterr, -EIO, "no random numbers");
	}
	port->pmi1 = pmi1;
	port->epoll = epoll;
	port->listener = -1;
	port->source = (struct launch_pmi_source){ port_ready, port };
	port->id_count = local_size;
	for (uint32_t i = 0; i < local_size; i++)
		port->ids[i] = new_id(port, i);
	for (unsigned i = 0; i < GUESTS_MAX; i++)
		port->guests[i] = (struct guest){ { guest_ready, &port->guests[i] }, port, -1 };
	rc = listen_on_loopback(port);
	if (rc == 0) {
		*ret_port = port;
		return 0;
	}
	launch_pmi1_port_close(port);
	return base_err(reterr, rc, "no port for PMI-1: %s", strerror(-rc));
}

void launch_pmi1_port_close(struct launch_pmi1_port *port)
{
	if (!port)
		return;
	close_door(port);
	free(port);
}
