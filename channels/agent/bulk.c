/* SPDX-License-Identifier: MIT */
/* bulk.c - offers and pulls. The pool of the node bounds what is pulled; a full one waits. */
#include "agent/bulk.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/conn.h"
#include "agent/crc32c.h"

static void bulk_done(struct fabric_op *op, enum fabric_status status)
{
	struct agent_bulk *bulk = base_list_entry(op, struct agent_bulk, op);

	assert(bulk->state == AGENT_BULK_BUSY);
	bulk->link->agent->worked = true;
	bulk->state = status == FABRIC_OK ? AGENT_BULK_SENT : AGENT_BULK_WAITING;
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
	bulk->record.crc = agent_crc32c(0, bulk->data, bulk->record.total);
	bulk->op.done = bulk_done;
	base_list_add_tail(&link->bulks, &bulk->node);
}

void agent_bulk_end(struct agent_bulk *bulk)
{
	bulk->ended = true;
	if (bulk->state == AGENT_BULK_BUSY)
		return;
	base_list_del(&bulk->node);
	bulk->release(bulk);
}

/* Return: 0; -EAGAIN; -EPIPE. */
static int offer(struct agent_link *link, struct agent_bulk *bulk)
{
	struct agent *agent = link->agent;
	uint8_t text[AGENT_HEADER_BYTES + AGENT_RECORD_BYTES];
	struct agent_header header = {
		.kind = AGENT_OFFER,
		.source = agent->self,
		.epoch = agent->epoch,
		.session = link->conn->session.id,
		.ack = link->accepted,
	};

	header.bytes = (uint32_t)agent_record_encode(&bulk->record, text + AGENT_HEADER_BYTES,
						     AGENT_RECORD_BYTES);
	header.crc = agent_crc32c(0, text + AGENT_HEADER_BYTES, header.bytes);
	agent_header_seal(&header, link->conn->session.send_key, text);
	bulk->state = AGENT_BULK_BUSY;
	switch (agent->ops->bulk(link->conn->peer, text, AGENT_HEADER_BYTES + header.bytes,
				 agent->memory, (size_t)((const char *)bulk->data - agent->base),
				 bulk->record.total, &bulk->op)) {
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
	}
}

static void pull_done(struct fabric_op *op, enum fabric_status status)
{
	struct agent_pull *pull = base_list_entry(op, struct agent_pull, op);
	struct agent_link *link = pull->link;
	bool damaged = false;

	pull->agent->worked = true;
	pull->agent->fetching -= pull->bytes;
	if (pull->ended) {
		dhow_message_free(&pull->message);
		pull->release(pull);
		return;
	}
	if (status == FABRIC_OK)
		damaged = agent_crc32c(0, pull->message.data, pull->bytes) != pull->crc;
	if (status != FABRIC_OK || damaged) {
		dhow_message_free(&pull->message);
		pull->done(pull, -EIO);
		if (damaged && link->conn)
			agent_conn_damaged(link->conn, "a damaged payload");
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
	pull->crc = record->crc;
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
		base_list_del(&pull->node);
		pull->conn = NULL;
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
