/* SPDX-License-Identifier: MIT */
/* ask.c - requests of this node's processes to channels of other nodes. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/link.h"
#include "agent/note.h"
#include "agent/request.h"
#include "agent/trace.h"
#include "base/log.h"

struct agent_answer {		/* an answer with a message on its way into a block */
	struct agent_pull pull;
	struct agent_ask *ask;	/* NULL: cancelled */
	struct agent_record record;
	char data[];		/* HAVE: payload that waits for a block */
};

static void tell(struct agent_link *link, enum agent_record_kind kind, uint32_t index,
		 uint32_t serial, int rc)
{
	struct agent_record record = {
		.kind = kind,
		.index = index,
		.generation = serial,
		.rc = rc,
	};

	agent_note(link, &record);
}

static bool brings_message(const struct agent_ask *ask, const struct agent_record *record)
{
	return record->rc == 0 && (ask->op == GATEWAY_RECV || ask->op == GATEWAY_PEEK);
}

static void destroy(struct agent_ask *ask)
{
	struct agent *agent = ask->agent;
	struct agent_answer *answer = ask->answer;

	if (answer) {
		answer->ask = NULL;
		if (ask->state == AGENT_ASK_PULLING)
			agent_pull_end(&answer->pull);
		else
			agent_slab_put(&agent->slab, answer);
	}
	base_list_del(&ask->node);
	agent->asks[ask->index] = NULL;
	agent_slab_put(&agent->slab, ask);
}

/* End the request without a payload. @cancel: the other side still works at it. */
static void finish(struct agent_ask *ask, int rc, uint32_t events, uint64_t size, bool cancel)
{
	struct dhow_message no_block = { .bytes = size };	/* says what room is needed */

	gateway_answer(ask->agent->gateway, ask->index, ask->serial, rc, events,
		       rc == -EMSGSIZE ? &no_block : NULL);
	if (cancel && ask->state == AGENT_ASKED)
		tell(ask->link, AGENT_CANCEL, ask->index, ask->serial, 0);
	else if (cancel)	/* it was served: the message goes back */
		tell(ask->link, AGENT_DONE, ask->index, ask->serial, -ECANCELED);
	destroy(ask);
}

/* Give the caller its message and tell the other side. Takes @message. */
static void hand_over(struct agent_ask *ask, const struct agent_record *record,
		      struct dhow_message *message)
{
	struct agent *agent = ask->agent;
	uint32_t size = record->number > UINT32_MAX ? UINT32_MAX : (uint32_t)record->number;

	message->header = record->header;
	agent_trace(ask->link, "fetched from", ask->index, ask->serial, message->bytes,
		    &record->header);
	if (gateway_wanted(agent->gateway, ask->index, ask->serial)) {
		gateway_answer(agent->gateway, ask->index, ask->serial, 0, size, message);
		tell(ask->link, AGENT_DONE, ask->index, ask->serial, 0);
	} else {
		dhow_message_free(message);
		tell(ask->link, AGENT_DONE, ask->index, ask->serial, -ECANCELED);
	}
	destroy(ask);
}

/* Copy an eager payload into a block. Return: 0; -EAGAIN the pool is full; for ever else. */
static int to_block(const struct agent_record *record, struct dhow_message *ret_message)
{
	int rc;

	memset(ret_message, 0, sizeof(*ret_message));
	if (!record->bytes)
		return 0;
	rc = dhow_message_alloc(NULL, record->bytes, DHOW_TRY, ret_message);
	if (rc)
		return rc;
	memcpy(ret_message->data, record->payload, record->bytes);
	ret_message->bytes = record->bytes;
	return 0;
}

static struct agent_ask *find(struct agent_link *link, const struct agent_record *record)
{
	struct agent *agent = link->agent;
	struct agent_ask *ask = record->index < agent->ask_index_count ?
					agent->asks[record->index] : NULL;

	if (!ask || ask->serial != record->generation || ask->link != link)
		return NULL;
	return ask;
}

static struct agent_answer *keep_answer(struct agent_ask *ask, const struct agent_record *record)
{
	struct agent_answer *answer =
		agent_slab_get(&ask->agent->slab, sizeof(*answer) + record->bytes);

	if (!answer)
		return NULL;
	memset(answer, 0, sizeof(*answer));
	answer->ask = ask;
	answer->record = *record;
	if (record->bytes)
		memcpy(answer->data, record->payload, record->bytes);
	answer->record.payload = answer->data;
	ask->answer = answer;
	return answer;
}

int agent_ask_answer(struct agent_link *link, const struct agent_record *record)
{
	struct agent_ask *ask = find(link, record);
	struct dhow_message message;
	int rc;

	if (!ask) {	/* cancelled meanwhile; if it brings a message that goes back */
		tell(link, AGENT_DONE, record->index, record->generation, -ECANCELED);
		return 0;
	}
	if (ask->state != AGENT_ASKED)
		return -EPROTO;
	if (!brings_message(ask, record)) {
		int answer = record->rc;

		if (answer == -EAGAIN && ask->deadline_ns != DHOW_TRY)
			answer = -ETIMEDOUT;
		finish(ask, answer, record->events, record->number, false);
		return 0;
	}
	rc = to_block(record, &message);
	if (rc == 0) {
		hand_over(ask, record, &message);
		return 0;
	}
	if (rc == -EAGAIN && keep_answer(ask, record)) {
		ask->state = AGENT_ASK_HAVE;
		return 0;
	}
	tell(link, AGENT_DONE, ask->index, ask->serial, -ECANCELED);
	finish(ask, rc == -EAGAIN ? -ENOMEM : rc, 0, record->bytes, false);
	return 0;
}

static bool may_pull(struct agent_pull *pull)
{
	(void)pull;
	return true;
}

static void pulled(struct agent_pull *pull, int rc)
{
	struct agent_answer *answer = base_list_entry(pull, struct agent_answer, pull);
	struct agent_ask *ask = answer->ask;
	struct dhow_message message = pull->message;

	if (rc == 0) {
		memset(&pull->message, 0, sizeof(pull->message));
		hand_over(ask, &answer->record, &message);	/* frees the answer */
		return;
	}
	ask->answer = NULL;
	ask->state = AGENT_ASKED;	/* lost with its connection: it is offered again */
	agent_slab_put(&ask->agent->slab, answer);
	if (rc == -EMSGSIZE) {
		tell(ask->link, AGENT_DONE, ask->index, ask->serial, -ECANCELED);
		finish(ask, rc, 0, pull->bytes, false);
	}
}

static void pull_released(struct agent_pull *pull)
{
	agent_slab_put(&pull->agent->slab, base_list_entry(pull, struct agent_answer, pull));
}

int agent_ask_offer(struct agent_conn *conn, const struct agent_record *record,
		    struct fabric_offer *offer)
{
	struct agent_link *link = conn->link;
	struct agent_ask *ask = find(link, record);
	struct agent_answer *answer;

	if (!ask || ask->state != AGENT_ASKED) {
		link->agent->ops->drop(offer);
		if (!ask)
			tell(link, AGENT_DONE, record->index, record->generation, -ECANCELED);
		return 0;
	}
	if (!brings_message(ask, record))
		return -EPROTO;
	answer = keep_answer(ask, record);
	if (!answer) {
		link->agent->ops->drop(offer);
		finish(ask, -ENOMEM, 0, 0, false);
		tell(link, AGENT_DONE, record->index, record->generation, -ECANCELED);
		return 0;
	}
	ask->state = AGENT_ASK_PULLING;
	answer->pull.may = may_pull;
	answer->pull.done = pulled;
	answer->pull.release = pull_released;
	agent_pull_start(&answer->pull, conn, record, offer);
	return 0;
}

static uint64_t left_ms(const struct agent *agent, uint64_t deadline_ns)
{
	if (deadline_ns == DHOW_TRY)
		return AGENT_ASK_TRY;
	if (deadline_ns == DHOW_FOREVER)
		return AGENT_ASK_FOREVER;
	if (deadline_ns <= agent->now_ns)
		return AGENT_ASK_TRY;
	return (deadline_ns - agent->now_ns + BASE_MS - 1) / BASE_MS;
}

void agent_ask_item(struct agent *agent, uint32_t index)
{
	struct agent_record record = { .kind = AGENT_ASK, .index = index };
	struct agent_link *link;
	struct agent_ask *ask;
	struct gateway_ask asked;

	bool is_open = gateway_ask(agent->gateway, index, &asked);

	if (index < agent->ask_index_count && agent->asks[index]) {
		ask = agent->asks[index];
		if (is_open && ask->serial == asked.serial)
			return;		/* an old item of this record led us here before */
		/* the record is used again, so the one who asked before is gone */
		tell(ask->link, ask->state == AGENT_ASKED ? AGENT_CANCEL : AGENT_DONE, index,
		     ask->serial, -ECANCELED);
		destroy(ask);
	}
	if (!is_open)
		return;
	link = asked.target.job == agent->job ? agent_link_get(agent, asked.target.node) : NULL;
	if (!link || link->state == AGENT_LINK_DEAD) {
		gateway_answer(agent->gateway, index, asked.serial,
			       link ? -EHOSTDOWN : -EHOSTUNREACH, 0, NULL);
		return;
	}
	ask = NULL;
	if (!agent_table_grow(&agent->asks, &agent->ask_index_count, index, sizeof(ask)))
		ask = agent_slab_get(&agent->slab, sizeof(*ask));
	if (!ask) {
		gateway_answer(agent->gateway, index, asked.serial, -ENOMEM, 0, NULL);
		return;
	}
	memset(ask, 0, sizeof(*ask));
	ask->agent = agent;
	ask->link = link;
	ask->index = index;
	ask->serial = asked.serial;
	ask->op = asked.op;
	ask->deadline_ns = asked.deadline_ns;
	agent->asks[index] = ask;
	base_list_add_tail(&agent->asking, &ask->node);
	record.generation = asked.serial;
	record.op = asked.op;
	record.events = asked.events;
	record.room = asked.room;
	record.target = asked.target;
	record.number = left_ms(agent, asked.deadline_ns);
	agent_note(link, &record);
}

/* Return: true if the ask is gone. */
static bool check(struct agent_ask *ask, bool look)
{
	struct agent *agent = ask->agent;
	struct dhow_message message;

	if (ask->state == AGENT_ASK_HAVE) {
		struct agent_record record = ask->answer->record;

		if (to_block(&record, &message) == 0) {
			hand_over(ask, &record, &message);
			return true;
		}
	}
	if (ask->deadline_ns != DHOW_TRY && ask->deadline_ns != DHOW_FOREVER &&
	    agent->now_ns >= ask->deadline_ns + AGENT_GRACE_NS) {
		finish(ask, -ETIMEDOUT, 0, 0, true);
		return true;
	}
	if (look && !gateway_wanted(agent->gateway, ask->index, ask->serial)) {
		finish(ask, -ECANCELED, 0, 0, true);
		return true;
	}
	return false;
}

uint64_t agent_asks_timers(struct agent *agent)
{
	bool look = agent->now_ns - agent->wanted_check_ns >= AGENT_WANTED_NS;
	uint64_t next;

	if (base_list_empty(&agent->asking))
		return UINT64_MAX;
	if (look)
		agent->wanted_check_ns = agent->now_ns;
	next = agent->wanted_check_ns + AGENT_WANTED_NS;
	base_list_for(node, &agent->asking) {
		struct agent_ask *ask = base_list_entry(node, struct agent_ask, node);

		if (check(ask, look))
			continue;
		if (ask->state == AGENT_ASK_HAVE)
			next = agent_earlier(next, agent->now_ns + AGENT_BLOCKED_NS);
		if (ask->deadline_ns != DHOW_TRY && ask->deadline_ns != DHOW_FOREVER)
			next = agent_earlier(next, ask->deadline_ns + AGENT_GRACE_NS);
	}
	return next;
}

void agent_asks_fail(struct agent_link *link, int rc)
{
	base_list_for(node, &link->agent->asking) {
		struct agent_ask *ask = base_list_entry(node, struct agent_ask, node);

		if (ask->link == link)
			finish(ask, rc, 0, 0, false);
	}
}

void agent_asks_fini(struct agent *agent)
{
	while (!base_list_empty(&agent->asking))
		finish(base_list_entry(agent->asking.next, struct agent_ask, node), -EHOSTDOWN, 0,
		       0, false);
	free(agent->asks);
	agent->asks = NULL;
	agent->ask_index_count = 0;
}
