/* SPDX-License-Identifier: MIT */
/*
 * peer.c - the life of a connection, and what is told of it.
 *
 *	CONNECTING -> UP -> DOWN -> DELETED; any state may go to DOWN or DELETED.
 *
 * Young connections (not connected yet, or accepted and still silent) have two seconds.
 * The list of them is in order of their deadlines, because all get the same time.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "tcp/peer.h"
#include "tcp/sock.h"

/* A newcomer may take the place of one that has been silent for so long. An agent speaks as
 * soon as it is connected; each ms more lets a siege of strangers shut out good peers longer. */
static const uint64_t patience_ns = 20 * BASE_MS;

int tcp_open(struct fabric *fabric, const struct tcp_backend *backend,
	     const struct fabric_options *options, const struct fabric_events *events, void *user,
	     struct fabric_caps *ret_caps)
{
	int rc;

	memset(fabric, 0, sizeof(*fabric));
	fabric->backend = backend;
	fabric->events = *events;
	fabric->user = user;
	base_list_init(&fabric->peers);
	base_list_init(&fabric->graves);
	base_list_init(&fabric->young);
	base_list_init(&fabric->dirty);
	base_list_init(&fabric->down);
	base_list_init(&fabric->done);
	rc = tcp_address_parse(options ? options->bind : NULL, &fabric->own);
	if (rc < 0)
		return rc;
	fabric->listen_fd = tcp_sock_listen(&fabric->own);
	if (fabric->listen_fd < 0)
		return fabric->listen_fd;
	fabric->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	*ret_caps = (struct fabric_caps){ .frame_max = TCP_FRAME_MAX,
					  .offer_max = TCP_OFFER_MAX,
					  .address_max = TCP_ADDRESS_MAX,
					  .knows_sender = 1,
					  .has_wait = 1,
					  .tells_refusal = 1 };
	return 0;
}

void tcp_close(struct fabric *fabric)
{
	assert(base_list_empty(&fabric->peers) && base_list_empty(&fabric->graves));
	close(fabric->listen_fd);
	if (fabric->spare_fd >= 0)
		close(fabric->spare_fd);
	tcp_slots_free(fabric);
	tcp_recvs_free(fabric);
}

int tcp_address(struct fabric *fabric, void *blob, size_t *bytes)
{
	return tcp_address_encode(&fabric->own, blob, bytes);
}

static struct fabric_peer *peer_create(struct fabric *fabric, int fd, enum tcp_state state)
{
	struct fabric_peer *peer;
	const size_t align = 64;

	if (fabric->peer_count >= TCP_PEERS_MAX)
		return NULL;
	peer = aligned_alloc(align, (sizeof(*peer) + align - 1) / align * align);
	if (!peer)
		return NULL;
	memset(peer, 0, sizeof(*peer));
	peer->fabric = fabric;
	peer->fd = fd;
	peer->state = state;
	base_list_init(&peer->young);
	base_list_init(&peer->todo);
	base_list_init(&peer->queue);
	base_list_init(&peer->active);
	base_list_init(&peer->batch.items);
	base_list_add_tail(&fabric->peers, &peer->node);
	base_list_add_tail(&fabric->young, &peer->young);
	peer->deadline_ns = base_now_ns() + TCP_YOUNG_NS;
	fabric->peer_count++;
	return peer;
}

static void grown(struct fabric_peer *peer)
{
	base_list_del(&peer->young);
	if (peer->accepted && !peer->heard)
		peer->fabric->silent--;
}

void tcp_fail(struct fabric_peer *peer, const char *format, ...)
{
	va_list args;

	if (peer->state >= TCP_DOWN)
		return;
	va_start(args, format);
	vsnprintf(peer->why, sizeof(peer->why), format, args);
	va_end(args);
	grown(peer);
	peer->state = TCP_DOWN;
	base_list_del(&peer->todo);
	base_list_add_tail(&peer->fabric->down, &peer->todo);
}

/* Take the connection from the kernel, then give back all that was under way. */
static void peer_shut(struct fabric_peer *peer)
{
	struct fabric *fabric = peer->fabric;

	if (peer->closed)
		return;
	peer->closed = true;
	fabric->backend->end(peer);
	close(peer->fd);
	peer->fd = -1;
	tcp_send_discard(peer);
	tcp_bulk_abort(peer);
	for (struct base_list *node = fabric->done.next; node != &fabric->done;) {
		struct tcp_op *own = base_list_entry(node, struct tcp_op, node);
		struct fabric_op *op = base_list_entry(own, struct fabric_op, private_);

		node = node->next;
		if (own->peer != peer)
			continue;
		base_list_del(&own->node);
		op->done(op, own->status);
		/* The callback may have changed the list. */
		node = fabric->done.next;
	}
}

enum fabric_status tcp_peer_add(struct fabric *fabric, const void *blob, size_t bytes,
				void *peer_user, struct fabric_peer **ret_peer)
{
	union tcp_address address;
	struct fabric_peer *peer;
	int rc, fd;

	if (tcp_address_decode(blob, bytes, &address) < 0)
		return FABRIC_PEER;
	fd = tcp_sock_create(&address);
	if (fd < 0)
		return FABRIC_AGAIN;
	peer = peer_create(fabric, fd, TCP_CONNECTING);
	if (!peer) {
		close(fd);
		return FABRIC_AGAIN;
	}
	peer->address = address;
	peer->user = peer_user;
	*ret_peer = peer;
	rc = fabric->backend->begin(peer);
	if (rc == -ECONNREFUSED)
		peer->loss = FABRIC_REFUSED;
	if (rc < 0)
		tcp_fail(peer, "connect: %s", strerror(-rc));
	return FABRIC_OK;
}

void tcp_connected(struct fabric_peer *peer, int rc)
{
	char text[64];

	if (peer->state != TCP_CONNECTING)
		return;
	if (rc < 0) {
		if (rc == -ECONNREFUSED)
			peer->loss = FABRIC_REFUSED;
		tcp_address_text(&peer->address, text, sizeof(text));
		tcp_fail(peer, "connect to %s: %s", text, strerror(-rc));
		return;
	}
	tcp_sock_settle(peer->fd);
	peer->state = TCP_UP;
	grown(peer);
	tcp_dirty(peer);
}

void tcp_heard(struct fabric_peer *peer)
{
	if (peer->accepted)
		grown(peer);
	peer->heard = true;
}

/* Room for one more that has not spoken? A long silent one gives way. */
static bool silent_room(struct fabric *fabric)
{
	if (fabric->silent < TCP_SILENT_MAX)
		return true;
	base_list_for(node, &fabric->young) {
		struct fabric_peer *peer = base_list_entry(node, struct fabric_peer, young);

		if (!peer->accepted)
			continue;
		if (base_now_ns() + TCP_YOUNG_NS - peer->deadline_ns < patience_ns)
			return false;
		tcp_fail(peer, "said nothing while others waited");
		return true;
	}
	return false;
}

void tcp_accepted(struct fabric *fabric, int fd)
{
	struct fabric_peer *peer = silent_room(fabric) ? peer_create(fabric, fd, TCP_UP) : NULL;
	int rc;

	if (!peer) {
		base_log_debug("too many connections that say nothing, one is refused");
		close(fd);
		return;
	}
	tcp_sock_tune(fd);
	tcp_sock_settle(fd);
	peer->accepted = true;
	fabric->silent++;
	rc = fabric->backend->begin(peer);
	if (rc < 0)
		tcp_fail(peer, "accept: %s", strerror(-rc));
	fabric->told++;
	fabric->events.peer_new(fabric->user, peer);
}

void tcp_accept_failed(struct fabric *fabric, int error)
{
	int fd;

	if (error != -EMFILE && error != -ENFILE)
		return;
	/* The connection would stay in the backlog and wake us for ever: take it and close. */
	base_log_warn("no file descriptor left, a connection is refused");
	if (fabric->spare_fd >= 0)
		close(fabric->spare_fd);
	/* It may have gone away meanwhile, and the socket may be a blocking one. */
	if (poll(&(struct pollfd){ .fd = fabric->listen_fd, .events = POLLIN }, 1, 0) == 1) {
		fd = accept4(fabric->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			close(fd);
	}
	fabric->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void tcp_peer_del(struct fabric_peer *peer)
{
	struct fabric *fabric = peer->fabric;

	assert(peer->state != TCP_DELETED);
	if (peer->state < TCP_DOWN)
		grown(peer);
	peer->state = TCP_DELETED;
	base_list_del(&peer->todo);
	base_list_del(&peer->node);
	base_list_add_tail(&fabric->graves, &peer->node);
	peer_shut(peer);
}

void *tcp_peer_user(struct fabric_peer *peer, void *set_or_null)
{
	if (set_or_null)
		peer->user = set_or_null;
	return peer->user;
}

void tcp_op_finish(struct fabric_peer *peer, struct fabric_op *op, enum fabric_status status)
{
	struct tcp_op *own = (struct tcp_op *)(void *)op->private_;

	own->peer = peer;
	own->status = status;
	base_list_add_tail(&peer->fabric->done, &own->node);
}

static void expire(struct fabric *fabric)
{
	uint64_t now = base_now_ns();

	while (!base_list_empty(&fabric->young)) {
		struct fabric_peer *peer =
			base_list_entry(fabric->young.next, struct fabric_peer, young);

		if (peer->deadline_ns > now)
			return;
		tcp_fail(peer, peer->accepted ? "said nothing for %d s" : "no connection in %d s",
			 (int)(TCP_YOUNG_NS / 1000000000));
	}
}

void tcp_tell(struct fabric *fabric, int budget)
{
	/* Its own share: a flood of frames must not hold back completions and losses. */
	const int limit = budget < INT_MAX - fabric->told ? fabric->told + budget : INT_MAX;

	if (!base_list_empty(&fabric->young))
		expire(fabric);
	while (!base_list_empty(&fabric->done) && fabric->told < limit) {
		struct tcp_op *own = base_list_entry(fabric->done.next, struct tcp_op, node);
		struct fabric_op *op = base_list_entry(own, struct fabric_op, private_);

		base_list_del(&own->node);
		fabric->told++;
		op->done(op, own->status);
	}
	while (!base_list_empty(&fabric->down) && fabric->told < limit) {
		struct fabric_peer *peer =
			base_list_entry(fabric->down.next, struct fabric_peer, todo);

		base_list_del(&peer->todo);
		fabric->told++;
		peer_shut(peer);
		if (peer->state == TCP_DOWN)
			fabric->events.peer_down(fabric->user, peer, peer->loss, peer->why);
	}
}

bool tcp_has_news(const struct fabric *fabric)
{
	return !base_list_empty(&fabric->done) || !base_list_empty(&fabric->down);
}

uint64_t tcp_deadline(const struct fabric *fabric, uint64_t deadline_ns)
{
	if (!base_list_empty(&fabric->young)) {
		struct fabric_peer *peer =
			base_list_entry(fabric->young.next, struct fabric_peer, young);

		if (peer->deadline_ns < deadline_ns)
			return peer->deadline_ns;
	}
	return deadline_ns;
}

void tcp_reap(struct fabric *fabric)
{
	base_list_for(node, &fabric->graves) {
		struct fabric_peer *peer = base_list_entry(node, struct fabric_peer, node);

		if (peer->in_flight)
			continue;
		base_list_del(&peer->node);
		fabric->peer_count--;
		tcp_recv_end(peer);
		free(peer);
	}
}
