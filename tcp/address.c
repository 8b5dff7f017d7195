/* SPDX-License-Identifier: MIT */
/* address.c - see address.h. */
#include "tcp/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

enum { V4_BYTES = 1 + 2 + 4, V6_BYTES = 1 + 2 + 16 + 4 };

_Static_assert((int)V6_BYTES <= (int)TCP_ADDRESS_MAX, "an IPv6 address fits the blob");

socklen_t tcp_address_bytes(const union tcp_address *address)
{
	return address->any.sa_family == AF_INET6 ? sizeof(address->v6) : sizeof(address->v4);
}

int tcp_address_parse(const char *text, union tcp_address *ret_address)
{
	/* getaddrinfo() because it knows the scope in fe80::1%eth0; it never asks DNS here. */
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	union tcp_address address;

	if (getaddrinfo(text ? text : "127.0.0.1", NULL, &hints, &found) != 0)
		return -EINVAL;
	memset(&address, 0, sizeof(address));
	if (found->ai_addrlen <= sizeof(address))
		memcpy(&address, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	if (address.any.sa_family != AF_INET && address.any.sa_family != AF_INET6)
		return -EINVAL;
	if (address.any.sa_family == AF_INET ? address.v4.sin_addr.s_addr == htonl(INADDR_ANY) :
					       IN6_IS_ADDR_UNSPECIFIED(&address.v6.sin6_addr))
		return -EADDRNOTAVAIL;
	*ret_address = address;
	return 0;
}

int tcp_address_encode(const union tcp_address *address, void *blob, size_t *bytes)
{
	unsigned char *to = blob;
	size_t need = address->any.sa_family == AF_INET6 ? V6_BYTES : V4_BYTES;

	if (*bytes < need)
		return -ENOBUFS;
	if (need == V6_BYTES) {
		uint32_t scope = htonl(address->v6.sin6_scope_id);

		to[0] = 6;
		memcpy(to + 1, &address->v6.sin6_port, 2);
		memcpy(to + 3, &address->v6.sin6_addr, 16);
		memcpy(to + 19, &scope, 4);
	} else {
		to[0] = 4;
		memcpy(to + 1, &address->v4.sin_port, 2);
		memcpy(to + 3, &address->v4.sin_addr, 4);
	}
	*bytes = need;
	return 0;
}

int tcp_address_decode(const void *blob, size_t bytes, union tcp_address *ret_address)
{
	const unsigned char *from = blob;
	union tcp_address address;

	memset(&address, 0, sizeof(address));
	if (bytes == V4_BYTES && from[0] == 4) {
		address.v4.sin_family = AF_INET;
		memcpy(&address.v4.sin_port, from + 1, 2);
		memcpy(&address.v4.sin_addr, from + 3, 4);
	} else if (bytes == V6_BYTES && from[0] == 6) {
		uint32_t scope;

		address.v6.sin6_family = AF_INET6;
		memcpy(&address.v6.sin6_port, from + 1, 2);
		memcpy(&address.v6.sin6_addr, from + 3, 16);
		memcpy(&scope, from + 19, 4);
		address.v6.sin6_scope_id = ntohl(scope);
	} else {
		return -EINVAL;
	}
	*ret_address = address;
	return 0;
}

static bool is_loopback(const struct in_addr *address)
{
	return ntohl(address->s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
}

bool tcp_address_is_near(const union tcp_address *own, const union tcp_address *other)
{
	const struct in_addr *a = &own->v4.sin_addr, *b = &other->v4.sin_addr;

	if (own->any.sa_family != other->any.sa_family)
		return false;
	if (own->any.sa_family == AF_INET6)
		return IN6_ARE_ADDR_EQUAL(&own->v6.sin6_addr, &other->v6.sin6_addr);
	return a->s_addr == b->s_addr || (is_loopback(a) && is_loopback(b));
}

void tcp_address_text(const union tcp_address *address, char *text, size_t bytes)
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (address->any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof(host));
		snprintf(text, bytes, "[%s]:%u", host, ntohs(address->v6.sin6_port));
	} else {
		inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof(host));
		snprintf(text, bytes, "%s:%u", host, ntohs(address->v4.sin_port));
	}
}
