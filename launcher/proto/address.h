/* SPDX-License-Identifier: MIT */
/*
 * address.h - which IPv4 address of this machine others can reach.
 */
#ifndef LAUNCH_ADDRESS_H
#define LAUNCH_ADDRESS_H

#include <stddef.h>

#include "base/err.h"

enum { LAUNCH_ADDRESS_BYTES = 16 };

/* The address from which this machine would speak to @host (a name or an address). Asks the
 * resolver, so it may block; sends nothing. Return: 0; -EHOSTUNREACH; -ENOENT no such host. */
int launch_address_toward(const char *host, char ret_address[LAUNCH_ADDRESS_BYTES],
			  struct base_err *reterr);

/* The first address of network interface @device. Return: 0; -ENODEV. */
int launch_address_of_device(const char *device, char ret_address[LAUNCH_ADDRESS_BYTES],
			     struct base_err *reterr);

/* Host of an endpoint tcp://HOST:PORT. Return: 0; -EINVAL. */
int launch_address_of_endpoint(const char *endpoint, char ret_address[LAUNCH_ADDRESS_BYTES]);

#endif
