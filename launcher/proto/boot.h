/* SPDX-License-Identifier: MIT */
/*
 * boot.h - what a daemon is told before it can be told anything: through its stdin, because
 * arguments and environments can be read by others. The pipe then stays open as the life line.
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
	LAUNCH_BOOT_BYTES_MAX = 16384,
};

/* Lives in memory of launch_keys_alloc(). */
struct launch_boot {
	uint32_t job, node, nodes;
	uint32_t verbose;
	uint64_t pool_bytes;			/* 0 = what the library takes */
	uint8_t server[LAUNCH_KEY_BYTES];	/* public key of dlaunch */
	struct launch_keys keys;		/* this daemon's own */
	uint8_t secret[LAUNCH_SECRET_BYTES];	/* of the job, for its agents */
	char tag[LAUNCH_TAG_BYTES];
	char endpoint[LAUNCH_ENDPOINT_BYTES];	/* of dlaunch, for ZeroMQ */
	char agent[LAUNCH_BOOT_PATH_BYTES];	/* program; empty = none is needed */
	char bind[LAUNCH_BIND_BYTES];		/* address for the agent */
	char fabric[LAUNCH_FABRIC_BYTES];	/* empty = the agent chooses, as below */
	char provider[LAUNCH_DEVICE_BYTES];
	char nic[LAUNCH_DEVICE_BYTES];
	char security[LAUNCH_SECURITY_BYTES];	/* of the agent's links */
};

/* Return: 0; -ENOMEM. The caller wipes what @writer holds. */
int launch_boot_encode(const struct launch_boot *boot, struct launch_writer *writer);
/* Return: 0; -EBADMSG. */
int launch_boot_decode(const void *data, size_t bytes, struct launch_boot *ret_boot);

/* Read one from @fd, at most @timeout_ms. Return: 0; negative errno; -EPIPE: nobody wrote one. */
int launch_boot_read(int fd, int timeout_ms, struct launch_boot *ret_boot,
		     struct base_err *reterr);
/* Write one to @fd, which must have room (a new pipe has). Return: 0 or negative errno. */
int launch_boot_write(int fd, const struct launch_boot *boot);

#endif
