/* SPDX-License-Identifier: MIT */
/* transport_veth.h - two nodes in network namespaces of their own, joined by a veth pair. */
#ifndef BENCH_TRANSPORT_VETH_H
#define BENCH_TRANSPORT_VETH_H

enum { VETH_MISSING = 77 };

/* Name of the variable with this side's address, for the connection of the baseline. */
#define VETH_HOST "DHOW_BENCH_HOST"

/**
 * veth_run - be the launcher of two nodes, each with its agent and @argv as its one task.
 * @agent: path of dhow-tcp; @fabric: its --fabric, NULL: it chooses.
 *
 * All processes and both namespaces end with it. Return: exit code of the tasks, the higher one;
 * VETH_MISSING after a line that says what the machine does not allow.
 */
int veth_run(char **argv, const char *agent, const char *fabric);

#endif
