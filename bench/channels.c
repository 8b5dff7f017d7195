/* SPDX-License-Identifier: MIT */
/*
 * channels.c - channels inside one node against raw shared memory.
 *
 * The sides are forked before any of them attaches, since a forked child is not attached.
 * Side 0 serves the standalone node at an abstract socket and makes the channels.
 */
#include "harness.h"
#include "raw.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <dhow/dhow.h>

#include "base/clock.h"

enum { SIDES = 4, PAYLOAD_MAX = 65536, TRIAL_MS = 30000, CAPACITY = 1024 };

struct context {
	struct raw_area *area;
	struct dhow_channel *ping, *pong;	/* side 0 to 1, side 1 to 0 */
	unsigned char data[PAYLOAD_MAX];
};

static void set_mode(struct context *context, int mode)
{
	dhow_channel_set_wait(context->ping, (enum dhow_wait_mode)mode);
	dhow_channel_set_wait(context->pong, (enum dhow_wait_mode)mode);
}

static int bounce(struct bench_run *run, unsigned divisor)
{
	struct context *context = run->context;
	struct dhow_channel *out = run->side ? context->pong : context->ping;
	struct dhow_channel *in = run->side ? context->ping : context->pong;
	uint64_t deadline = dhow_in_ms(TRIAL_MS);
	size_t bytes = run->row->bytes, got = 0;
	int rc = 0;

	set_mode(context, run->row->mode);
	for (uint64_t i = 0; i < run->values_count && !rc; i++) {
		uint64_t begin = base_now_ns();

		for (uint64_t j = 0; j < run->batch && !rc; j++) {
			if (!run->side)
				rc = dhow_send(out, context->data, bytes, deadline);
			if (!rc)
				rc = dhow_recv(in, context->data, bytes, &got, NULL, deadline);
			if (!rc && run->side)
				rc = dhow_send(out, context->data, bytes, deadline);
		}
		run->values[i] = (double)(base_now_ns() - begin) / (double)(divisor * run->batch);
	}
	return rc;
}

static int oneway(struct bench_run *run)
{
	return bounce(run, 2);
}

static int wake(struct bench_run *run)
{
	return bounce(run, 1);
}

/* Odd sides send, even sides receive the same number, all by one channel. */
static int rate(struct bench_run *run)
{
	struct context *context = run->context;
	uint64_t deadline = dhow_in_ms(TRIAL_MS), begin = base_now_ns(), nothing = 0;
	uint64_t flows = run->row->sides / 2;
	size_t bytes = run->row->bytes, got = 0;
	int rc = 0;

	set_mode(context, run->row->mode);
	for (uint64_t i = 0; i < run->batch && !rc; i++) {
		if (run->side % 2)
			rc = dhow_send(context->ping, context->data, bytes, deadline);
		else
			rc = dhow_recv(context->ping, context->data, bytes, &got, NULL, deadline);
	}
	rc = rc ? rc : bench_sync(run, run->row->sides, &nothing);
	run->values[0] = (double)(run->batch * flows) * 1e3 / (double)(base_now_ns() - begin);
	return rc;
}

static uint64_t cpu_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int pair(struct bench_run *run)
{
	struct context *context = run->context;
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

static int create(struct bench_run *run)
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

/* The baselines with this program's memory. */
#define RAW(name)                                                \
	static int name##_here(struct bench_run *run)            \
	{                                                        \
		struct context *context = run->context;          \
		return name(run, context->area);                 \
	}
RAW(raw_oneway)
RAW(raw_oneway_sleep)
RAW(raw_wake)
RAW(raw_ring)
RAW(raw_pair)
RAW(raw_create)

#define ONEWAY(size)                                                                         \
	{ "oneway", "copy-spin", size, "ns", 2, DHOW_WAIT_SPIN, false, oneway,        \
	  raw_oneway_here },                                                                 \
	{ "oneway", "copy-adaptive", size, "ns", 2, DHOW_WAIT_ADAPTIVE, false, oneway, \
	  raw_oneway_here },                                                                 \
	{ "oneway", "copy-sleep", size, "ns", 2, DHOW_WAIT_SLEEP, false, oneway,      \
	  raw_oneway_sleep_here }

static const struct bench_case cases[] = {
	ONEWAY(8),
	ONEWAY(64),
	ONEWAY(1024),
	ONEWAY(65536),
	{ "rate", "1p1c-adaptive", 64, "M/s", 2, DHOW_WAIT_ADAPTIVE, true, rate,
	  raw_ring_here },
	{ "rate", "2p2c-adaptive", 64, "M/s", 4, DHOW_WAIT_ADAPTIVE, true, rate,
	  raw_ring_here },
	{ "pair_cpu", "copy", 64, "ns", 1, DHOW_WAIT_ADAPTIVE, false, pair, raw_pair_here },
	{ "create", "100-slots", 64, "ns", 1, DHOW_WAIT_ADAPTIVE, false, create,
	  raw_create_here },
	{ "wake", "sleep", 8, "ns", 2, DHOW_WAIT_SLEEP, false, wake, raw_wake_here },
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

/* Side 0 first: it becomes the node, the others join and open by name. */
static int attach(struct bench_run *run, const char *socket)
{
	const struct dhow_channel_attr attr = { .capacity = CAPACITY };
	struct context *context = run->context;
	uint64_t nothing = 0;
	int rc = 0;

	if (!run->side) {
		rc = dhow_init_at(socket, 0);
		rc = rc ? rc : dhow_channel_create("bench-ping", &attr, &context->ping);
		rc = rc ? rc : dhow_channel_create("bench-pong", &attr, &context->pong);
		return rc ? rc : bench_sync(run, run->sides, &nothing);
	}
	rc = bench_sync(run, run->sides, &nothing);
	rc = rc ? rc : dhow_init_at(socket, 0);
	rc = rc ? rc : dhow_channel_open("bench-ping", dhow_in_ms(5000), &context->ping);
	return rc ? rc : dhow_channel_open("bench-pong", dhow_in_ms(5000), &context->pong);
}

static void detach(struct bench_run *run)
{
	struct context *context = run->context;
	uint64_t nothing = 0;

	if (run->side) {
		dhow_channel_close(context->ping);
		dhow_channel_close(context->pong);
		dhow_fini();
	}
	/* Side 0 serves the node, so it leaves last. */
	if (bench_sync(run, run->sides, &nothing) || run->side)
		return;
	dhow_channel_destroy(context->ping);
	dhow_channel_destroy(context->pong);
	dhow_fini();
}

int main(int argc, char **argv)
{
	static struct context context;
	struct bench_options options;
	struct bench_run run;
	char socket[64];
	int rc;

	bench_options_parse(argc, argv, "Channels of one node against raw shared memory.",
			    &options);
	if (options.list) {
		bench_list("channels", cases, CASES);
		return 0;
	}
	snprintf(socket, sizeof(socket), "@dhow-bench-%d", (int)getpid());
	context.area = raw_area_create();
	rc = context.area ? bench_fork(SIDES, &run) : -ENOMEM;
	if (rc) {
		fprintf(stderr, "channels: cannot start: %s\n", strerror(-rc));
		return 1;
	}
	run.context = &context;
	bench_pin(&run, 2);
	rc = attach(&run, socket);
	if (rc) {
		fprintf(stderr, "channels: side %u: cannot attach: %s: %s\n", run.side,
			dhow_strerror(rc), dhow_error_text());
		return 1;
	}
	rc = bench_main(&run, &options, "channels", cases, CASES);
	if (!rc)
		detach(&run);
	return rc | bench_join(&run);
}
