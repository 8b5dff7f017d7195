/* SPDX-License-Identifier: MIT */
/* channels_trials.c - see channels_trials.h. */
#include "channels_trials.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum { TRIAL_MS = 30000, BATCH = 32 };

static void set_mode(struct trial_context *context, int mode)
{
	dhow_channel_set_wait(context->ping, (enum dhow_wait_mode)mode);
	dhow_channel_set_wait(context->pong, (enum dhow_wait_mode)mode);
}

/* One hop: send (or receive) what the row says. @message: a block in hand, or none. */
typedef int hop(struct trial_context *context, struct dhow_channel *channel, size_t bytes,
		struct dhow_message *message, uint64_t deadline);

static int copy_in(struct trial_context *context, struct dhow_channel *channel, size_t bytes,
		   struct dhow_message *message, uint64_t deadline)
{
	(void)message;
	return dhow_send(channel, context->data, bytes, deadline);
}

static int copy_out(struct trial_context *context, struct dhow_channel *channel, size_t bytes,
		    struct dhow_message *message, uint64_t deadline)
{
	size_t got;

	(void)message;
	return dhow_recv(channel, context->data, bytes, &got, NULL, deadline);
}

static int give(struct trial_context *context, struct dhow_channel *channel, size_t bytes,
		struct dhow_message *message, uint64_t deadline)
{
	int rc = message->data ? 0 : dhow_message_alloc(NULL, bytes, deadline, message);

	(void)context;
	return rc ? rc : dhow_send_message(channel, message, DHOW_DEFAULT_RETURN, deadline);
}

static int take(struct trial_context *context, struct dhow_channel *channel, size_t bytes,
		struct dhow_message *message, uint64_t deadline)
{
	(void)context;
	(void)bytes;
	return dhow_recv_message(channel, message, deadline);
}

static int write_and_give(struct trial_context *context, struct dhow_channel *channel,
			  size_t bytes, struct dhow_message *message, uint64_t deadline)
{
	int rc = dhow_message_alloc(NULL, bytes, deadline, message);

	if (rc)
		return rc;
	memcpy(message->data, context->data, bytes);
	return dhow_send_message(channel, message, DHOW_DEFAULT_RETURN, deadline);
}

static int read_lent(struct trial_context *context, struct dhow_channel *channel, size_t bytes,
		     struct dhow_message *message, uint64_t deadline)
{
	int rc = dhow_recv_begin(channel, message, deadline);

	(void)bytes;
	if (rc)
		return rc;
	/* As the raw copy does: what is read goes to private memory. */
	memcpy(context->data, message->data, message->bytes);
	return dhow_recv_commit(channel, message);
}

static int bounce(struct bench_run *run, unsigned divisor, hop *out, hop *in)
{
	struct trial_context *context = run->context;
	struct dhow_channel *to = run->side ? context->pong : context->ping;
	struct dhow_channel *from = run->side ? context->ping : context->pong;
	uint64_t deadline = dhow_in_ms(TRIAL_MS);
	struct dhow_message message = { 0 };
	size_t bytes = run->row->bytes;
	int rc = 0;

	set_mode(context, run->row->mode);
	for (uint64_t i = 0; i < run->values_count && !rc; i++) {
		uint64_t begin = base_now_ns();

		for (uint64_t j = 0; j < run->batch && !rc; j++) {
			if (!run->side)
				rc = out(context, to, bytes, &message, deadline);
			if (!rc)
				rc = in(context, from, bytes, &message, deadline);
			if (!rc && run->side)
				rc = out(context, to, bytes, &message, deadline);
		}
		run->values[i] = (double)(base_now_ns() - begin) / (double)(divisor * run->batch);
	}
	dhow_message_free(&message);
	return rc;
}

int trial_oneway(struct bench_run *run)
{
	return bounce(run, 2, copy_in, copy_out);
}

int trial_handover(struct bench_run *run)
{
	return bounce(run, 2, give, take);
}

int trial_lend(struct bench_run *run)
{
	return bounce(run, 2, write_and_give, read_lent);
}

int trial_wake(struct bench_run *run)
{
	return bounce(run, 1, copy_in, copy_out);
}

static int send_many(struct trial_context *context, size_t bytes, uint64_t count,
		     uint64_t deadline)
{
	struct dhow_item items[BATCH];
	size_t sent;

	for (unsigned i = 0; i < BATCH; i++)
		items[i] = (struct dhow_item){ .data = context->data, .bytes = bytes };
	for (; count; count -= sent) {
		int rc = dhow_send_many(context->ping, items, count < BATCH ? count : BATCH,
					deadline, &sent);

		if (rc)
			return rc;
	}
	return 0;
}

static int recv_many(struct trial_context *context, size_t bytes, uint64_t count,
		     uint64_t deadline)
{
	struct dhow_item items[BATCH];
	size_t received;

	for (unsigned i = 0; i < BATCH; i++)
		items[i] = (struct dhow_item){ .data = context->data + i * bytes, .room = bytes };
	for (; count; count -= received) {
		int rc = dhow_recv_many(context->ping, items, count < BATCH ? count : BATCH,
					deadline, &received);

		if (rc)
			return rc;
	}
	return 0;
}

static int send_each(struct trial_context *context, size_t bytes, uint64_t count,
		     uint64_t deadline)
{
	int rc = 0;

	while (count-- && !rc)
		rc = dhow_send(context->ping, context->data, bytes, deadline);
	return rc;
}

static int recv_each(struct trial_context *context, size_t bytes, uint64_t count,
		     uint64_t deadline)
{
	size_t got;
	int rc = 0;

	while (count-- && !rc)
		rc = dhow_recv(context->ping, context->data, bytes, &got, NULL, deadline);
	return rc;
}

/* All by one channel; each sender sends the same number, each receiver receives the same. */
typedef int flow(struct trial_context *context, size_t bytes, uint64_t count, uint64_t deadline);

static int stream(struct bench_run *run, flow *out, flow *in, double *ret_ns)
{
	unsigned senders = (unsigned)__builtin_popcount(run->row->senders);
	unsigned receivers = run->row->sides - senders;
	uint64_t total = run->batch * (senders > receivers ? senders : receivers), nothing = 0;
	uint64_t deadline = dhow_in_ms(TRIAL_MS), begin = base_now_ns();
	struct trial_context *context = run->context;
	int rc;

	set_mode(context, run->row->mode);
	if (run->row->senders >> run->side & 1)
		rc = out(context, run->row->bytes, total / senders, deadline);
	else
		rc = in(context, run->row->bytes, total / receivers, deadline);
	rc = rc ? rc : bench_sync(run, run->row->sides, &nothing);
	*ret_ns = (double)(base_now_ns() - begin) / (double)total;
	return rc;
}

static int rate(struct bench_run *run, flow *out, flow *in)
{
	double each_ns = 0;
	int rc = stream(run, out, in, &each_ns);

	run->values[0] = 1e3 / each_ns;
	return rc;
}

int trial_rate(struct bench_run *run)
{
	return rate(run, send_each, recv_each);
}

int trial_rate_many(struct bench_run *run)
{
	return rate(run, send_many, recv_many);
}

int trial_copy(struct bench_run *run)
{
	double each_ns = 0;
	int rc = stream(run, send_each, recv_each, &each_ns);

	run->values[0] = (double)run->row->bytes / each_ns;
	return rc;
}

static uint64_t cpu_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int trial_pair(struct bench_run *run)
{
	struct trial_context *context = run->context;
	uint64_t deadline = dhow_in_ms(TRIAL_MS);
	size_t bytes = run->row->bytes, got = 0;
	int rc = 0;

	set_mode(context, run->row->mode);
	for (uint64_t i = 0; i < run->values_count && !rc; i++) {
		uint64_t begin = cpu_now_ns();

		for (uint64_t j = 0; j < run->batch && !rc; j++) {
			rc = dhow_send(context->ping, context->data, bytes, deadline);
			if (!rc)
				rc = dhow_recv(context->ping, context->data, bytes, &got, NULL,
					       deadline);
		}
		run->values[i] = (double)(cpu_now_ns() - begin) / (double)run->batch;
	}
	return rc;
}

int trial_create(struct bench_run *run)
{
	const struct dhow_channel_attr attr = {
		.capacity = 100, .inline_bytes = (uint32_t)run->row->bytes,
	};
	int rc = 0;

	for (uint64_t i = 0; i < run->values_count && !rc; i++) {
		uint64_t begin = base_now_ns();

		for (uint64_t j = 0; j < run->batch && !rc; j++) {
			struct dhow_channel *channel;

			rc = dhow_channel_create(NULL, &attr, &channel);
			if (!rc)
				rc = dhow_channel_destroy(channel);
		}
		run->values[i] = (double)(base_now_ns() - begin) / (double)run->batch;
	}
	return rc;
}

int trial_call(struct bench_run *run)
{
	for (uint64_t i = 0; i < run->values_count; i++) {
		uint64_t begin = base_now_ns();
		uint32_t sum = 0;

		for (uint64_t j = 0; j < run->batch; j++)
			sum += (uint32_t)dhow_nodes();
		run->values[i] = (double)(base_now_ns() - begin) / (double)run->batch;
		if (sum == 1)	/* never: the sum is used */
			return -EINVAL;
	}
	return 0;
}
