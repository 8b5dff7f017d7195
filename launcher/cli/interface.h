/* SPDX-License-Identifier: MIT */
/*
 * interface.h - the network interface that SmartSim insists on: one whose name begins with hsn,
 * ipogif or ib.
 */
#ifndef LAUNCH_INTERFACE_H
#define LAUNCH_INTERFACE_H

#include <stddef.h>

/* The first one with an IPv4 address. Return: 1; 0 there is none. */
int launch_interface_find(char *ret_name, size_t room);
/* Make hsn0 with an address that nobody else has; says what it does. Return: exit code. */
int launch_interface_make(void);

#endif
