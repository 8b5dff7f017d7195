/* SPDX-License-Identifier: MIT */
/* raw_zmq.h - what ZeroMQ does with many small messages over TCP (PUSH to PULL). */
#ifndef BENCH_RAW_ZMQ_H
#define BENCH_RAW_ZMQ_H

#include "harness.h"

/* Million messages per second: side 1 sends, side 0 counts. @fd: a connection by which they meet;
 * @host: numeric address of side 0. The sockets are made at first use and kept.
 * Return: 0; negative errno; -ENOTSUP built without libzmq. */
int raw_zmq_rate(struct bench_run *run, int fd, const char *host);

#endif
