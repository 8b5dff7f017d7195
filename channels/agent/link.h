/* SPDX-License-Identifier: MIT */
/* link.h - what connects this node with one other, over any number of connections. */
#ifndef AGENT_LINK_H
#define AGENT_LINK_H

#include "agent/core.h"

int agent_links_init(struct agent *agent);
void agent_links_fini(struct agent *agent);

/* NULL: this node itself, or no such node. */
struct agent_link *agent_link_get(struct agent *agent, uint32_t node);

/* Let @todo write when there is room; connects if need be. Nothing on a dead link. */
void agent_link_todo(struct agent_link *link, struct agent_todo *todo);
/* Give the link's timers attention. */
void agent_link_watch(struct agent_link *link);

/* From conn.c: a handshake is complete; a connection is lost. */
void agent_link_adopt(struct agent_link *link, struct agent_conn *conn);
void agent_link_lost(struct agent_link *link, struct agent_conn *conn, const char *why);
bool agent_link_fenced(const struct agent_link *link, uint32_t epoch);

/* From conn.c: a frame or offer whose seal is good. Return: 0; negative: not taken. */
void agent_link_receive(struct agent_link *link, const struct agent_header *header,
			const uint8_t *body);
int agent_link_offer(struct agent_conn *conn, const struct agent_header *header,
		     const struct agent_record *record, struct fabric_offer *offer);

/* From receive.c: a sign of life. */
void agent_link_heard(struct agent_link *link);

/* A stream's counts are to be told, with the next frame or after AGENT_OWED_NS. */
void agent_link_owe(struct agent_link *link, struct base_list *owing);

/* The node is dead: fence it, fail all that waits for it. @report: tell the daemon. */
void agent_link_dead(struct agent_link *link, const char *why, bool report);

/* Write and send what can be; then timers. Return: when to be called again. */
void agent_link_pump(struct agent_link *link);
uint64_t agent_link_timers(struct agent_link *link);

/* "down", "connecting", "up" or "dead". */
const char *agent_link_state_name(const struct agent_link *link);

#endif
