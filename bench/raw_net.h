/* SPDX-License-Identifier: MIT */
/*
 * raw_net.h - the baselines over the bare API of a network library, between two processes.
 *
 * raw_ofi.c and raw_ucx.c give the six operations, raw_net.c has the trials. What one writes by
 * hand: one connection, buffers registered once, polled for a while before sleeping, a window of
 * messages, and no promise when the other process dies.
 */
#ifndef BENCH_RAW_NET_H
#define BENCH_RAW_NET_H

#include "harness.h"

enum { RAW_NET_SMALL_MAX = 8192, RAW_NET_BYTES_MAX = 1 << 20, RAW_NET_LARGE = 8 };

struct raw_net;

/* How to open one: as the agents of this job do. */
struct raw_net_options {
	unsigned side;			/* 0 or 1 */
	const char *provider, *nic;	/* NULL = choose */
	const char *bind;		/* numeric address of this node */
	int fd;				/* connected stream to the other side, to meet */
};

struct raw_net_ops {
	const char *name;	/* of the fabric that does the same */
	/* Both sides call it at once. Prints what fails. Return: 0 or negative errno. */
	int (*open)(const struct raw_net_options *options, struct raw_net **ret_net);
	/* Send @bytes of our buffer. Return: 0; -EAGAIN: turn first; other negative errno. */
	int (*post)(struct raw_net *net, size_t bytes);
	/* Look once. Return: how much happened, or negative errno. */
	int (*turn)(struct raw_net *net);
	/* Sleep in the kernel until there is something for turn(), or for a while. Return: false:
	 * not possible with this provider. */
	bool (*sleep)(struct raw_net *net);
	void (*close)(struct raw_net *net);
};

/* Begins what the two implementations allocate. */
struct raw_net {
	const struct raw_net_ops *ops;
	uint64_t came;		/* messages received */
	uint64_t under_way;	/* sent, and their buffer not ours yet */
	int fd;			/* to the other side */
	/* The program's own memory, RAW_NET_BYTES_MAX out and as much in, if large messages are
	 * to be copied from and to it; each through one of RAW_NET_LARGE buffers. Else NULL. */
	unsigned char *own;
};

/* The one of this name, NULL if this build has none. */
const struct raw_net_ops *raw_net_find(const char *fabric);

#ifdef BENCH_RAW_OFI
extern const struct raw_net_ops raw_ofi;
#endif
#ifdef BENCH_RAW_UCX
extern const struct raw_net_ops raw_ucx;
#endif

/* The trials; see raw.h for what a value is. */
int raw_net_oneway(struct bench_run *run, struct raw_net *net);
int raw_net_rate(struct bench_run *run, struct raw_net *net);	/* side 1 sends */
int raw_net_stream(struct bench_run *run, struct raw_net *net);
int raw_net_copied(struct bench_run *run, struct raw_net *net);	/* own memory on both sides */
int raw_net_wake(struct bench_run *run, struct raw_net *net);	/* both sleep before it */
int raw_net_cpu(struct bench_run *run, struct raw_net *net);	/* sleeping, CPU time of both */

/* Exactly @bytes over the meeting's socket. Return: 0 or -EPIPE. */
int raw_net_tell(int fd, const void *data, size_t bytes);
int raw_net_hear(int fd, void *data, size_t bytes);

/* Both call it: what was sent may need its sender until the other side has it, so both turn until
 * both are here. */
int raw_net_part(struct raw_net *net);

/* What comes before each message of a `wake` trial: long enough that everybody sleeps. */
void raw_pause(void);
/* CPU time of this process in ns. */
uint64_t raw_cpu_ns(void);

#endif
