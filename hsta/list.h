/* SPDX-License-Identifier: MIT */
/* list.h - what this machine has for an agent, for programs: `dhow-hsta --list --json`. */
#ifndef HSTA_LIST_H
#define HSTA_LIST_H

#include "hsta/fabrics.h"

struct json_t;

/* What the library of a fabric is and finds, added to @row: "version", "providers" (each with
 * "name", "rdma", "usable", "why", "devices") or "transports". Return: 0 or negative errno. */
#ifdef DHOW_HAVE_OFI
int hsta_list_ofi(const struct fabric_options *options, struct json_t *row);
#endif
#ifdef DHOW_HAVE_UCX
int hsta_list_ucx(const struct fabric_options *options, struct json_t *row);
#endif

/* Print one object: "agent", "version", "fabrics". Return: exit code. */
int hsta_list_json(const struct fabric_options *options);

#endif
