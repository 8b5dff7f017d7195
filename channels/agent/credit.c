/* SPDX-License-Identifier: MIT */
/*
 * credit.c - frames of a link.
 *
 * A frame's body is filled in a buffer of ours, which is kept until the frame is
 * acknowledged; sending seals it behind a fresh header into a slot of the fabric, because a
 * resend needs another serial and acknowledgement, and after a reconnect another key.
 */
#include "agent/credit.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/conn.h"

void *agent_slot_take(struct agent *agent)
{
	void *slot = agent->slot;

	agent->slot = NULL;
	if (!slot)
		slot = agent->ops->slot(agent->fabric);
	if (!slot)
		agent->stalled = true;
	return slot;
}

void agent_slot_hold(struct agent *agent, void *slot)
{
	assert(!agent->slot);
	agent->slot = slot;
	agent->stalled = true;
}

/* Return: 0; -EAGAIN; -EPIPE the connection is gone. */
static int transmit(struct agent_link *link, enum agent_frame_kind kind,
		    const struct agent_frame *frame)
{
	struct agent *agent = link->agent;
	struct agent_header header = {
		.kind = kind,
		.source = agent->self,
		.epoch = agent->epoch,
		.bytes = frame ? frame->bytes : 0,
		.sequence = frame ? frame->sequence : 0,
		.ack = link->accepted,
	};
	size_t bytes = AGENT_HEADER_BYTES + header.bytes;
	char *slot = agent_slot_take(agent);

	if (!slot)
		return -EAGAIN;
	agent_seal_frame(&link->conn->seal, &header, frame ? frame->body : NULL, slot);
	switch (agent->ops->frame(link->conn->peer, slot, bytes)) {
	case FABRIC_OK:
		break;
	case FABRIC_AGAIN:
		agent_slot_hold(agent, slot);
		return -EAGAIN;
	case FABRIC_FATAL:
		agent->fatal = true;
		return -EPIPE;
	default:
		agent_conn_drop(link->conn, "the fabric cannot send to it");
		return -EPIPE;
	}
	link->counters.frames_sent++;
	link->counters.bytes_sent += bytes;
	link->sent_ns = agent->now_ns;
	link->ack_owed = 0;
	link->ack_ns = 0;
	agent->worked = true;
	return 0;
}

static void close_frame(struct agent_link *link)
{
	struct agent_frame *frame = link->open;

	link->open = NULL;
	frame->sequence = ++link->sequence;
	base_list_add_tail(&link->unsent, &frame->node);
}

int agent_link_write(struct agent_link *link, const struct agent_record *record)
{
	struct agent *agent = link->agent;
	size_t bytes = agent_record_bytes(record), done;
	struct agent_frame *frame;

	assert(bytes <= agent->body_max);
	if (link->state != AGENT_LINK_UP)
		return -EAGAIN;
	if (link->open && link->open->bytes + bytes > agent->body_max)
		close_frame(link);
	if (!link->open) {
		if (link->window_frames >= AGENT_WINDOW_FRAMES ||
		    link->window_bytes >= AGENT_WINDOW_BYTES) {
			link->counters.credit_waits++;
			return -EAGAIN;
		}
		frame = agent_slab_get(&agent->slab, sizeof(*frame) + agent->body_max);
		if (!frame)
			return -EAGAIN;
		memset(frame, 0, sizeof(*frame));
		base_list_init(&frame->node);
		link->open = frame;
		link->window_frames++;
	}
	frame = link->open;
	done = agent_record_encode(record, frame->body + frame->bytes,
				   agent->body_max - frame->bytes);
	assert(done == bytes);
	frame->bytes += (uint32_t)done;
	link->window_bytes += done;
	return 0;
}

void agent_link_flush(struct agent_link *link)
{
	if (link->state != AGENT_LINK_UP)
		return;
	if (link->open)
		close_frame(link);
	base_list_for(node, &link->unsent) {
		struct agent_frame *frame = base_list_entry(node, struct agent_frame, node);

		if (transmit(link, AGENT_DATA, frame))
			return;
		if (base_list_empty(&link->unacked))
			link->progress_ns = link->agent->now_ns;
		if (frame->sent_before)
			link->counters.resends++;
		/* which of two an acknowledgement is for cannot be told: no round trip then */
		frame->sent_ns = frame->sent_before ? 0 : link->agent->now_ns;
		frame->sent_before = true;
		base_list_del(node);
		base_list_add_tail(&link->unacked, node);
	}
}

void agent_link_control(struct agent_link *link)
{
	if (link->state == AGENT_LINK_UP)
		transmit(link, AGENT_CONTROL, NULL);
}

static void free_frame(struct agent_link *link, struct agent_frame *frame)
{
	base_list_del(&frame->node);
	link->window_frames--;
	link->window_bytes -= frame->bytes;
	agent_slab_put(&link->agent->slab, frame);
}

static void free_until(struct agent_link *link, struct base_list *list, uint64_t ack)
{
	uint64_t now = 0;	/* that of the turn may be older than the answer */

	base_list_for(node, list) {
		struct agent_frame *frame = base_list_entry(node, struct agent_frame, node);

		if (frame->sequence > ack)
			return;
		if (ack != UINT64_MAX && frame->sent_ns) {
			now = now ? now : base_now_ns();
			agent_counters_rtt(&link->counters, now - frame->sent_ns);
		}
		free_frame(link, frame);
		link->progress_ns = link->agent->now_ns;
		link->faults = 0;
	}
}

int agent_link_acked(struct agent_link *link, uint64_t ack)
{
	if (ack > link->sequence)
		return -EPROTO;
	free_until(link, &link->unacked, ack);
	free_until(link, &link->unsent, ack);
	return 0;
}

void agent_link_resend(struct agent_link *link)
{
	/* unacked is older than unsent: take from its end to the front of the other */
	while (!base_list_empty(&link->unacked)) {
		struct base_list *node = link->unacked.prev;

		base_list_del(node);
		base_list_add_tail(link->unsent.next, node);
	}
	link->progress_ns = link->agent->now_ns;
}

void agent_link_clear(struct agent_link *link)
{
	struct agent_slab *slab = &link->agent->slab;

	if (link->open) {
		base_list_add_tail(&link->unsent, &link->open->node);
		link->open = NULL;
	}
	free_until(link, &link->unacked, UINT64_MAX);
	free_until(link, &link->unsent, UINT64_MAX);
	for (int i = 0; i < AGENT_WINDOW_FRAMES; i++) {
		agent_slab_put(slab, link->reorder[i]);
		link->reorder[i] = NULL;
	}
	assert(link->window_frames == 0 && link->window_bytes == 0);
	link->sequence = link->accepted = 0;
	link->ack_owed = 0;
	link->ack_ns = 0;
}
