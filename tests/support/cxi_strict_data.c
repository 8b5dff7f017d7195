/* SPDX-License-Identifier: MIT */
/* cxi_strict_data.c - endpoints and queues of the preload; see cxi_strict.c. */
#include "cxi_strict.h"

#include <rdma/fi_errno.h>
#include <string.h>

enum {
	MULTI_RECV_MAX = 1 << 24,
	POSTED_MAX = 8192, /* buffers whose contents are watched */
	SUM_BYTES = 256,   /* of a buffer at its start and end */
};

struct posted {
	const void *context;
	const uint8_t *data;
	size_t bytes;
	uint32_t sum;
};

/* One thread drives libfabric; with several fabrics in a process, one after the other. */
static struct posted posted[POSTED_MAX];
static struct strict_cq *queues;
static unsigned long posts, completions;

static bool refused(void)
{
	return strict_refuse_every && ++posts % strict_refuse_every == 0;
}

/* What is posted must stay as it is. */

static uint32_t sum_of(const uint8_t *data, size_t bytes)
{
	uint32_t sum = 2166136261u;
	size_t end = bytes < SUM_BYTES ? bytes : SUM_BYTES;

	for (size_t i = 0; i < end; i++)
		sum = (sum ^ data[i]) * 16777619u;
	for (size_t i = bytes - end; i < bytes; i++)
		sum = (sum ^ data[i]) * 16777619u;
	return sum;
}

static struct posted *find_posted(const void *context)
{
	size_t at = ((uintptr_t)context >> 6) % POSTED_MAX;

	for (size_t i = 0; i < 64; i++, at = (at + 1) % POSTED_MAX)
		if (posted[at].context == context)
			return &posted[at];
	return NULL;
}

static void watch(const void *context, const void *data, size_t bytes)
{
	struct posted *entry = NULL;
	size_t at = ((uintptr_t)context >> 6) % POSTED_MAX;

	if (find_posted(context)) {
		broken("a context is posted again before its completion");
		abort();
	}
	for (size_t i = 0; i < 64; i++, at = (at + 1) % POSTED_MAX) {
		entry = &posted[at];
		if (!entry->context)
			break;
	}
	if (entry->context)
		return; /* the table is full: not watched */
	*entry = (struct posted){ context, data, bytes, sum_of(data, bytes) };
}

static void watched_done(const void *context)
{
	struct posted *entry = context ? find_posted(context) : NULL;

	if (!entry)
		return;
	if (sum_of(entry->data, entry->bytes) != entry->sum) {
		broken("a buffer of %zu bytes changed before its completion", entry->bytes);
		abort();
	}
	entry->context = NULL;
}

/* Its operations end with it. */
static void forget_all(void)
{
	memset(posted, 0, sizeof(posted));
}

/* Data path. */

#define EP(ep_) MINE((ep_)->msg, strict_ep, msg)

static ssize_t ep_send(struct fid_ep *ep, const void *data, size_t bytes, void *desc,
		       fi_addr_t to, void *context)
{
	ssize_t rc;

	(void)desc;
	if (refused())
		return -FI_EAGAIN;
	rc = EP(ep)->real_msg->send(ep, data, bytes, NULL, to, context);
	if (rc == 0)
		watch(context, data, bytes);
	return rc;
}

static ssize_t ep_inject(struct fid_ep *ep, const void *data, size_t bytes, fi_addr_t to)
{
	if (bytes > INJECT_MAX) {
		broken("an inject of %zu bytes", bytes);
		return -FI_EMSGSIZE;
	}
	return refused() ? -FI_EAGAIN : EP(ep)->real_msg->inject(ep, data, bytes, to);
}

static ssize_t ep_sendv(struct fid_ep *ep, const struct iovec *iov, void **desc, size_t count,
			fi_addr_t to, void *context)
{
	(void)desc;
	if (count > 1) {
		broken("a send of %zu parts", count);
		return -FI_EINVAL;
	}
	return ep_send(ep, iov->iov_base, iov->iov_len, NULL, to, context);
}

static ssize_t ep_recvmsg(struct fid_ep *ep, const struct fi_msg *message, uint64_t flags)
{
	struct fi_msg copy = *message;

	if (!EP(ep)->enabled) {
		broken("a receive before the endpoint is enabled");
		return -FI_EOPBADSTATE;
	}
	if (message->iov_count > 1) {
		broken("a receive of %zu parts", message->iov_count);
		return -FI_EINVAL;
	}
	copy.desc = NULL;
	return refused() ? -FI_EAGAIN : EP(ep)->real_msg->recvmsg(ep, &copy, flags);
}

static ssize_t ep_read(struct fid_ep *ep, void *data, size_t bytes, void *desc, fi_addr_t from,
		       uint64_t address, uint64_t key, void *context)
{
	(void)desc;
	if (strict_raw_keys)
		key ^= RAW_MASK;
	if (!(key >> 63)) {
		broken("a key that no provider gave");
		return -FI_EKEYREJECTED;
	}
	if (address >> 44) {
		broken("a read names an address, not an offset");
		return -FI_EINVAL;
	}
	return refused() ? -FI_EAGAIN :
			   EP(ep)->real_rma->read(ep, data, bytes, NULL, from, address, key,
						  context);
}

static int ep_setopt(fid_t fid, int level, int option, const void *value, size_t bytes)
{
	struct fid_ep *ep = (struct fid_ep *)(void *)fid;

	if (option == FI_OPT_MIN_MULTI_RECV && *(const size_t *)value >= MULTI_RECV_MAX) {
		broken("MIN_MULTI_RECV of %zu", *(const size_t *)value);
		return -FI_EINVAL;
	}
	return MINE(ep->ops, strict_ep, ops)->real_ops->setopt(fid, level, option, value, bytes);
}

static int ep_control(struct fid *fid, int command, void *argument)
{
	struct strict_ep *own = MINE(fid->ops, strict_ep, fid);
	int rc = own->real_fid->control(fid, command, argument);

	if (rc == 0 && command == FI_ENABLE)
		own->enabled = true;
	return rc;
}

static int ep_close(struct fid *fid)
{
	struct fid_ep *ep = (struct fid_ep *)(void *)fid;
	struct strict_ep *own = MINE(fid->ops, strict_ep, fid);
	int rc;

	if (own->regions) {
		broken("an endpoint is closed with %u regions", own->regions);
		return -FI_EBUSY;
	}
	/* Providers look at their own tables while they close. */
	fid->ops = own->real_fid;
	ep->msg = own->real_msg;
	ep->rma = own->real_rma;
	ep->ops = own->real_ops;
	rc = fi_close(fid);
	forget_all();
	free(own);
	return rc;
}

void strict_ep_wrap(struct fid_ep *ep)
{
	struct strict_ep *own = calloc(1, sizeof(*own));

	if (!own)
		abort();
	own->real_fid = ep->fid.ops;
	own->real_msg = ep->msg;
	own->real_rma = ep->rma;
	own->real_ops = ep->ops;
	own->fid = *ep->fid.ops;
	own->msg = *ep->msg;
	own->rma = *ep->rma;
	own->ops = *ep->ops;
	own->fid.control = ep_control;
	own->fid.close = ep_close;
	own->msg.send = ep_send;
	own->msg.inject = ep_inject;
	own->msg.sendv = ep_sendv;
	own->msg.recvmsg = ep_recvmsg;
	own->rma.read = ep_read;
	own->ops.setopt = ep_setopt;
	ep->fid.ops = &own->fid;
	ep->msg = &own->msg;
	ep->rma = &own->rma;
	ep->ops = &own->ops;
}

/* Queues. */

static void hold(struct strict_cq *own, const struct fi_cq_data_entry *entry)
{
	struct held *held;

	watched_done(entry->op_context);
	if (own->count == HELD_MAX)
		abort();
	held = &own->held[(own->head + own->count++) % HELD_MAX];
	held->entry = *entry;
	held->due = own->reads + strict_delay_reads;
}

static bool is_transfer(const struct fi_cq_data_entry *entry)
{
	return entry->op_context && !(entry->flags & (FI_RECV | FI_MULTI_RECV));
}

static ssize_t cq_read(struct fid_cq *cq, void *data, size_t count)
{
	struct strict_cq *own = MINE(cq->ops, strict_cq, ops);
	struct fi_cq_data_entry *entries = data, room[64];
	size_t told = 0;
	ssize_t rc;

	if (strict_from_libfabric(__builtin_return_address(0)))
		return own->real->read(cq, data, count);
	own->reads++;
	if (own->failed)
		return -FI_EAVAIL;
	rc = own->real->read(cq, room, own->count + 64 < HELD_MAX ? 64 : 0);
	if (rc < 0 && rc != -FI_EAGAIN && own->count == 0)
		return rc;
	for (ssize_t i = 0; i < rc; i++)
		hold(own, &room[i]);
	while (told < count && own->count > 0) {
		struct held *held = &own->held[own->head];

		if (held->due > own->reads)
			break;
		if (strict_error_at && is_transfer(&held->entry) &&
		    ++completions == strict_error_at) {
			if (told > 0) {
				completions--;
				break; /* after these */
			}
			own->error = (struct fi_cq_err_entry){
				.op_context = held->entry.op_context,
				.flags = held->entry.flags,
				.err = FI_EIO,
				.prov_errno = 26, /* what cxi calls PTLTE_NOT_FOUND */
			};
			own->failed = true;
		} else {
			entries[told++] = held->entry;
		}
		own->head = (own->head + 1) % HELD_MAX;
		own->count--;
		if (own->failed)
			return -FI_EAVAIL;
	}
	return told ? (ssize_t)told : -FI_EAGAIN;
}

static ssize_t cq_readerr(struct fid_cq *cq, struct fi_cq_err_entry *entry, uint64_t flags)
{
	struct strict_cq *own = MINE(cq->ops, strict_cq, ops);
	ssize_t rc;

	if (own->failed) {
		*entry = own->error;
		own->failed = false;
		return 1;
	}
	rc = own->real->readerr(cq, entry, flags);
	if (rc == 1)
		watched_done(entry->op_context);
	return rc;
}

static int cq_signal(struct fid_cq *cq)
{
	(void)cq;
	broken("fi_cq_signal()");
	return -FI_ENOSYS;
}

static int cq_close(struct fid *fid)
{
	struct fid_cq *cq = (struct fid_cq *)(void *)fid;
	struct strict_cq *own = MINE(cq->ops, strict_cq, ops);
	struct strict_cq **at = &queues;

	while (*at != own)
		at = &(*at)->next;
	*at = own->next;
	fid->ops = own->real_fid;
	cq->ops = own->real;
	free(own);
	return fi_close(fid);
}

void strict_cq_wrap(struct fid_cq *cq, const struct fi_cq_attr *attr)
{
	struct strict_cq *own = calloc(1, sizeof(*own));

	if (!own || attr->format != FI_CQ_FORMAT_DATA)
		abort(); /* held[] has entries of this format */
	own->real = cq->ops;
	own->ops = *own->real;
	own->ops.read = cq_read;
	own->ops.readerr = cq_readerr;
	own->ops.signal = cq_signal;
	own->real_fid = cq->fid.ops;
	own->fid = *own->real_fid;
	own->fid.close = cq_close;
	cq->ops = &own->ops;
	cq->fid.ops = &own->fid;
	own->next = queues;
	queues = own;
}

bool strict_cq_holds(void)
{
	for (struct strict_cq *own = queues; own; own = own->next)
		if (own->count > 0 || own->failed)
			return true;
	return false;
}
