/* SPDX-License-Identifier: MIT */
/*
 * channels.c - channels inside one node against raw shared memory.
 *
 * The sides are forked before any of them attaches, since a forked child is not attached.
 * Side 0 serves the standalone node at an abstract socket and makes the channels.
 */
#include "channels_trials.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SIDES = 5, CAPACITY = 1024 };

/* The baselines with this program's memory. */
#define RAW(name)                                                \
	static int name##_here(struct bench_run *run)            \
	{                                                        \
		struct trial_context *context = run->context;          \
		return name(run, context->area);                 \
	}
RAW(raw_oneway)
RAW(raw_handover)
RAW(raw_copy)
RAW(raw_oneway_sleep)
RAW(raw_wake)
RAW(raw_ring)
RAW(raw_pair)
RAW(raw_create)
RAW(raw_call)

/* Rows of one kind in the three modes; asleep, a baseline that sleeps stands beside. */
#define MODES(name, config, size, unit, sides, is_rate, senders, trial, raw, raw_sleep)        \
	{ name, config "-spin", size, unit, sides, DHOW_WAIT_SPIN, is_rate, trial, raw, senders }, \
	{ name, config "-adaptive", size, unit, sides, DHOW_WAIT_ADAPTIVE, is_rate, trial, raw,    \
	  senders },                                                                              \
	{ name, config "-sleep", size, unit, sides, DHOW_WAIT_SLEEP, is_rate, trial, raw_sleep,    \
	  senders }
#define ONEWAY(config, size, trial, raw, raw_sleep) \
	MODES("oneway", config, size, "ns", 2, false, 0, trial, raw, raw_sleep)
#define COPY(size) ONEWAY("copy", size, trial_oneway, raw_oneway_here, raw_oneway_sleep_here)
#define HANDOVER(size) \
	ONEWAY("handover", size, trial_handover, raw_handover_here, raw_handover_here)
#define LEND(size) ONEWAY("lend", size, trial_lend, raw_oneway_here, raw_oneway_sleep_here)
#define RATE(config, sides, senders, trial) \
	MODES("rate", config, 64, "M/s", sides, true, senders, trial, raw_ring_here, raw_ring_here)
#define BANDWIDTH(size) \
	MODES("copy_bandwidth", "copy", size, "GB/s", 2, true, 2, trial_copy, raw_copy_here, \
	      raw_copy_here)

static const struct bench_case cases[] = {
	COPY(8),
	COPY(64),
	COPY(1024),
	COPY(65536),
	COPY(1048576),
	HANDOVER(65536),
	HANDOVER(1048576),
	LEND(65536),
	LEND(1048576),
	RATE("1p1c", 2, 0x2, trial_rate),
	RATE("1p1c-batch", 2, 0x2, trial_rate_many),
	{ "rate", "2p1c-adaptive", 64, "M/s", 3, DHOW_WAIT_ADAPTIVE, true, trial_rate,
	  raw_ring_here, 0x6 },
	{ "rate", "3p1c-adaptive", 64, "M/s", 4, DHOW_WAIT_ADAPTIVE, true, trial_rate,
	  raw_ring_here, 0xe },
	RATE("2p2c", 4, 0xa, trial_rate),
	RATE("4p1c", 5, 0x1e, trial_rate),
	RATE("1p4c", 5, 0x2, trial_rate),
	BANDWIDTH(65536),
	BANDWIDTH(1048576),
	{ "wake", "sleep", 8, "ns", 2, DHOW_WAIT_SLEEP, false, trial_wake, raw_wake_here, 0 },
	{ "pair_cpu", "copy", 64, "ns", 1, DHOW_WAIT_ADAPTIVE, false, trial_pair, raw_pair_here,
	  0 },
	{ "create", "100-slots", 64, "ns", 1, DHOW_WAIT_ADAPTIVE, false, trial_create,
	  raw_create_here, 0 },
	{ "call", "shared", 0, "ns", 1, DHOW_WAIT_ADAPTIVE, false, trial_call, raw_call_here, 0 },
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

/* Side 0 first: it becomes the node, the others join and open by name. */
static int attach(struct bench_run *run, const char *socket)
{
	const struct dhow_channel_attr attr = { .capacity = CAPACITY };
	struct trial_context *context = run->context;
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
	struct trial_context *context = run->context;
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
	static struct trial_context context;
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
	run.calls = dhow_wait_calls;
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
