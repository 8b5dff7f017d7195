/* SPDX-License-Identifier: MIT */
/*
 * fabric_mem.c - in-process fabric for tests.
 *
 * One mutex guards everything, and is never held over a callback. What happens to a fabric
 * is an event in its queue, which its own progress() tells. A frame travels in the slot it
 * was made in, so slots run out when the receiver sleeps, as they do on a real network.
 */
#include "agent/fabric_mem.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"

enum {
	MEM_FRAME_MAX = 65536,
	MEM_OFFER_MAX = 512,
	MEM_ADDRESS_MAX = 32,
	MEM_SLOTS = 64,
};

/* The slots of a fabric outlive it while frames are under way. */
struct mem_pool {
	struct base_list free;
	unsigned made, away;
	bool closed;
};

struct mem_slot {
	struct base_list node;
	struct mem_pool *pool;
	uint8_t data[MEM_FRAME_MAX];
};

enum mem_what { MEM_FRAME, MEM_OFFER, MEM_NEW, MEM_DOWN, MEM_DONE };

struct mem_event {
	struct base_list node;
	enum mem_what what;
	struct fabric_peer *peer;
	struct mem_slot *slot;	/* FRAME */
	size_t bytes;		/* FRAME */
	struct fabric_offer *offer;
	struct fabric_op *op;	/* DONE */
	enum fabric_status status;
	enum fabric_loss loss;	/* DOWN */
	const char *why;	/* DOWN */
};

/* In the lists of both sides until it is answered, then of those with an op under way. */
struct fabric_offer {
	struct base_list from_node, to_node;
	struct fabric_peer *from, *to; /* NULL = that side is gone */
	struct fabric_op *op;	       /* the sender's */
	const uint8_t *data;
	size_t bytes, header_bytes;
	uint8_t header[MEM_OFFER_MAX];
};

struct fabric_memory {
	uint8_t *base;
	size_t bytes;
};

struct fabric_peer {
	struct base_list node;
	struct fabric *fabric;
	struct fabric_peer *other; /* NULL = not connected */
	void *user;
	struct base_list offers_out, offers_in;
};

struct fabric {
	struct base_list node;
	char name[MEM_ADDRESS_MAX];
	struct fabric_events events;
	void *user;
	struct base_list queue, peers, graves;
	struct mem_pool *pool;
	int doorbell, epoll_fd;
	unsigned refuse_every, lose_every, window;
	unsigned posts, frames, random;
	void (*tap)(enum fabric_mem_what what, void *data, size_t bytes);
};

/* guards all of the above */
static pthread_mutex_t mem_lock = PTHREAD_MUTEX_INITIALIZER;
static struct base_list mem_fabrics = { &mem_fabrics, &mem_fabrics };
static unsigned mem_serial;

static struct mem_event *event_of(struct base_list *node)
{
	return base_list_entry(node, struct mem_event, node);
}

static struct mem_event *post(struct fabric *fabric, enum mem_what what, struct fabric_peer *peer)
{
	struct mem_event *event = calloc(1, sizeof(*event));
	const uint64_t one = 1;

	if (!event)
		abort(); /* this is a test */
	event->what = what;
	event->peer = peer;
	if (base_list_empty(&fabric->queue) &&
	    write(fabric->doorbell, &one, sizeof(one)) != sizeof(one))
		abort();
	base_list_add_tail(&fabric->queue, &event->node);
	return event;
}

static void post_done(struct fabric_peer *peer, struct fabric_op *op, enum fabric_status status)
{
	struct mem_event *event = post(peer->fabric, MEM_DONE, peer);

	event->op = op;
	event->status = status;
}

static void slot_put(struct mem_slot *slot)
{
	struct mem_pool *pool = slot->pool;

	pool->away--;
	if (!pool->closed) {
		base_list_add_tail(&pool->free, &slot->node);
		return;
	}
	free(slot);
	if (pool->away == 0)
		free(pool);
}

static bool refused(struct fabric *fabric)
{
	return fabric->refuse_every && ++fabric->posts % fabric->refuse_every == 0;
}

static void tap(struct fabric *fabric, enum fabric_mem_what what, void *data, size_t bytes)
{
	if (fabric->tap)
		fabric->tap(what, data, bytes);
}

static int mem_probe(const struct fabric_options *options, char *why, size_t why_bytes)
{
	(void)options;
	(void)why;
	(void)why_bytes;
	return 0;
}

static int mem_open(const struct fabric_options *options, const struct fabric_events *events,
		    void *user, struct fabric **ret_fabric, struct fabric_caps *ret_caps)
{
	struct fabric *fabric = calloc(1, sizeof(*fabric));
	struct epoll_event bell = { .events = EPOLLIN };

	(void)options;
	if (!fabric)
		return -ENOMEM;
	fabric->pool = calloc(1, sizeof(*fabric->pool));
	fabric->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fabric->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!fabric->pool || fabric->doorbell < 0 || fabric->epoll_fd < 0 ||
	    epoll_ctl(fabric->epoll_fd, EPOLL_CTL_ADD, fabric->doorbell, &bell) < 0) {
		if (fabric->doorbell >= 0)
			close(fabric->doorbell);
		if (fabric->epoll_fd >= 0)
			close(fabric->epoll_fd);
		free(fabric->pool);
		free(fabric);
		return -ENOMEM;
	}
	fabric->events = *events;
	fabric->user = user;
	fabric->random = 1;
	base_list_init(&fabric->queue);
	base_list_init(&fabric->peers);
	base_list_init(&fabric->graves);
	base_list_init(&fabric->pool->free);
	pthread_mutex_lock(&mem_lock);
	snprintf(fabric->name, sizeof(fabric->name), "mem-%u", ++mem_serial);
	base_list_add_tail(&mem_fabrics, &fabric->node);
	pthread_mutex_unlock(&mem_lock);
	*ret_caps = (struct fabric_caps){ .frame_max = MEM_FRAME_MAX,
					  .offer_max = MEM_OFFER_MAX,
					  .address_max = MEM_ADDRESS_MAX,
					  .knows_sender = 1,
					  .has_wait = 1,
					  .tells_refusal = 1 };
	*ret_fabric = fabric;
	return 0;
}

static int mem_address(struct fabric *fabric, void *blob, size_t *bytes)
{
	size_t need = strlen(fabric->name);

	if (*bytes < need)
		return -ENOBUFS;
	memcpy(blob, fabric->name, need);
	*bytes = need;
	return 0;
}

static struct fabric_peer *peer_create(struct fabric *fabric, void *user)
{
	struct fabric_peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		abort();
	peer->fabric = fabric;
	peer->user = user;
	base_list_init(&peer->offers_out);
	base_list_init(&peer->offers_in);
	base_list_add_tail(&fabric->peers, &peer->node);
	return peer;
}

static enum fabric_status mem_peer_add(struct fabric *fabric, const void *blob, size_t bytes,
				       void *peer_user, struct fabric_peer **ret_peer)
{
	struct fabric_peer *peer;

	pthread_mutex_lock(&mem_lock);
	peer = peer_create(fabric, peer_user);
	base_list_for(node, &mem_fabrics) {
		struct fabric *there = base_list_entry(node, struct fabric, node);

		if (strlen(there->name) != bytes || memcmp(there->name, blob, bytes) != 0)
			continue;
		peer->other = peer_create(there, NULL);
		peer->other->other = peer;
		post(there, MEM_NEW, peer->other);
		break;
	}
	if (!peer->other) {
		struct mem_event *event = post(fabric, MEM_DOWN, peer);

		event->loss = FABRIC_REFUSED;
		event->why = "nobody has this name";
	}
	*ret_peer = peer;
	pthread_mutex_unlock(&mem_lock);
	return FABRIC_OK;
}

static void offer_del(struct fabric_offer *offer)
{
	base_list_del(&offer->from_node);
	base_list_del(&offer->to_node);
	free(offer);
}

/* Frames and offers for @peer that were not told, and with @all what is told of it too.
 * Completions are kept. */
static void forget_events(struct fabric_peer *peer, bool all)
{
	base_list_for(node, &peer->fabric->queue) {
		struct mem_event *event = event_of(node);

		if (event->peer != peer || event->what == MEM_DONE ||
		    (!all && event->what != MEM_FRAME && event->what != MEM_OFFER))
			continue;
		base_list_del(&event->node);
		if (event->slot)
			slot_put(event->slot);
		free(event);
	}
}

static void forget_offer_event(struct fabric_peer *peer, const struct fabric_offer *offer)
{
	base_list_for(node, &peer->fabric->queue) {
		struct mem_event *event = event_of(node);

		if (event->offer != offer)
			continue;
		base_list_del(&event->node);
		free(event);
	}
}

/* Offers of one direction end: the sender's operation completes, the receiver's pointer stays
 * valid until it answers or goes. */
static void abort_offers(struct fabric_peer *peer)
{
	base_list_for(out, &peer->offers_out) {
		struct fabric_offer *offer = base_list_entry(out, struct fabric_offer, from_node);

		post_done(peer, offer->op, FABRIC_PEER);
		base_list_del(&offer->from_node);
		offer->from = NULL;
		if (!offer->to)
			offer_del(offer);
		else
			forget_offer_event(offer->to, offer);
	}
}

/* The other side hears of it; @peer's own caller knows. */
static void disconnect(struct fabric_peer *peer, const char *why)
{
	struct fabric_peer *other = peer->other;

	peer->other = NULL;
	abort_offers(peer);
	if (!other)
		return;
	other->other = NULL;
	abort_offers(other);
	post(other->fabric, MEM_DOWN, other)->why = why;
}

static void mem_peer_del(struct fabric_peer *peer)
{
	struct fabric *fabric = peer->fabric;
	struct base_list *node;

	pthread_mutex_lock(&mem_lock);
	disconnect(peer, "the other side deleted us");
	forget_events(peer, true);
	base_list_for(in, &peer->offers_in) {
		struct fabric_offer *offer = base_list_entry(in, struct fabric_offer, to_node);

		base_list_del(&offer->to_node);
		offer->to = NULL;
		if (!offer->from)
			offer_del(offer);
	}
	base_list_del(&peer->node);
	base_list_add_tail(&fabric->graves, &peer->node);
	/* What is left of it are completions: now. A callback may change the queue. */
	for (node = fabric->queue.next; node != &fabric->queue;) {
		struct mem_event *event = event_of(node);

		node = node->next;
		if (event->peer != peer)
			continue;
		base_list_del(&event->node);
		pthread_mutex_unlock(&mem_lock);
		event->op->done(event->op, event->status);
		free(event);
		pthread_mutex_lock(&mem_lock);
		node = fabric->queue.next;
	}
	pthread_mutex_unlock(&mem_lock);
}

static void free_graves(struct fabric *fabric)
{
	base_list_for(node, &fabric->graves) {
		base_list_del(node);
		free(base_list_entry(node, struct fabric_peer, node));
	}
}

static void mem_close(struct fabric *fabric)
{
	struct mem_pool *pool = fabric->pool;

	pthread_mutex_lock(&mem_lock);
	base_list_del(&fabric->node);
	pthread_mutex_unlock(&mem_lock);
	base_list_for(node, &fabric->peers)
		mem_peer_del(base_list_entry(node, struct fabric_peer, node));
	pthread_mutex_lock(&mem_lock);
	assert(base_list_empty(&fabric->queue));
	free_graves(fabric);
	base_list_for(slot, &pool->free)
		free(base_list_entry(slot, struct mem_slot, node));
	pool->closed = true;
	if (pool->away == 0)
		free(pool);
	pthread_mutex_unlock(&mem_lock);
	close(fabric->doorbell);
	close(fabric->epoll_fd);
	free(fabric);
}

static void *mem_peer_user(struct fabric_peer *peer, void *set_or_null)
{
	if (set_or_null)
		peer->user = set_or_null;
	return peer->user;
}

static int mem_memory_add(struct fabric *fabric, void *base, size_t bytes,
			  struct fabric_memory **ret_memory)
{
	struct fabric_memory *memory = malloc(sizeof(*memory));

	(void)fabric;
	if (!memory)
		return -ENOMEM;
	memory->base = base;
	memory->bytes = bytes;
	*ret_memory = memory;
	return 0;
}

static void mem_memory_del(struct fabric_memory *memory)
{
	free(memory);
}

static void *mem_slot(struct fabric *fabric)
{
	struct mem_pool *pool = fabric->pool;
	struct mem_slot *slot = NULL;

	pthread_mutex_lock(&mem_lock);
	if (!base_list_empty(&pool->free)) {
		slot = base_list_entry(pool->free.next, struct mem_slot, node);
		base_list_del(&slot->node);
	} else if (pool->made < MEM_SLOTS) {
		slot = malloc(sizeof(*slot));
		if (slot) {
			base_list_init(&slot->node);
			slot->pool = pool;
			pool->made++;
		}
	}
	if (slot)
		pool->away++;
	pthread_mutex_unlock(&mem_lock);
	return slot ? slot->data : NULL;
}

static enum fabric_status mem_frame(struct fabric_peer *peer, void *data, size_t bytes)
{
	struct mem_slot *slot = base_list_entry(data, struct mem_slot, data);
	struct fabric *fabric = peer->fabric;
	enum fabric_status status = FABRIC_OK;
	struct mem_event *event;

	assert(bytes >= 1 && bytes <= MEM_FRAME_MAX);
	pthread_mutex_lock(&mem_lock);
	if (!peer->other) {
		status = FABRIC_PEER;
		slot_put(slot);
	} else if (refused(fabric)) {
		status = FABRIC_AGAIN;
	} else if (fabric->lose_every && ++fabric->frames % fabric->lose_every == 0) {
		slot_put(slot);
	} else {
		tap(fabric, FABRIC_MEM_FRAME, data, bytes);
		event = post(peer->other->fabric, MEM_FRAME, peer->other);
		event->slot = slot;
		event->bytes = bytes;
	}
	pthread_mutex_unlock(&mem_lock);
	return status;
}

static enum fabric_status mem_bulk(struct fabric_peer *peer, const void *header,
				   size_t header_bytes, struct fabric_memory *memory,
				   size_t offset, size_t bytes, struct fabric_op *op)
{
	struct fabric_offer *offer;

	assert(header_bytes <= MEM_OFFER_MAX && bytes >= 1);
	assert(offset <= memory->bytes && bytes <= memory->bytes - offset);
	pthread_mutex_lock(&mem_lock);
	if (!peer->other || refused(peer->fabric)) {
		enum fabric_status status = peer->other ? FABRIC_AGAIN : FABRIC_PEER;

		pthread_mutex_unlock(&mem_lock);
		return status;
	}
	offer = calloc(1, sizeof(*offer));
	if (!offer)
		abort();
	offer->from = peer;
	offer->to = peer->other;
	offer->op = op;
	offer->data = memory->base + offset;
	offer->bytes = bytes;
	offer->header_bytes = header_bytes;
	if (header_bytes)
		memcpy(offer->header, header, header_bytes);
	tap(peer->fabric, FABRIC_MEM_OFFER, offer->header, header_bytes);
	base_list_add_tail(&peer->offers_out, &offer->from_node);
	base_list_add_tail(&peer->other->offers_in, &offer->to_node);
	post(peer->other->fabric, MEM_OFFER, peer->other)->offer = offer;
	pthread_mutex_unlock(&mem_lock);
	return FABRIC_OK;
}

static enum fabric_status mem_fetch(struct fabric_offer *offer, struct fabric_memory *memory,
				    size_t offset, struct fabric_op *op)
{
	enum fabric_status status = FABRIC_OK;

	assert(offset <= memory->bytes && offer->bytes <= memory->bytes - offset);
	pthread_mutex_lock(&mem_lock);
	if (!offer->from) {
		status = FABRIC_PEER;
		offer_del(offer);
	} else if (refused(offer->to->fabric)) {
		status = FABRIC_AGAIN;
	} else {
		memcpy(memory->base + offset, offer->data, offer->bytes);
		tap(offer->from->fabric, FABRIC_MEM_BULK, memory->base + offset, offer->bytes);
		post_done(offer->to, op, FABRIC_OK);
		post_done(offer->from, offer->op, FABRIC_OK);
		offer_del(offer);
	}
	pthread_mutex_unlock(&mem_lock);
	return status;
}

static void mem_drop(struct fabric_offer *offer)
{
	pthread_mutex_lock(&mem_lock);
	if (offer->from)
		post_done(offer->from, offer->op, FABRIC_OK);
	offer_del(offer);
	pthread_mutex_unlock(&mem_lock);
}

/* The next event; with reordering, a frame may overtake others among the first few. */
static struct mem_event *next_event(struct fabric *fabric)
{
	struct base_list *node = fabric->queue.next;
	unsigned skip;

	if (node == &fabric->queue)
		return NULL;
	if (fabric->window > 1 && event_of(node)->what == MEM_FRAME) {
		fabric->random = fabric->random * 1103515245u + 12345u;
		skip = (fabric->random >> 16) % fabric->window;
		while (skip-- > 0 && node->next != &fabric->queue &&
		       event_of(node->next)->what == MEM_FRAME)
			node = node->next;
	}
	base_list_del(node);
	return event_of(node);
}

static void tell(struct fabric *fabric, struct mem_event *event)
{
	struct fabric_offer *offer = event->offer;

	switch (event->what) {
	case MEM_FRAME:
		fabric->events.frame(fabric->user, event->peer, event->slot->data, event->bytes);
		pthread_mutex_lock(&mem_lock);
		slot_put(event->slot);
		pthread_mutex_unlock(&mem_lock);
		break;
	case MEM_OFFER: {
		/* The offer may be freed by its answer, the header must stay until return. */
		uint8_t header[MEM_OFFER_MAX];
		size_t header_bytes = offer->header_bytes;

		memcpy(header, offer->header, header_bytes);
		fabric->events.offer(fabric->user, event->peer, header, header_bytes, offer,
				     offer->bytes);
		break;
	}
	case MEM_NEW:
		fabric->events.peer_new(fabric->user, event->peer);
		break;
	case MEM_DOWN:
		fabric->events.peer_down(fabric->user, event->peer, event->loss,
					 event->why);
		break;
	case MEM_DONE:
		event->op->done(event->op, event->status);
		break;
	}
}

static int mem_progress(struct fabric *fabric, int budget)
{
	int told = 0;

	while (told < budget) {
		struct mem_event *event;

		pthread_mutex_lock(&mem_lock);
		event = next_event(fabric);
		pthread_mutex_unlock(&mem_lock);
		if (!event)
			break;
		tell(fabric, event);
		free(event);
		told++;
	}
	pthread_mutex_lock(&mem_lock);
	free_graves(fabric);
	pthread_mutex_unlock(&mem_lock);
	return told;
}

static int mem_watch(struct fabric *fabric, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(fabric->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static enum fabric_status mem_wait(struct fabric *fabric, uint64_t deadline_ns)
{
	struct epoll_event event;
	uint64_t rings;
	bool news;

	pthread_mutex_lock(&mem_lock);
	news = !base_list_empty(&fabric->queue);
	/* Rung again by whoever makes the empty queue a full one. */
	if (!news && read(fabric->doorbell, &rings, sizeof(rings)) < 0 && errno != EAGAIN)
		abort();
	pthread_mutex_unlock(&mem_lock);
	if (!news && deadline_ns > 0)
		(void)epoll_wait(fabric->epoll_fd, &event, 1, base_poll_ms(deadline_ns));
	return FABRIC_OK;
}

void fabric_mem_refuse_every(struct fabric *fabric, unsigned n)
{
	pthread_mutex_lock(&mem_lock);
	fabric->refuse_every = n;
	pthread_mutex_unlock(&mem_lock);
}

void fabric_mem_reorder(struct fabric *fabric, unsigned window)
{
	pthread_mutex_lock(&mem_lock);
	fabric->window = window;
	pthread_mutex_unlock(&mem_lock);
}

void fabric_mem_lose_every(struct fabric *fabric, unsigned n)
{
	pthread_mutex_lock(&mem_lock);
	fabric->lose_every = n;
	pthread_mutex_unlock(&mem_lock);
}

void fabric_mem_tap(struct fabric *fabric,
		    void (*tap_or_null)(enum fabric_mem_what what, void *data, size_t bytes))
{
	pthread_mutex_lock(&mem_lock);
	fabric->tap = tap_or_null;
	pthread_mutex_unlock(&mem_lock);
}

void fabric_mem_cut(struct fabric_peer *peer)
{
	pthread_mutex_lock(&mem_lock);
	if (peer->other) {
		forget_events(peer->other, false);
		forget_events(peer, false);
		disconnect(peer, "the connection was cut");
		post(peer->fabric, MEM_DOWN, peer)->why = "the connection was cut";
	}
	pthread_mutex_unlock(&mem_lock);
}

const struct fabric_ops fabric_mem = {
	.name = "mem",
	.probe = mem_probe,
	.open = mem_open,
	.close = mem_close,
	.address = mem_address,
	.peer_add = mem_peer_add,
	.peer_del = mem_peer_del,
	.peer_user = mem_peer_user,
	.memory_add = mem_memory_add,
	.memory_del = mem_memory_del,
	.slot = mem_slot,
	.frame = mem_frame,
	.bulk = mem_bulk,
	.fetch = mem_fetch,
	.drop = mem_drop,
	.progress = mem_progress,
	.watch = mem_watch,
	.wait = mem_wait,
};
