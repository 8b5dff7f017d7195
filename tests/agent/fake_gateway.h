/* SPDX-License-Identifier: MIT */
/*
 * fake_gateway.h - a gateway, its channels and its pool in plain memory of one process.
 *
 * Stands in for channels/src in tests of the agent core. One thread. fake_enter() says on
 * whose behalf the calls of the public API that name no gateway are made.
 */
#ifndef TEST_FAKE_GATEWAY_H
#define TEST_FAKE_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>

#include "src/gateway.h"

enum { FAKE_NODES = 4, FAKE_CHANNELS = 8, FAKE_STREAMS = 16, FAKE_ASKS = 16, FAKE_BLOCKS = 48,
	FAKE_QUEUE = 4096, FAKE_BLOCK_BYTES = 1 << 20, FAKE_INLINE = 88 };

struct fake_message {
	struct dhow_header header;
	size_t bytes;
	void *data;		/* malloc()ed, or a block */
	bool is_block;
};

struct dhow_channel {
	struct dhow_gateway *gateway;
	uint32_t generation;	/* 0: does not exist */
	unsigned capacity, count, first;
	uint64_t deposits, takes;
	unsigned handles;
	struct fake_message queue[1024];
};

struct fake_stream {
	bool open, failed, forgotten;
	struct dhow_address target;
	uint64_t sent, deposited, received;
	int rc;
};

struct fake_ask {
	struct gateway_ask ask;
	bool open, wanted, answered;
	int rc;
	uint32_t events;
	struct dhow_message message;
};

struct fake_item {
	struct gateway_item item;
	char data[FAKE_INLINE];
};

struct dhow_gateway {
	uint32_t node;
	bool served, dead_news;
	uint8_t secret[DHOW_SECRET_BYTES];
	char *segment;
	bool used[FAKE_BLOCKS];
	unsigned blocks_max;	/* how many may be in use */
	unsigned blocks_limit;	/* larger ones never fit; 0 = no limit */
	int bell, daemon;
	struct dhow_channel channels[FAKE_CHANNELS];
	struct fake_stream streams[FAKE_STREAMS];
	struct fake_ask asks[FAKE_ASKS];
	struct fake_item items[FAKE_QUEUE];
	unsigned item_first, item_count;
	struct dhow_node_peer self;
	struct dhow_node_peer told[FAKE_NODES];
	unsigned told_count;
	bool dead[FAKE_NODES], silent[FAKE_NODES];
	unsigned silences[FAKE_NODES];	/* reported */
	unsigned reported[FAKE_NODES];
};

extern struct dhow_gateway *fake_nodes;	/* [FAKE_NODES] */

void fake_init(void);
void fake_enter(uint32_t node);
/* Tell every node that is served how to reach the others. */
void fake_introduce(void);
unsigned fake_blocks_used(const struct dhow_gateway *gateway);

struct dhow_address fake_channel(uint32_t node, uint32_t index, unsigned capacity);
/* Take the next message of a channel. False: empty. The caller frees with fake_drop(). */
bool fake_take(uint32_t node, uint32_t index, struct fake_message *ret_message);
void fake_drop(uint32_t node, struct fake_message *message);
void fake_put(uint32_t node, uint32_t index, const void *data, size_t bytes, uint32_t tag);

void fake_stream_open(uint32_t node, uint32_t index, const struct dhow_address *target);
/* Into the gateway; as a block if it is longer than FAKE_INLINE. False: window or pool full. */
bool fake_send(uint32_t node, uint32_t index, const void *data, size_t bytes, uint32_t tag);
void fake_stream_close(uint32_t node, uint32_t index);
void fake_request(uint32_t node, uint32_t index, const struct gateway_ask *ask);

/* What all processes wait for: bits of enum gateway_wish. */
extern unsigned fake_wishes;

#endif
