/* SPDX-License-Identifier: MIT */
/* stream_done.c - what becomes of messages sent: deposited, received, failed. */
#include <errno.h>
#include <stdlib.h>

#include "agent/link.h"
#include "agent/stream.h"

/* NULL: the record is about a stream that has ended. */
static struct agent_stream_out *find(struct agent_link *link, const struct agent_record *record)
{
	struct agent *agent = link->agent;
	struct agent_stream_out *stream =
		record->index < agent->out_count ? agent->outs[record->index] : NULL;

	if (!stream || stream->generation != record->generation || stream->link != link)
		return NULL;
	return stream;
}

int agent_out_deposited(struct agent_link *link, const struct agent_record *record)
{
	struct agent_stream_out *stream = find(link, record);

	if (!stream || stream->failed)
		return 0;
	if (record->number > stream->written)
		return -EPROTO;
	if (record->number <= stream->deposited)
		return 0;
	while (stream->deposited < record->number) {
		unsigned place = ++stream->deposited % GATEWAY_WINDOW;

		stream->eager_bytes -= stream->eager[place];
		stream->eager[place] = 0;
		agent_out_offered_until(stream, stream->deposited);
	}
	gateway_deposited(link->agent->gateway, stream->index, stream->deposited);
	if (!base_list_empty(&stream->pending) || agent_out_finished(stream))
		agent_link_todo(link, &stream->todo);
	return 0;
}

int agent_out_received(struct agent_link *link, const struct agent_record *record)
{
	struct agent_stream_out *stream = find(link, record);

	if (!stream || stream->failed || record->number <= stream->received)
		return 0;
	if (record->number > stream->written)
		return -EPROTO;
	stream->received = record->number;
	gateway_received(link->agent->gateway, stream->index, stream->received);
	return 0;
}

int agent_out_failed(struct agent_link *link, const struct agent_record *record)
{
	struct agent_stream_out *stream = find(link, record);

	if (!stream)
		return 0;
	agent_out_fail(stream, record->rc < 0 ? record->rc : -EPROTO);
	if (agent_out_finished(stream))
		agent_link_todo(link, &stream->todo);
	return 0;
}

void agent_outs_fail(struct agent_link *link, int rc)
{
	struct agent *agent = link->agent;

	for (uint32_t i = 0; i < agent->out_count; i++) {
		struct agent_stream_out *stream = agent->outs[i];

		if (!stream || stream->link != link)
			continue;
		base_list_del(&stream->todo.node);
		agent_out_fail(stream, rc);
		if (agent_out_finished(stream))
			agent_out_finish(stream);
	}
}

void agent_outs_fini(struct agent *agent)
{
	for (uint32_t i = 0; i < agent->out_count; i++) {
		if (!agent->outs[i])
			continue;
		agent_out_drop_messages(agent->outs[i]);
		agent_out_destroy(agent->outs[i]);
	}
	free(agent->outs);
	agent->outs = NULL;
	agent->out_count = 0;
}

bool agent_outs_pending(const struct agent *agent)
{
	for (uint32_t i = 0; i < agent->out_count; i++)
		if (agent->outs[i] && !agent->outs[i]->failed &&
		    agent->outs[i]->deposited != agent->outs[i]->queued)
			return true;
	return false;
}
