/* SPDX-License-Identifier: MIT */
/* gateway.c - the agent's side of the gateway; see gateway.h. */
#include "src/gateway.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/connection.h"
#include "src/context.h"
#include "src/heap.h"
#include "src/liveness.h"
#include "src/outbound.h"
#include "src/remote.h"
#include "src/totals.h"

struct dhow_gateway {
	struct segment *segment;
	struct dhow_channel *channel;	/* the gateway channel: many producers, one reader */
	uint32_t seen_orphans;		/* orphan_epoch up to which streams were looked at */
	uint32_t orphan_at;		/* next stream to look at; LAYOUT_STREAMS = none */
	uint32_t kept;			/* blocks of messages that wait */
	bool stream_ended;		/* perhaps with a sender that had claimed room */
};

int gateway_serve(const struct dhow_node_peer *self, uint8_t ret_secret[DHOW_SECRET_BYTES],
		  struct dhow_gateway **ret_gateway)
{
	struct dhow_gateway *gateway = calloc(1, sizeof(*gateway));
	struct node_request ready = { .op = NODE_AGENT_READY };
	struct shm_channel *entry;
	int rc;

	if (!gateway)
		return dhow_fail(-ENOMEM, "out of memory");
	rc = context_start(true, NULL, 0);
	if (rc < 0)
		goto err_free;
	context_secret(ret_secret);
	gateway->segment = context_node();
	if (!gateway->segment) {
		rc = -ENOTCONN;
		goto err_leave;
	}
	entry = &gateway->segment->channels[LAYOUT_GATEWAY];
	/* A4: pairs with R4 in publish_entry(). */
	rc = channel_attach(gateway->segment, LAYOUT_GATEWAY,
			    WORD_SERIAL(atomic_load_explicit(&entry->word, memory_order_acquire)),
			    &gateway->channel);
	if (rc < 0)
		goto err_leave;
	gateway->orphan_at = LAYOUT_STREAMS;
	/* relaxed: it is read only by who knows that its owner is dead, see L5. */
	atomic_store_explicit(&gateway->segment->shm->agent, gateway->segment->me,
			      memory_order_relaxed);
	outbound_forget(gateway->segment);
	/* G1: pairs with G2 in agent_down(): all is ready to be used. */
	atomic_store_explicit(&gateway->segment->shm->agent_state, AGENT_UP, memory_order_release);
	ready.peer = *self;
	connection_tell(&ready);
	*ret_gateway = gateway;
	return 0;

err_leave:
	dhow_fini();
err_free:
	free(gateway);
	return rc;
}

void gateway_leave(struct dhow_gateway *gateway)
{
	if (!gateway)
		return;
	/* W1: the change that remote_wake_all() tells about. */
	atomic_store_explicit(&gateway->segment->shm->agent_state, AGENT_DEAD,
			      memory_order_seq_cst);
	remote_wake_all(gateway->segment);
	channel_free(gateway->channel);
	dhow_fini();
	free(gateway);
}

uint32_t gateway_job(const struct dhow_gateway *gateway)
{
	return gateway->segment->shm->job;
}

uint32_t gateway_node(const struct dhow_gateway *gateway)
{
	return gateway->segment->shm->node;
}

uint32_t gateway_nodes(const struct dhow_gateway *gateway)
{
	return gateway->segment->nodes_count;
}

void gateway_segment(const struct dhow_gateway *gateway, void **ret_base, size_t *ret_bytes)
{
	*ret_base = gateway->segment->base;
	*ret_bytes = gateway->segment->bytes;
}

void gateway_totals(const struct dhow_gateway *gateway, struct gateway_totals *ret_totals)
{
	totals_count(gateway->segment, ret_totals);
}

int gateway_bell(const struct dhow_gateway *gateway)
{
	return gateway->segment->agent_bell;
}

int gateway_daemon(const struct dhow_gateway *gateway)
{
	(void)gateway;
	return connection_fd();
}

static bool has_orphans(const struct dhow_gateway *gateway)
{
	/* W2: the second look of gateway_arm(). */
	return gateway->orphan_at < LAYOUT_STREAMS ||
	       atomic_load_explicit(&gateway->segment->shm->orphan_epoch, memory_order_seq_cst) !=
		       gateway->seen_orphans;
}

bool gateway_arm(struct dhow_gateway *gateway)
{
	struct ring *ring = &gateway->channel->ring;
	struct shm_slot *slot;
	uint64_t word, count;

	if (read(gateway->segment->agent_bell, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return true;
	wait_announce(&ring->shm->wait_in, WAIT_WATCHED);
	return ring_next(ring, &slot, &word) || has_orphans(gateway);
}

/* A stream whose process is done with it or dead, and whose messages are all taken. */
static bool next_orphan(struct dhow_gateway *gateway, struct gateway_item *ret_item)
{
	struct shm_segment *shm = gateway->segment->shm;

	if (gateway->orphan_at >= LAYOUT_STREAMS) {
		/* A6: pairs with R6 in remote_close(). Closed streams are visible. */
		uint32_t epoch = atomic_load_explicit(&shm->orphan_epoch, memory_order_seq_cst);

		if (epoch == gateway->seen_orphans)
			return false;
		gateway->seen_orphans = epoch;
		gateway->orphan_at = 0;
		/* The ring is looked at once more before: what was sent precedes the close. */
		return false;
	}
	for (; gateway->orphan_at < LAYOUT_STREAMS; gateway->orphan_at++) {
		_Atomic uint64_t *at = &gateway->segment->streams[gateway->orphan_at].word;
		uint64_t word = atomic_load_explicit(at, memory_order_acquire);

		if (WORD_STATE(word) != STREAM_CLOSING)
			continue;
		atomic_store_explicit(at, WORD(WORD_SERIAL(word), STREAM_CLOSED, 0),
				      memory_order_release);
		gateway->stream_ended = true;
		*ret_item = (struct gateway_item){ .kind = GATEWAY_CLOSE,
						   .index = gateway->orphan_at++ };
		return true;
	}
	return false;
}

static bool next_slot(struct dhow_gateway *gateway, struct gateway_item *ret_item)
{
	struct dhow_channel *channel = gateway->channel;
	struct shm_slot *slot;
	uint64_t word;
	void *data;

	while (channel_claim(channel, DHOW_TRY, &slot, &word) == 0) {
		struct gateway_item item = { .kind = GATEWAY_MESSAGE, .index = slot->route };
		uint32_t bytes, block;

		data = channel_payload(channel, slot, &bytes, &block);
		item.is_block = block != 0;
		if (slot->flags & SLOT_REQUEST)
			item.kind = GATEWAY_REQUEST;
		if (!data || item.index >= (item.kind == GATEWAY_REQUEST ? LAYOUT_REQUESTS :
									  LAYOUT_STREAMS)) {
			channel_finish(channel, slot, word, false);
			continue;
		}
		if (item.kind == GATEWAY_REQUEST) {
			channel_finish(channel, slot, word, false);
			*ret_item = item;
			return true;
		}
		item.message = (struct dhow_message){
			.data = data,
			.bytes = bytes,
			.header = { .sender = slot->sender,
				    .tag = slot->tag,
				    .user = slot->user,
				    .flags = slot->flags & SLOT_HEADER_FLAGS },
			.segment_ = gateway->segment,
			.block_ = block,
			.slot_ = ring_index(&channel->ring, slot),
			.word_ = word,
		};
		*ret_item = item;
		return true;
	}
	return false;
}

bool gateway_next(struct dhow_gateway *gateway, struct gateway_item *ret_item)
{
	if (next_slot(gateway, ret_item) || next_orphan(gateway, ret_item))
		return true;
	/* The first call that saw a new epoch looks at the ring again before the streams. */
	if (gateway->orphan_at < LAYOUT_STREAMS &&
	    (next_slot(gateway, ret_item) || next_orphan(gateway, ret_item)))
		return true;
	if (gateway->stream_ended && !gateway->kept) {
		outbound_forget(gateway->segment);
		gateway->stream_ended = false;
	}
	return false;
}

static struct shm_slot *item_slot(struct dhow_gateway *gateway, const struct gateway_item *item)
{
	const struct ring *ring = &gateway->channel->ring;

	return (void *)(ring->slots + (size_t)item->message.slot_ * ring->stride);
}

void gateway_done(struct dhow_gateway *gateway, struct gateway_item *item)
{
	if (item->message.word_) {
		if (item->is_block)
			outbound_release(gateway->segment,
					 heap_bytes(gateway->segment, item->message.block_));
		channel_finish(gateway->channel, item_slot(gateway, item), item->message.word_,
			       false);
	}
	item->message = (struct dhow_message){ 0 };
}

void gateway_keep(struct dhow_gateway *gateway, struct gateway_item *item)
{
	if (!item->message.word_)
		return;
	if (!channel_finish(gateway->channel, item_slot(gateway, item), item->message.word_,
			    true)) {
		outbound_release(gateway->segment,
				 heap_bytes(gateway->segment, item->message.block_));
		item->message.block_ = 0;
	}
	item->message.word_ = 0;
	gateway->kept += item->message.block_ != 0;
}

void gateway_free(struct dhow_gateway *gateway, struct dhow_message *message)
{
	if (message->block_) {
		gateway->kept--;
		outbound_release(gateway->segment, heap_bytes(gateway->segment, message->block_));
	}
	dhow_message_free(message);
}

/* ---- streams ---- */

static struct shm_stream *stream_at(struct dhow_gateway *gateway, uint32_t index)
{
	return index < LAYOUT_STREAMS ? &gateway->segment->streams[index] : NULL;
}

bool gateway_stream(struct dhow_gateway *gateway, uint32_t index, struct dhow_address *ret_target)
{
	struct shm_stream *stream = stream_at(gateway, index);
	unsigned state;

	if (!stream)
		return false;
	/* A5: pairs with R5 in claim_stream(). The target is visible. */
	state = WORD_STATE(atomic_load_explicit(&stream->word, memory_order_acquire));
	if (state != STREAM_OPEN && state != STREAM_CLOSING && state != STREAM_CLOSED)
		return false;
	*ret_target = stream->target;
	return true;
}

unsigned gateway_wants(struct dhow_gateway *gateway, uint32_t index)
{
	struct shm_stream *stream = stream_at(gateway, index);

	return stream ? atomic_load_explicit(&stream->wants, memory_order_relaxed) : 0;
}

/* R7: pairs with A7 in try_progress(); seq_cst for wait_notify(), see W1. */
static void set_counter(struct shm_stream *stream, _Atomic uint64_t *counter, uint64_t count)
{
	atomic_exchange_explicit(counter, count, memory_order_seq_cst);
	if (atomic_load_explicit(&stream->wait, memory_order_seq_cst) & WAIT_SLEEPING)
		wait_wake_all(&stream->wait, NULL);
}

void gateway_deposited(struct dhow_gateway *gateway, uint32_t index, uint64_t count)
{
	struct shm_stream *stream = stream_at(gateway, index);

	if (stream)
		set_counter(stream, &stream->deposited, count);
}

void gateway_received(struct dhow_gateway *gateway, uint32_t index, uint64_t count)
{
	struct shm_stream *stream = stream_at(gateway, index);

	if (stream)
		set_counter(stream, &stream->received, count);
}

void gateway_fail(struct dhow_gateway *gateway, uint32_t index, int rc)
{
	struct shm_stream *stream = stream_at(gateway, index);

	if (!stream)
		return;
	/* G3: pairs with G4 in try_progress() and push(): the state of the node that is why.
	 * seq_cst: the change that wait_wake_all() tells about, see W1. */
	atomic_exchange_explicit(&stream->error, rc, memory_order_seq_cst);
	wait_wake_all(&stream->wait, NULL);
}

void gateway_forget(struct dhow_gateway *gateway, uint32_t index)
{
	struct shm_stream *stream = stream_at(gateway, index);
	uint64_t word;

	if (!stream)
		return;
	word = atomic_load_explicit(&stream->word, memory_order_relaxed);
	/* G7: pairs with G8 in claim_stream(). We are done with the stream. */
	if (WORD_STATE(word) == STREAM_CLOSED)
		atomic_store_explicit(&stream->word, WORD(WORD_SERIAL(word) + 1, STREAM_FREE, 0),
				      memory_order_release);
}

void gateway_node_state(struct dhow_gateway *gateway, uint32_t node, enum peer_state state,
			const char *why)
{
	struct shm_node *at;

	if (node >= LAYOUT_NODES)
		return;
	at = &gateway->segment->nodes[node];
	strncpy(at->why, why ? why : "", sizeof(at->why) - 1);
	/* G5: pairs with G6 in say(). Publishes the text, which is one of several only if the
	 * state changes while somebody reads it. */
	atomic_store_explicit(&at->state, state, memory_order_release);
}

/* ---- requests ---- */

static bool is_wanted(struct dhow_gateway *gateway, uint32_t index, uint32_t serial,
		      uint32_t *ret_owner)
{
	uint64_t word;

	if (index >= LAYOUT_REQUESTS)
		return false;
	/* A9: pairs with R9 in remote_ask(). */
	word = atomic_load_explicit(&gateway->segment->requests[index].word, memory_order_acquire);
	*ret_owner = WORD_OWNER(word);
	return WORD_STATE(word) == REQUEST_FILLED && WORD_SERIAL(word) == serial;
}

bool gateway_wanted(struct dhow_gateway *gateway, uint32_t index, uint32_t serial)
{
	uint32_t owner;

	return is_wanted(gateway, index, serial, &owner);
}

bool gateway_ask(struct dhow_gateway *gateway, uint32_t index, struct gateway_ask *ret_ask)
{
	struct shm_request *request;
	uint64_t word;

	if (index >= LAYOUT_REQUESTS)
		return false;
	request = &gateway->segment->requests[index];
	/* A9: pairs with R9 in remote_ask(). The question's fields are visible. */
	word = atomic_load_explicit(&request->word, memory_order_acquire);
	if (WORD_STATE(word) != REQUEST_FILLED)
		return false;
	*ret_ask = (struct gateway_ask){ .op = (enum gateway_op)request->op,
					 .target = request->target,
					 .events = request->events,
					 .room = request->room,
					 .deadline_ns = request->deadline_ns,
					 .serial = WORD_SERIAL(word) };
	return true;
}

/* The block passes from the agent to the caller, who may be dead: then recover() frees it,
 * or has run already and we do. */
static void pass_block(struct dhow_gateway *gateway, struct shm_request *request, uint32_t owner,
		       struct dhow_message *message)
{
	struct segment *segment = gateway->segment;

	request->block = 0;
	request->bytes = message->bytes;
	request->tag = message->header.tag;
	request->user = message->header.user;
	request->sender = message->header.sender;
	request->flags = message->header.flags;
	if (message->block_ && message->segment_ == segment &&
	    heap_pass(segment, message->block_, WORD(0, BLOCK_OWNED, segment->me),
		      WORD(0, BLOCK_OWNED, owner)))
		request->block = message->block_;
}

void gateway_answer(struct dhow_gateway *gateway, uint32_t index, uint32_t serial, int rc,
		    uint32_t events, struct dhow_message *message)
{
	struct segment *segment = gateway->segment;
	struct shm_request *request;
	uint64_t filled, answering;
	uint32_t owner;

	if (!is_wanted(gateway, index, serial, &owner))
		goto unwanted;
	request = &segment->requests[index];
	filled = WORD(serial, REQUEST_FILLED, owner);
	answering = WORD(serial, REQUEST_ANSWERING, owner);
	/* A9: as above. From here on the answer's fields are ours to write. */
	if (!atomic_compare_exchange_strong_explicit(&request->word, &filled, answering,
						     memory_order_acquire, memory_order_relaxed))
		goto unwanted;
	request->rc = rc;
	request->ret_events = events;
	request->bytes = 0;
	if (message)
		pass_block(gateway, request, owner, message);
	/* R8: pairs with A8 in try_answer(); seq_cst for wait_notify(), see W1. */
	atomic_exchange_explicit(&request->word, WORD(serial, REQUEST_DONE, owner),
				 memory_order_seq_cst);
	wait_notify(&request->wait, segment);
	if (liveness_dead(segment, owner)) {
		uint64_t done = WORD(serial, REQUEST_DONE, owner);

		if (request->block)
			heap_free(segment, request->block, WORD(0, BLOCK_OWNED, owner));
		/* Q1: pairs with Q2 in claim_request(). */
		atomic_compare_exchange_strong_explicit(&request->word, &done,
							WORD(serial + 1, REQUEST_FREE, 0),
							memory_order_acq_rel, memory_order_relaxed);
	}
	if (message)
		*message = (struct dhow_message){ 0 };
	return;

unwanted:
	if (message)
		dhow_message_free(message);
}

/* ---- local channels, for remote processes ---- */

int gateway_open(struct dhow_gateway *gateway, const struct dhow_address *address,
		 struct dhow_channel **ret_channel)
{
	struct segment *segment = gateway->segment, *borrowed = NULL;
	int rc;

	if (address->job != segment->shm->job || address->node != segment->shm->node)
		return -EXDEV;
	if (address->segment != segment->id) {
		rc = context_segment(address->segment, &borrowed);
		if (rc < 0)
			return rc;
		segment = borrowed;
	}
	if (address->index == LAYOUT_GATEWAY && segment == gateway->segment)
		return -ESTALE;	/* the gateway is no channel of the application */
	rc = channel_attach(segment, address->index, address->generation, ret_channel);
	if (borrowed)
		context_return(borrowed);
	return rc;
}

/* A block of another pool than the channel's is copied. */
static int own_block(struct segment *segment, const void *data, size_t bytes, uint32_t *ret_block)
{
	int rc = channel_block(segment, bytes, DHOW_TRY, ret_block);

	if (rc == 0)
		memcpy(heap_data(segment, *ret_block), data, bytes);
	return rc;
}

int gateway_deposit(struct dhow_gateway *gateway, struct dhow_channel *channel,
		    struct dhow_message *block_or_null, const void *data, size_t bytes,
		    const struct dhow_header *header, uint64_t *ret_position)
{
	struct segment *segment = channel->segment;
	struct envelope envelope = { .header = *header };
	uint32_t block = 0;
	bool is_given = false;
	int rc = 0;

	(void)gateway;
	if (block_or_null) {
		data = block_or_null->data;
		is_given = block_or_null->block_ && block_or_null->segment_ == segment;
	}
	if (is_given)
		block = block_or_null->block_;
	else if (bytes > channel->ring.inline_bytes && !ring_has_room(&channel->ring))
		rc = channel_is_open(channel->ring.shm, channel->generation) ? -EAGAIN : -EPIPE;
	else if (bytes > channel->ring.inline_bytes)
		rc = own_block(segment, data, bytes, &block);
	if (rc == 0)
		rc = channel_put(channel, data, bytes, block, &envelope, DHOW_TRY, ret_position);
	if (rc < 0 && block && !is_given)
		heap_free_mine(segment, block);
	if (rc == 0 && is_given)
		*block_or_null = (struct dhow_message){ 0 };
	else if (rc == 0 && block_or_null)
		dhow_message_free(block_or_null);
	return rc;
}

bool gateway_taken(struct dhow_channel *channel, uint64_t position)
{
	return ring_taken(&channel->ring, position);
}

void gateway_watch(struct dhow_gateway *gateway, struct dhow_channel *channel, unsigned events)
{
	const uint64_t one = 1;
	unsigned now = 0;

	if (events & DHOW_IN)
		wait_announce(&channel->ring.shm->wait_in, WAIT_WATCHED);
	if (channel_kind(channel) == KIND_BARRIER)
		return;	/* the caller looks himself */
	if (events & DHOW_OUT)
		wait_announce(&channel->ring.shm->wait_out, WAIT_WATCHED);
	/* It may have become true before we announced ourselves. */
	if (dhow_poll(channel, events, DHOW_TRY, &now) == 0 &&
	    write(gateway->segment->agent_bell, &one, sizeof(one)) < 0)
		return;	/* EAGAIN: it rings already */
}

/* ---- the daemon ---- */

bool gateway_news(struct dhow_gateway *gateway, struct gateway_news *ret_news)
{
	struct node_reply reply;
	int rc;

	(void)gateway;
	memset(ret_news, 0, sizeof(*ret_news));
	do {
		rc = connection_news(&reply);
		if (rc == 0)
			return false;
		if (rc < 0) {
			ret_news->kind = GATEWAY_DAEMON_GONE;
			return true;
		}
	} while (reply.news != NODE_NEWS_PEER && reply.news != NODE_NEWS_PEER_DEAD);
	ret_news->kind = reply.news == NODE_NEWS_PEER ? GATEWAY_PEERS : GATEWAY_PEER_DEAD;
	ret_news->peer = reply.peer;
	memcpy(ret_news->why, reply.why, sizeof(ret_news->why));
	return true;
}

static void report(enum node_op op, uint32_t node, const char *why)
{
	struct node_request request = { .op = op, .value = node };

	strncpy(request.name, why ? why : "", sizeof(request.name) - 1);
	connection_tell(&request);
}

void gateway_report(struct dhow_gateway *gateway, uint32_t node, const char *why)
{
	(void)gateway;
	report(NODE_REPORT, node, why);
}

void gateway_report_silent(struct dhow_gateway *gateway, uint32_t node, const char *why)
{
	(void)gateway;
	report(NODE_SILENT, node, why);
}
