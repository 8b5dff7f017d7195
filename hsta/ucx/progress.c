/* SPDX-License-Identifier: MIT */
/*
 * progress.c - the turns of UCX, telling what they brought, sleeping between them.
 */
#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "hsta/ucx/ucx.h"

unsigned ucx_turn(struct fabric *fabric)
{
	unsigned did = ucp_worker_progress(fabric->worker);

	ucx_peers_settle(fabric);
	return did;
}

static bool has_news(const struct fabric *fabric)
{
	return !base_list_empty(&fabric->fresh) || !base_list_empty(&fabric->done) ||
	       !base_list_empty(&fabric->down) || ucx_inbox_first(&fabric->inbox);
}

static int tell_fresh(struct fabric *fabric)
{
	int told = 0;

	while (!base_list_empty(&fabric->fresh)) {
		struct fabric_peer *peer = base_list_entry(fabric->fresh.next, struct fabric_peer,
							   todo);

		base_list_del(&peer->todo);
		peer->fresh = false;
		if (peer->state == UCX_FAILED)
			base_list_add_tail(&fabric->failed, &peer->todo);
		fabric->events.peer_new(fabric->user, peer);
		told++;
	}
	return told;
}

static int tell_done(struct fabric *fabric)
{
	int told = 0;

	while (!base_list_empty(&fabric->done)) {
		struct ucx_op *own = base_list_entry(fabric->done.next, struct ucx_op, node);
		struct fabric_op *op = base_list_entry((void *)own, struct fabric_op, private_);
		enum fabric_status status = own->status;

		base_list_del(&own->node);
		op->done(op, status);
		told++;
	}
	return told;
}

static void tell_news(struct fabric *fabric, struct ucx_news *news)
{
	struct fabric_peer *peer = news->peer;

	peer->unread--;
	if (peer->state != UCX_DELETED) {
		if (news->offer)
			fabric->events.offer(fabric->user, peer, news + 1, news->bytes,
					     news->offer, news->offer->bytes);
		else
			fabric->events.frame(fabric->user, peer, news->lent ? news->lent : news + 1,
					     news->bytes);
	}
	if (news->lent)
		ucp_am_data_release(fabric->worker, news->lent);
}

static int tell_inbox(struct fabric *fabric, int budget)
{
	struct ucx_news *news;
	int told = 0;

	while (told < budget && (news = ucx_inbox_first(&fabric->inbox))) {
		tell_news(fabric, news);
		ucx_inbox_pop(&fabric->inbox);
		told++;
	}
	return told;
}

static int tell_down(struct fabric *fabric)
{
	int told = 0;

	while (!base_list_empty(&fabric->down)) {
		struct fabric_peer *peer = base_list_entry(fabric->down.next, struct fabric_peer,
							   todo);

		base_list_del(&peer->todo);
		peer->state = UCX_DOWN;
		fabric->events.peer_down(fabric->user, peer, peer->loss, peer->why);
		told++;
	}
	return told;
}

/* A peer is new before its frames come, and all else of it is told before it is down. */
static int tell(struct fabric *fabric, int budget)
{
	int told = tell_fresh(fabric) + tell_done(fabric);

	told += tell_inbox(fabric, budget - told);
	if (!ucx_inbox_first(&fabric->inbox) && base_list_empty(&fabric->done))
		told += tell_down(fabric);
	return told;
}

int ucx_progress(struct fabric *fabric, int budget)
{
	int told = tell(fabric, budget);

	for (int turn = 0; turn < UCX_TURNS && told < budget; turn++) {
		unsigned did = ucx_turn(fabric);
		bool news = has_news(fabric);

		if (news)
			told += tell(fabric, budget - told);
		else if (!did)
			break;
	}
	return told;
}

int ucx_watch(struct fabric *fabric, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(fabric->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* True: a descriptor of the core's is readable. */
static bool sleep_until(struct fabric *fabric, uint64_t deadline_ns)
{
	struct epoll_event events[2];
	int count = epoll_wait(fabric->epoll_fd, events, 2, base_poll_ms(deadline_ns));

	for (int i = 0; i < count; i++)
		if (events[i].data.fd >= 0)
			return true;
	return false;
}

enum fabric_status ucx_wait(struct fabric *fabric, uint64_t deadline_ns)
{
	if (has_news(fabric))
		return FABRIC_OK;
	if (deadline_ns == 0) {
		ucx_turn(fabric);
		return FABRIC_OK;
	}
	/* UCX wakes for reasons of its own too: they are no reason to return. */
	for (;;) {
		ucs_status_t status = ucp_worker_arm(fabric->worker);
		bool watched = false;

		if (status == UCS_OK) {
			uint64_t settle_ns = ucx_peers_deadline(fabric);

			watched = sleep_until(fabric, settle_ns < deadline_ns ? settle_ns :
									    deadline_ns);
		} else if (status != UCS_ERR_BUSY) {
			return FABRIC_FATAL;
		}
		ucx_turn(fabric);
		if (watched || has_news(fabric) || base_now_ns() >= deadline_ns)
			return FABRIC_OK;
	}
}
