/* SPDX-License-Identifier: MIT */
/*
 * receive.c - the receiving side of a link: order, duplicates, who gets which record.
 *
 * A frame is looked through whole before its first record takes effect, so that a bad one
 * has no effect at all.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "agent/conn.h"
#include "agent/credit.h"
#include "agent/link.h"
#include "agent/request.h"
#include "agent/stream.h"
#include "base/log.h"

/* Return: 0; -EPROTO the other side breaks the rules. */
typedef int handler(struct agent_link *link, const struct agent_record *record);

static handler *const handlers[AGENT_RECORD_KINDS] = {
	[AGENT_OPEN] = agent_in_open,
	[AGENT_MESSAGE] = agent_in_message,
	[AGENT_DEPOSITED] = agent_out_deposited,
	[AGENT_RECEIVED] = agent_out_received,
	[AGENT_FAIL] = agent_out_failed,
	[AGENT_CLOSE] = agent_in_close,
	[AGENT_ASK] = agent_serve_ask,
	[AGENT_ANSWER] = agent_ask_answer,
	[AGENT_DONE] = agent_serve_done,
	[AGENT_CANCEL] = agent_serve_cancel,
};

static bool sound(const uint8_t *body, size_t bytes)
{
	while (bytes) {
		enum agent_record_kind kind;
		uint32_t index;
		int size = agent_record_check(body, bytes, &kind, &index);

		if (size < 0 || !handlers[kind] || index >= AGENT_INDEX_MAX)
			return false;
		body += size;
		bytes -= (size_t)size;
	}
	return true;
}

/* Take the frame that is next in order. False: the connection is given up. */
static bool deliver(struct agent_link *link, const uint8_t *body, size_t bytes)
{
	struct agent_conn *conn = link->conn;
	struct agent_record record;

	if (!sound(body, bytes)) {
		agent_conn_damaged(conn, "a frame with records that make no sense");
		return false;
	}
	link->accepted++;
	link->faults = 0;
	link->ack_owed++;
	link->counters.frames_received++;
	if (link->ack_owed >= AGENT_ACK_FRAMES)
		link->ack_ns = link->agent->now_ns;
	else if (!link->ack_ns)
		link->ack_ns = link->agent->now_ns + AGENT_ACK_NS;
	while (bytes) {
		int size = agent_record_decode(body, bytes, &record);
		int rc = handlers[record.kind](link, &record);

		if (rc) {
			base_log_error("node %" PRIu32 ": a record of kind %d breaks the rules",
				       link->peer_node, (int)record.kind);
			agent_conn_damaged(conn, "a record that breaks the rules");
			return false;
		}
		body += size;
		bytes -= (size_t)size;
	}
	return link->conn == conn;
}

static void keep_early(struct agent_link *link, const struct agent_header *header,
		       const uint8_t *body)
{
	struct agent_frame **place = &link->reorder[header->sequence % AGENT_WINDOW_FRAMES];
	struct agent_frame *frame;

	if (header->sequence - link->accepted > AGENT_WINDOW_FRAMES || *place)
		return;		/* will be sent again */
	frame = agent_slab_get(&link->agent->slab, sizeof(*frame) + header->bytes);
	if (!frame)
		return;
	frame->sequence = header->sequence;
	frame->bytes = header->bytes;
	memcpy(frame->body, body, header->bytes);
	*place = frame;
}

void agent_link_receive(struct agent_link *link, const struct agent_header *header,
			const uint8_t *body)
{
	link->agent->worked = true;
	agent_link_heard(link);
	if (header->kind == AGENT_OFFER || agent_link_acked(link, header->ack)) {
		agent_conn_damaged(link->conn, "a header that makes no sense");
		return;
	}
	if (header->kind != AGENT_DATA)
		return;
	if (header->sequence <= link->accepted) {
		link->counters.duplicates++;
		link->ack_ns = link->agent->now_ns;
		return;
	}
	if (header->sequence != link->accepted + 1) {
		keep_early(link, header, body);
		return;
	}
	if (!deliver(link, body, header->bytes))
		return;
	for (;;) {
		struct agent_frame **place =
			&link->reorder[(link->accepted + 1) % AGENT_WINDOW_FRAMES];
		struct agent_frame *frame = *place;
		bool go_on;

		if (!frame)
			return;
		*place = NULL;
		go_on = frame->sequence == link->accepted + 1 &&
			deliver(link, frame->body, frame->bytes);
		agent_slab_put(&link->agent->slab, frame);
		if (!go_on)
			return;
	}
}

int agent_link_offer(struct agent_conn *conn, const struct agent_header *header,
		     const struct agent_record *record, struct fabric_offer *offer)
{
	struct agent_link *link = conn->link;

	link->agent->worked = true;
	agent_link_heard(link);
	if (record->index >= AGENT_INDEX_MAX || agent_link_acked(link, header->ack))
		return -EPROTO;
	if (record->kind == AGENT_MESSAGE_BULK)
		return agent_in_offer(conn, record, offer);
	if (record->kind == AGENT_ANSWER_BULK)
		return agent_ask_offer(conn, record, offer);
	return -EPROTO;
}
