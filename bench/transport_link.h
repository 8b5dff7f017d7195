/* SPDX-License-Identifier: MIT */
/* transport_link.h - the plain TCP connection beside the channels, for the baseline. */
#ifndef BENCH_TRANSPORT_LINK_H
#define BENCH_TRANSPORT_LINK_H

#include <stddef.h>

#include <dhow/dhow.h>

/**
 * link_open - connect rank 0 and rank 1 by TCP: over loopback if they share a machine.
 * @mine: channel of this rank; @theirs: of the other. They carry where to connect to.
 * @ret_fd: connected, TCP_NODELAY, with a time limit on receiving.
 * @ret_path: `loopback`, `veth` or `network`.
 * Return: 0 or negative errno.
 */
int link_open(int rank, struct dhow_channel *mine, struct dhow_channel *theirs, int *ret_fd,
	      const char **ret_path);

#endif
