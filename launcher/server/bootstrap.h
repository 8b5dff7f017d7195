/* SPDX-License-Identifier: MIT */
/*
 * bootstrap.h - tell the one who started us where we are: SmartSim waits for it at an address of
 * its own. We are the client there, with the client's keys.
 */
#ifndef LAUNCH_SERVER_BOOTSTRAP_H
#define LAUNCH_SERVER_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "keys/keys.h"

/**
 * server_bootstrap - send our @endpoint to @url and wait for the answer.
 * @url:     `tcp://ADDRESS:PORT`
 * @wake_fd: readable = give up (a signal); -1 = none.
 * @ret_pid: what we are to answer a handshake with.
 *
 * Blocks, at most @timeout_ms (-1: for ever). Return: 0; -ETIMEDOUT; -ECANCELED by @wake_fd;
 * -EPROTO the answer is none; other negative errno.
 */
int server_bootstrap(void *context, const char *url, const char *endpoint,
		     const struct launch_keys *client, const uint8_t server[LAUNCH_KEY_BYTES],
		     int timeout_ms, int wake_fd, int *ret_pid, struct base_err *reterr);

/* The address of ours that faces @url, e.g. 10.0.0.1. Return: 0; -EINVAL no such URL; -ENETUNREACH
 * and the like. */
int server_bootstrap_address(const char *url, char *ret_address, size_t room,
			     struct base_err *reterr);

#endif
