/* SPDX-License-Identifier: MIT */
/*
 * conn.c - connections: their table, and which link a frame belongs to.
 *
 *	initiator:	CALLING --their hello with proof--> UP (and a control frame as proof)
 *	responder:	ACCEPTED --their hello--> ANSWERED --first sealed frame--> UP
 *	any:		DOOMED by drop, time-out or the fabric
 * (the steps up to UP are in handshake.c)
 *
 * Strangers: at most AGENT_HANDSHAKES unfinished handshakes, each AGENT_HANDSHAKE_NS long,
 * in a table of fixed size; a wrong secret costs one hash.
 */
#include "agent/conn.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agent/bulk.h"
#include "agent/credit.h"
#include "agent/link.h"
#include "base/log.h"

int agent_conns_init(struct agent *agent)
{
	base_list_init(&agent->conns_free);
	base_list_init(&agent->conns_busy);
	base_list_init(&agent->conns_up);
	base_list_init(&agent->conns_doomed);
	/* of each link: the one in use, ours that begins, and one that is being deleted */
	agent->conn_count = AGENT_HANDSHAKES * 2 + 3 * agent->nodes;
	agent->conns = calloc(agent->conn_count, sizeof(*agent->conns));
	if (!agent->conns)
		return -ENOMEM;
	for (uint32_t i = 0; i < agent->conn_count; i++)
		base_list_add_tail(&agent->conns_free, &agent->conns[i].node);
	return 0;
}

void agent_conns_fini(struct agent *agent)
{
	if (!agent->conns)
		return;
	sodium_memzero(agent->conns, agent->conn_count * sizeof(*agent->conns));
	free(agent->conns);
	agent->conns = NULL;
}

/* Room for a newcomer: the oldest that has said nothing goes. */
static bool evict(struct agent *agent)
{
	base_list_for(node, &agent->conns_busy) {
		struct agent_conn *conn = base_list_entry(node, struct agent_conn, node);

		if (conn->state != AGENT_CONN_ACCEPTED)
			continue;
		agent_conn_drop(conn, "it said nothing and others want its place");
		return true;
	}
	return false;
}

struct agent_conn *agent_conn_take(struct agent *agent, bool stranger)
{
	struct agent_conn *conn;

	if (stranger && agent->handshakes >= AGENT_HANDSHAKES && !evict(agent))
		return NULL;
	if (base_list_empty(&agent->conns_free))
		return NULL;
	conn = base_list_entry(agent->conns_free.next, struct agent_conn, node);
	base_list_del(&conn->node);
	memset(conn, 0, sizeof(*conn));
	base_list_init(&conn->node);
	base_list_add_tail(&agent->conns_busy, &conn->node);
	conn->agent = agent;
	conn->stranger = stranger;
	conn->deadline_ns = agent->now_ns + AGENT_HANDSHAKE_NS;
	agent->handshakes += stranger;
	return conn;
}

static void known(struct agent_conn *conn)
{
	conn->agent->handshakes -= conn->stranger;
	conn->stranger = false;
}

void agent_conn_drop(struct agent_conn *conn, const char *why)
{
	struct agent *agent = conn->agent;
	struct agent_link *link = conn->link;

	if (conn->state == AGENT_CONN_DOOMED || conn->state == AGENT_CONN_FREE)
		return;
	conn->state = AGENT_CONN_DOOMED;
	known(conn);
	base_list_del(&conn->node);
	base_list_add_tail(&agent->conns_doomed, &conn->node);
	agent_pulls_lost(conn);
	conn->link = NULL;
	if (link)
		agent_link_lost(link, conn, why);
	else
		base_log_debug("a connection without a hello ended: %s", why);
}

void agent_conn_damaged(struct agent_conn *conn, const char *what)
{
	struct agent_link *link = conn->link;

	if (link) {
		link->counters.damaged++;
		link->faults++;
		if (!link->warned)
			base_log_warn("node %" PRIu32 ": %s; the connection is made anew",
				      link->peer_node, what);
		link->warned = true;
	}
	agent_conn_drop(conn, what);
	if (link && link->faults > AGENT_FAULTS_MAX)
		agent_link_dead(link, what, true);
}

void agent_conns_reap(struct agent *agent)
{
	while (!base_list_empty(&agent->conns_doomed)) {
		struct agent_conn *conn = base_list_entry(agent->conns_doomed.next,
							  struct agent_conn, node);

		base_list_del(&conn->node);
		if (conn->peer)
			agent->ops->peer_del(conn->peer);
		sodium_memzero(conn, sizeof(*conn));
		base_list_add_tail(&agent->conns_free, &conn->node);
	}
}

void agent_conn_peer_new(struct agent *agent, struct fabric_peer *peer)
{
	struct agent_conn *conn = agent_conn_take(agent, true);

	if (!conn) {
		agent->ops->peer_del(peer);
		return;
	}
	conn->state = AGENT_CONN_ACCEPTED;
	conn->peer = peer;
	agent->ops->peer_user(peer, conn);
}

void agent_conn_peer_down(struct agent *agent, struct fabric_peer *peer, enum fabric_loss loss,
			  const char *why)
{
	struct agent_conn *conn = agent->ops->peer_user(peer, NULL);

	if (!conn)
		return;
	conn->down = true;
	conn->refused = loss == FABRIC_REFUSED;
	agent_conn_drop(conn, why && *why ? why : "connection lost");
}

void agent_conn_refuse(struct agent *agent, struct agent_conn *conn, const char *why)
{
	if (agent->refusals_logged < AGENT_REFUSALS_LOGGED) {
		agent->refusals_logged++;
		base_log_warn("a handshake was refused: %s", why);
	}
	if (conn)
		agent_conn_drop(conn, why);
}

void agent_conn_up(struct agent_conn *conn)
{
	known(conn);
	conn->state = AGENT_CONN_UP;
	base_list_del(&conn->node);
	base_list_add_tail(&conn->agent->conns_up, &conn->node);
	agent_link_adopt(conn->link, conn);
}

/* The connection that a sealed frame came by; NULL if there is none with its session. */
static struct agent_conn *find(struct agent *agent, struct fabric_peer *peer,
			       const struct agent_header *header)
{
	struct agent_link *link;

	if (peer)
		return agent->ops->peer_user(peer, NULL);
	link = agent_link_get(agent, header->source);
	if (link && link->conn && link->conn->seal.session == header->session)
		return link->conn;
	if (link && link->in && link->in->seal.session == header->session)
		return link->in;
	return NULL;
}

/* What came by @conn is not taken. Who has not proven its keys harms no link by it. */
static void reject(struct agent_conn *conn, const struct agent_header *header, int rc)
{
	if (conn->state == AGENT_CONN_ANSWERED) {
		agent_conn_refuse(conn->agent, conn, "a frame with a wrong seal for a proof");
		return;
	}
	switch (rc) {
	case -EALREADY:
		conn->link->counters.repeated++;
		break;
	case -ESTALE:
		/* a frame is sent again, an offer only by another connection */
		conn->link->counters.repeated++;
		if (header->kind == AGENT_OFFER)
			agent_conn_drop(conn, "an offer came too late to know if it is new");
		break;
	case -EILSEQ:
		agent_conn_damaged(conn, "a damaged frame");
		break;
	default:
		agent_conn_damaged(conn, "a frame with a wrong seal");
		break;
	}
}

/* Check a sealed frame or offer. Return: its connection, now UP; NULL: forget it. */
static struct agent_conn *admit(struct agent *agent, struct fabric_peer *peer, const void *data,
				size_t bytes, struct agent_header *ret_header,
				const uint8_t **ret_body)
{
	struct agent_conn *conn = peer ? agent->ops->peer_user(peer, NULL) : NULL;
	int rc = agent_header_decode(data, bytes, ret_header);

	if (rc || ret_header->bytes > AGENT_FRAME_MAX) {
		if (conn && conn->state == AGENT_CONN_UP)
			agent_conn_damaged(conn, "a frame without a proper header");
		else if (conn)
			agent_conn_refuse(agent, conn, "a frame without a proper header");
		return NULL;
	}
	conn = find(agent, peer, ret_header);
	if (!conn || (conn->state != AGENT_CONN_UP && conn->state != AGENT_CONN_ANSWERED)) {
		if (conn && conn->state != AGENT_CONN_DOOMED)
			agent_conn_refuse(agent, conn, "a frame before the handshake");
		return NULL;
	}
	rc = agent_seal_open(&conn->seal, data, ret_header, agent->scratch, ret_body);
	if (!rc && (ret_header->source != conn->link->peer_node ||
		    ret_header->epoch != conn->peer_epoch))
		rc = -EPERM;
	if (rc) {
		reject(conn, ret_header, rc);
		return NULL;
	}
	if (conn->state == AGENT_CONN_ANSWERED)
		agent_conn_up(conn);
	return conn->state == AGENT_CONN_UP ? conn : NULL;
}

void agent_conn_frame(struct agent *agent, struct fabric_peer *peer, const void *data,
		      size_t bytes)
{
	struct agent_conn *conn = peer ? agent->ops->peer_user(peer, NULL) : NULL;
	struct agent_cursor cursor = { (uint8_t *)(uintptr_t)data,
				       (uint8_t *)(uintptr_t)data + bytes, 0 };
	struct agent_header header;
	const uint8_t *body;

	if (conn && conn->state == AGENT_CONN_DOOMED)
		return;
	if (agent_get(&cursor, 4) == AGENT_HELLO_MAGIC) {
		agent_handshake_take(agent, conn, data, bytes);
		return;
	}
	conn = admit(agent, peer, data, bytes, &header, &body);
	if (!conn)
		return;
	conn->link->counters.bytes_received += bytes;
	agent_link_receive(conn->link, &header, body);
}

void agent_conn_offer(struct agent *agent, struct fabric_peer *peer, const void *data,
		      size_t data_bytes, struct fabric_offer *offer, size_t bytes)
{
	struct agent_header header;
	const uint8_t *body;
	struct agent_conn *conn = admit(agent, peer, data, data_bytes, &header, &body);
	struct agent_record record;

	if (!conn) {
		agent->ops->drop(offer);
		return;
	}
	if (header.kind != AGENT_OFFER ||
	    agent_record_decode(body, header.bytes, &record) != (int)header.bytes ||
	    record.total != bytes || bytes == 0 || bytes > AGENT_BULK_MAX ||
	    agent_link_offer(conn, &header, &record, offer)) {
		agent->ops->drop(offer);
		agent_conn_damaged(conn, "an offer that makes no sense");
	}
}

uint64_t agent_conns_timers(struct agent *agent)
{
	uint64_t next = UINT64_MAX;

	base_list_for(node, &agent->conns_busy) {
		struct agent_conn *conn = base_list_entry(node, struct agent_conn, node);

		if (agent->now_ns >= conn->deadline_ns && conn->state == AGENT_CONN_ANSWERED) {
			agent_conn_refuse(agent, conn, "no proof of its keys came, as if its "
					  "hello were an old one");
			continue;
		}
		if (agent->now_ns >= conn->deadline_ns) {
			agent_conn_drop(conn, "the handshake took too long");
			continue;
		}
		next = agent_earlier(next, conn->deadline_ns);
		if (conn->hello_unsent) {
			agent_handshake_send(conn);
			next = agent_earlier(next, agent->now_ns + BASE_MS);
		}
	}
	return next;
}
