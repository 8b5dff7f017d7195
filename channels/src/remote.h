/* SPDX-License-Identifier: MIT */
/*
 * remote.h - a process's side of the gateway: channels whose home is another node.
 * The contract is told in gateway.h.
 */
#ifndef CHANNELS_REMOTE_H
#define CHANNELS_REMOTE_H

#include "src/channel.h"
#include "src/gateway.h"

/* Open a stream to @address and ask the far node whether the channel exists. */
int remote_open(struct segment *segment, const struct dhow_address *address, uint64_t deadline_ns,
		struct dhow_channel **ret_channel);
void remote_close(struct dhow_channel *channel);

/* As channel_put(), then wait for what @when says. */
int remote_send(struct dhow_channel *channel, const void *data, size_t bytes, uint32_t block,
		const struct dhow_header *header, enum dhow_return_when when, uint64_t deadline_ns);
int remote_flush(struct dhow_channel *channel, uint64_t deadline_ns);

/* Ask the home node; fills what the operation returns. @ret_message: RECV, PEEK. */
int remote_ask(struct dhow_channel *channel, enum gateway_op op, uint32_t events, uint64_t room,
	       uint64_t deadline_ns, uint32_t *ret_events, struct dhow_message *ret_message);

/* The agent died: wake everybody who waits for it. */
void remote_wake_all(struct segment *segment);

#endif
