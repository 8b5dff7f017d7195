/* SPDX-License-Identifier: MIT */
/* bulk.c - offers and pulls. The pool of the node bounds what is pulled; a full one waits. */
#include "agent/bulk.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/conn.h"

/* What is sealed is for one connection and one offer. */
static void unseal(struct agent_bulk *bulk)
{
	agent_bounce_put(bulk->link->agent, &bulk->bounce);
	bulk->sealed = false;
}

static void bulk_done(struct fabric_op *op, enum fabric_status status)
{
	struct agent_bulk *bulk = base_list_entry(op, struct agent_bulk, op);

	assert(bulk->state == AGENT_BULK_BUSY);
	bulk->link->agent->worked = true;
	bulk->state = status == FABRIC_OK ? AGENT_BULK_SENT : AGENT_BULK_WAITING;
	unseal(bulk);
	if (bulk->ended) {
		base_list_del(&bulk->node);
		bulk->release(bulk);
	}
}

void agent_bulk_send(struct agent_link *link, struct agent_bulk *bulk)
{
	bulk->link = link;
	bulk->state = AGENT_BULK_WAITING;
	bulk->ended = false;
	bulk->record.total = bulk->record.bytes;
	bulk->record.bytes = 0;
	bulk->sealed = false;
	memset(&bulk->bounce, 0, sizeof(bulk->bounce));
	bulk->op.done = bulk_done;
	base_list_add_tail(&link->bulks, &bulk->node);
}

void agent_bulk_end(struct agent_bulk *bulk)
{
	bulk->ended = true;
	if (bulk->state == AGENT_BULK_BUSY)
		return;
	unseal(bulk);
	base_list_del(&bulk->node);
	bulk->release(bulk);
}

/* Return: 0; -EAGAIN no memory for what is sealed. */
static int seal(struct agent_link *link, struct agent_bulk *bulk)
{
	struct agent *agent = link->agent;

	if (bulk->sealed)
		return 0;
	if (agent_level_hides(agent->level) &&
	    agent_bounce_get(agent, bulk->record.total, &bulk->bounce)) {
		agent->stalled = true;
		return -EAGAIN;
	}
	agent_seal_bulk(&link->conn->seal, bulk->data, bulk->record.total, bulk->bounce.data,
			&bulk->record.seal);
	bulk->sealed = true;
	return 0;
}

/* Return: 0; -EAGAIN; -EPIPE. */
static int offer(struct agent_link *link, struct agent_bulk *bulk)
{
	struct agent *agent = link->agent;
	uint8_t text[AGENT_HEADER_BYTES + AGENT_RECORD_BYTES], body[AGENT_RECORD_BYTES];
	struct agent_header header = {
		.kind = AGENT_OFFER,
		.source = agent->self,
		.epoch = agent->epoch,
		.ack = link->accepted,
	};
	struct fabric_memory *memory = agent->memory;
	size_t offset = (size_t)((const char *)bulk->data - agent->base);

	if (seal(link, bulk))
		return -EAGAIN;
	if (bulk->bounce.data)
		memory = agent_bounce_memory(agent, &bulk->bounce, &offset);
	header.bytes = (uint32_t)agent_record_encode(&bulk->record, body, sizeof(body));
	agent_seal_frame(&link->conn->seal, &header, body, text);
	bulk->state = AGENT_BULK_BUSY;
	switch (agent->ops->bulk(link->conn->peer, text, AGENT_HEADER_BYTES + header.bytes,
				 memory, offset, bulk->record.total, &bulk->op)) {
	case FABRIC_OK:
		link->counters.bulks_sent++;
		link->counters.bytes_sent += bulk->record.total;
		link->sent_ns = agent->now_ns;
		agent->worked = true;
		return 0;
	case FABRIC_AGAIN:
		bulk->state = AGENT_BULK_WAITING;
		agent->stalled = true;
		return -EAGAIN;
	case FABRIC_FATAL:
		agent->fatal = true;
		/* fall through */
	default:
		bulk->state = AGENT_BULK_WAITING;
		agent_conn_drop(link->conn, "the fabric cannot offer to it");
		return -EPIPE;
	}
}

void agent_bulks_pump(struct agent_link *link)
{
	base_list_for(node, &link->bulks) {
		struct agent_bulk *bulk = base_list_entry(node, struct agent_bulk, node);

		if (link->state != AGENT_LINK_UP)
			return;
		if (bulk->state == AGENT_BULK_WAITING && offer(link, bulk))
			return;
	}
}

void agent_bulks_again(struct agent_link *link)
{
	base_list_for(node, &link->bulks) {
		struct agent_bulk *bulk = base_list_entry(node, struct agent_bulk, node);

		if (bulk->state == AGENT_BULK_SENT)
			bulk->state = AGENT_BULK_WAITING;
		if (bulk->state == AGENT_BULK_WAITING)
			unseal(bulk);
	}
}

void agent_bulks_lost(struct agent_link *link)
{
	base_list_for(node, &link->bulks) {
		struct agent_bulk *bulk = base_list_entry(node, struct agent_bulk, node);

		if (bulk->state == AGENT_BULK_WAITING)
			unseal(bulk);
	}
}

static void pull_done(struct fabric_op *op, enum fabric_status status)
{
	struct agent_pull *pull = base_list_entry(op, struct agent_pull, op);
	struct agent_link *link = pull->link;
	struct agent_conn *conn = pull->conn;
	bool damaged = false;

	pull->conn = NULL;
	pull->agent->worked = true;
	pull->agent->fetching -= pull->bytes;
	if (pull->ended) {
		dhow_message_free(&pull->message);
		pull->release(pull);
		return;
	}
	if (status == FABRIC_OK)
		damaged = agent_seal_bulk_open(&conn->seal, &pull->seal, pull->message.data,
					       pull->bytes) != 0;
	if (status != FABRIC_OK || damaged) {
		dhow_message_free(&pull->message);
		pull->done(pull, -EIO);
		if (damaged)
			agent_conn_damaged(conn, "a damaged payload");
		return;
	}
	link->counters.bulks_received++;
	link->counters.bytes_received += pull->bytes;
	pull->message.bytes = pull->bytes;
	pull->state = AGENT_PULL_READY;
	pull->done(pull, 0);
}

void agent_pull_start(struct agent_pull *pull, struct agent_conn *conn,
		      const struct agent_record *record, struct fabric_offer *fabric_offer)
{
	pull->agent = conn->agent;
	pull->conn = conn;
	pull->link = conn->link;
	pull->offer = fabric_offer;
	pull->state = AGENT_PULL_WAITING;
	pull->ended = false;
	pull->seal = record->seal;
	pull->bytes = record->total;
	pull->op.done = pull_done;
	memset(&pull->message, 0, sizeof(pull->message));
	base_list_add_tail(&pull->agent->pulls, &pull->node);
}

void agent_pull_end(struct agent_pull *pull)
{
	pull->ended = true;
	switch (pull->state) {
	case AGENT_PULL_WAITING:
		base_list_del(&pull->node);
		pull->agent->ops->drop(pull->offer);
		break;
	case AGENT_PULL_BUSY:
		return;
	case AGENT_PULL_READY:
		dhow_message_free(&pull->message);
		break;
	}
	pull->release(pull);
}

/* Take @pull off and say how it ended; the fabric has the offer no more. */
static void refuse(struct agent_pull *pull, int rc)
{
	base_list_del(&pull->node);
	pull->conn = NULL;
	pull->done(pull, rc);
}

/* Return: 0 begun; 1 ended, and others may have ended with it; -EAGAIN later. */
static int begin(struct agent_pull *pull)
{
	struct agent *agent = pull->agent;
	struct agent_conn *conn = pull->conn;
	enum fabric_status status;
	int rc = dhow_message_alloc(NULL, pull->bytes, DHOW_TRY, &pull->message);

	if (rc && rc != -EMSGSIZE)
		return -EAGAIN;
	if (rc) {
		agent->ops->drop(pull->offer);
		refuse(pull, -EMSGSIZE);
		return 1;
	}
	agent->fetching += pull->bytes;
	pull->state = AGENT_PULL_BUSY;
	status = agent->ops->fetch(pull->offer, agent->memory,
				   (size_t)((char *)pull->message.data - agent->base), &pull->op);
	if (status == FABRIC_OK) {
		/* The connection's keys stay until the fabric has ended all operations of its
		 * peer, so pull->conn is good until pull_done(). */
		base_list_del(&pull->node);
		agent->worked = true;
		return 0;
	}
	agent->fetching -= pull->bytes;
	pull->state = AGENT_PULL_WAITING;
	dhow_message_free(&pull->message);
	if (status == FABRIC_AGAIN) {
		agent->stalled = true;
		return -EAGAIN;
	}
	if (status == FABRIC_FATAL)
		agent->fatal = true;
	refuse(pull, -EIO);
	agent_conn_drop(conn, "the fabric cannot fetch from it");
	return 1;
}

uint64_t agent_pulls_pump(struct agent *agent)
{
	int rc;

again:
	base_list_for(node, &agent->pulls) {
		struct agent_pull *pull = base_list_entry(node, struct agent_pull, node);

		if (!pull->may(pull))
			continue;	/* a deposit comes first */
		/* one that is larger than the limit goes alone */
		if (agent->fetching && agent->fetching + pull->bytes > AGENT_FETCH_BYTES)
			return UINT64_MAX;
		rc = begin(pull);
		if (rc < 0)
			return agent->now_ns + AGENT_BLOCKED_NS;
		if (rc)
			goto again;
	}
	return UINT64_MAX;
}

void agent_pulls_lost(struct agent_conn *conn)
{
	base_list_for(node, &conn->agent->pulls) {
		struct agent_pull *pull = base_list_entry(node, struct agent_pull, node);

		if (pull->conn != conn)
			continue;
		base_list_del(&pull->node);
		pull->conn = NULL;
		conn->agent->ops->drop(pull->offer);
		pull->done(pull, -EIO);
	}
}
