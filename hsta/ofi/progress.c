/* SPDX-License-Identifier: MIT */
/*
 * progress.c - completions, and sleep.
 *
 * wait() keeps what it finds in the queue for the next progress() (the stash), so that it
 * can tell news from a descriptor that is readable for the provider's own reasons. Where
 * there is no descriptor, or it does not tell the truth, it looks in growing intervals.
 */
#include <errno.h>
#include <poll.h>
#include <rdma/fi_errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ofi/ofi.h"

enum {
	NAP_FIRST_US = 20,
	NAP_BUSY_US = 500,   /* something waits to be posted */
	EMPTY_MAX = 4,	     /* wake-ups for nothing, before the descriptor is a liar */
	ENTRIES_FACTOR = 4,  /* completions of a turn, that tell nothing included */
};

int ofi_cq_error(struct fid_cq *cq, struct ofi_context **ret_context, uint64_t *ret_flags)
{
	struct fi_cq_err_entry entry;
	ssize_t rc;

	memset(&entry, 0, sizeof(entry));
	rc = fi_cq_readerr(cq, &entry, 0);
	if (rc != 1)
		return 0;
	base_log_debug("completion with error: %s (provider: %d)", fi_strerror(entry.err),
		       entry.prov_errno);
	*ret_context = entry.op_context;
	*ret_flags = entry.flags;
	return entry.err;
}

static void release(struct fabric *fabric, struct ofi_recv *recv)
{
	if (base_list_empty(&recv->node))
		base_list_add_tail(&fabric->unposted, &recv->node);
}

void ofi_recvs_post(struct fabric *fabric)
{
	while (!base_list_empty(&fabric->unposted)) {
		struct ofi_recv *recv =
			base_list_entry(fabric->unposted.next, struct ofi_recv, node);
		struct iovec iov = { recv->data, fabric->provider->recv_bytes };
		struct fi_msg message = {
			.msg_iov = &iov,
			.desc = &fabric->arena_desc,
			.iov_count = 1,
			.addr = FI_ADDR_UNSPEC,
			.context = &recv->context.context,
		};
		ssize_t rc = fi_recvmsg(fabric->ep, &message, FI_MULTI_RECV | FI_COMPLETION);

		/* shm calls a table that is full for the moment so. */
		if (rc == -FI_EAGAIN || rc == -FI_ENOMEM)
			return;
		if (rc) {
			base_log_error("%s: a buffer cannot be posted: %s",
				       fabric->provider->name, fi_strerror((int)-rc));
			fabric->fatal = true;
			return;
		}
		base_list_del(&recv->node);
	}
}

static void failed(struct fabric *fabric)
{
	struct ofi_context *context = NULL;
	uint64_t flags = 0;
	int error = ofi_cq_error(fabric->cq, &context, &flags);
	struct ofi_item *item;

	if (!error)
		return;
	if (!context) {
		/* An inject that failed names nobody; its peer will be silent. */
		if (ofi_scope(error) == OFI_FATAL) {
			base_log_error("%s: %s", fabric->provider->name, fi_strerror(error));
			fabric->fatal = true;
		}
		return;
	}
	switch (context->what) {
	case OFI_SLOT:
	case OFI_NOTE:
		item = (struct ofi_item *)(void *)context;
		ofi_fail_error(item->peer, "send", error);
		ofi_sent(item);
		return;
	case OFI_RECV:
		/* Only the flag says that the buffer is ours again. */
		if (flags & FI_MULTI_RECV)
			release(fabric, (struct ofi_recv *)(void *)context);
		return;
	case OFI_PIECE:
		return; /* has a queue of its own */
	}
}

bool ofi_stash(struct fabric *fabric)
{
	ssize_t count;

	if (fabric->stash_next < fabric->stash_count)
		return true;
	fabric->stash_next = fabric->stash_count = 0;
	/* Errors are dealt with here: they tell of peers, which are told later anyway. */
	for (int i = 0; i < OFI_STASH; i++) {
		count = fi_cq_read(fabric->cq, fabric->stash, OFI_STASH);
		if (count != -FI_EAVAIL)
			break;
		failed(fabric);
	}
	if (count < 0 && count != -FI_EAGAIN && count != -FI_EAVAIL) {
		base_log_error("%s: completions cannot be read: %s", fabric->provider->name,
			       fi_strerror((int)-count));
		fabric->fatal = true;
	}
	if (count <= 0)
		return false;
	fabric->stash_count = (unsigned)count;
	return true;
}

static void handle(struct fabric *fabric, const struct fi_cq_data_entry *entry)
{
	struct ofi_context *context = entry->op_context;

	if (!context)
		return;
	switch (context->what) {
	case OFI_SLOT:
	case OFI_NOTE:
		ofi_sent((struct ofi_item *)(void *)context);
		return;
	case OFI_RECV:
		/* The release of a buffer may come with its last message or alone. */
		if (entry->flags & FI_RECV)
			ofi_arrived(fabric, entry->buf, entry->len);
		if (entry->flags & FI_MULTI_RECV)
			release(fabric, (struct ofi_recv *)(void *)context);
		return;
	case OFI_PIECE:
		return;
	}
}

/* Handle what came. @all: until the queue is seen empty, else one look at it is enough: asking
 * again costs sockets two system calls, and a queue with something in it does not look further. */
static void take(struct fabric *fabric, int budget, bool all)
{
	for (int i = 0; fabric->told < budget && i < ENTRIES_FACTOR * budget; i++) {
		if (!ofi_stash(fabric))
			break;
		handle(fabric, &fabric->stash[fabric->stash_next++]);
		if (!all && fabric->stash_next == fabric->stash_count &&
		    fabric->stash_count < OFI_STASH)
			break;
	}
}

int ofi_progress(struct fabric *fabric, int budget)
{
	bool look;

	fabric->told = 0;
	fabric->turns++;
	fabric->now_ns = base_now_ns();
	look = fabric->now_ns >= fabric->look_ns;
	ofi_flush(fabric);
	take(fabric, budget, look);
	ofi_recvs_post(fabric);
	if (look) /* what waited for a buffer, too: who has said farewell is not spoken to */
		take(fabric, budget, true);
	ofi_reader_progress(fabric);
	ofi_peers_look(fabric);
	ofi_peers_tell(fabric, budget);
	ofi_flush(fabric);
	if (!base_list_empty(&fabric->graves))
		ofi_peers_reap(fabric);
	return fabric->fatal ? (int)FABRIC_FATAL : fabric->told;
}

int ofi_watch(struct fabric *fabric, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(fabric->watch_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static bool reading(const struct fabric *fabric)
{
	return !base_list_empty(&fabric->reader.active);
}

/* May we sleep until a descriptor is readable? */
static bool armed(struct fabric *fabric)
{
	struct fid *fids[2] = { &fabric->cq->fid };
	int count = 1;

	if (fabric->cq_fd < 0)
		return false;
	if (reading(fabric)) {
		/* What is not posted yet waits for nothing that a descriptor would tell. */
		if (fabric->reader.fd < 0)
			return false;
		fids[count++] = &fabric->reader.cq->fid;
	}
	return fi_trywait(fabric->fid, fids, count) == FI_SUCCESS;
}

enum slept { SLEPT_NOTHING, SLEPT_QUEUE, SLEPT_READER, SLEPT_WATCH };

/* Until something happens or @until_ns. */
static enum slept sleep_until(struct fabric *fabric, bool queues, uint64_t until_ns)
{
	struct pollfd fds[3] = {
		{ .fd = fabric->watch_fd, .events = POLLIN },
		{ .fd = queues ? fabric->cq_fd : -1, .events = POLLIN },
		{ .fd = queues && reading(fabric) ? fabric->reader.fd : -1, .events = POLLIN },
	};
	uint64_t now = base_now_ns();
	uint64_t left = until_ns > now ? until_ns - now : 0;
	struct timespec spec = { .tv_sec = (time_t)(left / 1000000000),
				 .tv_nsec = (long)(left % 1000000000) };

	if (ppoll(fds, 3, &spec, NULL) <= 0)
		return SLEPT_NOTHING;
	return fds[0].revents ? SLEPT_WATCH : fds[2].revents ? SLEPT_READER : SLEPT_QUEUE;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void submit(struct fabric *fabric)
{
	fabric->now_ns = base_now_ns();
	ofi_recvs_post(fabric);
	/* With news progress() comes first, and looks then. */
	if (fabric->now_ns >= fabric->look_ns && !ofi_stash(fabric))
		ofi_peers_look(fabric);
	ofi_flush(fabric);
}

enum fabric_status ofi_wait(struct fabric *fabric, uint64_t deadline_ns)
{
	uint64_t nap_us = NAP_FIRST_US, until;
	unsigned empty = 0;
	enum slept slept;
	bool queues, busy;

	submit(fabric);
	if (deadline_ns == 0 || fabric->fatal)
		return fabric->fatal ? FABRIC_FATAL : FABRIC_OK;
	for (;;) {
		if (ofi_stash(fabric) || !base_list_empty(&fabric->down))
			return FABRIC_OK;
		if (fabric->fatal)
			return FABRIC_FATAL;
		if (fabric->now_ns >= deadline_ns)
			return FABRIC_OK;
		busy = !base_list_empty(&fabric->ready) || !base_list_empty(&fabric->unposted);
		queues = empty < EMPTY_MAX && armed(fabric);
		until = earlier(deadline_ns, fabric->now_ns + fabric->provider->sleep_max_us *
							      UINT64_C(1000));
		if (!base_list_empty(&fabric->peers))
			until = earlier(until, fabric->look_ns);
		if (!queues)
			until = earlier(until, fabric->now_ns + nap_us * 1000);
		if (busy)
			until = earlier(until, fabric->now_ns + NAP_BUSY_US * UINT64_C(1000));
		slept = sleep_until(fabric, queues, until);
		/* Only progress() can look at reads, so it is called rather too often. */
		if (slept == SLEPT_WATCH || slept == SLEPT_READER ||
		    (!queues && reading(fabric)))
			return FABRIC_OK;
		empty = slept == SLEPT_QUEUE ? empty + 1 : empty;
		if (!queues)
			nap_us = earlier(2 * nap_us, fabric->provider->sleep_max_us);
		submit(fabric);
	}
}
