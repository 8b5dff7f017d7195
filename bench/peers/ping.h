/* SPDX-License-Identifier: MIT */
/*
 * ping.h - the same measurement for everything that can send and receive bytes.
 *
 * Two processes; side 0 leads, measures and prints. Latency is half a round trip, median and p99
 * over batches. A rate ends with an answer of the receiver, so it counts what has arrived, not
 * what a sender has got rid of. The payload is written by the sender's memory and read into
 * the receiver's: equal work for all.
 */
#ifndef BENCH_PEERS_PING_H
#define BENCH_PEERS_PING_H

#include <stddef.h>

/* What is measured. Both calls end the process, with a message, when they fail. */
struct ping {
	int side;		/* 0 or 1 */
	void *arg;
	void (*send)(void *arg, const void *data, size_t bytes);
	void (*recv)(void *arg, void *buffer, size_t bytes);
};

/* Largest payload; buffers of this size are enough. */
#define PING_BYTES_MAX (1 << 20)

/**
 * ping_run - run all sizes and print one line for each figure: `latency 8 MEDIAN P99` in
 * microseconds, `rate 8 MEDIAN MIN` in messages for a second.
 * @seconds: for each figure.
 */
void ping_run(const struct ping *ping, double seconds);

/* Bind this process to CPU @side, if there are as many. */
void ping_pin(int side);

/* One line to stderr, then exit(1). */
void ping_fail(const char *what, const char *why) __attribute__((noreturn));

#endif
