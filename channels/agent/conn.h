/* SPDX-License-Identifier: MIT */
/* conn.h - one connection to another agent, from its first byte to its deletion. */
#ifndef AGENT_CONN_H
#define AGENT_CONN_H

#include "agent/core.h"

int agent_conns_init(struct agent *agent);
void agent_conns_fini(struct agent *agent);

/* Begin a handshake with the link's node, whose address is known. Return: 0; -EAGAIN. */
int agent_conn_connect(struct agent_link *link);

/* What the fabric tells; see fabric_events. */
void agent_conn_peer_new(struct agent *agent, struct fabric_peer *peer);
void agent_conn_peer_down(struct agent *agent, struct fabric_peer *peer, enum fabric_loss loss,
			  const char *why);
void agent_conn_frame(struct agent *agent, struct fabric_peer *peer, const void *data,
		      size_t bytes);
void agent_conn_offer(struct agent *agent, struct fabric_peer *peer, const void *header,
		      size_t header_bytes, struct fabric_offer *offer, size_t bytes);

/* Give a connection up; legal anywhere, deletion happens in agent_conns_reap(). */
void agent_conn_drop(struct agent_conn *conn, const char *why);
/* What came by it is damaged: count, say it once, and drop it. */
void agent_conn_damaged(struct agent_conn *conn, const char *what);
/* Delete dropped connections; outside of events only. */
void agent_conns_reap(struct agent *agent);
/* Unsent hellos and late handshakes. Return: next time to be called. */
uint64_t agent_conns_timers(struct agent *agent);

/* Between conn.c and handshake.c. */
struct agent_conn *agent_conn_take(struct agent *agent, bool stranger);
void agent_conn_refuse(struct agent *agent, struct agent_conn *conn, const char *why);
void agent_conn_up(struct agent_conn *conn);
void agent_handshake_send(struct agent_conn *conn);
void agent_handshake_take(struct agent *agent, struct agent_conn *conn, const void *data,
			  size_t bytes);

#endif
