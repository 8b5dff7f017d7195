/* SPDX-License-Identifier: MIT */
/* fake_gateway.c - see fake_gateway.h. Every rule of gateway.h that can be checked is. */
#include "fake_gateway.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"

enum { JOB = 7 };

/* assert() that stays in release builds */
#define check(condition)                                                                     \
	do {                                                                                 \
		if (!(condition)) {                                                          \
			fprintf(stderr, "fake gateway, line %d: %s\n", __LINE__, #condition); \
			abort();                                                             \
		}                                                                            \
	} while (0)


struct dhow_gateway *fake_nodes;
static struct dhow_gateway *current;

void fake_init(void)
{
	fake_nodes = calloc(FAKE_NODES, sizeof(*fake_nodes));
	for (uint32_t i = 0; i < FAKE_NODES; i++) {
		struct dhow_gateway *gateway = &fake_nodes[i];

		gateway->node = i;
		gateway->segment = aligned_alloc(4096, (size_t)FAKE_BLOCKS * FAKE_BLOCK_BYTES);
		gateway->blocks_max = FAKE_BLOCKS;
		gateway->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		gateway->daemon = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		memset(gateway->secret, 0x5a, sizeof(gateway->secret));
	}
}

void fake_enter(uint32_t node)
{
	current = &fake_nodes[node];
}

void fake_introduce(void)
{
	for (int i = 0; i < FAKE_NODES; i++) {
		fake_nodes[i].told_count = 0;
		for (int k = 0; k < FAKE_NODES; k++)
			if (i != k && fake_nodes[k].served)
				fake_nodes[i].told[fake_nodes[i].told_count++] =
					fake_nodes[k].self;
	}
}

unsigned fake_blocks_used(const struct dhow_gateway *gateway)
{
	unsigned used = 0;

	for (int i = 0; i < FAKE_BLOCKS; i++)
		used += gateway->used[i];
	return used;
}

uint64_t dhow_in_ms(uint64_t ms)
{
	return base_now_ns() + ms * BASE_MS;
}

/* --- pool --- */

static int block_alloc(struct dhow_gateway *gateway, size_t bytes,
		       struct dhow_message *ret_message)
{
	unsigned need = (unsigned)((bytes + FAKE_BLOCK_BYTES - 1) / FAKE_BLOCK_BYTES);
	unsigned run = 0;

	need = need ? need : 1;
	if (need > FAKE_BLOCKS || (gateway->blocks_limit && need > gateway->blocks_limit))
		return -EMSGSIZE;
	if (fake_blocks_used(gateway) + need > gateway->blocks_max)
		return -EAGAIN;
	for (unsigned i = 0; i < FAKE_BLOCKS; i++) {
		run = gateway->used[i] ? 0 : run + 1;
		if (run < need)
			continue;
		i -= need - 1;
		memset(&gateway->used[i], 1, need);
		*ret_message = (struct dhow_message){
			.data = gateway->segment + (size_t)i * FAKE_BLOCK_BYTES,
			.bytes = bytes,
			.segment_ = gateway,
			.block_ = i + 1,
			.slot_ = need,
		};
		return 0;
	}
	return -EAGAIN;
}

int dhow_message_alloc(struct dhow_pool *pool, size_t bytes, uint64_t deadline_ns,
		       struct dhow_message *ret_message)
{
	check(!pool && deadline_ns == DHOW_TRY && current);
	return block_alloc(current, bytes, ret_message);
}

void dhow_message_free(struct dhow_message *message)
{
	struct dhow_gateway *gateway = message->segment_;

	if (!message->block_)
		return;
	for (unsigned i = 0; i < message->slot_; i++) {
		check(gateway->used[message->block_ - 1 + i]);
		gateway->used[message->block_ - 1 + i] = false;
	}
	memset(message, 0, sizeof(*message));
}

static void free_block_at(struct dhow_gateway *gateway, void *data, size_t bytes)
{
	unsigned at = (unsigned)(((char *)data - gateway->segment) / FAKE_BLOCK_BYTES);
	unsigned need = (unsigned)((bytes + FAKE_BLOCK_BYTES - 1) / FAKE_BLOCK_BYTES);

	for (unsigned i = 0; i < (need ? need : 1); i++) {
		check(gateway->used[at + i]);
		gateway->used[at + i] = false;
	}
}

/* --- channels --- */

struct dhow_address fake_channel(uint32_t node, uint32_t index, unsigned capacity)
{
	struct dhow_channel *channel = &fake_nodes[node].channels[index];

	channel->gateway = &fake_nodes[node];
	channel->generation = 100 + index;
	channel->capacity = capacity;
	return (struct dhow_address){ JOB, node, 0, index, channel->generation };
}

static struct fake_message *channel_at(struct dhow_channel *channel, unsigned at)
{
	return &channel->queue[(channel->first + at) % 1024];
}

static struct fake_message *channel_push(struct dhow_channel *channel)
{
	channel->deposits++;
	return channel_at(channel, channel->count++);
}

bool fake_take(uint32_t node, uint32_t index, struct fake_message *ret_message)
{
	struct dhow_channel *channel = &fake_nodes[node].channels[index];

	if (!channel->count)
		return false;
	*ret_message = *channel_at(channel, 0);
	channel->first = (channel->first + 1) % 1024;
	channel->count--;
	channel->takes++;
	return true;
}

void fake_drop(uint32_t node, struct fake_message *message)
{
	if (message->is_block)
		free_block_at(&fake_nodes[node], message->data, message->bytes);
	else
		free(message->data);
	message->data = NULL;
}

void fake_put(uint32_t node, uint32_t index, const void *data, size_t bytes, uint32_t tag)
{
	struct dhow_channel *channel = &fake_nodes[node].channels[index];
	struct fake_message *message = channel_push(channel);

	message->header = (struct dhow_header){ .tag = tag };
	message->bytes = bytes;
	message->is_block = bytes > FAKE_INLINE;
	if (message->is_block) {
		struct dhow_message block;

		if (block_alloc(&fake_nodes[node], bytes, &block))
			abort();
		message->data = block.data;
	} else {
		message->data = malloc(bytes + 1);
	}
	memcpy(message->data, data, bytes);
}

int gateway_open(struct dhow_gateway *gateway, const struct dhow_address *address,
		 struct dhow_channel **ret_channel)
{
	struct dhow_channel *channel = &gateway->channels[address->index % FAKE_CHANNELS];

	check(address->node == gateway->node);
	if (!channel->generation || channel->generation != address->generation)
		return -ESTALE;
	channel->handles++;
	*ret_channel = channel;
	return 0;
}

void dhow_channel_close(struct dhow_channel *channel)
{
	check(channel->handles > 0);
	channel->handles--;
}

int gateway_deposit(struct dhow_gateway *gateway, struct dhow_channel *channel,
		    struct dhow_message *block, const void *data, size_t bytes,
		    const struct dhow_header *header, uint64_t *ret_position)
{
	struct fake_message *message;

	check(channel->gateway == gateway);
	if (!channel->generation)
		return -EPIPE;
	if (channel->count >= channel->capacity)
		return -EAGAIN;
	*ret_position = channel->deposits;
	message = channel_push(channel);
	message->header = *header;
	message->bytes = bytes;
	message->is_block = block != NULL;
	if (block) {
		check(block->segment_ == gateway && block->data == data);
		message->data = block->data;
		memset(block, 0, sizeof(*block));
	} else {
		message->data = malloc(bytes + 1);
		memcpy(message->data, data, bytes);
	}
	return 0;
}

/* All channels here are channels. */
bool gateway_fits(struct dhow_channel *channel, enum gateway_op op)
{
	(void)channel;
	return op <= GATEWAY_PROBE;
}

int gateway_object(struct dhow_channel *channel, enum gateway_op op, uint32_t argument,
		   uint32_t *ret_value)
{
	(void)channel;
	(void)argument;
	(void)ret_value;
	return op == GATEWAY_PROBE ? 0 : -EPROTOTYPE;
}

int gateway_put_back(struct dhow_channel *channel, struct dhow_message *message)
{
	return dhow_send_message(channel, message, DHOW_ACCEPTED, DHOW_TRY);
}

int gateway_party_arrive(struct dhow_channel *channel, bool only_last,
			 struct gateway_party *ret_party)
{
	(void)channel;
	(void)only_last;
	(void)ret_party;
	return -EPROTOTYPE;
}

int gateway_party_look(struct dhow_channel *channel, const struct gateway_party *party)
{
	(void)channel;
	(void)party;
	return -EPROTOTYPE;
}

int gateway_party_leave(struct dhow_channel *channel, const struct gateway_party *party, bool dead)
{
	(void)channel;
	(void)party;
	(void)dead;
	return -EPROTOTYPE;
}

bool gateway_taken(struct dhow_channel *channel, uint64_t position)
{
	return position < channel->takes;
}

void gateway_watch(struct dhow_gateway *gateway, struct dhow_channel *channel, unsigned events)
{
	check(channel->gateway == gateway && events);
}

int dhow_poll(struct dhow_channel *channel, unsigned wanted, uint64_t deadline_ns,
	      unsigned *ret_events)
{
	unsigned now = (channel->count ? DHOW_IN : 0) |
		       (channel->count < channel->capacity ? DHOW_OUT : 0);

	check(deadline_ns == DHOW_TRY);
	if (!(now & wanted))
		return -EAGAIN;
	*ret_events = now & wanted;
	return 0;
}

int dhow_recv_begin(struct dhow_channel *channel, struct dhow_message *ret_message,
		    uint64_t deadline_ns)
{
	struct fake_message *first = channel_at(channel, 0);

	check(deadline_ns == DHOW_TRY);
	if (!channel->count)
		return -EAGAIN;
	*ret_message = (struct dhow_message){
		.data = first->data,
		.bytes = first->bytes,
		.header = first->header,
	};
	return 0;
}

int dhow_recv_commit(struct dhow_channel *channel, struct dhow_message *message)
{
	struct fake_message taken;

	(void)message;
	if (!fake_take(channel->gateway->node, (uint32_t)(channel - channel->gateway->channels),
		       &taken))
		return -EINVAL;
	fake_drop(channel->gateway->node, &taken);
	return 0;
}

int dhow_recv_cancel(struct dhow_channel *channel, struct dhow_message *message)
{
	(void)channel;
	(void)message;
	return 0;
}

int dhow_recv_message(struct dhow_channel *channel, struct dhow_message *ret_message,
		      uint64_t deadline_ns)
{
	struct dhow_message lent;
	int rc = dhow_recv_begin(channel, &lent, deadline_ns);

	if (!rc)
		rc = block_alloc(channel->gateway, lent.bytes, ret_message);
	if (rc)
		return rc;
	memcpy(ret_message->data, lent.data, lent.bytes);
	ret_message->header = lent.header;
	return dhow_recv_commit(channel, &lent);
}

int dhow_send_message(struct dhow_channel *channel, struct dhow_message *message,
		      enum dhow_return_when when, uint64_t deadline_ns)
{
	struct fake_message *place;

	check(when == DHOW_ACCEPTED && deadline_ns == DHOW_TRY);
	if (channel->count >= channel->capacity)
		return -EAGAIN;
	place = channel_push(channel);
	place->header = message->header;
	place->bytes = message->bytes;
	place->data = message->data;
	place->is_block = true;
	memset(message, 0, sizeof(*message));
	return 0;
}

/* --- streams and requests: the process's side --- */

static struct fake_item *item_push(struct dhow_gateway *gateway)
{
	check(gateway->item_count < FAKE_QUEUE);
	return &gateway->items[(gateway->item_first + gateway->item_count++) % FAKE_QUEUE];
}

void fake_stream_open(uint32_t node, uint32_t index, const struct dhow_address *target)
{
	fake_nodes[node].streams[index] = (struct fake_stream){ .open = true, .target = *target };
}

bool fake_send(uint32_t node, uint32_t index, const void *data, size_t bytes, uint32_t tag)
{
	struct dhow_gateway *gateway = &fake_nodes[node];
	struct fake_stream *stream = &gateway->streams[index];
	struct fake_item *item;
	struct dhow_message block;

	if (!stream->failed && stream->sent - stream->deposited >= GATEWAY_WINDOW)
		return false;
	if (bytes > FAKE_INLINE && block_alloc(gateway, bytes, &block))
		return false;
	item = item_push(gateway);
	memset(item, 0, sizeof(*item));
	item->item.kind = GATEWAY_MESSAGE;
	item->item.index = index;
	item->item.is_block = bytes > FAKE_INLINE;
	if (item->item.is_block)
		item->item.message = block;
	else
		item->item.message.data = item->data;
	item->item.message.bytes = bytes;
	item->item.message.header = (struct dhow_header){ .sender = node, .tag = tag };
	if (bytes)
		memcpy(item->item.message.data, data, bytes);
	stream->sent++;
	return true;
}

void fake_stream_close(uint32_t node, uint32_t index)
{
	struct fake_item *item = item_push(&fake_nodes[node]);

	memset(item, 0, sizeof(*item));
	item->item.kind = GATEWAY_CLOSE;
	item->item.index = index;
}

void fake_request(uint32_t node, uint32_t index, const struct gateway_ask *ask)
{
	struct fake_item *item = item_push(&fake_nodes[node]);

	memset(item, 0, sizeof(*item));
	item->item.kind = GATEWAY_REQUEST;
	item->item.index = index;
	fake_nodes[node].asks[index] =
		(struct fake_ask){ .ask = *ask, .open = true, .wanted = true };
}

/* --- the agent's side --- */

int gateway_serve(const struct dhow_node_peer *self, uint8_t ret_secret[DHOW_SECRET_BYTES],
		  struct dhow_gateway **ret_gateway)
{
	struct dhow_gateway *gateway = &fake_nodes[self->node];

	gateway->self = *self;
	gateway->served = true;
	memcpy(ret_secret, gateway->secret, DHOW_SECRET_BYTES);
	*ret_gateway = gateway;
	return 0;
}

void gateway_leave(struct dhow_gateway *gateway)
{
	gateway->served = false;
}

uint32_t gateway_job(const struct dhow_gateway *gateway)
{
	(void)gateway;
	return JOB;
}

uint32_t gateway_node(const struct dhow_gateway *gateway)
{
	return gateway->node;
}

uint32_t gateway_nodes(const struct dhow_gateway *gateway)
{
	(void)gateway;
	return FAKE_NODES;
}

void gateway_segment(const struct dhow_gateway *gateway, void **ret_base, size_t *ret_bytes)
{
	*ret_base = gateway->segment;
	*ret_bytes = (size_t)FAKE_BLOCKS * FAKE_BLOCK_BYTES;
}

void gateway_totals(const struct dhow_gateway *gateway, struct gateway_totals *ret_totals)
{
	(void)gateway;
	*ret_totals = (struct gateway_totals){ 0 };
}

int gateway_bell(const struct dhow_gateway *gateway)
{
	return gateway->bell;
}

int gateway_daemon(const struct dhow_gateway *gateway)
{
	return gateway->daemon;
}

bool gateway_arm(struct dhow_gateway *gateway)
{
	return gateway->item_count > 0;
}

bool gateway_next(struct dhow_gateway *gateway, struct gateway_item *ret_item)
{
	if (!gateway->item_count)
		return false;
	*ret_item = gateway->items[gateway->item_first].item;
	if (ret_item->kind == GATEWAY_MESSAGE && !ret_item->is_block)
		ret_item->message.data = gateway->items[gateway->item_first].data;
	gateway->item_first = (gateway->item_first + 1) % FAKE_QUEUE;
	gateway->item_count--;
	return true;
}

void gateway_done(struct dhow_gateway *gateway, struct gateway_item *item)
{
	(void)gateway;
	if (item->is_block)
		dhow_message_free(&item->message);
	memset(item, 0xee, sizeof(*item));
}

void gateway_free(struct dhow_gateway *gateway, struct dhow_message *message)
{
	(void)gateway;
	dhow_message_free(message);
}

void gateway_keep(struct dhow_gateway *gateway, struct gateway_item *item)
{
	(void)gateway;
	check(item->is_block);
}

bool gateway_stream(struct dhow_gateway *gateway, uint32_t index, struct dhow_address *ret_target)
{
	if (!gateway->streams[index].open)
		return false;
	*ret_target = gateway->streams[index].target;
	return true;
}

void gateway_deposited(struct dhow_gateway *gateway, uint32_t index, uint64_t count)
{
	struct fake_stream *stream = &gateway->streams[index];

	check(stream->open && count > stream->deposited && count <= stream->sent);
	stream->deposited = count;
}

unsigned fake_wishes = GATEWAY_WANTS_RECEIVED;

unsigned gateway_wants(struct dhow_gateway *gateway, uint32_t index)
{
	return gateway && index < FAKE_STREAMS ? fake_wishes : 0;
}

void gateway_received(struct dhow_gateway *gateway, uint32_t index, uint64_t count)
{
	struct fake_stream *stream = &gateway->streams[index];

	check(stream->open && count > stream->received && count <= stream->deposited);
	stream->received = count;
}

void gateway_fail(struct dhow_gateway *gateway, uint32_t index, int rc)
{
	gateway->streams[index].failed = true;
	gateway->streams[index].rc = rc;
}

void gateway_forget(struct dhow_gateway *gateway, uint32_t index)
{
	gateway->streams[index].open = false;
	gateway->streams[index].forgotten = true;
}

void gateway_node_state(struct dhow_gateway *gateway, uint32_t node, enum peer_state state,
			const char *why)
{
	check(why || state == PEER_ALIVE);
	gateway->dead[node] = state == PEER_DEAD;
}

void gateway_report_silent(struct dhow_gateway *gateway, uint32_t node, const char *why)
{
	check(gateway->silent[node] == !why);
	gateway->silent[node] = why != NULL;
	gateway->silences[node] += why != NULL;
}

bool gateway_ask(struct dhow_gateway *gateway, uint32_t index, struct gateway_ask *ret_ask)
{
	*ret_ask = gateway->asks[index].ask;
	return gateway->asks[index].open;
}

bool gateway_wanted(struct dhow_gateway *gateway, uint32_t index, uint32_t serial)
{
	return gateway->asks[index].wanted && gateway->asks[index].ask.serial == serial;
}

void gateway_answer(struct dhow_gateway *gateway, uint32_t index, uint32_t serial, int rc,
		    uint32_t events, struct dhow_message *message)
{
	struct fake_ask *ask = &gateway->asks[index];

	if (!ask->wanted || ask->ask.serial != serial) {
		if (message)
			dhow_message_free(message);
		return;
	}
	check(!ask->answered);
	ask->answered = true;
	ask->rc = rc;
	ask->events = events;
	if (message)
		ask->message = *message;
}

bool gateway_news(struct dhow_gateway *gateway, struct gateway_news *ret_news)
{
	if (!gateway->told_count)
		return false;
	*ret_news = (struct gateway_news){
		.kind = GATEWAY_PEERS,
		.peer = gateway->told[--gateway->told_count],
	};
	return true;
}

void gateway_report(struct dhow_gateway *gateway, uint32_t node, const char *why)
{
	check(why);
	gateway->reported[node]++;
}
