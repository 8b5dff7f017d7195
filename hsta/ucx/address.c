/* SPDX-License-Identifier: MIT */
/*
 * address.c - where a fabric listens, as text, as a socket address and as a blob.
 *
 * A blob is a version (1), the family (4 or 6), the port, the address and, for IPv6, the
 * scope, in network order. It comes from other nodes: every length is checked.
 */
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "hsta/ucx/ucx.h"

enum { VERSION = 1, V4_BYTES = 2 + 2 + 4, V6_BYTES = 2 + 2 + 16 + 4 };
_Static_assert((int)V6_BYTES <= (int)UCX_ADDRESS_MAX, "an IPv6 address fits the blob");

int ucx_address_parse(const char *text, union ucx_address *ret_address)
{
	/* It knows the scope in fe80::1%ib0, and asks no name server for numbers. */
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
	union ucx_address address;
	struct addrinfo *found;
	bool any;

	if (getaddrinfo(text ? text : "127.0.0.1", NULL, &hints, &found) != 0)
		return -EINVAL;
	memset(&address, 0, sizeof(address));
	if (found->ai_addrlen <= sizeof(address))
		memcpy(&address, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	switch (address.any.sa_family) {
	case AF_INET:
		any = address.v4.sin_addr.s_addr == htonl(INADDR_ANY);
		break;
	case AF_INET6:
		any = IN6_IS_ADDR_UNSPECIFIED(&address.v6.sin6_addr);
		break;
	default:
		return -EINVAL;
	}
	if (any) /* nobody could call it */
		return -EADDRNOTAVAIL;
	/* Local nodes have 127.0.0.2 and so on; UCX wants one that an interface has. */
	if (address.any.sa_family == AF_INET && ntohl(address.v4.sin_addr.s_addr) >> 24 == 127)
		address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*ret_address = address;
	return 0;
}

socklen_t ucx_address_bytes(const union ucx_address *address)
{
	return address->any.sa_family == AF_INET6 ? sizeof(address->v6) : sizeof(address->v4);
}

int ucx_address_encode(const union ucx_address *address, void *blob, size_t *bytes)
{
	bool six = address->any.sa_family == AF_INET6;
	size_t need = six ? V6_BYTES : V4_BYTES;
	uint8_t *to = blob;

	if (*bytes < need)
		return -ENOBUFS;
	to[0] = VERSION;
	to[1] = six ? 6 : 4;
	if (six) {
		uint32_t scope = htonl(address->v6.sin6_scope_id);

		memcpy(to + 2, &address->v6.sin6_port, 2);
		memcpy(to + 4, &address->v6.sin6_addr, 16);
		memcpy(to + 20, &scope, 4);
	} else {
		memcpy(to + 2, &address->v4.sin_port, 2);
		memcpy(to + 4, &address->v4.sin_addr, 4);
	}
	*bytes = need;
	return 0;
}

int ucx_address_decode(const void *blob, size_t bytes, union ucx_address *ret_address)
{
	const uint8_t *from = blob;
	union ucx_address address;

	memset(&address, 0, sizeof(address));
	if (bytes < 2 || from[0] != VERSION)
		return -EINVAL;
	if (from[1] == 4 && bytes == V4_BYTES) {
		address.v4.sin_family = AF_INET;
		memcpy(&address.v4.sin_port, from + 2, 2);
		memcpy(&address.v4.sin_addr, from + 4, 4);
	} else if (from[1] == 6 && bytes == V6_BYTES) {
		uint32_t scope;

		address.v6.sin6_family = AF_INET6;
		memcpy(&address.v6.sin6_port, from + 2, 2);
		memcpy(&address.v6.sin6_addr, from + 4, 16);
		memcpy(&scope, from + 20, 4);
		address.v6.sin6_scope_id = ntohl(scope);
	} else {
		return -EINVAL;
	}
	*ret_address = address;
	return 0;
}
