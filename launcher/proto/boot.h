/* SPDX-License-Identifier: MIT */
/*
 * boot.h - what a daemon is told before it can be told anything: through its stdin, because
 * arguments and environments can be read by others. The pipe then stays open as the life line.
 *
 * One message serves all nodes of a job, because what carries it may be one process that copies
 * its stdin to all of them (srun). So which node a daemon is, it finds out by itself (see
 * node/identity.h), and its keys follow from the secret.
 */
#ifndef LAUNCH_BOOT_H
#define LAUNCH_BOOT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "keys/keys.h"
#include "proto/codec.h"

enum {
	LAUNCH_ENDPOINT_BYTES = 256,
	LAUNCH_BIND_BYTES = 64,
	LAUNCH_FABRIC_BYTES = 32,
	LAUNCH_DEVICE_BYTES = 64,
	LAUNCH_SECURITY_BYTES = 16,
	LAUNCH_BOOT_PATH_BYTES = 4096,
	LAUNCH_BOOT_BYTES_MAX = 1 << 19,	/* a pipe can be made as large */
};

/* Which address the agent of a node listens at. */
enum launch_bind {
	LAUNCH_BIND_LOCAL = 1,	/* 127.0.0.N+1: all of 127/8 is this machine */
	LAUNCH_BIND_ROUTE,	/* the one from which dlaunch is reached */
	LAUNCH_BIND_DEVICE,	/* the one of network interface @device */
};

/* Lives in memory of launch_keys_alloc(). */
struct launch_boot {
	/* Not in the message: dhowd finds them out. */
	uint32_t node;
	struct launch_keys keys;
	char bind[LAUNCH_BIND_BYTES];		/* address for the agent */
	const char *file;			/* that it was read from; NULL = stdin */

	uint32_t job, nodes;
	uint32_t verbose;
	uint32_t fanout;			/* of the tree of daemons */
	uint64_t pool_bytes;			/* 0 = what the library takes */
	uint8_t server[LAUNCH_KEY_BYTES];	/* public key of dlaunch */
	uint8_t secret[LAUNCH_SECRET_BYTES];	/* of the job: for keys, and for its agents */
	char tag[LAUNCH_TAG_BYTES];
	char endpoint[LAUNCH_ENDPOINT_BYTES];	/* of dlaunch, for ZeroMQ */
	char agent[LAUNCH_BOOT_PATH_BYTES];	/* program; empty = none is needed */
	enum launch_bind bind_rule;
	char device[LAUNCH_DEVICE_BYTES];	/* of LAUNCH_BIND_DEVICE */
	char fabric[LAUNCH_FABRIC_BYTES];	/* empty = the agent chooses, as below */
	char provider[LAUNCH_DEVICE_BYTES];
	char nic[LAUNCH_DEVICE_BYTES];
	char security[LAUNCH_SECURITY_BYTES];	/* of the agent's links */
	/* Names of the nodes, each with a zero behind it; none where daemons are told their
	 * numbers. Decoded ones are owned by the boot. */
	uint32_t names_bytes;
	char *names;
	/* NAME=value strings for the environment of daemons and agents, in the same way; none where
	 * they get it from what starts them. */
	uint32_t environment_bytes;
	char *environment;
};

/* NULL is fine. */
void launch_boot_free(struct launch_boot *boot);
/* Number of the only node called @name, also without what follows its first dot.
 * Return: -1 none, or more than one. */
long launch_boot_find(const struct launch_boot *boot, const char *name);

/* Return: 0; -ENOMEM. The caller wipes what @writer holds. */
int launch_boot_encode(const struct launch_boot *boot, struct launch_writer *writer);
/* @ret_boot is zeroed memory. Return: 0; -EBADMSG; -ENOMEM. */
int launch_boot_decode(const void *data, size_t bytes, struct launch_boot *ret_boot);

/* Read one from @fd, at most @timeout_ms. Return: 0; negative errno; -EPIPE: nobody wrote one. */
int launch_boot_read(int fd, int timeout_ms, struct launch_boot *ret_boot,
		     struct base_err *reterr);
/* A pipe that holds the message: what is to be a daemon's stdin, and its life line. Return: 0 or
 * negative errno. */
int launch_boot_pipe(const struct launch_boot *boot, int *ret_stdin, int *ret_lifeline);
/* Write it to @fd. Return: 0 or negative errno. */
int launch_boot_write(int fd, const struct launch_boot *boot);

#endif
