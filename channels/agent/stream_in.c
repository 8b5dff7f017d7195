/* SPDX-License-Identifier: MIT */
/*
 * stream_in.c - the receiving side of streams: into the channel, in order.
 *
 * The next message of a stream goes straight from the frame into the channel. Others wait
 * in the ring: those behind a full channel, and those behind a payload that is being
 * pulled. Deposits are counted here and told once a turn.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "agent/credit.h"
#include "agent/link.h"
#include "agent/stream.h"
#include "agent/trace.h"
#include "base/log.h"

/* Where @number belongs: behind what this returns. */
static struct base_list *before(struct agent_stream_in *stream, uint64_t number)
{
	struct base_list *node = stream->waiting.prev;

	while (node != &stream->waiting &&
	       base_list_entry(node, struct agent_in, node)->number >= number)
		node = node->prev;
	return node;
}

/* The next in order; NULL: it is not here. */
static struct agent_in *first_of(struct agent_stream_in *stream, uint64_t number)
{
	struct agent_in *in = base_list_entry(stream->waiting.next, struct agent_in, node);

	return !base_list_empty(&stream->waiting) && in->number == number ? in : NULL;
}

static bool has(struct agent_stream_in *stream, uint64_t number)
{
	struct base_list *node = before(stream, number)->next;

	return node != &stream->waiting &&
	       base_list_entry(node, struct agent_in, node)->number == number;
}

static void insert(struct agent_stream_in *stream, struct agent_in *in)
{
	/* at the tail of a list that begins there, which is in front of it */
	base_list_add_tail(before(stream, in->number)->next, &in->node);
}

static struct agent_in_bulk *bulk_of(struct agent_in *in)
{
	return in->is_bulk ? base_list_entry(in, struct agent_in_bulk, in) : NULL;
}

static void release_in(struct agent *agent, struct agent_in *in)
{
	struct agent_in_bulk *bulk = bulk_of(in);

	if (!bulk) {
		agent_slab_put(&agent->slab, in);
		return;
	}
	bulk->stream = NULL;
	agent_pull_end(&bulk->pull);
}

static void purge(struct agent_stream_in *stream)
{
	base_list_for(node, &stream->waiting) {
		base_list_del(node);
		release_in(stream->agent, base_list_entry(node, struct agent_in, node));
	}
	stream->pulls = 0;
	base_list_del(&stream->blocked);
}

static void break_stream(struct agent_stream_in *stream, int rc)
{
	if (stream->rc)
		return;
	stream->rc = rc;
	purge(stream);
	agent_link_todo(stream->link, &stream->todo);
}

static void destroy(struct agent_stream_in *stream)
{
	struct agent *agent = stream->agent;
	struct agent_in_slot *slot = &stream->link->in_slots[stream->index];

	purge(stream);
	slot->stream = NULL;
	slot->closed = stream->generation;
	slot->any_closed = true;
	base_list_del(&stream->todo.node);
	base_list_del(&stream->untaken);
	base_list_del(&stream->owing);
	agent_target_put(agent, stream->target);
	agent_slab_put(&agent->slab, stream->taken);
	agent_slab_put(&agent->slab, stream);
}

static int tell(struct agent_stream_in *stream, enum agent_record_kind kind, uint64_t number,
		int rc)
{
	struct agent_record record = {
		.kind = kind,
		.index = stream->index,
		.generation = stream->generation,
		.number = number,
		.rc = rc,
	};

	return agent_link_write(stream->link, &record);
}

static int write_counts(struct agent_todo *todo, struct agent_link *link)
{
	struct agent_stream_in *stream = base_list_entry(todo, struct agent_stream_in, todo);
	int rc;

	(void)link;
	if (stream->deposited_told != stream->deposited) {
		rc = tell(stream, AGENT_DEPOSITED, stream->deposited, 0);
		if (rc)
			return rc;
		stream->deposited_told = stream->deposited;
		stream->owed_bytes = 0;
		base_list_del(&stream->owing);
	}
	if (stream->received_told != stream->received) {
		rc = tell(stream, AGENT_RECEIVED, stream->received, 0);
		if (rc)
			return rc;
		stream->received_told = stream->received;
	}
	if (stream->rc && !stream->fail_told) {
		rc = tell(stream, AGENT_FAIL, 0, stream->rc);
		if (rc)
			return rc;
		stream->fail_told = true;
	}
	return 0;
}

/* Deposit the next message. Return: 0; -EAGAIN the channel is full; it broke: others. */
static int deposit(struct agent_stream_in *stream, struct dhow_message *block, const void *data,
		   size_t bytes, const struct dhow_header *header)
{
	uint64_t position = 0;
	int rc = gateway_deposit(stream->agent->gateway, stream->target->channel, block, data,
				 bytes, header, &position);

	if (rc == -EAGAIN)
		return rc;
	if (rc) {
		agent_target_result(stream->target, rc);
		break_stream(stream, rc);
		return rc;
	}
	stream->deposited++;
	stream->link->counters.messages_received++;
	agent_trace(stream->link, "deposited from", stream->index, stream->deposited, bytes,
		    header);
	stream->agent->worked = true;
	if (stream->tells_received)
		agent_in_remember(stream, stream->deposited, position);
	stream->owed_bytes += bytes;
	if (block || stream->hurry || stream->owed_bytes >= AGENT_OWED_BYTES ||
	    stream->deposited - stream->deposited_told >= AGENT_OWED_MAX)
		agent_link_todo(stream->link, &stream->todo);
	else
		agent_link_owe(stream->link, &stream->owing);
	return 0;
}

static void block(struct agent_stream_in *stream)
{
	base_list_add_tail(&stream->agent->blocked, &stream->blocked);
	stream->agent->blocked_ns = 0;	/* watch it before we sleep */
}

/* Deposit what is next as far as it goes. */
static void drain(struct agent_stream_in *stream)
{
	base_list_del(&stream->blocked);
	while (!stream->rc && stream->target) {
		struct agent_in *in = first_of(stream, stream->deposited + 1);
		struct agent_in_bulk *bulk = in ? bulk_of(in) : NULL;
		int rc;

		if (!in || (bulk && bulk->pull.state != AGENT_PULL_READY))
			return;
		rc = bulk ? deposit(stream, &bulk->pull.message, bulk->pull.message.data, in->bytes,
				    &in->header) :
			    deposit(stream, NULL, in + 1, in->bytes, &in->header);
		if (rc == -EAGAIN) {
			block(stream);
			return;
		}
		if (rc)
			return;
		base_list_del(&in->node);
		if (bulk) {
			stream->pulls--;
			/* given away */
			memset(&bulk->pull.message, 0, sizeof(bulk->pull.message));
		}
		release_in(stream->agent, in);
	}
}

/* The stream of a record, made if it is new. NULL and 0: it has ended. */
static int find(struct agent_link *link, const struct agent_record *record,
		struct agent_stream_in **ret_stream)
{
	struct agent_stream_in *stream;
	struct agent_in_slot *slot;

	*ret_stream = NULL;
	if (agent_table_grow(&link->in_slots, &link->in_count, record->index, sizeof(*slot)))
		return -EPROTO;
	slot = &link->in_slots[record->index];
	stream = slot->stream;
	if (stream && stream->generation == record->generation) {
		*ret_stream = stream;
		return 0;
	}
	/* An index is used again only when its old stream is finished. */
	if (stream && agent_newer(record->generation, stream->generation))
		destroy(stream);
	else if (stream ||
		 (slot->any_closed && !agent_newer(record->generation, slot->closed)))
		return 0;
	stream = agent_slab_get(&link->agent->slab, sizeof(*stream));
	if (!stream)
		return -EPROTO;
	memset(stream, 0, sizeof(*stream));
	agent_todo_init(&stream->todo, write_counts);
	base_list_init(&stream->blocked);
	base_list_init(&stream->untaken);
	base_list_init(&stream->owing);
	base_list_init(&stream->waiting);
	stream->agent = link->agent;
	stream->link = link;
	stream->index = record->index;
	stream->generation = record->generation;
	slot->stream = stream;
	*ret_stream = stream;
	return 0;
}

int agent_in_open(struct agent_link *link, const struct agent_record *record)
{
	struct agent_stream_in *stream;
	int rc = find(link, record, &stream);

	if (rc || !stream)
		return rc;
	if (stream->target || stream->rc)
		return -EPROTO;
	rc = agent_target_get(link->agent, &record->target, &stream->target);
	if (!rc && !gateway_fits(stream->target->channel, GATEWAY_RECV))
		rc = -EPROTOTYPE;	/* no messages go there */
	if (rc)
		break_stream(stream, rc);
	else
		drain(stream);
	return 0;
}

/* May message @number come now? 0 yes; 1 it is here or of no use; -EPROTO never. */
static int expected(struct agent_stream_in *stream, uint64_t number)
{
	if (!stream || stream->rc || number <= stream->deposited)
		return 1;
	if (number - stream->deposited > GATEWAY_WINDOW)
		return -EPROTO;
	return has(stream, number) ? 1 : 0;
}

/* Does @record ask to be told when it is received? False: no memory, the stream is broken. */
static bool note_wish(struct agent_stream_in *stream, const struct agent_record *record)
{
	stream->hurry |= record->events & GATEWAY_WANTS_DEPOSITED;
	if (!(record->events & GATEWAY_WANTS_RECEIVED) || stream->tells_received)
		return true;
	stream->taken = agent_slab_get(&stream->agent->slab,
				       GATEWAY_WINDOW * sizeof(*stream->taken));
	stream->tells_received = stream->taken != NULL;
	if (!stream->taken)
		break_stream(stream, -ENOMEM);
	return stream->tells_received;
}

int agent_in_message(struct agent_link *link, const struct agent_record *record)
{
	struct agent_stream_in *stream;
	struct agent_in *in;
	int rc = find(link, record, &stream);

	if (rc)
		return rc;
	rc = expected(stream, record->number);
	if (rc)
		return rc < 0 ? rc : 0;
	if (!note_wish(stream, record))
		return 0;
	if (stream->target && record->number == stream->deposited + 1) {
		rc = deposit(stream, NULL, record->payload, record->bytes, &record->header);
		if (rc == 0)
			drain(stream);
		if (rc != -EAGAIN)
			return 0;
	}
	in = agent_slab_get(&link->agent->slab, sizeof(*in) + record->bytes);
	if (!in) {
		break_stream(stream, -ENOMEM);
		return 0;
	}
	*in = (struct agent_in){ .number = record->number, .header = record->header,
				 .bytes = record->bytes };
	if (in->bytes)
		memcpy(in + 1, record->payload, in->bytes);
	insert(stream, in);
	if (stream->target && base_list_empty(&stream->blocked) &&
	    in->number == stream->deposited + 1)
		block(stream);
	return 0;
}

int agent_in_close(struct agent_link *link, const struct agent_record *record)
{
	struct agent_stream_in *stream;
	int rc = find(link, record, &stream);

	if (!rc && stream)
		destroy(stream);
	return rc;
}

static bool may_pull(struct agent_pull *pull)
{
	struct agent_in_bulk *bulk = base_list_entry(pull, struct agent_in_bulk, pull);

	return bulk->stream && (bulk->stream->pulls <= AGENT_FETCH_AHEAD ||
				bulk->in.number == bulk->stream->deposited + 1);
}

static void pulled(struct agent_pull *pull, int rc)
{
	struct agent_in_bulk *bulk = base_list_entry(pull, struct agent_in_bulk, pull);
	struct agent_stream_in *stream = bulk->stream;

	if (rc == 0) {
		drain(stream);
		return;
	}
	/* lost with its connection: the place is free for the next offer */
	base_list_del(&bulk->in.node);
	stream->pulls--;
	agent_slab_put(&pull->agent->slab, bulk);
	if (rc == -EMSGSIZE)
		break_stream(stream, rc);
}

static void pull_released(struct agent_pull *pull)
{
	agent_slab_put(&pull->agent->slab, base_list_entry(pull, struct agent_in_bulk, pull));
}

int agent_in_offer(struct agent_conn *conn, const struct agent_record *record,
		   struct fabric_offer *offer)
{
	struct agent_link *link = conn->link;
	struct agent_stream_in *stream;
	struct agent_in_bulk *bulk;
	int rc = find(link, record, &stream);

	if (!rc)
		rc = expected(stream, record->number);
	if (rc < 0)
		return rc;
	if (rc > 0) {
		link->agent->ops->drop(offer);
		return 0;
	}
	bulk = note_wish(stream, record) ? agent_slab_get(&link->agent->slab, sizeof(*bulk)) : NULL;
	if (!bulk) {
		link->agent->ops->drop(offer);
		break_stream(stream, -ENOMEM);
		return 0;
	}
	memset(bulk, 0, sizeof(*bulk));
	bulk->in = (struct agent_in){ .number = record->number, .header = record->header,
				      .is_bulk = true, .bytes = record->total };
	bulk->stream = stream;
	bulk->pull.may = may_pull;
	bulk->pull.done = pulled;
	bulk->pull.release = pull_released;
	insert(stream, &bulk->in);
	stream->pulls++;
	agent_pull_start(&bulk->pull, conn, record, offer);
	return 0;
}

void agent_ins_end(struct agent_link *link)
{
	for (uint32_t i = 0; i < link->in_count; i++) {
		if (link->in_slots[i].stream)
			destroy(link->in_slots[i].stream);
		link->in_slots[i].any_closed = false;	/* a new epoch counts anew */
	}
}

void agent_ins_retry(struct agent *agent)
{
	struct base_list list;

	if (base_list_empty(&agent->blocked))
		return;
	/* take all off, so that those which stay blocked are not met twice */
	list = agent->blocked;
	list.next->prev = list.prev->next = &list;
	base_list_init(&agent->blocked);
	while (!base_list_empty(&list)) {
		struct agent_stream_in *stream =
			base_list_entry(list.next, struct agent_stream_in, blocked);

		unsigned now;

		/* First watch, then try: what happens between rings the bell. If there is room
		 * and only the pool is full, a watch would ring without end. */
		if (dhow_poll(stream->target->channel, DHOW_OUT, DHOW_TRY, &now) == -EAGAIN)
			gateway_watch(agent->gateway, stream->target->channel, DHOW_OUT);
		drain(stream);
	}
}
