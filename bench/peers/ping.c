/* SPDX-License-Identifier: MIT */
/* ping.c - see ping.h. The first byte of a payload says whether another one follows. */
#include "ping.h"

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { GO_ON, LAST, VALUES_MAX = 4096, BATCH_NS = 20000, RATE_TRIALS = 5, ALARM_S = 90 };

static const size_t sizes[] = { 8, 1024, 65536, PING_BYTES_MAX };
static unsigned char *data, *room;

void ping_fail(const char *what, const char *why)
{
	fprintf(stderr, "ping: %s: %s\n", what, why);
	exit(1);
}

void ping_pin(int side)
{
	cpu_set_t allowed, mine;
	int count = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) || CPU_COUNT(&allowed) <= side)
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || count++ != side)
			continue;
		CPU_ZERO(&mine);
		CPU_SET(cpu, &mine);
		sched_setaffinity(0, sizeof(mine), &mine);
	}
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static double quantile(double *values, int count, double which)
{
	qsort(values, (size_t)count, sizeof(*values), by_value);
	return values[(int)(which * (count - 1))];
}

static void round_trips(const struct ping *ping, size_t bytes, int count, int is_last)
{
	for (int i = 0; i < count; i++) {
		data[0] = is_last && i == count - 1 ? LAST : GO_ON;
		ping->send(ping->arg, data, bytes);
		ping->recv(ping->arg, room, bytes);
	}
}

static void lead_latency(const struct ping *ping, size_t bytes, double seconds)
{
	static double values[VALUES_MAX];
	uint64_t start, end = now_ns() + (uint64_t)(seconds * 1e9), ns;
	int count = 0, batch = 1;

	/* The first ones warm up, and tell how many make a batch that the clock can see. */
	round_trips(ping, bytes, 20, 0);
	start = now_ns();
	round_trips(ping, bytes, 20, 0);
	ns = (now_ns() - start) / 20 + 1;
	if (ns < BATCH_NS)
		batch = (int)(BATCH_NS / ns) + 1;
	while (count < VALUES_MAX && (now_ns() < end || count < 20)) {
		start = now_ns();
		round_trips(ping, bytes, batch, 0);
		values[count++] = (double)(now_ns() - start) / batch / 2000;
	}
	round_trips(ping, bytes, 1, 1);
	printf("latency %zu %.6g", bytes, quantile(values, count, 0.5));
	printf(" %.6g\n", quantile(values, count, 0.99));
	fflush(stdout);
}

static void lead_rate(const struct ping *ping, size_t bytes, double seconds)
{
	double values[RATE_TRIALS];

	for (int trial = 0; trial < RATE_TRIALS; trial++) {
		uint64_t start = now_ns(), end = start + (uint64_t)(seconds / RATE_TRIALS * 1e9);
		uint64_t count = 0;

		data[0] = GO_ON;
		do {
			for (int i = 0; i < 16; i++, count++)
				ping->send(ping->arg, data, bytes);
		} while (now_ns() < end);
		data[0] = LAST;
		ping->send(ping->arg, data, bytes);
		ping->recv(ping->arg, room, bytes);
		values[trial] = (double)(count + 1) / ((double)(now_ns() - start) / 1e9);
	}
	printf("rate %zu %.6g", bytes, quantile(values, RATE_TRIALS, 0.5));
	printf(" %.6g\n", quantile(values, RATE_TRIALS, 0));
	fflush(stdout);
}

static void follow_latency(const struct ping *ping, size_t bytes)
{
	do {
		ping->recv(ping->arg, room, bytes);
		ping->send(ping->arg, room, bytes);
	} while (room[0] != LAST);
}

static void follow_rate(const struct ping *ping, size_t bytes)
{
	for (int trial = 0; trial < RATE_TRIALS; trial++) {
		do
			ping->recv(ping->arg, room, bytes);
		while (room[0] != LAST);
		ping->send(ping->arg, room, bytes);
	}
}

void ping_run(const struct ping *ping, double seconds)
{
	/* Both sides spin: whatever happens to the other one, this one ends. */
	alarm(ALARM_S);
	data = calloc(1, PING_BYTES_MAX);
	room = calloc(1, PING_BYTES_MAX);
	if (!data || !room)
		ping_fail("buffers", "no memory");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		if (ping->side) {
			follow_latency(ping, sizes[i]);
			follow_rate(ping, sizes[i]);
			continue;
		}
		lead_latency(ping, sizes[i], seconds);
		lead_rate(ping, sizes[i], seconds);
	}
	free(data);
	free(room);
}
