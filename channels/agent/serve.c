/* SPDX-License-Identifier: MIT */
/* serve.c - requests of other nodes' processes to channels of this node. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "agent/credit.h"
#include "agent/link.h"
#include "agent/request.h"
#include "agent/trace.h"
#include "base/log.h"

/* From here on a caller takes any size: its block can be handed over without a copy. */
#define ANY_ROOM (UINT64_C(1) << 40)

static bool holds_message(const struct agent_serve *serve)
{
	return serve->rc == 0 && (serve->op == GATEWAY_RECV || serve->op == GATEWAY_PEEK);
}

static void release_serve(struct agent_bulk *bulk)
{
	struct agent_serve *serve = base_list_entry(bulk, struct agent_serve, bulk);

	dhow_message_free(&serve->message);
	agent_slab_put(&serve->agent->slab, serve);
}

static void destroy(struct agent_serve *serve)
{
	struct agent *agent = serve->agent;

	base_list_del(&serve->node);
	base_list_del(&serve->todo.node);
	serve->link->serves[serve->index] = NULL;
	agent_target_put(agent, serve->target);
	serve->target = NULL;
	if (serve->offered)
		agent_bulk_end(&serve->bulk);
	else
		release_serve(&serve->bulk);
}

/* The caller did not get the message: it is received again by somebody else. */
static void put_back(struct agent_serve *serve)
{
	int rc;

	if (serve->arrived && serve->state == AGENT_SERVE_WAITING)
		gateway_party_leave(serve->target->channel, &serve->party, true);
	if (serve->op != GATEWAY_RECV || !holds_message(serve) ||
	    serve->state == AGENT_SERVE_WAITING)
		return;
	if (serve->offered && serve->bulk.state == AGENT_BULK_BUSY) {
		/* the fabric may still read the block: give back a copy */
		struct dhow_message copy;

		rc = dhow_message_alloc(NULL, serve->message.bytes, DHOW_TRY, &copy);
		if (!rc) {
			memcpy(copy.data, serve->message.data, serve->message.bytes);
			copy.bytes = serve->message.bytes;
			copy.header = serve->message.header;
			rc = gateway_put_back(serve->target->channel, &copy);
			if (rc)
				dhow_message_free(&copy);
		}
	} else {
		rc = gateway_put_back(serve->target->channel, &serve->message);
		if (!rc)
			memset(&serve->message, 0, sizeof(serve->message));
	}
	if (rc)
		base_log_error("a message of %" PRIu64 " bytes taken for node %" PRIu32
			       " is lost: %s", serve->full_bytes, serve->link->peer_node,
			       strerror(-rc));
	else
		base_log_info("a message taken for node %" PRIu32 " was put back",
			      serve->link->peer_node);
}

static int try_object(struct agent_serve *serve)
{
	return gateway_object(serve->target->channel, serve->op, serve->events,
			      &serve->ret_events);
}

static int try_party(struct agent_serve *serve)
{
	struct dhow_channel *channel = serve->target->channel;
	int rc;

	if (serve->arrived)
		return gateway_party_look(channel, &serve->party);
	rc = gateway_party_arrive(channel, serve->deadline_ns == 0, &serve->party);
	serve->arrived = rc == 1;
	serve->ret_events = rc == 0;	/* the last one */
	return rc == 1 ? -EAGAIN : rc;
}

static int try_poll(struct agent_serve *serve)
{
	unsigned events = 0;
	int rc = dhow_poll(serve->target->channel, serve->events, DHOW_TRY, &events);

	serve->ret_events = events;
	return rc;
}

/* A block of this node's segment with a copy of @from. */
static int copy_block(const struct dhow_message *from, size_t bytes, struct dhow_message *ret_copy)
{
	struct dhow_message copy;
	int rc;

	memset(&copy, 0, sizeof(copy));
	if (bytes) {
		rc = dhow_message_alloc(NULL, bytes, DHOW_TRY, &copy);
		if (rc)
			return rc;
		memcpy(copy.data, from->data, bytes);
	}
	copy.bytes = bytes;
	copy.header = from->header;
	*ret_copy = copy;
	return 0;
}

static int try_recv(struct agent_serve *serve)
{
	struct dhow_channel *channel = serve->target->channel;
	struct dhow_message lent;
	int rc;

	if (serve->room >= ANY_ROOM) {
		rc = dhow_recv_message(channel, &serve->message, DHOW_TRY);
		if (rc == 0)
			serve->full_bytes = serve->message.bytes;
		if (rc == 0 && serve->full_bytes > AGENT_BULK_MAX) {
			if (gateway_put_back(channel, &serve->message))
				dhow_message_free(&serve->message);
			return -EMSGSIZE;
		}
		return rc;
	}
	rc = dhow_recv_begin(channel, &lent, DHOW_TRY);
	if (rc)
		return rc;
	serve->full_bytes = lent.bytes;
	rc = lent.bytes > serve->room ? -EMSGSIZE :
					copy_block(&lent, lent.bytes, &serve->message);
	if (rc) {
		dhow_recv_cancel(channel, &lent);
		return rc;
	}
	return dhow_recv_commit(channel, &lent);
}

static int try_peek(struct agent_serve *serve)
{
	struct dhow_channel *channel = serve->target->channel;
	struct dhow_message lent;
	int rc, back;

	rc = dhow_recv_begin(channel, &lent, DHOW_TRY);
	if (rc)
		return rc;
	serve->full_bytes = lent.bytes;
	rc = copy_block(&lent, lent.bytes < serve->room ? lent.bytes : serve->room,
			&serve->message);
	back = dhow_recv_cancel(channel, &lent);
	if (!rc && back) {
		dhow_message_free(&serve->message);
		rc = back;
	}
	return rc;
}

static int (*const tries[])(struct agent_serve *serve) = {
	[GATEWAY_RECV] = try_recv,
	[GATEWAY_POLL] = try_poll,
	[GATEWAY_PEEK] = try_peek,
	[GATEWAY_PROBE] = try_object,
	[GATEWAY_RELEASE] = try_object,
	[GATEWAY_VALUE] = try_object,
	[GATEWAY_BARRIER_WAIT] = try_party,
	[GATEWAY_BARRIER_RESET] = try_object,
	[GATEWAY_BARRIER_STATE] = try_object,
};

static void make_ready(struct agent_serve *serve, int rc)
{
	base_list_del(&serve->node);
	serve->rc = rc;
	serve->state = AGENT_SERVE_READY;
	agent_link_todo(serve->link, &serve->todo);
}

/* Try it; an answer makes it READY. */
static void attempt(struct agent_serve *serve)
{
	int rc = tries[serve->op](serve);

	if (rc == -EAGAIN && serve->deadline_ns && serve->agent->now_ns < serve->deadline_ns)
		return;
	if (rc == -EAGAIN && serve->arrived)
		rc = gateway_party_leave(serve->target->channel, &serve->party, false);
	else if (rc == -EAGAIN && serve->deadline_ns)
		rc = -ETIMEDOUT;
	agent_target_result(serve->target, rc);
	serve->agent->worked = true;
	make_ready(serve, rc);
}

static bool in_segment(const struct agent *agent, const struct dhow_message *message)
{
	const char *data = message->data;

	return data >= agent->base && data < agent->base + agent->bytes &&
	       message->bytes <= (size_t)(agent->base + agent->bytes - data);
}

static int write_bulk(struct agent_serve *serve, struct agent_record *record)
{
	struct dhow_message copy;

	if (!in_segment(serve->agent, &serve->message)) {
		/* a pool of its own, which the fabric does not know */
		if (copy_block(&serve->message, serve->message.bytes, &copy))
			return 2;	/* the pool is full */
		dhow_message_free(&serve->message);
		serve->message = copy;
	}
	record->kind = AGENT_ANSWER_BULK;
	serve->bulk.record = *record;
	serve->bulk.data = serve->message.data;
	serve->bulk.release = release_serve;
	serve->offered = true;
	serve->state = AGENT_SERVE_SENT;
	agent_bulk_send(serve->link, &serve->bulk);
	return 0;
}

static int write_answer(struct agent_todo *todo, struct agent_link *link)
{
	struct agent_serve *serve = base_list_entry(todo, struct agent_serve, todo);
	struct agent_record record = {
		.kind = AGENT_ANSWER,
		.index = serve->index,
		.generation = serve->serial,
		.number = serve->full_bytes,
		.rc = serve->rc,
		.events = serve->ret_events,
	};
	int rc;

	assert(serve->state == AGENT_SERVE_READY);
	if (holds_message(serve)) {
		record.header = serve->message.header;
		record.payload = serve->message.data;
		record.bytes = serve->message.bytes;
		agent_trace(link, "answered to", serve->index, serve->serial, record.bytes,
			    &record.header);
		if (record.bytes > link->agent->eager_max)
			return write_bulk(serve, &record);
	}
	rc = agent_link_write(link, &record);
	if (rc)
		return rc;
	serve->state = AGENT_SERVE_SENT;
	if (!holds_message(serve))
		destroy(serve);
	return 0;
}

static struct agent_serve *find(struct agent_link *link, const struct agent_record *record)
{
	struct agent_serve *serve =
		record->index < link->serve_count ? link->serves[record->index] : NULL;

	return serve && serve->serial == record->generation ? serve : NULL;
}

int agent_serve_ask(struct agent_link *link, const struct agent_record *record)
{
	struct agent *agent = link->agent;
	struct agent_serve *serve;
	int rc;

	if (record->op < GATEWAY_RECV || record->op >= GATEWAY_OPS ||
	    agent_table_grow(&link->serves, &link->serve_count, record->index, sizeof(serve)))
		return -EPROTO;
	serve = link->serves[record->index];
	if (serve) {		/* its caller is gone and its CANCEL or DONE crossed ours */
		put_back(serve);
		destroy(serve);
	}
	serve = agent_slab_get(&agent->slab, sizeof(*serve));
	if (!serve)
		return -EPROTO;
	memset(serve, 0, sizeof(*serve));
	agent_todo_init(&serve->todo, write_answer);
	base_list_init(&serve->node);
	serve->agent = agent;
	serve->link = link;
	serve->index = record->index;
	serve->serial = record->generation;
	serve->op = (enum gateway_op)record->op;
	serve->events = record->events;
	serve->room = record->room;
	if (serve->room < ANY_ROOM && serve->room > AGENT_BULK_MAX)
		serve->room = AGENT_BULK_MAX;
	if (record->number >= UINT64_MAX / 2 / BASE_MS)
		serve->deadline_ns = DHOW_FOREVER;
	else if (record->number)
		serve->deadline_ns = agent->now_ns + record->number * BASE_MS;
	link->serves[serve->index] = serve;
	rc = agent_target_get(agent, &record->target, &serve->target);
	if (!rc && !gateway_fits(serve->target->channel, serve->op))
		rc = -EPROTOTYPE;
	if (rc) {
		make_ready(serve, rc);
		return 0;
	}
	attempt(serve);
	if (serve->state == AGENT_SERVE_WAITING) {
		base_list_add_tail(&agent->serving, &serve->node);
		agent->blocked_ns = 0;	/* watch it before we sleep */
	}
	return 0;
}

int agent_serve_done(struct agent_link *link, const struct agent_record *record)
{
	struct agent_serve *serve = find(link, record);

	if (!serve)
		return 0;
	if (serve->state != AGENT_SERVE_SENT)
		return -EPROTO;
	if (record->rc)
		put_back(serve);
	destroy(serve);
	return 0;
}

int agent_serve_cancel(struct agent_link *link, const struct agent_record *record)
{
	struct agent_serve *serve = find(link, record);

	/* If the answer is on its way, DONE will say what became of it. */
	if (!serve || serve->state == AGENT_SERVE_SENT)
		return 0;
	put_back(serve);
	destroy(serve);
	return 0;
}

static unsigned awaited(const struct agent_serve *serve)
{
	return serve->op == GATEWAY_POLL ? serve->events : DHOW_IN;
}

uint64_t agent_serves_retry(struct agent *agent)
{
	uint64_t next = UINT64_MAX;

	base_list_for(node, &agent->serving) {
		struct agent_serve *serve = base_list_entry(node, struct agent_serve, node);
		unsigned now;

		/* First watch, then try: what happens between rings the bell. If the event is
		 * there already and the pool was full, a watch would ring without end. */
		if (serve->arrived ||
		    dhow_poll(serve->target->channel, awaited(serve), DHOW_TRY, &now) == -EAGAIN)
			gateway_watch(agent->gateway, serve->target->channel, awaited(serve));
		attempt(serve);
		if (serve->state == AGENT_SERVE_WAITING)
			next = agent_earlier(next, serve->deadline_ns);
	}
	return next;
}

void agent_serves_end(struct agent_link *link)
{
	for (uint32_t i = 0; i < link->serve_count; i++) {
		struct agent_serve *serve = link->serves[i];

		if (!serve)
			continue;
		put_back(serve);
		destroy(serve);
	}
}
