/* SPDX-License-Identifier: MIT */
/*
 * remote.h - a process's side of the gateway: channels whose home is another node.
 * The contract is told in gateway.h.
 */
#ifndef CHANNELS_REMOTE_H
#define CHANNELS_REMOTE_H

#include "src/channel.h"
#include "src/gateway.h"

/* Open a stream to @address and ask the far node whether the channel exists and is a @kind. */
int remote_open(struct segment *segment, const struct dhow_address *address,
		enum channel_kind kind, uint64_t deadline_ns, struct dhow_channel **ret_channel);
void remote_close(struct dhow_channel *channel);

/* Wait for room for a block of @bytes (the whole one) on its way to another node; when it is not
 * given away, it is for the caller to release it. See outbound.h. */
int remote_claim(struct dhow_channel *channel, uint64_t bytes, uint64_t deadline_ns);

/* As channel_put(), of what was claimed; then wait for what @when says. */
int remote_send(struct dhow_channel *channel, const void *data, size_t bytes, uint32_t block,
		const struct dhow_header *header, enum dhow_return_when when, uint64_t deadline_ns);
int remote_flush(struct dhow_channel *channel, uint64_t deadline_ns);

/* Ask the home node; fills what the operation returns. @ret_message: RECV, PEEK. */
int remote_ask(struct dhow_channel *channel, enum gateway_op op, uint32_t events, uint64_t room,
	       uint64_t deadline_ns, uint32_t *ret_events, struct dhow_message *ret_message);

/* A question of a wait-set that lies at the home node until there is an answer, which rings
 * this process's bell. The record is kept for the next question. */
struct remote_watch {
	struct segment *segment;
	struct shm_request *request;	/* NULL: not open */
	uint32_t serial;
	bool asked;		/* the record is FILLED or further */
	bool sent;		/* its index is in the gateway */
	unsigned ready;		/* events of an answer; reset by who has reported them */
};
int remote_watch_open(struct dhow_channel *channel, struct remote_watch *watch);
/* Ask if need be. Return: events, DHOW_CLOSED if the channel is out of reach; 0 none yet. */
unsigned remote_watch_look(struct remote_watch *watch, struct dhow_channel *channel,
			   unsigned events);
/* Withdraw the question. / And give up the record. */
void remote_watch_stop(struct remote_watch *watch);
void remote_watch_close(struct remote_watch *watch);

/* The agent died: wake everybody who waits for it. */
void remote_wake_all(struct segment *segment);

#endif
