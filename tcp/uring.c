/* SPDX-License-Identifier: MIT */
/*
 * uring.c - the fabric `uring`: one ring, one enter to submit, complete and sleep.
 *
 * Receive: a multishot receive into a ring of provided buffers, so that frames come
 * without being asked for. While bulk data is due on a connection it is cancelled in
 * favour of single receives, whose first vector is the data's own place; also where the
 * kernel has no multishot. At most one receive and one send per peer are under way.
 *
 * The ring belongs to the thread that opened it (SINGLE_ISSUER). Sockets are blocking:
 * io_uring waits by itself, and would not on non-blocking ones.
 *
 * A zero-copy send completes twice: sent, and read by the network. The batch and its bulk
 * data are the kernel's until then.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "tcp/fabrics.h"
#include "tcp/peer.h"
#include "tcp/uring_ring.h"

enum {
	ACCEPTS_MAX = 16,	/* in one go */
	COMPLETIONS_MAX = 1024, /* of one progress() */
	FIXED_MIN = 16384,	/* bulk data that is received by itself, if its memory is known */
	END_TRIES = 10000,	/* of 100 us: the kernel lets go of a shut socket at once */
};

/* Low bits of user_data; the rest is the peer. */
enum uring_what {
	URING_IGNORE,
	URING_ACCEPT,
	URING_WATCH,
	URING_CONNECT,
	URING_SEND,
	URING_RECEIVE,
	URING_WHAT_MASK = 7,
};

struct uring_fabric {
	struct fabric base;
	struct uring_ring ring;
	int watch_fd; /* an epoll set, because a poll in the ring would keep a closed fd alive */
	bool watch_armed, accept_armed, closing;
	bool no_multishot_receive;
};

static struct uring_fabric *uring_of(struct fabric *fabric)
{
	return (struct uring_fabric *)(void *)fabric;
}

static uint64_t data_of(const struct fabric_peer *peer, enum uring_what what)
{
	return (uint64_t)(uintptr_t)peer | what;
}

static int uring_probe(const struct fabric_options *options, char *why, size_t why_bytes)
{
	struct uring_ring ring;
	int rc = fabric_epoll.probe(options, why, why_bytes); /* the address, likewise */
	struct uring_options wanted;

	if (rc == 0)
		rc = uring_options_parse(options ? options->tuning : NULL, &wanted, why,
					 why_bytes);
	if (rc == 0)
		rc = uring_ring_open(&ring, &wanted, why, why_bytes);
	if (rc == 0)
		uring_ring_close(&ring);
	return rc;
}

static struct io_uring_sqe *peer_sqe(struct fabric_peer *peer)
{
	struct io_uring_sqe *sqe = uring_ring_sqe(&uring_of(peer->fabric)->ring);

	if (sqe)
		peer->in_flight++;
	else
		tcp_fail(peer, "the ring takes no more");
	return sqe;
}

/* Name the peer's socket in @sqe, which is made up already. */
static void use_file(struct fabric_peer *peer, struct io_uring_sqe *sqe)
{
	if (!peer->file)
		return;
	sqe->fd = (int)peer->file - 1;
	sqe->flags |= IOSQE_FIXED_FILE;
}

/* The next bytes are bulk data for registered memory: straight into it. */
static bool receive_fixed(struct fabric_peer *peer, struct io_uring_sqe *sqe)
{
	const struct fabric_memory *memory = peer->data_left ? peer->data->memory : NULL;

	if (!memory || !memory->fixed || peer->data_left < FIXED_MIN)
		return false;
	io_uring_prep_read_fixed(sqe, peer->fd, peer->data->into + peer->data->got,
				 (unsigned)peer->data_left, 0, (int)memory->fixed - 1);
	return true;
}

static void receive_arm(struct fabric_peer *peer)
{
	struct uring_fabric *uring = uring_of(peer->fabric);
	struct io_uring_sqe *sqe;

	if (peer->receiving || peer->state != TCP_UP)
		return;
	peer->multishot = uring->ring.buffers && !uring->no_multishot_receive && !peer->fetching;
	peer->direct = peer->data_left > 0;
	peer->recv_message = (struct msghdr){ .msg_iov = peer->recv_iov };
	if (!peer->multishot)
		peer->recv_message.msg_iovlen = (size_t)tcp_recv_where(peer, peer->recv_iov);
	sqe = peer->state == TCP_UP ? peer_sqe(peer) : NULL;
	if (!sqe)
		return;
	peer->receiving = true;
	if (peer->multishot) {
		io_uring_prep_recv_multishot(sqe, peer->fd, NULL, 0, 0);
		sqe->flags |= IOSQE_BUFFER_SELECT;
		sqe->buf_group = URING_GROUP;
	} else if (!receive_fixed(peer, sqe)) {
		io_uring_prep_recvmsg(sqe, peer->fd, &peer->recv_message, 0);
	}
	use_file(peer, sqe);
	io_uring_sqe_set_data64(sqe, data_of(peer, URING_RECEIVE));
}

static int uring_begin(struct fabric_peer *peer)
{
	struct io_uring_sqe *sqe;
	int rc = base_fd_set_nonblocking(peer->fd, 0);

	if (rc < 0)
		return rc;
	peer->file = uring_ring_file_add(&uring_of(peer->fabric)->ring, peer->fd);
	if (peer->state == TCP_UP) {
		receive_arm(peer);
		return 0;
	}
	sqe = peer_sqe(peer);
	if (!sqe)
		return -ENOBUFS;
	io_uring_prep_connect(sqe, peer->fd, &peer->address.any, tcp_address_bytes(&peer->address));
	use_file(peer, sqe);
	io_uring_sqe_set_data64(sqe, data_of(peer, URING_CONNECT));
	return 0;
}

static void uring_fetching(struct fabric_peer *peer)
{
	struct io_uring_sqe *sqe;

	if (!peer->receiving || !peer->multishot || peer->cancelling)
		return;
	sqe = uring_ring_sqe(&uring_of(peer->fabric)->ring);
	if (!sqe)
		return; /* the data is copied once more, that is all */
	peer->cancelling = true;
	io_uring_prep_cancel64(sqe, data_of(peer, URING_RECEIVE), 0);
	io_uring_sqe_set_data64(sqe, URING_IGNORE);
}

/* Has the kernel memory of an operation in hand: the core's, which is given back now? */
static bool holds_memory(struct fabric_peer *peer)
{
	struct uring_ring *ring = &uring_of(peer->fabric)->ring;

	return (peer->sending && peer->batch.chunk &&
		!uring_ring_holds(ring, data_of(peer, URING_SEND))) ||
	       (peer->receiving && peer->direct &&
		!uring_ring_holds(ring, data_of(peer, URING_RECEIVE)));
}

static void uring_end(struct fabric_peer *peer)
{
	struct uring_ring *ring = &uring_of(peer->fabric)->ring;
	const struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	if (peer->in_flight == 0) {
		uring_ring_file_del(ring, peer->file);
		return;
	}
	/* Entries that name the descriptor must be in the kernel before its number is free. */
	uring_ring_submit(ring);
	shutdown(peer->fd, SHUT_RDWR);
	/* What is sent without a copy would be the network's until a dead peer times out. */
	if (peer->sending && ring->on[URING_ZC])
		(void)connect(peer->fd, &nobody, sizeof(nobody));
	uring_ring_file_del(ring, peer->file);
	/* Completions stay in the ring: we may be in the middle of handling them. */
	for (int i = 0; holds_memory(peer); i++) {
		if (i == END_TRIES) {
			base_log_error("the kernel keeps the buffers of a closed connection");
			abort();
		}
		if (i > 0)
			usleep(100);
		io_uring_get_events(&ring->io);
	}
}

static const struct tcp_backend uring_backend = {
	.begin = uring_begin,
	.fetching = uring_fetching,
	.end = uring_end,
};

static void accept_arm(struct uring_fabric *uring)
{
	struct io_uring_sqe *sqe;

	if (uring->accept_armed)
		return;
	sqe = uring_ring_sqe(&uring->ring);
	if (!sqe)
		return;
	/* Not multishot: it would take connections, and descriptors, before we can refuse them. */
	io_uring_prep_accept(sqe, uring->base.listen_fd, NULL, NULL, SOCK_CLOEXEC);
	io_uring_sqe_set_data64(sqe, URING_ACCEPT);
	uring->accept_armed = true;
}

/* What was asked for and is not there; and, for who looks closely, what is used. */
static void tell_options(const struct uring_fabric *uring)
{
	char text[128] = "";
	size_t at = 0;

	for (int i = 0; i < URING_FEATURES; i++) {
		const struct uring_feature_row *row = &uring_features[i];

		if (uring->ring.on[i] && at < sizeof(text))
			at += (size_t)snprintf(text + at, sizeof(text) - at, " %s", row->name);
		if (*uring->ring.why_not[i])
			base_log(row->standard ? BASE_LOG_INFO : BASE_LOG_WARN,
				 "uring without %s: %s", row->name, uring->ring.why_not[i]);
	}
	base_log_info("uring with%s", at ? text : " nothing special");
}

static int uring_open(const struct fabric_options *options, const struct fabric_events *events,
		      void *user, struct fabric **ret_fabric, struct fabric_caps *ret_caps)
{
	struct uring_fabric *uring = calloc(1, sizeof(*uring));
	struct uring_options wanted;
	char why[160];
	int rc;

	if (!uring)
		return -ENOMEM;
	rc = uring_options_parse(options ? options->tuning : NULL, &wanted, why, sizeof(why));
	if (rc < 0)
		goto err_free;
	rc = tcp_open(&uring->base, &uring_backend, options, events, user, ret_caps);
	if (rc < 0)
		goto err_free;
	rc = base_fd_set_nonblocking(uring->base.listen_fd, 0);
	if (rc == 0)
		rc = uring_ring_open(&uring->ring, &wanted, why, sizeof(why));
	if (rc < 0)
		goto err_close;
	uring->watch_fd = -1;
	ret_caps->calls = &uring->ring.calls;
	tell_options(uring);
	accept_arm(uring);
	uring_ring_submit(&uring->ring);
	*ret_fabric = &uring->base;
	return 0;
err_close:
	tcp_close(&uring->base);
err_free:
	free(uring);
	return rc;
}

/* One by one, a crowd would wait for as many turns: take those that are there. */
static void accept_more(struct fabric *fabric)
{
	struct pollfd there = { .fd = fabric->listen_fd, .events = POLLIN };

	for (int i = 0; i < ACCEPTS_MAX && poll(&there, 1, 0) == 1; i++) {
		int fd = accept4(fabric->listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			return;
		tcp_accepted(fabric, fd);
	}
}

static void accept_done(struct uring_fabric *uring, int res)
{
	uring->accept_armed = false;
	if (uring->closing) {
		if (res >= 0)
			close(res);
	} else if (res >= 0) {
		tcp_accepted(&uring->base, res);
		accept_more(&uring->base);
	} else {
		tcp_accept_failed(&uring->base, res);
	}
}

static void send_done(struct fabric_peer *peer, int res, unsigned flags)
{
	struct uring_ring *ring = &uring_of(peer->fabric)->ring;

#ifdef IORING_CQE_F_NOTIF
	if (flags & IORING_CQE_F_MORE) {
		peer->sent = res;
		return; /* the kernel tells when it has read what it sends */
	}
	if (flags & IORING_CQE_F_NOTIF)
		res = peer->sent;
#endif
	peer->in_flight--;
	peer->sending = false;
	if (peer->closed)
		return;
	/* Pages that are sent from count as locked memory of the user. */
	if (ring->on[URING_ZC] && (res == -ENOMEM || res == -ENOBUFS || res == -EOPNOTSUPP)) {
		base_log_warn("uring without zc: %s", strerror(-res));
		ring->on[URING_ZC] = false;
		res = -EAGAIN;
	}
	/* A peer that failed is not told yet: what was sent is only accounted. */
	if (res >= 0)
		tcp_batch_sent(peer, (size_t)res);
	else if (res != -EINTR && res != -EAGAIN)
		tcp_fail(peer, "send: %s", strerror(-res));
	tcp_dirty(peer);
}

static void receive_failed(struct fabric_peer *peer, int res)
{
	struct uring_fabric *uring = uring_of(peer->fabric);

	if (res == 0)
		tcp_fail(peer, "closed the connection");
	else if (res == -EINVAL && peer->multishot && !uring->no_multishot_receive)
		uring->no_multishot_receive = true; /* before Linux 6.0 */
	else if (res != -ENOBUFS && res != -ECANCELED && res != -EINTR && res != -EAGAIN)
		tcp_fail(peer, "receive: %s", strerror(-res));
}

static void receive_done(struct fabric_peer *peer, int res, unsigned flags)
{
	struct uring_fabric *uring = uring_of(peer->fabric);

	if (!(flags & IORING_CQE_F_MORE)) {
		peer->in_flight--;
		peer->receiving = false;
		peer->cancelling = false;
	}
	if (flags & IORING_CQE_F_BUFFER) {
		unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;

		if (res > 0 && !peer->closed)
			tcp_recv_chunk(peer,
				       uring->ring.memory + (size_t)id * URING_BUFFER_STRIDE,
				       (size_t)res);
		uring_ring_recycle(&uring->ring, id);
	} else if (res > 0 && peer->state == TCP_UP) {
		tcp_recv_arrived(peer, (size_t)res);
	}
	if (res <= 0 && peer->state == TCP_UP)
		receive_failed(peer, res);
	receive_arm(peer);
}

static void dispatch(struct uring_fabric *uring, const struct io_uring_cqe *cqe)
{
	uint64_t what = cqe->user_data & URING_WHAT_MASK;
	struct fabric_peer *peer = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)URING_WHAT_MASK);

	switch (what) {
	case URING_ACCEPT:
		accept_done(uring, cqe->res);
		break;
	case URING_WATCH:
		uring->watch_armed = false;
		break;
	case URING_CONNECT:
		peer->in_flight--;
		tcp_connected(peer, cqe->res);
		receive_arm(peer);
		break;
	case URING_SEND:
		send_done(peer, cqe->res, cqe->flags);
		break;
	case URING_RECEIVE:
		receive_done(peer, cqe->res, cqe->flags);
		break;
	default:
		break;
	}
}

static void send_arm(struct fabric_peer *peer, struct io_uring_sqe *sqe)
{
	/* WAITALL: the kernel sends the rest by itself when the socket was full. */
	const int flags = MSG_NOSIGNAL | MSG_WAITALL;

	io_uring_prep_sendmsg(sqe, peer->fd, &peer->batch.message, flags);
#ifdef IORING_RECVSEND_FIXED_BUF
	/* Frames are small and made anew: only bulk data is worth the second completion. */
	if (uring_of(peer->fabric)->ring.on[URING_ZC] && peer->batch.chunk)
		io_uring_prep_sendmsg_zc(sqe, peer->fd, &peer->batch.message, flags);
#endif
	use_file(peer, sqe);
	io_uring_sqe_set_data64(sqe, data_of(peer, URING_SEND));
	peer->sending = true;
}

/* Hand a batch of each peer that has one to the ring. */
static void uring_flush(struct uring_fabric *uring)
{
	struct fabric *fabric = &uring->base;

	while (!base_list_empty(&fabric->dirty)) {
		struct fabric_peer *peer =
			base_list_entry(fabric->dirty.next, struct fabric_peer, todo);
		struct io_uring_sqe *sqe;

		base_list_del(&peer->todo);
		if (tcp_batch_build(peer) == 0)
			continue;
		sqe = peer_sqe(peer);
		if (sqe)
			send_arm(peer, sqe);
	}
}

static bool harmless(int rc)
{
	return rc >= 0 || rc == -ETIME || rc == -EINTR || rc == -EAGAIN || rc == -EBUSY;
}

static void take_completions(struct uring_fabric *uring, int budget)
{
	struct io_uring_cqe *cqe;

	for (int i = 0; i < COMPLETIONS_MAX && uring->base.told < budget; i++) {
		struct io_uring_cqe copy;

		if (io_uring_peek_cqe(&uring->ring.io, &cqe) != 0)
			return;
		/* Gone from the ring first: a callback may end in uring_end(), which looks. */
		copy.user_data = cqe->user_data;
		copy.res = cqe->res;
		copy.flags = cqe->flags;
		io_uring_cqe_seen(&uring->ring.io, cqe);
		dispatch(uring, &copy);
	}
}

static int uring_progress(struct fabric *fabric, int budget)
{
	struct uring_fabric *uring = uring_of(fabric);

	fabric->told = 0;
	accept_arm(uring);
	uring_flush(uring);
	if (!harmless(uring_ring_turn(&uring->ring)))
		return FABRIC_FATAL;
	take_completions(uring, budget);
	tcp_tell(fabric, budget);
	tcp_reap(fabric);
	return fabric->told;
}

static int uring_watch(struct fabric *fabric, int fd)
{
	struct uring_fabric *uring = uring_of(fabric);
	struct epoll_event event = { .events = EPOLLIN };

	if (uring->watch_fd < 0)
		uring->watch_fd = epoll_create1(EPOLL_CLOEXEC);
	if (uring->watch_fd < 0 || epoll_ctl(uring->watch_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	return 0;
}

static void watch_arm(struct uring_fabric *uring)
{
	struct io_uring_sqe *sqe;

	if (uring->watch_fd < 0 || uring->watch_armed)
		return;
	sqe = uring_ring_sqe(&uring->ring);
	if (!sqe)
		return;
	/* Single shot, armed again before each sleep: that is what makes it level triggered. */
	io_uring_prep_poll_add(sqe, uring->watch_fd, POLLIN);
	io_uring_sqe_set_data64(sqe, URING_WATCH);
	uring->watch_armed = true;
}

static enum fabric_status uring_wait(struct fabric *fabric, uint64_t deadline_ns)
{
	struct uring_fabric *uring = uring_of(fabric);
	struct uring_ring *ring = &uring->ring;
	struct __kernel_timespec left;
	uint64_t now;
	int rc;

	accept_arm(uring);
	uring_flush(uring);
	if (deadline_ns == 0 || tcp_has_news(fabric) || io_uring_cq_ready(&ring->io) > 0)
		return harmless(uring_ring_turn(ring)) ? FABRIC_OK : FABRIC_FATAL;
	watch_arm(uring);
	deadline_ns = tcp_deadline(fabric, deadline_ns);
	now = base_now_ns();
	left.tv_sec = deadline_ns > now ? (long long)((deadline_ns - now) / 1000000000) : 0;
	left.tv_nsec = deadline_ns > now ? (long long)((deadline_ns - now) % 1000000000) : 0;
	rc = uring_ring_sleep(ring, deadline_ns == UINT64_MAX ? NULL : &left);
	return harmless(rc) ? FABRIC_OK : FABRIC_FATAL;
}

static void uring_close(struct fabric *fabric)
{
	struct uring_fabric *uring = uring_of(fabric);
	struct __kernel_timespec tick = { .tv_nsec = 10 * (long long)BASE_MS };

	uring->closing = true;
	base_list_for(node, &fabric->peers)
		tcp_peer_del(base_list_entry(node, struct fabric_peer, node));
	/* The kernel must be out of our buffers before they are freed. */
	for (int i = 0; i < 500 && !base_list_empty(&fabric->graves); i++) {
		take_completions(uring, INT32_MAX);
		tcp_reap(fabric);
		if (!base_list_empty(&fabric->graves))
			uring_ring_sleep(&uring->ring, &tick);
	}
	uring_ring_close(&uring->ring);
	if (uring->watch_fd >= 0)
		close(uring->watch_fd);
	tcp_close(fabric);
	free(uring);
}

static int uring_memory_add(struct fabric *fabric, void *base, size_t bytes,
			    struct fabric_memory **ret_memory)
{
	int rc = tcp_memory_add(fabric, base, bytes, ret_memory);

	if (rc == 0)
		(*ret_memory)->fixed = uring_ring_memory_add(&uring_of(fabric)->ring, base, bytes);
	return rc;
}

static void uring_memory_del(struct fabric_memory *memory)
{
	uring_ring_memory_del(&uring_of(memory->fabric)->ring, memory->fixed);
	tcp_memory_del(memory);
}

const struct fabric_ops fabric_uring = {
	.name = "uring",
	.probe = uring_probe,
	.open = uring_open,
	.close = uring_close,
	.address = tcp_address,
	.peer_add = tcp_peer_add,
	.peer_del = tcp_peer_del,
	.peer_user = tcp_peer_user,
	.memory_add = uring_memory_add,
	.memory_del = uring_memory_del,
	.slot = tcp_slot,
	.frame = tcp_frame,
	.bulk = tcp_bulk,
	.fetch = tcp_fetch,
	.drop = tcp_drop,
	.progress = uring_progress,
	.watch = uring_watch,
	.wait = uring_wait,
};
