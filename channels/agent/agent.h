/* SPDX-License-Identifier: MIT */
/*
 * agent.h - the agent of a node: serves its gateway over one fabric.
 *
 * A program calls agent_run(). Tests drive several agents in one process by hand:
 * agent_create(), agent_turn() and agent_sleep() as often as they like, agent_destroy().
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/fabric.h"

struct agent;

/**
 * agent_run - be the agent of the node that DHOW_NODE_FD leads to, until its daemon ends.
 * @options: for the fabric; borrowed for the call.
 * @security: level of all links: mac, integrity or encrypt; NULL or empty: mac.
 *
 * Return: 0 the daemon ended; negative errno: it could not begin, or the fabric broke.
 */
int agent_run(const struct fabric_ops *fabric, struct fabric_options *options,
	      const char *security);

/* Open the fabric, attach to the node. Negative errno; the reason is logged. */
int agent_create(const struct fabric_ops *fabric, const struct fabric_options *options,
		 const char *security, struct agent **ret_agent);

/* One turn of the loop, without sleeping. Return: true if there was work; *ret_next_ns:
 * when it must be called again. */
bool agent_turn(struct agent *agent, uint64_t *ret_next_ns);

/* Sleep until there is work or @deadline_ns. */
void agent_sleep(struct agent *agent, uint64_t deadline_ns);

/* The daemon has ended, or the fabric is of no more use (then *ret_rc is set). */
bool agent_over(const struct agent *agent, int *ret_rc);

/* Send what can be sent in AGENT_FLUSH_NS. */
void agent_flush(struct agent *agent);
void agent_destroy(struct agent *agent);

#endif
