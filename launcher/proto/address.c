/* SPDX-License-Identifier: MIT */
/* address.c - see address.h. */
#include "proto/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(LAUNCH_ADDRESS_BYTES == INET_ADDRSTRLEN, "IPv4");

enum { ANY_PORT = 9 };	/* a datagram socket is connected, nothing is sent */

static int print(const struct sockaddr_in *address, char ret_address[LAUNCH_ADDRESS_BYTES])
{
	return inet_ntop(AF_INET, &address->sin_addr, ret_address, LAUNCH_ADDRESS_BYTES) ?
		0 : -errno;
}

int launch_address_toward(const char *host, char ret_address[LAUNCH_ADDRESS_BYTES],
			  struct base_err *reterr)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_DGRAM }, *found;
	struct sockaddr_in mine = { 0 };
	socklen_t bytes = sizeof(mine);
	int rc = getaddrinfo(host, NULL, &hints, &found), fd;

	if (rc != 0)
		return base_err(reterr, -ENOENT, "host \"%.100s\": %s", host, gai_strerror(rc));
	((struct sockaddr_in *)(void *)found->ai_addr)->sin_port = htons(ANY_PORT);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	rc = fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) < 0 ||
	     getsockname(fd, (struct sockaddr *)(void *)&mine, &bytes) < 0 ? -errno :
		print(&mine, ret_address);
	if (fd >= 0)
		close(fd);
	freeaddrinfo(found);
	if (rc < 0)
		return base_err(reterr, -EHOSTUNREACH, "no way to host \"%.100s\": %s", host,
				strerror(-rc));
	return 0;
}

int launch_address_of_device(const char *device, char ret_address[LAUNCH_ADDRESS_BYTES],
			     struct base_err *reterr)
{
	struct ifaddrs *list = NULL;
	int rc = -ENODEV;

	if (getifaddrs(&list) < 0)
		return base_err(reterr, -errno, "cannot list network interfaces: %s",
				strerror(errno));
	for (struct ifaddrs *at = list; at && rc < 0; at = at->ifa_next)
		if (at->ifa_addr && at->ifa_addr->sa_family == AF_INET &&
		    (at->ifa_flags & IFF_UP) && strcmp(at->ifa_name, device) == 0)
			rc = print((const struct sockaddr_in *)(void *)at->ifa_addr, ret_address);
	freeifaddrs(list);
	if (rc < 0)
		return base_err(reterr, -ENODEV, "network interface \"%.60s\" is not there, is "
				"down, or has no IPv4 address", device);
	return 0;
}

int launch_address_of_endpoint(const char *endpoint, char ret_address[LAUNCH_ADDRESS_BYTES])
{
	const char *host = endpoint + strlen("tcp://"), *colon = strrchr(endpoint, ':');

	if (strncmp(endpoint, "tcp://", strlen("tcp://")) != 0 || colon < host ||
	    colon - host >= LAUNCH_ADDRESS_BYTES)
		return -EINVAL;
	memcpy(ret_address, host, (size_t)(colon - host));
	ret_address[colon - host] = 0;
	return 0;
}
