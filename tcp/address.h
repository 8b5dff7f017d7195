/* SPDX-License-Identifier: MIT */
/* address.h - IP addresses: numeric text and the blob that other agents get. */
#ifndef TCP_ADDRESS_H
#define TCP_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum { TCP_ADDRESS_MAX = 24 };

union tcp_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

socklen_t tcp_address_bytes(const union tcp_address *address);

/* @text: numeric IPv4 or IPv6, NULL = 127.0.0.1; port 0. -EINVAL if it is not numeric,
 * -EADDRNOTAVAIL for a wildcard, which others could not connect to. */
int tcp_address_parse(const char *text, union tcp_address *ret_address);

/* family (4 or 6), port, address and for IPv6 the scope, in network order.
 * *bytes: room in, size out. -ENOBUFS if it does not fit. */
int tcp_address_encode(const union tcp_address *address, void *blob, size_t *bytes);

/* -EINVAL for what tcp_address_encode() does not write. */
int tcp_address_decode(const void *blob, size_t bytes, union tcp_address *ret_address);

/* Do both name the machine that this is asked on? @own must be an address of it. */
bool tcp_address_is_near(const union tcp_address *own, const union tcp_address *other);

/* "127.0.0.2:4711" into @text, for messages. */
void tcp_address_text(const union tcp_address *address, char *text, size_t bytes);

#endif
