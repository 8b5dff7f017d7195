/* SPDX-License-Identifier: MIT */
/* remote.c - see remote.h. */
#include "src/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "src/context.h"
#include "src/heap.h"
#include "src/liveness.h"
#include "src/outbound.h"
#include "src/waitset.h"

/* A deadline as the far node may need it longer: the answer travels. */
enum { ANSWER_GRACE_MS = 2000 };

/* Large messages of a stream on their way: so many bytes, or one. */
enum { LARGE_MIN = 16 * 1024, LARGE_BYTES = 16 << 20, POOL_LOOK_NS = 100000 };

static int agent_down(struct segment *segment)
{
	/* G2: pairs with G1 in gateway_serve(). seq_cst: also a second look of wait_announce(),
	 * see W1 in gateway_leave() and recover_agent(). */
	unsigned state = atomic_load_explicit(&segment->shm->agent_state, memory_order_seq_cst);

	if (state == AGENT_UP)
		return 0;
	return dhow_fail(-EHOSTDOWN,
			 state == AGENT_DEAD
				 ? "the agent of node %u is dead, other nodes cannot be reached"
				 : "node %u has no agent, other nodes cannot be reached",
			 segment->shm->node);
}

/* Say why a stream or request failed. */
static int say(struct segment *segment, const struct dhow_address *target, int rc)
{
	const struct shm_node *node = &segment->nodes[target->node % LAYOUT_NODES];
	/* G6: pairs with G5 in gateway_node_state(). */
	unsigned state = atomic_load_explicit(&node->state, memory_order_acquire);
	char name[DHOW_ADDRESS_BYTES], why[sizeof(node->why)];

	dhow_address_print(target, name);
	memcpy(why, node->why, sizeof(why));
	why[sizeof(why) - 1] = '\0';
	if (rc == -EHOSTDOWN)
		return dhow_fail(rc, "node %u is down: %s (channel %s)", target->node,
				 state == PEER_DEAD ? why : "it cannot be reached", name);
	if (rc == -ETIMEDOUT && state == PEER_SILENT)
		return dhow_fail(rc, "channel %s: node %u is silent: %s", name, target->node, why);
	if (rc == -EPIPE || rc == -ESTALE)
		return dhow_fail(rc, "channel %s was destroyed", name);
	return dhow_fail(rc, "channel %s: %s", name, dhow_strerror(rc));
}

/* ---- streams ---- */

static int claim_stream(struct segment *segment, const struct dhow_address *target,
			uint32_t *ret_index)
{
	for (uint32_t i = 0; i < LAYOUT_STREAMS; i++) {
		struct shm_stream *stream = &segment->streams[i];
		uint64_t word = atomic_load_explicit(&stream->word, memory_order_relaxed);
		uint64_t making = WORD(WORD_SERIAL(word), STREAM_MAKING, segment->me);

		/* G8: pairs with G7 in gateway_forget() and recover_stream(): the last holder is
		 * done with it. seq_cst: who wakes all must find it, W2 in remote_wake_all(). */
		if (WORD_STATE(word) != STREAM_FREE ||
		    !atomic_compare_exchange_strong_explicit(&stream->word, &word, making,
							     memory_order_seq_cst,
							     memory_order_relaxed))
			continue;
		stream->target = *target;
		atomic_store_explicit(&stream->wants, 0, memory_order_relaxed);
		atomic_store_explicit(&stream->deposited, 0, memory_order_relaxed);
		atomic_store_explicit(&stream->received, 0, memory_order_relaxed);
		atomic_store_explicit(&stream->error, 0, memory_order_relaxed);
		atomic_store_explicit(&stream->wait, 0, memory_order_relaxed);
		/* R5: pairs with A5 in gateway_stream(). Publishes the target. */
		atomic_store_explicit(&stream->word,
				      WORD(WORD_SERIAL(making), STREAM_OPEN, segment->me),
				      memory_order_release);
		*ret_index = i;
		return 0;
	}
	return dhow_fail(-ENFILE, "at most %d channels of other nodes may be open on a node",
			 LAYOUT_STREAMS);
}

static struct dhow_channel *new_handle(void)
{
	struct dhow_channel *channel = channel_handle();
	struct remote_large *large = calloc(REMOTE_LARGE, sizeof(*large));

	if (!channel || !large) {
		free(channel);
		free(large);
		return NULL;
	}
	channel->remote.large = large;
	pthread_mutex_init(&channel->remote.lock, NULL);
	return channel;
}

static void free_handle(struct dhow_channel *channel)
{
	pthread_mutex_destroy(&channel->remote.lock);
	free(channel->remote.large);
	free(channel);
}

int remote_open(struct segment *segment, const struct dhow_address *address,
		enum channel_kind kind, uint64_t deadline_ns, struct dhow_channel **ret_channel)
{
	struct dhow_channel *channel;
	uint32_t events;
	int rc = agent_down(segment);

	if (rc < 0)
		return rc;
	channel = new_handle();
	if (!channel)
		return dhow_fail(-ENOMEM, "out of memory");
	channel->segment = segment;
	channel->is_remote = true;
	channel->address = *address;
	channel->index = LAYOUT_GATEWAY;
	wait_habit_init(&channel->habit, DHOW_WAIT_DEFAULT);
	/* A4: pairs with R4 in publish_entry(). */
	channel->generation = WORD_SERIAL(atomic_load_explicit(
		&segment->channels[LAYOUT_GATEWAY].word, memory_order_acquire));
	rc = channel_ring(segment, LAYOUT_GATEWAY, &channel->ring);
	if (rc == 0)
		rc = claim_stream(segment, address, &channel->remote.stream);
	if (rc < 0) {
		free_handle(channel);
		return rc;
	}
	rc = remote_ask(channel, GATEWAY_PROBE, kind, 0,
			deadline_ns ? deadline_ns : dhow_in_ms(5000), &events, NULL);
	if (rc < 0) {
		remote_close(channel);
		return rc;
	}
	*ret_channel = channel;
	return 0;
}

void remote_close(struct dhow_channel *channel)
{
	struct segment *segment = channel->segment;
	struct shm_stream *stream = &segment->streams[channel->remote.stream];
	uint64_t word = atomic_load_explicit(&stream->word, memory_order_relaxed);

	if (WORD_STATE(word) == STREAM_OPEN && WORD_OWNER(word) == segment->me) {
		/* R6: pairs with A6 in next_orphan(): who sees the epoch sees the state. */
		atomic_store_explicit(&stream->word, WORD(WORD_SERIAL(word), STREAM_CLOSING, 0),
				      memory_order_release);
		atomic_fetch_add_explicit(&segment->shm->orphan_epoch, 1, memory_order_seq_cst);
		wait_notify(&channel->ring.shm->wait_in, segment);
	}
	if (channel->watched)
		waitset_forget(channel);
	free_handle(channel);
}

struct progress {
	struct dhow_channel *channel;
	_Atomic uint64_t *counter;
	uint64_t wanted;
};

static int try_progress(void *arg)
{
	struct progress *progress = arg;
	struct segment *segment = progress->channel->segment;
	struct shm_stream *stream = &segment->streams[progress->channel->remote.stream];
	int error;

	/* A7: pairs with R7 in set_counter(). */
	if (atomic_load_explicit(progress->counter, memory_order_seq_cst) >= progress->wanted)
		return 0;
	/* G4: pairs with G3 in gateway_fail(). */
	error = atomic_load_explicit(&stream->error, memory_order_seq_cst);
	if (error)
		return say(segment, &progress->channel->address, error);
	return agent_down(segment) < 0 ? -EHOSTDOWN : -EAGAIN;
}

static int wait_progress(struct dhow_channel *channel, _Atomic uint64_t *counter, uint64_t wanted,
			 uint64_t deadline_ns)
{
	struct shm_stream *stream = &channel->segment->streams[channel->remote.stream];
	struct progress progress = { .channel = channel, .counter = counter, .wanted = wanted };
	int rc = wait_until(&channel->habit, &stream->wait, deadline_ns, try_progress, &progress);

	return rc == -ETIMEDOUT ? say(channel->segment, &channel->address, rc) : rc;
}

/* Nobody rings a bell when there is room again: look now and then. */
int remote_claim(struct dhow_channel *channel, uint64_t bytes, uint64_t deadline_ns)
{
	struct segment *segment = channel->segment;
	struct shm_stream *stream = &segment->streams[channel->remote.stream];
	const struct timespec pause = { .tv_nsec = POOL_LOOK_NS };

	while (!outbound_claim(segment, bytes)) {
		int rc = atomic_load_explicit(&stream->error, memory_order_relaxed);

		if (rc)
			return say(segment, &channel->address, rc);
		rc = agent_down(segment);
		if (rc)
			return rc;
		if (deadline_ns == DHOW_TRY)
			return -EAGAIN;
		if (base_now_ns() >= deadline_ns)
			return say(segment, &channel->address, -ETIMEDOUT);
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* A stream that filled the pool would leave nothing for what comes from other nodes, and no block
 * would be used again before it is out of the cache. So few large messages are on their way. */
static int room_for_large(struct dhow_channel *channel, size_t bytes, uint64_t deadline_ns)
{
	struct shm_stream *stream = &channel->segment->streams[channel->remote.stream];
	struct remote *remote = &channel->remote;

	while (remote->large_count) {
		const struct remote_large *first = &remote->large[remote->large_first];

		/* relaxed: only the number is used. */
		if (atomic_load_explicit(&stream->deposited, memory_order_relaxed) <
		    first->number) {
			int rc = 0;

			if (remote->large_count < REMOTE_LARGE &&
			    remote->large_bytes + bytes <= LARGE_BYTES)
				return 0;
			rc = wait_progress(channel, &stream->deposited, first->number, deadline_ns);
			if (rc < 0)
				return rc;
		}
		remote->large_bytes -= first->bytes;
		remote->large_first = (remote->large_first + 1) % REMOTE_LARGE;
		remote->large_count--;
	}
	return 0;
}

static void note_large(struct remote *remote, size_t bytes)
{
	unsigned last = (remote->large_first + remote->large_count++) % REMOTE_LARGE;

	remote->large[last] = (struct remote_large){ remote->accepted, bytes };
	remote->large_bytes += bytes;
}

static int push(struct dhow_channel *channel, const void *data, size_t bytes, uint32_t block,
		const struct dhow_header *header, uint64_t deadline_ns, uint64_t *ret_number)
{
	struct remote *remote = &channel->remote;
	struct shm_stream *stream = &channel->segment->streams[remote->stream];
	struct envelope envelope = { .header = *header, .route = remote->stream };
	int rc, error;

	pthread_mutex_lock(&remote->lock);
	/* G4: pairs with G3 in gateway_fail(). */
	error = atomic_load_explicit(&stream->error, memory_order_acquire);
	rc = error ? say(channel->segment, &channel->address, error) : agent_down(channel->segment);
	if (rc == 0 && remote->accepted >= GATEWAY_WINDOW)
		rc = wait_progress(channel, &stream->deposited,
				   remote->accepted + 1 - GATEWAY_WINDOW, deadline_ns);
	if (rc == 0 && bytes >= LARGE_MIN)
		rc = room_for_large(channel, bytes, deadline_ns);
	if (rc == 0)
		rc = channel_put(channel, data, bytes, block, &envelope, deadline_ns, NULL);
	if (rc == 0)
		*ret_number = ++remote->accepted;
	if (rc == 0 && bytes >= LARGE_MIN)
		note_large(remote, bytes);
	pthread_mutex_unlock(&remote->lock);
	return rc;
}

int remote_send(struct dhow_channel *channel, const void *data, size_t bytes, uint32_t block,
		const struct dhow_header *header, enum dhow_return_when when, uint64_t deadline_ns)
{
	struct shm_stream *stream = &channel->segment->streams[channel->remote.stream];
	uint64_t number;
	int rc;

	/* Before the message: relaxed, since it is published with it (R2). */
	if (when == DHOW_RECEIVED)
		atomic_fetch_or_explicit(&stream->wants, GATEWAY_WANTS_RECEIVED,
					 memory_order_relaxed);
	else if (when == DHOW_DEPOSITED)
		atomic_fetch_or_explicit(&stream->wants, GATEWAY_WANTS_DEPOSITED,
					 memory_order_relaxed);
	rc = push(channel, data, bytes, block, header, deadline_ns, &number);
	if (rc == 0 && when == DHOW_DEPOSITED)
		rc = wait_progress(channel, &stream->deposited, number, deadline_ns);
	if (rc == 0 && when == DHOW_RECEIVED)
		rc = wait_progress(channel, &stream->received, number, deadline_ns);
	return rc;
}

int remote_flush(struct dhow_channel *channel, uint64_t deadline_ns)
{
	struct shm_stream *stream = &channel->segment->streams[channel->remote.stream];
	uint64_t number;

	pthread_mutex_lock(&channel->remote.lock);
	number = channel->remote.accepted;
	pthread_mutex_unlock(&channel->remote.lock);
	return wait_progress(channel, &stream->deposited, number, deadline_ns);
}

/* ---- requests ---- */

static int claim_request(struct segment *segment, struct shm_request **ret_request,
			 uint32_t *ret_serial)
{
	for (uint32_t i = 0; i < LAYOUT_REQUESTS; i++) {
		struct shm_request *request = &segment->requests[i];
		uint64_t word = atomic_load_explicit(&request->word, memory_order_relaxed);
		uint64_t mine = WORD(WORD_SERIAL(word), REQUEST_CLAIMED, segment->me);

		/* Q2: pairs with Q1 in withdraw(), take_answer(), remote_watch_close(),
		 * gateway_answer() and recover_request(): the last holder is done with it.
		 * seq_cst: who wakes all must find it, W2 in remote_wake_all(). */
		if (WORD_STATE(word) == REQUEST_FREE &&
		    atomic_compare_exchange_strong_explicit(&request->word, &word, mine,
							    memory_order_seq_cst,
							    memory_order_relaxed)) {
			*ret_request = request;
			*ret_serial = WORD_SERIAL(word);
			return 0;
		}
	}
	return dhow_fail(-ENFILE, "at most %d calls may wait for other nodes at once",
			 LAYOUT_REQUESTS);
}

struct answer {
	struct segment *segment;
	struct shm_request *request;
	uint32_t serial;
};

static int try_answer(void *arg)
{
	struct answer *answer = arg;
	/* A8: pairs with R8 in gateway_answer(). The fields of the answer are visible. */
	uint64_t word = atomic_load_explicit(&answer->request->word, memory_order_seq_cst);

	if (WORD_STATE(word) == REQUEST_DONE)
		return 0;
	return agent_down(answer->segment) < 0 ? -EHOSTDOWN : -EAGAIN;
}

/* ANSWERING takes the agent less than a microsecond, unless it died in it. */
static void await_answer(struct answer *answer)
{
	uint64_t limit = dhow_in_ms(100);

	while (try_answer(answer) == -EAGAIN && base_now_ns() < limit)
		sched_yield();
}

/* Withdraw a request. False: its answer came meanwhile. */
static bool withdraw(struct answer *answer)
{
	uint32_t me = answer->segment->me;
	uint64_t filled = WORD(answer->serial, REQUEST_FILLED, me);

	/* Q1: pairs with Q2 in claim_request(), here and below. */
	if (atomic_compare_exchange_strong_explicit(&answer->request->word, &filled,
						    WORD(answer->serial + 1, REQUEST_FREE, 0),
						    memory_order_acq_rel, memory_order_relaxed))
		return true;
	await_answer(answer);
	if (try_answer(answer) == 0)
		return false;
	atomic_store_explicit(&answer->request->word, WORD(answer->serial + 1, REQUEST_FREE, 0),
			      memory_order_release);
	return true;
}

static int take_answer(struct dhow_channel *channel, struct answer *answer, uint32_t *ret_events,
		       struct dhow_message *ret_message)
{
	struct segment *segment = channel->segment;
	struct shm_request *request = answer->request;
	uint32_t block = request->block;
	uint64_t bytes = request->bytes;
	int rc = request->rc;

	if (ret_events)
		*ret_events = request->ret_events;
	if (block && (!heap_valid(segment, block) || bytes > heap_bytes(segment, block)))
		block = 0, rc = -EPROTO;
	if (rc == 0 && ret_message) {
		*ret_message = (struct dhow_message){
			.data = block ? heap_data(segment, block) : NULL,
			.bytes = block ? bytes : 0,
			.header = { .flags = request->flags & SLOT_HEADER_FLAGS,
				    .sender = request->sender,
				    .tag = request->tag,
				    .user = request->user },
			.segment_ = segment,
			.block_ = block,
		};
	} else if (block) {
		heap_free_mine(segment, block);
	}
	if (rc == -EMSGSIZE && ret_message)
		ret_message->bytes = bytes;
	/* Q1: pairs with Q2 in claim_request(). The answer is read. */
	atomic_store_explicit(&request->word, WORD(answer->serial + 1, REQUEST_FREE, 0),
			      memory_order_release);
	return rc == 0 || rc == -EAGAIN ? rc : say(segment, &channel->address, rc);
}

int remote_ask(struct dhow_channel *channel, enum gateway_op op, uint32_t events, uint64_t room,
	       uint64_t deadline_ns, uint32_t *ret_events, struct dhow_message *ret_message)
{
	struct segment *segment = channel->segment;
	struct answer answer = { .segment = segment };
	struct envelope envelope = { .flags = SLOT_REQUEST };
	uint64_t grace = dhow_in_ms(ANSWER_GRACE_MS);
	struct shm_request *request = NULL;
	int rc = agent_down(segment);

	if (rc == 0)
		rc = claim_request(segment, &request, &answer.serial);
	if (rc < 0)
		return rc;
	answer.request = request;
	request->target = channel->address;
	request->op = op;
	request->events = events;
	request->room = room;
	request->deadline_ns = deadline_ns;
	request->block = 0;
	atomic_store_explicit(&request->wait, 0, memory_order_relaxed);
	envelope.route = (uint32_t)(request - segment->requests);
	/* R9: pairs with A9 in gateway_ask(). Publishes the fields. */
	atomic_store_explicit(&request->word, WORD(answer.serial, REQUEST_FILLED, segment->me),
			      memory_order_release);
	rc = channel_put(channel, NULL, 0, 0, &envelope, grace, NULL);
	if (rc == 0) {
		if (deadline_ns < DHOW_FOREVER - ANSWER_GRACE_MS * BASE_MS && deadline_ns)
			grace = deadline_ns + ANSWER_GRACE_MS * BASE_MS;
		else if (deadline_ns)
			grace = DHOW_FOREVER;
		rc = wait_until(&channel->habit, &request->wait, grace, try_answer, &answer);
	}
	if (rc < 0 && withdraw(&answer))
		return rc == -ETIMEDOUT ? say(segment, &channel->address, rc) : rc;
	rc = take_answer(channel, &answer, ret_events, ret_message);
	return rc == -EAGAIN && deadline_ns ? -ETIMEDOUT : rc;
}

/* ---- questions of wait-sets ---- */

int remote_watch_open(struct dhow_channel *channel, struct remote_watch *watch)
{
	struct segment *segment = channel->segment;
	int rc = agent_down(segment);

	*watch = (struct remote_watch){ .segment = segment };
	if (rc == 0)
		rc = claim_request(segment, &watch->request, &watch->serial);
	return rc;
}

static void watch_ask(struct remote_watch *watch, const struct dhow_address *target,
		      unsigned events)
{
	struct shm_request *request = watch->request;

	request->target = *target;
	request->op = GATEWAY_POLL;
	request->events = events;
	request->room = 0;
	request->deadline_ns = DHOW_FOREVER;
	request->block = 0;
	atomic_store_explicit(&request->wait, WAIT_BELLS, memory_order_relaxed);
	/* R9: pairs with A9 in gateway_ask(). Publishes the fields. */
	atomic_store_explicit(&request->word,
			      WORD(watch->serial, REQUEST_FILLED, watch->segment->me),
			      memory_order_release);
	watch->asked = true;
	watch->sent = false;
}

/* The record is ours alone again. */
static void watch_reuse(struct remote_watch *watch)
{
	watch->asked = false;
	/* relaxed: the agent writes to it only after the next question, see R9. */
	atomic_store_explicit(&watch->request->word,
			      WORD(++watch->serial, REQUEST_CLAIMED, watch->segment->me),
			      memory_order_relaxed);
}

unsigned remote_watch_look(struct remote_watch *watch, struct dhow_channel *channel,
			   unsigned events)
{
	const struct envelope envelope = { .flags = SLOT_REQUEST,
					   .route = (uint32_t)(watch->request -
							       watch->segment->requests) };
	uint64_t word;
	unsigned now;
	int rc;

	if (!watch->asked)
		watch_ask(watch, &channel->address, events);
	/* If the gateway is full, the next look tries again. */
	if (!watch->sent)
		watch->sent = channel_put(channel, NULL, 0, 0, &envelope, DHOW_TRY, NULL) == 0;
	/* A8: pairs with R8 in gateway_answer(); seq_cst: the look after bell_clear(), see B2. */
	word = atomic_load_explicit(&watch->request->word, memory_order_seq_cst);
	if (WORD_STATE(word) != REQUEST_DONE)
		return agent_down(watch->segment) < 0 ? DHOW_CLOSED : 0;
	rc = watch->request->rc;
	now = watch->request->ret_events & (events | DHOW_CLOSED);
	watch_reuse(watch);
	if (rc == 0)
		return now;
	/* What passes is asked again at the next look. */
	return rc == -EPIPE || rc == -ESTALE || rc == -EHOSTDOWN || rc == -EHOSTUNREACH ?
		       DHOW_CLOSED :
		       0;
}

void remote_watch_stop(struct remote_watch *watch)
{
	struct answer answer = { .segment = watch->segment,
				 .request = watch->request,
				 .serial = watch->serial };
	uint64_t filled = WORD(watch->serial, REQUEST_FILLED, watch->segment->me);

	watch->ready = 0;
	if (!watch->asked)
		return;
	/* Q1, as in withdraw(), but we go on with it ourselves. */
	if (atomic_compare_exchange_strong_explicit(
		    &watch->request->word, &filled,
		    WORD(watch->serial + 1, REQUEST_CLAIMED, watch->segment->me),
		    memory_order_acq_rel, memory_order_relaxed)) {
		watch->serial++;
		watch->asked = false;
		return;
	}
	await_answer(&answer);
	watch_reuse(watch);
}

void remote_watch_close(struct remote_watch *watch)
{
	if (!watch->request)
		return;
	remote_watch_stop(watch);
	/* Q1: pairs with Q2 in claim_request(). */
	atomic_store_explicit(&watch->request->word, WORD(watch->serial + 1, REQUEST_FREE, 0),
			      memory_order_release);
	watch->request = NULL;
}

void remote_wake_all(struct segment *segment)
{
	struct shm_channel *gateway = &segment->channels[LAYOUT_GATEWAY];

	/* W2: who claimed one that we take for free looks at the agent's state after that, and
	 * sees what we tell about (claim_stream(), claim_request()). */
	for (uint32_t i = 0; segment->streams && i < LAYOUT_STREAMS; i++)
		if (WORD_STATE(atomic_load_explicit(&segment->streams[i].word,
						    memory_order_seq_cst)) != STREAM_FREE)
			wait_wake_all(&segment->streams[i].wait, NULL);
	for (uint32_t i = 0; segment->requests && i < LAYOUT_REQUESTS; i++)
		if (WORD_STATE(atomic_load_explicit(&segment->requests[i].word,
						    memory_order_seq_cst)) != REQUEST_FREE)
			wait_wake_all(&segment->requests[i].wait, segment);
	wait_wake_all(&gateway->wait_in, NULL);
	wait_wake_all(&gateway->wait_out, NULL);
}
