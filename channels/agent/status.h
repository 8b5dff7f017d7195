/* SPDX-License-Identifier: MIT */
/*
 * status.h - who asks an agent is told what its links have done (`dhow ps --links`).
 *
 * The agent listens at the abstract Unix socket "@dhow-agent-UID-PID", which is gone with its
 * process. To a process of the same user (or root) it sends SOCK_SEQPACKET messages, each a
 * JSON object: first one with "pid", then one with "peer" for each link in use; then the end.
 * It reads nothing. One is served at a time, for a second at most; others wait.
 */
#ifndef AGENT_STATUS_H
#define AGENT_STATUS_H

#include <stdint.h>

struct agent;

/* Begin to listen. What is wrong is logged: an agent works without it. */
void agent_status_open(struct agent *agent);
/* Serve who is there, without waiting. Return: when to be called again. */
uint64_t agent_status_turn(struct agent *agent);
void agent_status_close(struct agent *agent);

#endif
