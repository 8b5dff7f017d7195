/* SPDX-License-Identifier: MIT */
/*
 * handshake.c - hellos: saying, answering and judging them. Cryptography is in hello.c.
 *
 * When two nodes call each other at once, the call of the lower one counts: it refuses the
 * other's. A hello carries what its speaker has accepted, so that a new connection goes on
 * where the old one broke.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "agent/conn.h"
#include "agent/credit.h"
#include "agent/link.h"
#include "base/log.h"

/* Fill and encode our hello; the key pair is new for each. */
static void make_hello(struct agent_conn *conn, bool initiator, struct agent_hello *ret_hello)
{
	struct agent *agent = conn->agent;
	struct agent_link *link = conn->link;
	struct agent_hello hello = {
		.initiator = initiator,
		.job = agent->job,
		.node = agent->self,
		.target = link->peer_node,
		.epoch = agent->epoch,
		.peer_epoch = link->peer_epoch,
		.accepted = link->accepted,
		.level = (uint8_t)agent_level_id(agent->level),
		.ciphers = (uint8_t)agent->ciphers,
	};

	agent_hello_keypair(conn->private_key, hello.public_key);
	agent_hello_encode(&hello, agent->secret, conn->hello);
	conn->hello_unsent = true;
	*ret_hello = hello;
}

void agent_handshake_send(struct agent_conn *conn)
{
	struct agent *agent = conn->agent;
	void *slot;

	if (!conn->hello_unsent || !conn->peer)
		return;
	slot = agent_slot_take(agent);
	if (!slot)
		return;
	memcpy(slot, conn->hello, AGENT_HELLO_BYTES);
	switch (agent->ops->frame(conn->peer, slot, AGENT_HELLO_BYTES)) {
	case FABRIC_OK:
		conn->hello_unsent = false;
		return;
	case FABRIC_AGAIN:
		agent_slot_hold(agent, slot);
		return;
	case FABRIC_FATAL:
		agent->fatal = true;
		return;
	default:
		agent_conn_drop(conn, "the fabric cannot send a hello");
	}
}

/* A way to the link's node, by its published address. */
static int add_peer(struct agent_conn *conn)
{
	struct agent *agent = conn->agent;
	const struct dhow_node_peer *to = agent_peers_get(&agent->peers, conn->link->peer_node);

	if (!to)
		return -EAGAIN;
	switch (agent->ops->peer_add(agent->fabric, to->address, to->bytes, conn, &conn->peer)) {
	case FABRIC_OK:
		return 0;
	case FABRIC_FATAL:
		agent->fatal = true;
		/* fall through */
	default:
		conn->peer = NULL;
		return -EAGAIN;
	}
}

int agent_conn_connect(struct agent_link *link)
{
	struct agent_conn *conn = agent_conn_take(link->agent, false);
	struct agent_hello hello;

	if (!conn)
		return -EAGAIN;
	assert(!link->out);
	conn->state = AGENT_CONN_CALLING;
	conn->link = link;
	link->out = conn;
	if (add_peer(conn)) {
		agent_conn_drop(conn, "the fabric cannot reach its address");
		return -EAGAIN;
	}
	make_hello(conn, true, &hello);
	agent_handshake_send(conn);
	return 0;
}

/* What the handshake gave, in the form that the cipher wants; nothing else is kept. */
static void keep_keys(struct agent_conn *conn, const struct agent_hello *theirs,
		      struct agent_session *session)
{
	struct agent *agent = conn->agent;

	agent_seal_init(&conn->seal, agent->level, agent->ciphers & theirs->ciphers, session);
	sodium_memzero(session, sizeof(*session));
	sodium_memzero(conn->private_key, sizeof(conn->private_key));
}

static void answer_hello(struct agent *agent, struct agent_conn *conn, struct agent_link *link,
			 const struct agent_hello *theirs, const uint8_t *data)
{
	struct agent_session session;
	struct agent_hello ours;

	if (!conn) {	/* the fabric does not tell peers apart: answer by the known address */
		conn = agent_conn_take(agent, true);
		if (!conn)
			return;
		conn->state = AGENT_CONN_ACCEPTED;
	}
	if (conn->state != AGENT_CONN_ACCEPTED) {
		agent_conn_refuse(agent, conn, "a hello out of turn");
		return;
	}
	if (link->out && agent->self < link->peer_node) {
		agent_conn_drop(conn, "both called; ours counts");
		return;
	}
	conn->link = link;
	if (link->in)
		agent_conn_drop(link->in, "a newer hello came");
	link->in = conn;
	if (!conn->peer && add_peer(conn)) {
		agent_conn_drop(conn, "its address is not known yet");
		return;
	}
	make_hello(conn, false, &ours);
	if (agent_hello_session(data, conn->hello, false, agent->secret, conn->private_key,
				theirs->public_key, &session, ours.proof)) {
		agent_conn_refuse(agent, conn, "a bad public key");
		return;
	}
	keep_keys(conn, theirs, &session);
	agent_hello_encode(&ours, agent->secret, conn->hello);
	conn->peer_epoch = theirs->epoch;
	conn->peer_knows = theirs->peer_epoch;
	conn->peer_accepted = theirs->accepted;
	conn->state = AGENT_CONN_ANSWERED;
	agent_link_watch(link);
	agent_handshake_send(conn);
}

static void finish_hello(struct agent *agent, struct agent_conn *conn, struct agent_link *link,
			 const struct agent_hello *theirs, const uint8_t *data)
{
	uint8_t proof[AGENT_PROOF_BYTES];
	struct agent_session session;

	if (!conn)
		conn = link->out;
	if (!conn || conn->state != AGENT_CONN_CALLING || conn->link != link) {
		agent_conn_refuse(agent, conn, "an answer to a hello that was not said");
		return;
	}
	if (agent_hello_session(conn->hello, data, true, agent->secret, conn->private_key,
				theirs->public_key, &session, proof) ||
	    sodium_memcmp(proof, theirs->proof, sizeof(proof))) {
		sodium_memzero(&session, sizeof(session));
		/* without knows_sender this may be a late answer to an earlier call */
		if (agent->caps.knows_sender)
			agent_conn_refuse(agent, conn, "no proof of the secret");
		return;
	}
	keep_keys(conn, theirs, &session);
	conn->peer_epoch = theirs->epoch;
	conn->peer_knows = theirs->peer_epoch;
	conn->peer_accepted = theirs->accepted;
	agent_conn_up(conn);
	if (conn->state == AGENT_CONN_UP)
		agent_link_control(link);
}

/* Its tag is good, so it is a node of the job that was started otherwise. */
static void refuse_level(struct agent *agent, struct agent_conn *conn, struct agent_link *link,
			 const struct agent_hello *hello)
{
	const struct agent_level *theirs = agent_level_of(hello->level);

	if (!link->level_warned)
		base_log_warn("node %" PRIu32 ": a handshake was refused: its links have security "
			      "%s, ours %s; all agents of a job need the same", link->peer_node,
			      theirs ? agent_level_name(theirs) : "unknown",
			      agent_level_name(agent->level));
	link->level_warned = true;
	if (conn)
		agent_conn_drop(conn, "refused: another level of security");
}

void agent_handshake_take(struct agent *agent, struct agent_conn *conn, const void *data,
		       size_t bytes)
{
	struct agent_hello hello;
	struct agent_link *link;
	int rc = agent_hello_decode(data, bytes, agent->secret, &hello);

	if (rc) {
		agent_conn_refuse(agent, conn,
				  rc == -EPERM ? "wrong secret" :
				  rc == -EPROTO ? "another version" :
						  "no hello");
		return;
	}
	link = hello.job == agent->job && hello.target == agent->self ?
		       agent_link_get(agent, hello.node) : NULL;
	if (!link) {
		agent_conn_refuse(agent, conn, "it is not meant for this agent");
		return;
	}
	if (agent_link_fenced(link, hello.epoch)) {
		agent_conn_refuse(agent, conn, "its node was declared dead");
		return;
	}
	if (hello.level != agent_level_id(agent->level) || !(hello.ciphers & 1)) {
		refuse_level(agent, conn, link, &hello);
		return;
	}
	if (hello.initiator)
		answer_hello(agent, conn, link, &hello, data);
	else
		finish_hello(agent, conn, link, &hello, data);
}
