/* SPDX-License-Identifier: MIT */
/*
 * raw.h - the raw baselines: the least code that does the same work on the same hardware.
 *
 * They are simple programs, not proven bounds. None of them survives a killed peer.
 */
#ifndef BENCH_RAW_H
#define BENCH_RAW_H

#include "harness.h"

/* Memory that all sides share. Call before bench_fork(). NULL: no memory. */
struct raw_area;
struct raw_area *raw_area_create(void);

/* In each of them run->row->bytes is the payload; its largest is 1 MiB in shared memory.
 * What a value is: oneway ns for one way; ring, tcp_rate million messages per second;
 * wake, pair, create ns for one; copy, tcp_stream GB/s. Return: 0 or negative errno. */

/* Sides 0 and 1 spin: copy in, sequence, copy out. A small payload shares the sequence's
 * line; a large one is copied in pieces, so that both copies overlap. */
int raw_oneway(struct bench_run *run, struct raw_area *area);
/* The same, but each waits in futex(2): what a message costs when both sides sleep. */
int raw_oneway_sleep(struct bench_run *run, struct raw_area *area);
/* Side 0 wakes side 1 by futex(2) and is woken back: the whole round trip. */
int raw_wake(struct bench_run *run, struct raw_area *area);
/* Side 0 hands side 1 the place of data that stays where it is, and gets it back. */
int raw_handover(struct bench_run *run, struct raw_area *area);
/* Side 1 copies in while side 0 copies out, all the time. */
int raw_copy(struct bench_run *run, struct raw_area *area);
/* row->senders send to the others, by as many single-producer single-consumer rings as there
 * are of the larger party; sequence beside the payload, credit returned once per quarter. */
int raw_ring(struct bench_run *run, struct raw_area *area);
/* One process puts into the ring and takes out again; CPU time. */
int raw_pair(struct bench_run *run, struct raw_area *area);
/* Call a function of this program that is not inlined. */
int raw_call(struct bench_run *run, struct raw_area *area);
/* Clear the memory that a ring of 100 slots takes. */
int raw_create(struct bench_run *run, struct raw_area *area);

/* Two ends of one TCP connection, TCP_NODELAY, blocking calls. */
int raw_tcp_oneway(struct bench_run *run, int fd);
int raw_tcp_rate(struct bench_run *run, int fd);	/* side 1 sends, side 0 counts */
int raw_tcp_stream(struct bench_run *run, int fd);
int raw_tcp_wake(struct bench_run *run, int fd);	/* by eventfd and a relay */
int raw_tcp_cpu(struct bench_run *run, int fd);		/* CPU time of both for a message */

#endif
