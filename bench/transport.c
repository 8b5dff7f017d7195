/* SPDX-License-Identifier: MIT */
/*
 * transport.c - channels between two nodes against plain TCP.
 *
 *     dlaunch -n 2 -N 1 build/bench/transport
 *
 * Started without a launcher, it starts itself under the dlaunch of the same build.
 * The way of a message: process, gateway, agent, TCP, agent, channel, process.
 */
#include "harness.h"
#include "raw.h"
#include "transport_link.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <dhow/dhow.h>

#include "base/clock.h"

enum { PAYLOAD_MAX = 1 << 20, TRIAL_MS = 30000, CAPACITY = 256, PROCESSES = 4 };

struct context {
	struct dhow_channel *mine, *theirs;	/* home here; home at the other node */
	int fd;
	unsigned char data[PAYLOAD_MAX];
};

static int oneway(struct bench_run *run)
{
	struct context *context = run->context;
	uint64_t deadline = dhow_in_ms(TRIAL_MS);
	size_t bytes = run->row->bytes, got = 0;
	int rc = 0;

	for (uint64_t i = 0; i < run->values_count && !rc; i++) {
		uint64_t begin = base_now_ns();

		for (uint64_t j = 0; j < run->batch && !rc; j++) {
			if (!run->side)
				rc = dhow_send(context->theirs, context->data, bytes, deadline);
			if (!rc)
				rc = dhow_recv(context->mine, context->data, bytes, &got, NULL,
					       deadline);
			if (!rc && run->side)
				rc = dhow_send(context->theirs, context->data, bytes, deadline);
		}
		run->values[i] = (double)(base_now_ns() - begin) / (double)(2 * run->batch);
	}
	return rc;
}

/* Side 1 sends, side 0 receives and counts. */
static int rate(struct bench_run *run)
{
	struct context *context = run->context;
	uint64_t deadline = dhow_in_ms(TRIAL_MS), begin = base_now_ns();
	size_t bytes = run->row->bytes, got = 0;
	int rc = 0;

	for (uint64_t i = 0; i < run->batch && !rc; i++) {
		if (run->side)
			rc = dhow_send(context->theirs, context->data, bytes, deadline);
		else
			rc = dhow_recv(context->mine, context->data, bytes, &got, NULL, deadline);
	}
	run->values[0] = (double)run->batch * 1e3 / (double)(base_now_ns() - begin);
	return rc;
}

static int stream(struct bench_run *run)
{
	int rc = rate(run);

	/* million messages per second -> GB per second */
	run->values[0] *= (double)run->row->bytes / 1e3;
	return rc;
}

/* The baselines over this program's connection. */
#define RAW(name)                                                \
	static int name##_here(struct bench_run *run)            \
	{                                                        \
		struct context *context = run->context;          \
		return name(run, context->fd);                   \
	}
RAW(raw_tcp_oneway)
RAW(raw_tcp_rate)
RAW(raw_tcp_stream)

#define ONEWAY(size) \
	{ "oneway", "adaptive", size, "ns", 2, 0, false, oneway, raw_tcp_oneway_here, 0 }

static const struct bench_case cases[] = {
	ONEWAY(8),
	ONEWAY(1024),
	ONEWAY(65536),
	ONEWAY(1048576),
	{ "rate", "1flow", 64, "M/s", 2, 0, true, rate, raw_tcp_rate_here, 0 },
	{ "stream", "1flow", 1048576, "GB/s", 2, 0, true, stream, raw_tcp_stream_here, 0 },
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

/* Replace this process by `dlaunch -n 2 -N 1 self args...`. Returns only on failure. */
static int relaunch(int argc, char **argv)
{
	static char self[PATH_MAX], here[PATH_MAX], launcher[PATH_MAX + 32];
	char **args = calloc((size_t)argc + 7, sizeof(*args));
	ssize_t bytes = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int count = 0;

	if (!args || bytes < 0)
		return -ENOMEM;
	memcpy(here, self, (size_t)bytes + 1);
	snprintf(launcher, sizeof(launcher), "%s/../bin/dlaunch", dirname(here));
	args[count++] = launcher;
	args[count++] = "-n";
	args[count++] = "2";
	args[count++] = "-N";
	args[count++] = "1";
	args[count++] = self;
	for (int i = 1; i < argc; i++)
		args[count++] = argv[i];
	execv(launcher, args);
	fprintf(stderr, "transport: cannot execute '%s': %s\ntry: dlaunch -n 2 -N 1 %s\n", launcher,
		strerror(errno), self);
	return 1;
}

static int attach(struct bench_run *run, struct context *context)
{
	const struct dhow_channel_attr attr = { .capacity = CAPACITY };
	char name[32];
	int rc = dhow_init();

	if (rc)
		return rc;
	if (dhow_size() != 2 || dhow_nodes() != 2) {
		fprintf(stderr, "transport: wanted 2 tasks on 2 nodes, got %d on %d\n"
			"try: dlaunch -n 2 -N 1\n", dhow_size(), dhow_nodes());
		return -EINVAL;
	}
	run->side = (unsigned)dhow_rank();
	run->sides = 2;
	snprintf(name, sizeof(name), "transport-%u", run->side);
	rc = dhow_channel_create(name, &attr, &context->mine);
	snprintf(name, sizeof(name), "transport-%u", 1 - run->side);
	return rc ? rc : dhow_channel_open(name, dhow_in_ms(20000), &context->theirs);
}

int main(int argc, char **argv)
{
	static struct context context;
	struct bench_options options;
	struct bench_run run = { 0 };
	const char *path = "";
	char pinning[sizeof(run.pinning)];
	uint64_t nothing = 0;
	int rc;

	bench_options_parse(argc, argv, "Channels between two nodes against plain TCP.", &options);
	if (options.list) {
		bench_list("transport", cases, CASES);
		return 0;
	}
	if (!getenv("DHOW_RANK"))
		return relaunch(argc, argv);
	rc = attach(&run, &context);
	if (!rc)
		rc = link_open((int)run.side, context.mine, context.theirs, &context.fd, &path);
	if (rc) {
		fprintf(stderr, "transport: rank %u: cannot start: %s: %s\n", run.side,
			dhow_strerror(rc), dhow_error_text());
		return 1;
	}
	run.links[1 - run.side] = context.fd;
	run.context = &context;
	/* Two processes and two agents: fewer CPUs must stay shared. */
	bench_pin(&run, PROCESSES);
	snprintf(pinning, sizeof(pinning), "%.60s, TCP over %s", run.pinning, path);
	memcpy(run.pinning, pinning, sizeof(pinning));
	rc = bench_main(&run, &options, "transport", cases, CASES);
	if (!rc)
		rc = bench_sync(&run, 2, &nothing) ? 1 : 0;
	dhow_channel_close(context.theirs);
	dhow_channel_destroy(context.mine);
	dhow_fini();
	return rc;
}
