/* SPDX-License-Identifier: MIT */
/*
 * gateway.h - the contract between processes of a node and its agent.
 *
 * A process that opens a channel of another node takes a *stream* (a record in the node's
 * segment). It sends by pushing a message into the gateway channel with the stream's index
 * as route; the agent takes messages from there, forwards them in order, and counts in the
 * stream what was deposited and received over there. At most GATEWAY_WINDOW messages of a
 * stream are neither deposited nor failed, so the agent's queues are bounded by the number
 * of streams. What needs an answer (recv, poll, peek) is a *request* record: the process
 * fills it and pushes its index; the agent writes the answer and completes it.
 *
 * Everything below is the agent's side; the process's side is static in gateway.c. One
 * thread. An agent that dies is noticed by its liveness word: all callers get -EHOSTDOWN.
 */
#ifndef CHANNELS_GATEWAY_H
#define CHANNELS_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>

#include <dhow/address.h>
#include <dhow/channel.h>
#include <dhow/message.h>
#include <dhow/node.h>

enum { GATEWAY_WINDOW = 1024 };

enum gateway_kind {
	GATEWAY_MESSAGE = 1,	/* @message goes to the channel of stream @index */
	GATEWAY_REQUEST,	/* request @index wants to be served */
	GATEWAY_CLOSE,		/* the process is done with stream @index: forget after delivery */
};

struct gateway_item {
	enum gateway_kind kind;
	uint32_t index;			/* of the stream or request */
	struct dhow_message message;	/* GATEWAY_MESSAGE: lent until gateway_done() */
	bool is_block;			/* data lies in a block of the node's pool */
};

enum gateway_op {
	GATEWAY_RECV = 1,
	GATEWAY_POLL,
	GATEWAY_PEEK,
	GATEWAY_PROBE,			/* does it exist and is of kind @events? */
	GATEWAY_RELEASE,		/* semaphore: @events units */
	GATEWAY_VALUE,			/* semaphore: units that are free */
	GATEWAY_BARRIER_WAIT,		/* answers 1 to the last party */
	GATEWAY_BARRIER_RESET,
	GATEWAY_BARRIER_STATE,		/* see barrier_pack() */
	GATEWAY_OPS,
};

struct gateway_ask {			/* a request as the agent reads it */
	enum gateway_op op;
	struct dhow_address target;
	uint32_t events;		/* POLL: mask; others: see enum gateway_op */
	uint64_t room;			/* RECV, PEEK: largest payload the caller takes */
	uint64_t deadline_ns;		/* on this machine's clock */
	uint32_t serial;		/* tells a reused record from this one */
};

struct dhow_gateway;

/* Become the agent of the node that DHOW_NODE_FD leads to (instead of dhow_init()).
 * @self: fabric address to publish. On success fills @ret_secret. -EPERM: not expected. */
int gateway_serve(const struct dhow_node_peer *self, uint8_t ret_secret[DHOW_SECRET_BYTES],
		  struct dhow_gateway **ret_gateway);
void gateway_leave(struct dhow_gateway *gateway);

uint32_t gateway_job(const struct dhow_gateway *gateway);
uint32_t gateway_node(const struct dhow_gateway *gateway);
uint32_t gateway_nodes(const struct dhow_gateway *gateway);

/* The node's segment, to be registered with the fabric; and a pointer's offset in it. */
void gateway_segment(const struct dhow_gateway *gateway, void **ret_base, size_t *ret_bytes);

/* What the node's segment holds: values of a moment, for people and metrics. Cost: a look at each
 * channel that there ever was at once. How much of the pool is free is not among them: that is a
 * walk over its tree, milliseconds for a large pool, while messages wait. */
struct gateway_totals {
	uint32_t channels;		/* that are open, the gateway's own not counted */
	uint64_t waiting, longest;	/* messages in all of them, and in the fullest */
	uint64_t pool_bytes;
	uint64_t outbound_bytes;	/* of it, in messages for other nodes */
};
void gateway_totals(const struct dhow_gateway *gateway, struct gateway_totals *ret_totals);

/* Readable when the gateway or a watched channel has news, or the daemon spoke. */
int gateway_bell(const struct dhow_gateway *gateway);
int gateway_daemon(const struct dhow_gateway *gateway);

/* Announce that we are about to sleep; true = there is work, do not. Clears the bell. */
bool gateway_arm(struct dhow_gateway *gateway);

/* Next item, or false. Messages are lent: gateway_done() ends the loan (frees a block). */
bool gateway_next(struct dhow_gateway *gateway, struct gateway_item *ret_item);
void gateway_done(struct dhow_gateway *gateway, struct gateway_item *item);
/* Turn a lent block into the agent's own, so that the slot is free at once: afterwards
 * item->message must be freed with gateway_free(). Inline data is not moved. */
void gateway_keep(struct dhow_gateway *gateway, struct gateway_item *item);

/* Free the block of a message that was kept, and give the room back that its sender claimed. */
void gateway_free(struct dhow_gateway *gateway, struct dhow_message *message);

/* Where a stream leads. False: the record is not open. */
bool gateway_stream(struct dhow_gateway *gateway, uint32_t index, struct dhow_address *ret_target);
/* What its process waits for, from some message on: bits. */
enum gateway_wish { GATEWAY_WANTS_RECEIVED = 1, GATEWAY_WANTS_DEPOSITED = 2 };
unsigned gateway_wants(struct dhow_gateway *gateway, uint32_t index);
/* Counters of a stream: absolute numbers of messages since it was opened; wakes waiters. */
void gateway_deposited(struct dhow_gateway *gateway, uint32_t index, uint64_t count);
void gateway_received(struct dhow_gateway *gateway, uint32_t index, uint64_t count);
/* Sticky error of a stream (-EPIPE, -EHOSTDOWN, -ESTALE...); wakes waiters. */
void gateway_fail(struct dhow_gateway *gateway, uint32_t index, int rc);
/* After GATEWAY_CLOSE, when all is deposited or failed: the record may be used again. */
void gateway_forget(struct dhow_gateway *gateway, uint32_t index);
enum peer_state { PEER_ALIVE, PEER_DEAD, PEER_SILENT };	/* SILENT: not dead yet */
/* What a node is now: names it in the callers' error text. */
void gateway_node_state(struct dhow_gateway *gateway, uint32_t node, enum peer_state state,
			const char *why);

/* Read a request; false if its process is gone (drop it). */
bool gateway_ask(struct dhow_gateway *gateway, uint32_t index, struct gateway_ask *ret_ask);
/* Is the caller still waiting? */
bool gateway_wanted(struct dhow_gateway *gateway, uint32_t index, uint32_t serial);
/* Complete a request. @message (RECV, PEEK): its block becomes the caller's; the payload
 * must lie in a block of the node's pool or be empty. NULL otherwise. If the caller is
 * gone the block is freed. */
void gateway_answer(struct dhow_gateway *gateway, uint32_t index, uint32_t serial, int rc,
		    uint32_t events, struct dhow_message *message);

/* Local channels that remote processes use: try calls only, then gateway_watch(). */
int gateway_open(struct dhow_gateway *gateway, const struct dhow_address *address,
		 struct dhow_channel **ret_channel);
/* Deposit; *ret_position lets gateway_taken() say later whether it was received. */
int gateway_deposit(struct dhow_gateway *gateway, struct dhow_channel *channel,
		    struct dhow_message *block_or_null, const void *data, size_t bytes,
		    const struct dhow_header *header, uint64_t *ret_position);
bool gateway_taken(struct dhow_channel *channel, uint64_t position);
/* Ring the bell once when one of @events becomes true (or @position is taken). */
void gateway_watch(struct dhow_gateway *gateway, struct dhow_channel *channel, unsigned events);

/* May @op be done with it? A barrier has no messages, other kinds have no parties. */
bool gateway_fits(struct dhow_channel *channel, enum gateway_op op);
/* PROBE, RELEASE, VALUE, BARRIER_RESET, BARRIER_STATE: done at once. */
int gateway_object(struct dhow_channel *channel, enum gateway_op op, uint32_t argument,
		   uint32_t *ret_value);
/* A message that was taken for a caller who is gone: back it goes, to the end. */
int gateway_put_back(struct dhow_channel *channel, struct dhow_message *message);

/* A remote party at a barrier of this node. */
struct gateway_party {
	uint32_t generation, resets;
	bool is_last;
};
/* Return: 0 it was the last; 1 it waits (not with @only_last: -EAGAIN); negative errno. */
int gateway_party_arrive(struct dhow_channel *channel, bool only_last,
			 struct gateway_party *ret_party);
/* Return: 0 released; -EAGAIN it waits; -EOWNERDEAD, -ECANCELED, -EPIPE. */
int gateway_party_look(struct dhow_channel *channel, const struct gateway_party *party);
/* It waits no more, because its time is over or it is @dead: what became of it, 0 or errno. */
int gateway_party_leave(struct dhow_channel *channel, const struct gateway_party *party,
			bool dead);

/* What the daemon says. False: nothing now. -EHOSTDOWN in ret->kind: daemon gone. */
enum gateway_news_kind { GATEWAY_PEERS = 1, GATEWAY_PEER_DEAD, GATEWAY_DAEMON_GONE };
struct gateway_news {
	enum gateway_news_kind kind;
	struct dhow_node_peer peer;	/* one at a time */
	char why[128];
};
bool gateway_news(struct dhow_gateway *gateway, struct gateway_news *ret_news);
/* Tell the daemon that a node cannot be reached. */
void gateway_report(struct dhow_gateway *gateway, uint32_t node, const char *why);
/* Tell the daemon that a node is silent; NULL: not any more. */
void gateway_report_silent(struct dhow_gateway *gateway, uint32_t node, const char *why);

#endif
