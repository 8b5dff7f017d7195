/* SPDX-License-Identifier: MIT */
/*
 * epoll.c - the fabric `epoll`: non-blocking sockets, for where io_uring is not allowed.
 *
 * Level triggered. A peer is always watched for input, for output only while its socket is
 * full. wait() keeps what epoll said for the next progress(), so waking costs one call.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "tcp/fabrics.h"
#include "tcp/peer.h"
#include "tcp/sock.h"

enum {
	EVENTS_MAX = 64,
	SENDS_MAX = 8,	  /* batches of one peer in one go */
	RECVS_MAX = 8,	  /* reads likewise */
	ACCEPTS_MAX = 16,
};

struct epoll_fabric {
	struct fabric base;
	int epoll_fd;
	int event_count, event_next; /* events[] not yet handled */
	struct epoll_event events[EVENTS_MAX];
	bool no_pwait2;
	uint64_t calls; /* of the system, so far */
	uint8_t arrived[TCP_RECV_BYTES];
};

static struct epoll_fabric *epoll_of(struct fabric *fabric)
{
	return (struct epoll_fabric *)(void *)fabric;
}

static int epoll_probe(const struct fabric_options *options, char *why, size_t why_bytes)
{
	union tcp_address address;
	int rc = tcp_address_parse(options ? options->bind : NULL, &address);

	if (rc < 0)
		snprintf(why, why_bytes, "cannot listen at '%s': %s", options->bind,
			 rc == -EINVAL ? "not a numeric address" : "others cannot connect to it");
	return rc;
}

static int epoll_register(struct fabric_peer *peer, int what, bool out)
{
	struct epoll_event event = { .events = EPOLLIN | (out ? EPOLLOUT : 0),
				     .data.ptr = peer };

	peer->want_out = out;
	epoll_of(peer->fabric)->calls++;
	if (epoll_ctl(epoll_of(peer->fabric)->epoll_fd, what, peer->fd, &event) < 0)
		return -errno;
	return 0;
}

static int epoll_begin(struct fabric_peer *peer)
{
	if (peer->state == TCP_UP)
		return epoll_register(peer, EPOLL_CTL_ADD, false);
	if (connect(peer->fd, &peer->address.any, tcp_address_bytes(&peer->address)) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	/* Also if it is connected already: EPOLLOUT comes at once. */
	return epoll_register(peer, EPOLL_CTL_ADD, true);
}

static void epoll_end(struct fabric_peer *peer)
{
	struct epoll_fabric *epoll = epoll_of(peer->fabric);

	epoll_ctl(epoll->epoll_fd, EPOLL_CTL_DEL, peer->fd, NULL);
	for (int i = epoll->event_next; i < epoll->event_count; i++)
		if (epoll->events[i].data.ptr == peer)
			epoll->events[i].data.ptr = NULL;
}

static const struct tcp_backend epoll_backend = { .begin = epoll_begin, .end = epoll_end };

static int epoll_open(const struct fabric_options *options, const struct fabric_events *events,
		      void *user, struct fabric **ret_fabric, struct fabric_caps *ret_caps)
{
	struct epoll_fabric *epoll = calloc(1, sizeof(*epoll));
	struct epoll_event event = { .events = EPOLLIN };
	int rc;

	if (!epoll)
		return -ENOMEM;
	rc = tcp_open(&epoll->base, &epoll_backend, options, events, user, ret_caps);
	if (rc < 0)
		goto err_free;
	epoll->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll->epoll_fd < 0) {
		rc = -errno;
		goto err_close;
	}
	event.data.ptr = epoll;
	if (epoll_ctl(epoll->epoll_fd, EPOLL_CTL_ADD, epoll->base.listen_fd, &event) < 0) {
		rc = -errno;
		close(epoll->epoll_fd);
		goto err_close;
	}
	ret_caps->calls = &epoll->calls;
	*ret_fabric = &epoll->base;
	return 0;
err_close:
	tcp_close(&epoll->base);
err_free:
	free(epoll);
	return rc;
}

static void epoll_close(struct fabric *fabric)
{
	struct epoll_fabric *epoll = epoll_of(fabric);

	base_list_for(node, &fabric->peers)
		tcp_peer_del(base_list_entry(node, struct fabric_peer, node));
	tcp_reap(fabric);
	tcp_close(fabric);
	close(epoll->epoll_fd);
	free(epoll);
}

static int epoll_watch(struct fabric *fabric, int fd)
{
	/* No pointer: such an event is only there to end the wait. */
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(epoll_of(fabric)->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void epoll_send(struct fabric_peer *peer)
{
	for (int i = 0; i < SENDS_MAX && tcp_batch_build(peer) > 0; i++) {
		ssize_t sent;

		epoll_of(peer->fabric)->calls++;
		sent = sendmsg(peer->fd, &peer->batch.message, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN) {
			peer->sending = true; /* until EPOLLOUT */
			if (!peer->want_out && epoll_register(peer, EPOLL_CTL_MOD, true) < 0)
				tcp_fail(peer, "epoll_ctl: %s", strerror(errno));
			return;
		}
		if (sent < 0) {
			tcp_fail(peer, "send: %s", strerror(errno));
			return;
		}
		tcp_batch_sent(peer, (size_t)sent);
	}
	if (peer->want_out && epoll_register(peer, EPOLL_CTL_MOD, false) < 0)
		tcp_fail(peer, "epoll_ctl: %s", strerror(errno));
	tcp_dirty(peer);
}

static void epoll_flush(struct fabric *fabric)
{
	struct base_list now;

	if (base_list_empty(&fabric->dirty))
		return;
	/* A peer with more to send goes to the end of the fabric's list: for next time. */
	now = fabric->dirty;
	now.next->prev = now.prev->next = &now;
	base_list_init(&fabric->dirty);
	while (!base_list_empty(&now)) {
		struct fabric_peer *peer = base_list_entry(now.next, struct fabric_peer, todo);

		base_list_del(&peer->todo);
		epoll_send(peer);
	}
}

static void epoll_receive(struct fabric_peer *peer, int budget)
{
	struct epoll_fabric *epoll = epoll_of(peer->fabric);
	struct fabric *fabric = peer->fabric;

	for (int i = 0; i < RECVS_MAX && peer->state == TCP_UP && fabric->told < budget; i++) {
		struct iovec iov[2];
		struct msghdr message = { .msg_iov = iov };
		/* Bulk data goes where it belongs; all else is looked at in one place. */
		const bool direct = peer->data_left || peer->fetching;
		size_t room = 0;
		ssize_t came;

		if (direct) {
			message.msg_iovlen = (size_t)tcp_recv_where(peer, iov);
		} else {
			iov[0] = (struct iovec){ epoll->arrived, sizeof(epoll->arrived) };
			message.msg_iovlen = 1;
		}
		for (size_t k = 0; k < message.msg_iovlen; k++)
			room += iov[k].iov_len;
		epoll->calls++;
		came = recvmsg(peer->fd, &message, MSG_DONTWAIT);
		if (came > 0) {
			if (direct)
				tcp_recv_arrived(peer, (size_t)came);
			else
				tcp_recv_chunk(peer, epoll->arrived, (size_t)came);
			/* Less than asked: the socket is empty, which a call would only confirm. */
			if ((size_t)came < room)
				return;
		} else if (came == 0) {
			tcp_fail(peer, "closed the connection");
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != EINTR) {
			tcp_fail(peer, "receive: %s", strerror(errno));
		}
	}
}

static void epoll_accept(struct fabric *fabric)
{
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(fabric->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0) {
			tcp_accept_failed(fabric, -errno);
			return;
		}
		tcp_accepted(fabric, fd);
	}
}

static void epoll_peer_event(struct fabric_peer *peer, uint32_t events, int budget)
{
	if (peer->state == TCP_CONNECTING) {
		tcp_connected(peer, tcp_sock_error(peer->fd));
		if (peer->state == TCP_UP && epoll_register(peer, EPOLL_CTL_MOD, false) < 0)
			tcp_fail(peer, "epoll_ctl: %s", strerror(errno));
	} else if (events & EPOLLOUT && peer->sending) {
		peer->sending = false;
		epoll_send(peer);
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		epoll_receive(peer, budget);
}

static int epoll_progress(struct fabric *fabric, int budget)
{
	struct epoll_fabric *epoll = epoll_of(fabric);

	fabric->told = 0;
	epoll_flush(fabric);
	if (epoll->event_next == epoll->event_count) {
		epoll->event_next = 0;
		epoll->calls++;
		epoll->event_count = epoll_wait(epoll->epoll_fd, epoll->events, EVENTS_MAX, 0);
		if (epoll->event_count < 0) {
			epoll->event_count = 0;
			if (errno != EINTR)
				return FABRIC_FATAL;
		}
	}
	while (epoll->event_next < epoll->event_count && fabric->told < budget) {
		struct epoll_event *event = &epoll->events[epoll->event_next++];

		if (event->data.ptr == epoll)
			epoll_accept(fabric);
		else if (event->data.ptr)
			epoll_peer_event(event->data.ptr, event->events, budget);
	}
	tcp_tell(fabric, budget);
	tcp_reap(fabric);
	return fabric->told;
}

static int epoll_sleep(struct epoll_fabric *epoll, uint64_t deadline_ns)
{
#ifdef SYS_epoll_pwait2
	if (!epoll->no_pwait2 && deadline_ns != UINT64_MAX) {
		uint64_t now = base_now_ns();
		uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
		/* What the system call takes on 64-bit and new 32-bit kernels alike. */
		int64_t spec[2] = { (int64_t)(left / 1000000000), (int64_t)(left % 1000000000) };
		long count = syscall(SYS_epoll_pwait2, epoll->epoll_fd, epoll->events, EVENTS_MAX,
				     spec, NULL, (size_t)8);

		if (count >= 0 || (errno != ENOSYS && errno != EPERM))
			return (int)count;
		epoll->no_pwait2 = true; /* before Linux 5.11, or a sandbox */
	}
#endif
	return epoll_wait(epoll->epoll_fd, epoll->events, EVENTS_MAX, base_poll_ms(deadline_ns));
}

static enum fabric_status epoll_pause(struct fabric *fabric, uint64_t deadline_ns)
{
	struct epoll_fabric *epoll = epoll_of(fabric);
	int count;

	epoll_flush(fabric);
	if (deadline_ns == 0 || tcp_has_news(fabric) || !base_list_empty(&fabric->dirty) ||
	    epoll->event_next < epoll->event_count)
		return FABRIC_OK;
	epoll->calls++;
	count = epoll_sleep(epoll, tcp_deadline(fabric, deadline_ns));
	epoll->event_next = 0;
	epoll->event_count = count > 0 ? count : 0;
	return count < 0 && errno != EINTR ? FABRIC_FATAL : FABRIC_OK;
}

const struct fabric_ops fabric_epoll = {
	.name = "epoll",
	.probe = epoll_probe,
	.open = epoll_open,
	.close = epoll_close,
	.address = tcp_address,
	.peer_add = tcp_peer_add,
	.peer_del = tcp_peer_del,
	.peer_user = tcp_peer_user,
	.memory_add = tcp_memory_add,
	.memory_del = tcp_memory_del,
	.slot = tcp_slot,
	.frame = tcp_frame,
	.bulk = tcp_bulk,
	.fetch = tcp_fetch,
	.drop = tcp_drop,
	.progress = epoll_progress,
	.watch = epoll_watch,
	.wait = epoll_pause,
};
