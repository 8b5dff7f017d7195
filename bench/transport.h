/* SPDX-License-Identifier: MIT */
/* transport.h - what the trials of bench/transport share. */
#ifndef BENCH_TRANSPORT_H
#define BENCH_TRANSPORT_H

#include <dhow/dhow.h>

#include "harness.h"
#include "raw_net.h"
#include "transport_agent.h"

enum { TRANSPORT_BYTES_MAX = 1 << 20, TRANSPORT_FLOWS = 12, TRANSPORT_TRIAL_MS = 30000 };

struct transport {
	struct dhow_channel *mine, *theirs;	/* home here; home at the other node */
	/* Side 0 receives from its own, side 1 sends to them: one for each thread. */
	struct dhow_channel *flows[TRANSPORT_FLOWS];
	/* Side 1: a handle for each thread to the channel that side 0 alone receives from. */
	struct dhow_channel *incast[TRANSPORT_FLOWS];
	struct bench_agent agent;
	struct raw_net *net;	/* the bare API; NULL: TCP, over @fd */
	int fd;
	unsigned char data[TRANSPORT_BYTES_MAX];
};

/* Channels of all rows, made and opened by both sides. Return: 0 or negative errno. */
int transport_open(unsigned side, struct transport *transport);
void transport_close(unsigned side, struct transport *transport);

/* The messages of all values in one trial of @rate; then the values of run->values are made of
 * what both sides have spent, in ns. Both return 0 or negative errno. */
int transport_all_at_once(struct bench_run *run, bench_trial *rate);
int transport_share_cpu(struct bench_run *run, int fd, uint64_t mine);

/* The trials; see raw.h for what a value is. */
int transport_oneway(struct bench_run *run);
int transport_rate(struct bench_run *run);	/* side 1 sends */
int transport_stream(struct bench_run *run);
int transport_lent(struct bench_run *run);	/* the same, but no process copies */
int transport_wake(struct bench_run *run);	/* all sleep before it */
int transport_cpu(struct bench_run *run);	/* of both agents, for one message */
int transport_flow_cpu(struct bench_run *run);	/* of all, for a message of `rate` */
int transport_flows(struct bench_run *run);	/* 12 threads to 12 threads */
int transport_incast(struct bench_run *run);	/* 12 threads to one channel */

#endif
