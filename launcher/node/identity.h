/* SPDX-License-Identifier: MIT */
/*
 * identity.h - which node of the job this daemon is, and what follows from that.
 *
 * All daemons of a job get the same start message, so each finds its number: it was told
 * (--node=N), or it looks for its name in the table of nodes, or the workload manager numbered it.
 */
#ifndef LAUNCH_IDENTITY_H
#define LAUNCH_IDENTITY_H

#include "base/err.h"
#include "proto/boot.h"

/**
 * launch_identity_find - fill @boot's number, keys and address.
 * @told: text of --node, NULL if it was not given.
 *
 * Return: 0; -EINVAL, -ENOENT, -ENODEV, -EHOSTUNREACH with @reterr filled.
 */
int launch_identity_find(struct launch_boot *boot, const char *told, struct base_err *reterr);

#endif
