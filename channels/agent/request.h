/* SPDX-License-Identifier: MIT */
/*
 * request.h - calls that need an answer from another node: recv, poll, peek, probe.
 *
 * asking (ask.c):	ASKED --answer--> gone;  --payload offered--> PULLING --> gone;
 *			--pool full--> HAVE --> gone;  deadline, caller gone --CANCEL--> gone
 * serving (serve.c):	WAITING --> READY --written--> gone, or SENT if a message went along;
 *			SENT --DONE--> gone
 *
 * A message taken for a request is held until DONE says that the caller has it. If the
 * caller is gone or its node dies, it goes back into the channel (to its end). A party at
 * a barrier arrives once, when its request comes; gone before it is released, it breaks it.
 */
#ifndef AGENT_REQUEST_H
#define AGENT_REQUEST_H

#include "agent/bulk.h"
#include "agent/core.h"
#include "agent/target.h"

enum agent_ask_state { AGENT_ASKED, AGENT_ASK_PULLING, AGENT_ASK_HAVE };
struct agent_ask {
	struct base_list node;		/* in agent->asking */
	struct agent *agent;
	struct agent_link *link;
	enum agent_ask_state state;
	uint32_t index, serial;
	enum gateway_op op;
	uint64_t deadline_ns;
	/* HAVE, PULLING */
	struct agent_answer *answer;
};

/* A request of a process of this node. */
void agent_ask_item(struct agent *agent, uint32_t index);
int agent_ask_answer(struct agent_link *link, const struct agent_record *record);
int agent_ask_offer(struct agent_conn *conn, const struct agent_record *record,
		    struct fabric_offer *offer);
/* Deadlines, callers that are gone, full pools. Return: when to be called again. */
uint64_t agent_asks_timers(struct agent *agent);
void agent_asks_fail(struct agent_link *link, int rc);
void agent_asks_fini(struct agent *agent);

enum agent_serve_state { AGENT_SERVE_WAITING, AGENT_SERVE_READY, AGENT_SERVE_SENT };
struct agent_serve {
	struct agent_todo todo;
	struct base_list node;		/* in agent->serving while WAITING */
	struct agent_bulk bulk;
	struct agent *agent;
	struct agent_link *link;
	struct agent_target *target;
	enum agent_serve_state state;
	uint32_t index, serial;
	enum gateway_op op;
	uint32_t events;
	uint64_t room;
	uint64_t deadline_ns;		/* 0: try once */
	int rc;
	uint32_t ret_events;
	uint64_t full_bytes;		/* of the message, however much the caller takes */
	struct dhow_message message;
	bool offered;
	bool arrived;			/* BARRIER_WAIT: counted as a party */
	struct gateway_party party;
};

int agent_serve_ask(struct agent_link *link, const struct agent_record *record);
int agent_serve_done(struct agent_link *link, const struct agent_record *record);
int agent_serve_cancel(struct agent_link *link, const struct agent_record *record);
/* Try those that wait. Return: when to be called again. */
uint64_t agent_serves_retry(struct agent *agent);
void agent_serves_end(struct agent_link *link);

#endif
