/* SPDX-License-Identifier: MIT */
/* traffic.c - see traffic.h. */
#include "traffic.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <dhow/dhow.h>

#include "base/clock.h"

enum {
	HEAD_BYTES = 16,
	SMALL_MAX = 600,
	MIDDLE_MAX = 8000,
	LARGE_MAX = 200000,
	BURST = 16, BURST_FULL_SPEED = 1024,
	OPEN_MS = 20000,
	LAST_FLUSH_MS = 20000,
	QUIET_MS = 200,		/* a channel that was empty for so long is drained */
};

static uint64_t get(const _Atomic uint64_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

static void set(_Atomic uint64_t *value, uint64_t to)
{
	atomic_store_explicit(value, to, memory_order_relaxed);
}

/* splitmix64 */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* Most are small, some fill frames, a few go the way of large payloads. */
static size_t size_of(uint64_t number)
{
	uint64_t random = mix(number);
	unsigned kind = random % 256;
	size_t max = kind == 0 ? LARGE_MAX : kind < 16 ? MIDDLE_MAX : SMALL_MAX;

	return HEAD_BYTES + (random >> 8) % max;
}

/* Each byte follows from the number, so the receiver knows all of them. */
static void fill(uint8_t *message, uint64_t number, size_t bytes)
{
	const uint64_t head[2] = { number, bytes };

	memcpy(message, head, HEAD_BYTES);
	for (size_t at = HEAD_BYTES; at < bytes; at += 8) {
		uint64_t word = mix(number * 1000003 + at);

		memcpy(message + at, &word, bytes - at < 8 ? bytes - at : 8);
	}
}

/* ---- sending ---- */

struct sender {
	struct traffic_flow *flow;
	struct dhow_channel *channel;
	uint8_t *message;
};

/* Account for a call that had until @deadline_ns. Return: @rc, or 0 for a time-out. */
static int judge(struct traffic_flow *flow, int rc, uint64_t deadline_ns, bool *ret_done)
{
	uint64_t now = base_now_ns();

	set(&flow->calls, get(&flow->calls) + 1);
	if (now > deadline_ns && now - deadline_ns > get(&flow->late_ns))
		set(&flow->late_ns, now - deadline_ns);
	*ret_done = rc == 0;
	if (rc != -ETIMEDOUT)
		return rc;
	set(&flow->timeouts, get(&flow->timeouts) + 1);
	return 0;
}

static int send_next(struct sender *sender)
{
	struct traffic_flow *flow = sender->flow;
	uint64_t number = get(&flow->sent) + 1, deadline = dhow_in_ms(TRAFFIC_CALL_MS);
	size_t bytes = size_of(number);
	bool done;
	int rc;

	fill(sender->message, number, bytes);
	rc = dhow_send(sender->channel, sender->message, bytes, deadline);
	rc = judge(flow, rc, deadline, &done);
	if (done) {
		set(&flow->sent, number);
		set(&flow->bytes, get(&flow->bytes) + bytes);
	}
	return rc;
}

static int acknowledge(struct sender *sender)
{
	struct traffic_flow *flow = sender->flow;
	uint64_t deadline = dhow_in_ms(TRAFFIC_CALL_MS);
	bool done;
	int rc = judge(flow, dhow_flush(sender->channel, deadline), deadline, &done);

	if (done && get(&flow->sent)) {
		set(&flow->acknowledged, get(&flow->sent));
		if (!get(&flow->first_ns))
			set(&flow->first_ns, base_now_ns());
	}
	return rc;
}

static int send_all(struct sender *sender)
{
	struct traffic_flow *flow = sender->flow;
	uint64_t limit;
	int rc = 0;

	while (!rc && !atomic_load_explicit(&flow->stop, memory_order_relaxed)) {
		uint32_t pause_us = atomic_load_explicit(&flow->pause_us, memory_order_relaxed);
		int burst = pause_us ? BURST : BURST_FULL_SPEED;

		while (burst-- && !rc)
			rc = send_next(sender);
		if (!rc)
			rc = acknowledge(sender);
		if (pause_us)
			usleep(pause_us);
	}
	limit = dhow_in_ms(LAST_FLUSH_MS);
	while (!rc && get(&flow->acknowledged) < get(&flow->sent) && base_now_ns() < limit)
		rc = acknowledge(sender);
	return rc;
}

int traffic_send(struct traffic_flow *flow)
{
	struct sender sender = { .flow = flow, .message = malloc(HEAD_BYTES + LARGE_MAX + 8) };
	uint64_t limit = dhow_in_ms(OPEN_MS);
	int rc = sender.message ? dhow_init() : -ENOMEM;
	bool begun = rc == 0;

	while (!rc && !atomic_load_explicit(&flow->listening, memory_order_acquire)) {
		if (base_now_ns() > limit)
			rc = -ETIMEDOUT;
		usleep(1000);
	}
	if (!rc)
		rc = dhow_channel_open(flow->address, limit, &sender.channel);
	if (!rc)
		rc = send_all(&sender);
	if (rc) {
		set(&flow->error_ns, base_now_ns());
		snprintf(flow->error_text, sizeof(flow->error_text), "%s", dhow_error_text());
		atomic_store_explicit(&flow->error, rc, memory_order_release);
	}
	atomic_store_explicit(&flow->sent_all, 1, memory_order_release);
	if (sender.channel)
		dhow_channel_close(sender.channel);
	if (begun)
		dhow_fini();
	free(sender.message);
	return rc ? 1 : 0;
}

/* ---- receiving ---- */

struct receiver {
	struct traffic_flow *flow;
	struct dhow_channel *channel;
	uint8_t *message, *expected;
	uint64_t next;
};

static void count_wrong(struct receiver *receiver, _Atomic uint64_t *counter, uint64_t add)
{
	if (!get(&receiver->flow->wrong))
		set(&receiver->flow->wrong, receiver->next);
	set(counter, get(counter) + add);
}

static void check(struct receiver *receiver, size_t bytes)
{
	struct traffic_flow *flow = receiver->flow;
	uint64_t number = 0;

	if (bytes >= HEAD_BYTES)
		memcpy(&number, receiver->message, sizeof(number));
	/* A number that cannot be is damage; any other byte of the head shows below. */
	if (bytes < HEAD_BYTES || number > receiver->next + (1u << 20) || !number ||
	    size_of(number) != bytes) {
		count_wrong(receiver, &flow->damaged, 1);
		return;
	}
	fill(receiver->expected, number, bytes);
	if (memcmp(receiver->message, receiver->expected, bytes) != 0) {
		count_wrong(receiver, &flow->damaged, 1);
		return;
	}
	if (number < receiver->next) {	/* or out of order, which is the same to who counts */
		count_wrong(receiver, &flow->repeated, 1);
		return;
	}
	if (number > receiver->next)
		count_wrong(receiver, &flow->missed, number - receiver->next);
	receiver->next = number + 1;
	set(&flow->received, number);
	set(&flow->received_ns, base_now_ns());
}

static int receive_all(struct receiver *receiver)
{
	struct traffic_flow *flow = receiver->flow;

	for (;;) {
		uint32_t drain = atomic_load_explicit(&flow->drain, memory_order_acquire);
		size_t bytes = 0;
		int rc = dhow_recv(receiver->channel, receiver->message, HEAD_BYTES + LARGE_MAX,
				   &bytes, NULL, dhow_in_ms(QUIET_MS));

		if (rc == 0)
			check(receiver, bytes);
		else if (rc != -ETIMEDOUT || drain)
			return rc == -ETIMEDOUT ? 0 : rc;
	}
}

int traffic_receive(struct traffic_flow *flow)
{
	struct receiver receiver = {
		.flow = flow,
		.message = malloc(HEAD_BYTES + LARGE_MAX),
		.expected = malloc(HEAD_BYTES + LARGE_MAX + 8),
		.next = 1,
	};
	struct dhow_address address;
	int rc = receiver.message && receiver.expected ? dhow_init() : -ENOMEM;
	bool begun = rc == 0;

	if (!rc)
		rc = dhow_channel_create(NULL, NULL, &receiver.channel);
	if (!rc) {
		dhow_channel_address(receiver.channel, &address);
		dhow_address_print(&address, flow->address);
		atomic_store_explicit(&flow->listening, 1, memory_order_release);
		rc = receive_all(&receiver);
	}
	atomic_store_explicit(&flow->received_all, rc ? 2 : 1, memory_order_release);
	if (receiver.channel)
		dhow_channel_close(receiver.channel);
	if (begun)
		dhow_fini();
	free(receiver.message);
	free(receiver.expected);
	return rc ? 1 : 0;
}
