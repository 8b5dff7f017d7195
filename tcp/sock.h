/* SPDX-License-Identifier: MIT */
/* sock.h - sockets of the TCP fabrics and the options they all have. */
#ifndef TCP_SOCK_H
#define TCP_SOCK_H

#include "tcp/address.h"

enum { TCP_NEAR_SEND_BYTES = 131072 }; /* SO_SNDBUF, which the kernel doubles */

/* A listening, non-blocking socket at *address, whose port is filled in. fd or negative errno. */
int tcp_sock_listen(union tcp_address *address);

/* A non-blocking socket for a connection to @address, not connected yet. fd or negative errno. */
int tcp_sock_create(const union tcp_address *address);

/* No delay, and a dead peer is noticed in about three seconds, busy or idle. */
void tcp_sock_tune(int fd);

/* It is connected: if both ends are on this machine, what is under way shall fit the caches. */
void tcp_sock_settle(int fd);

/* What became of a non-blocking connect(): 0 or negative errno. */
int tcp_sock_error(int fd);

#endif
