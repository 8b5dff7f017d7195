/* SPDX-License-Identifier: MIT */
/*
 * taken.c - which deposited messages were received, for senders that wait for it.
 *
 * The gateway rings no bell for this, so we look: often while it goes on and seldom when it
 * rests. Only streams whose process asked for it are looked at.
 */
#include "agent/link.h"
#include "agent/stream.h"

void agent_in_remember(struct agent_stream_in *stream, uint64_t number, uint64_t position)
{
	unsigned last = (stream->taken_first + stream->taken_count) % GATEWAY_WINDOW;

	if (stream->taken_count == GATEWAY_WINDOW)
		last = (last + GATEWAY_WINDOW - 1) % GATEWAY_WINDOW;	/* stands for both */
	else
		stream->taken_count++;
	stream->taken[last] = (struct agent_taken){ number, position };
	if (base_list_empty(&stream->untaken)) {
		base_list_add_tail(&stream->agent->untaken, &stream->untaken);
		stream->agent->untaken_gap_ns = 0;
		stream->agent->untaken_ns = 0;
	}
}

static bool look(struct agent_stream_in *stream)
{
	uint64_t before = stream->received;

	while (stream->taken_count) {
		struct agent_taken *taken = &stream->taken[stream->taken_first];

		if (!gateway_taken(stream->target->channel, taken->position))
			break;
		stream->received = taken->number;
		stream->taken_first = (stream->taken_first + 1) % GATEWAY_WINDOW;
		stream->taken_count--;
	}
	if (!stream->taken_count)
		base_list_del(&stream->untaken);
	if (stream->received == before)
		return false;
	agent_link_todo(stream->link, &stream->todo);
	return true;
}

uint64_t agent_ins_look(struct agent *agent)
{
	bool any = false;

	if (base_list_empty(&agent->untaken))
		return UINT64_MAX;
	if (agent->now_ns < agent->untaken_ns)
		return agent->untaken_ns;
	base_list_for(node, &agent->untaken)
		any |= look(base_list_entry(node, struct agent_stream_in, untaken));
	agent->untaken_gap_ns = any ? AGENT_LOOK_NS : agent->untaken_gap_ns * 2;
	if (agent->untaken_gap_ns < AGENT_LOOK_NS)
		agent->untaken_gap_ns = AGENT_LOOK_NS;
	if (agent->untaken_gap_ns > AGENT_UNTAKEN_MAX_NS)
		agent->untaken_gap_ns = AGENT_UNTAKEN_MAX_NS;
	agent->untaken_ns = agent->now_ns + agent->untaken_gap_ns;
	return agent->untaken_ns;
}
