/* SPDX-License-Identifier: MIT */
/* transport_agent.h - the agent of this node, as the kernel shows it: what it runs on, its CPU. */
#ifndef BENCH_TRANSPORT_AGENT_H
#define BENCH_TRANSPORT_AGENT_H

#include <stdint.h>
#include <sys/types.h>

struct bench_agent {
	pid_t pid;
	char transport[8];		/* "tcp" or "hsta" */
	char fabric[16];		/* "uring", "epoll", "ofi", "ucx" */
	char provider[64], nic[64];	/* empty: it has chosen */
	char bind[64];			/* its address */
	char security[16];		/* level of its links; empty: it does not tell */
	char label[96];			/* `uring-mac`, `ofi-tcp;ofi_rxm-mac` */
};

/* The child of our daemon that is an agent. Return: 0; -ESRCH; other negative errno. */
int bench_agent_find(struct bench_agent *ret_agent);
/* System calls of its fabric so far, as it tells; 0: it does not. */
uint64_t bench_agent_calls(const struct bench_agent *agent);
/* CPU time it has used, in ns; 0 when it is gone. */
uint64_t bench_agent_cpu_ns(const struct bench_agent *agent);

#endif
