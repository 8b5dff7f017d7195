/* SPDX-License-Identifier: MIT */
/*
 * stream_out.c - the sending side of streams.
 *
 * A message goes straight from the gateway into a frame when the link is up and nothing of
 * its stream waits. Else it is taken over (a block is kept, inline bytes are copied) and
 * waits in its stream, for the link's window or for deposits. A block on offer is held
 * until its deposit is reported, because a damaged payload is offered again.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/credit.h"
#include "agent/link.h"
#include "agent/stream.h"
#include "agent/trace.h"
#include "base/log.h"

static void release_out(struct agent *agent, struct agent_out *out)
{
	if (out->is_block)
		gateway_free(agent->gateway, &out->message);
	agent_slab_put(&agent->slab, out);
}

static void bulk_released(struct agent_bulk *bulk)
{
	release_out(bulk->link->agent, &base_list_entry(bulk, struct agent_out_block, bulk)->out);
}

void agent_out_offered_until(struct agent_stream_out *stream, uint64_t number)
{
	while (!base_list_empty(&stream->offered)) {
		struct agent_out *out =
			base_list_entry(stream->offered.next, struct agent_out, node);

		if (out->number > number)
			return;
		base_list_del(&out->node);
		stream->bulks--;
		agent_bulk_end(&base_list_entry(out, struct agent_out_block, out)->bulk);
	}
}

void agent_out_drop_messages(struct agent_stream_out *stream)
{
	base_list_for(node, &stream->pending) {
		base_list_del(node);
		release_out(stream->agent, base_list_entry(node, struct agent_out, node));
	}
	agent_out_offered_until(stream, UINT64_MAX);
}

void agent_out_fail(struct agent_stream_out *stream, int rc)
{
	if (stream->failed)
		return;
	stream->failed = true;
	agent_out_drop_messages(stream);
	gateway_fail(stream->agent->gateway, stream->index, rc);
}

void agent_out_destroy(struct agent_stream_out *stream)
{
	struct agent *agent = stream->agent;

	base_list_del(&stream->todo.node);
	agent->outs[stream->index] = NULL;
	agent_slab_put(&agent->slab, stream);
}

_Static_assert(AGENT_EAGER_MAX + AGENT_WAITING_BYTES <= UINT16_MAX, "eager[] holds it");

/* Return: 0; -EAGAIN the link has no room; -EBUSY deposits must come first; or why never. */
static int put_eager(struct agent_stream_out *stream, struct agent_record *record, bool is_block)
{
	size_t cost = record->bytes + AGENT_WAITING_BYTES;
	int rc;

	if (stream->eager_bytes + cost > AGENT_STREAM_EAGER && !is_block)
		return -EBUSY;
	rc = agent_link_write(stream->link, record);
	if (rc)
		return rc;
	stream->eager[record->number % GATEWAY_WINDOW] = (uint16_t)cost;
	stream->eager_bytes += cost;
	stream->written = record->number;
	stream->link->counters.messages_sent++;
	agent_trace(stream->link, "sent to", stream->index, record->number, record->bytes,
		    &record->header);
	return 0;
}

static bool is_eager(const struct agent_stream_out *stream, size_t bytes, bool is_block)
{
	if (bytes > stream->agent->eager_max)
		return false;
	return !is_block || bytes == 0 ||
	       stream->eager_bytes + AGENT_WAITING_BYTES + bytes <= AGENT_STREAM_EAGER;
}

static void make_record(const struct agent_stream_out *stream, uint64_t number,
			const struct dhow_message *message, struct agent_record *ret_record)
{
	*ret_record = (struct agent_record){
		.kind = AGENT_MESSAGE,
		.index = stream->index,
		.generation = stream->generation,
		.number = number,
		.events = gateway_wants(stream->agent->gateway, stream->index),
		.header = message->header,
		.payload = message->data,
		.bytes = message->bytes,
	};
}

static int open_first(struct agent_stream_out *stream)
{
	struct agent_record record = {
		.kind = AGENT_OPEN,
		.index = stream->index,
		.generation = stream->generation,
		.target = stream->target,
	};
	int rc = stream->opened ? 0 : agent_link_write(stream->link, &record);

	stream->opened = rc == 0;
	return rc;
}

/* Write one pending message. Errors as put_eager(). */
static int put_pending(struct agent_stream_out *stream, struct agent_out *out)
{
	struct agent *agent = stream->agent;
	struct agent_out_block *block;
	struct agent_record record;
	int rc;

	if (out->number - stream->deposited > GATEWAY_WINDOW)
		return -EBUSY;		/* the gateway keeps its window: not expected */
	make_record(stream, out->number, &out->message, &record);
	if (is_eager(stream, record.bytes, out->is_block)) {
		rc = put_eager(stream, &record, out->is_block);
		if (rc)
			return rc;
		base_list_del(&out->node);
		release_out(agent, out);
		return 0;
	}
	if (record.bytes > AGENT_BULK_MAX)
		return -EMSGSIZE;
	if (!out->is_block || (char *)out->message.data < agent->base ||
	    record.bytes > (size_t)(agent->base + agent->bytes - (char *)out->message.data))
		return -EMSGSIZE;	/* not a block of this node: the gateway promised */
	if (stream->bulks >= AGENT_FETCH_AHEAD)
		return -EBUSY;
	base_list_del(&out->node);
	block = base_list_entry(out, struct agent_out_block, out);
	record.kind = AGENT_MESSAGE_BULK;
	block->bulk.record = record;
	block->bulk.data = out->message.data;
	block->bulk.release = bulk_released;
	base_list_add_tail(&stream->offered, &out->node);
	stream->bulks++;
	stream->eager[out->number % GATEWAY_WINDOW] = 0;
	stream->written = out->number;
	agent_bulk_send(stream->link, &block->bulk);
	stream->link->counters.messages_sent++;
	agent_trace(stream->link, "offered to", stream->index, out->number, out->message.bytes,
		    &record.header);
	return 0;
}

/* The last act: CLOSE to the other side if it knows the stream, then forget. */
int agent_out_finish(struct agent_stream_out *stream)
{
	struct agent_record record = {
		.kind = AGENT_CLOSE,
		.index = stream->index,
		.generation = stream->generation,
	};

	if (stream->opened && stream->link->state != AGENT_LINK_DEAD) {
		int rc = agent_link_write(stream->link, &record);

		if (rc)
			return rc;
	}
	gateway_forget(stream->agent->gateway, stream->index);
	agent_out_destroy(stream);
	return 0;
}

bool agent_out_finished(const struct agent_stream_out *stream)
{
	return stream->closing && (stream->failed || stream->deposited == stream->queued);
}

static int write_stream(struct agent_todo *todo, struct agent_link *link)
{
	struct agent_stream_out *stream = base_list_entry(todo, struct agent_stream_out, todo);
	int budget = AGENT_STREAM_TURN, rc;

	(void)link;
	if (stream->failed)
		return agent_out_finished(stream) ? agent_out_finish(stream) : 0;
	rc = open_first(stream);
	if (rc)
		return rc;
	while (!base_list_empty(&stream->pending)) {
		struct agent_out *out =
			base_list_entry(stream->pending.next, struct agent_out, node);

		if (budget-- == 0)
			return 1;
		rc = put_pending(stream, out);
		if (rc == -EAGAIN)
			return rc;
		if (rc == -EBUSY)
			return 0;	/* a deposit puts us on the list again */
		if (rc) {
			agent_out_fail(stream, rc);
			break;
		}
	}
	return agent_out_finished(stream) ? agent_out_finish(stream) : 0;
}

static struct agent_stream_out *create(struct agent *agent, uint32_t index)
{
	struct agent_stream_out *stream;
	struct dhow_address target;

	if (!gateway_stream(agent->gateway, index, &target) ||
	    agent_table_grow(&agent->outs, &agent->out_count, index, sizeof(*agent->outs)))
		return NULL;
	stream = agent_slab_get(&agent->slab, sizeof(*stream));
	if (!stream)
		return NULL;
	memset(stream, 0, sizeof(*stream));
	agent_todo_init(&stream->todo, write_stream);
	base_list_init(&stream->pending);
	base_list_init(&stream->offered);
	stream->agent = agent;
	stream->index = index;
	stream->target = target;
	stream->generation = ++agent->out_generation;
	stream->link = agent_link_get(agent, target.node);
	agent->outs[index] = stream;
	if (!stream->link || target.job != agent->job)
		agent_out_fail(stream, -EHOSTUNREACH);
	return stream;
}

/* Straight from the gateway into the frame. False: it has to wait. */
static bool put_now(struct agent_stream_out *stream, const struct gateway_item *item)
{
	struct agent_record record;

	if (!base_list_empty(&stream->pending) || stream->link->state != AGENT_LINK_UP ||
	    !is_eager(stream, item->message.bytes, item->is_block) || open_first(stream))
		return false;
	make_record(stream, stream->queued + 1, &item->message, &record);
	if (put_eager(stream, &record, item->is_block))
		return false;
	stream->queued++;
	return true;
}

static bool keep(struct agent_stream_out *stream, struct gateway_item *item)
{
	struct agent *agent = stream->agent;
	size_t copy = item->is_block ? 0 : item->message.bytes;
	size_t bytes = item->is_block ? sizeof(struct agent_out_block) :
					sizeof(struct agent_out) + copy;
	struct agent_out *out = agent_slab_get(&agent->slab, bytes);

	if (!out)
		return false;
	memset(out, 0, bytes - copy);
	base_list_init(&out->node);
	if (item->is_block)
		base_list_init(&base_list_entry(out, struct agent_out_block, out)->bulk.node);
	out->is_block = item->is_block;
	if (item->is_block) {
		gateway_keep(agent->gateway, item);
		out->message = item->message;
	} else {
		out->message = item->message;
		if (copy)
			memcpy(out + 1, item->message.data, copy);
		out->message.data = out + 1;
		gateway_done(agent->gateway, item);
	}
	out->number = ++stream->queued;
	base_list_add_tail(&stream->pending, &out->node);
	return true;
}

void agent_out_item(struct agent *agent, struct gateway_item *item)
{
	struct agent_stream_out *stream =
		item->index < agent->out_count ? agent->outs[item->index] : NULL;

	if (!stream)
		stream = create(agent, item->index);
	if (!stream) {
		base_log_warn("stream %" PRIu32 ": cannot be served", item->index);
		gateway_fail(agent->gateway, item->index, -ENOMEM);
		gateway_done(agent->gateway, item);
		return;
	}
	if (!stream->failed && stream->link->state == AGENT_LINK_DEAD)
		agent_out_fail(stream, -EHOSTDOWN);
	if (stream->failed || put_now(stream, item)) {
		gateway_done(agent->gateway, item);
		return;
	}
	if (!keep(stream, item)) {
		agent_out_fail(stream, -ENOMEM);
		gateway_done(agent->gateway, item);
		return;
	}
	agent_link_todo(stream->link, &stream->todo);
}

void agent_out_close(struct agent *agent, uint32_t index)
{
	struct agent_stream_out *stream = index < agent->out_count ? agent->outs[index] : NULL;

	if (!stream) {
		gateway_forget(agent->gateway, index);
		return;
	}
	stream->closing = true;
	if (!agent_out_finished(stream))
		return;
	if (!stream->link || stream->link->state == AGENT_LINK_DEAD || !stream->opened)
		agent_out_finish(stream);
	else
		agent_link_todo(stream->link, &stream->todo);
}
