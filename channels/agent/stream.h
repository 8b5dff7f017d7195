/* SPDX-License-Identifier: MIT */
/*
 * stream.h - one process's messages to one channel of another node.
 *
 * Messages of a stream are numbered from 1. At most GATEWAY_WINDOW of them are not yet
 * deposited, and those that are sent need at most AGENT_STREAM_EAGER over there, or a block.
 * What the other node has no room for waits in its stream's list and hinders no other stream.
 */
#ifndef AGENT_STREAM_H
#define AGENT_STREAM_H

#include "agent/bulk.h"
#include "agent/core.h"
#include "agent/target.h"

/* --- the sending side, stream_out.c and stream_done.c --- */

/* A message that waits. Many may; so what only large ones need is apart. */
struct agent_out {
	struct base_list node;		/* in stream->pending, then if it is large in ->offered */
	struct dhow_message message;
	uint64_t number;
	bool is_block;			/* in an agent_out_block; else data is behind it */
};

struct agent_out_block {
	struct agent_out out;
	struct agent_bulk bulk;		/* once it is on offer */
};

struct agent_stream_out {
	struct agent_todo todo;
	struct agent *agent;
	struct agent_link *link;
	struct dhow_address target;
	uint32_t index, generation;
	bool opened;			/* OPEN is written */
	bool closing;
	bool failed;
	uint64_t queued, written, deposited, received;
	unsigned bulks;			/* payloads on offer */
	size_t eager_bytes;		/* written eagerly, not deposited */
	uint16_t eager[GATEWAY_WINDOW];	/* of each message, by number */
	struct base_list pending, offered;	/* in order */
};

/* A message or close from the gateway. Takes the loan. */
void agent_out_item(struct agent *agent, struct gateway_item *item);
void agent_out_close(struct agent *agent, uint32_t index);
int agent_out_deposited(struct agent_link *link, const struct agent_record *record);
int agent_out_received(struct agent_link *link, const struct agent_record *record);
int agent_out_failed(struct agent_link *link, const struct agent_record *record);
void agent_outs_fail(struct agent_link *link, int rc);
void agent_outs_fini(struct agent *agent);
/* Is anything accepted that the other side has not got? For the flush at the end. */
bool agent_outs_pending(const struct agent *agent);

/* Between stream_out.c and stream_done.c. */
/* The offers up to message @number are over. */
void agent_out_offered_until(struct agent_stream_out *stream, uint64_t number);
void agent_out_fail(struct agent_stream_out *stream, int rc);
void agent_out_drop_messages(struct agent_stream_out *stream);
bool agent_out_finished(const struct agent_stream_out *stream);
/* CLOSE to the other side, then forget. Return: 0 the stream is gone; -EAGAIN. */
int agent_out_finish(struct agent_stream_out *stream);
void agent_out_destroy(struct agent_stream_out *stream);

/* --- the receiving side, stream_in.c and taken.c --- */

/* A message that waits for its deposit. Many may; so what only large ones need is apart. */
struct agent_in {
	struct base_list node;		/* in stream->waiting */
	uint64_t number;
	struct dhow_header header;
	bool is_bulk;			/* in an agent_in_bulk; else data is behind it */
	size_t bytes;
};

struct agent_in_bulk {
	struct agent_in in;
	struct agent_pull pull;
	struct agent_stream_in *stream;	/* NULL: it ended */
};

struct agent_taken {
	uint64_t number, position;
};

struct agent_stream_in {
	struct agent_todo todo;
	struct base_list blocked;	/* in agent->blocked */
	struct base_list untaken;	/* in agent->untaken */
	struct base_list owing;		/* in link->owing */
	struct agent *agent;
	struct agent_link *link;
	struct agent_target *target;	/* NULL before OPEN */
	uint32_t index, generation;
	int rc;				/* broken for ever */
	bool fail_told;
	bool hurry;			/* somebody waits for deposits */
	size_t owed_bytes;		/* deposited and not told */
	bool tells_received;		/* somebody waits for it; then there is taken[] */
	uint64_t deposited, deposited_told;
	uint64_t received, received_told;
	unsigned pulls;			/* payloads under way or ready */
	struct base_list waiting;	/* by number; few come out of order */
	struct agent_taken *taken;	/* [GATEWAY_WINDOW] deposited, not received; or NULL */
	unsigned taken_first, taken_count;
};

int agent_in_open(struct agent_link *link, const struct agent_record *record);
int agent_in_message(struct agent_link *link, const struct agent_record *record);
int agent_in_close(struct agent_link *link, const struct agent_record *record);
int agent_in_offer(struct agent_conn *conn, const struct agent_record *record,
		   struct fabric_offer *offer);
void agent_ins_end(struct agent_link *link);
/* Try full channels again. */
void agent_ins_retry(struct agent *agent);
/* Remember where message @number lies, to see later that it was received. */
void agent_in_remember(struct agent_stream_in *stream, uint64_t number, uint64_t position);
/* See what was received. Return: when to look again. */
uint64_t agent_ins_look(struct agent *agent);

#endif
