/* SPDX-License-Identifier: MIT */
/*
 * exchange_phase.c - one phase: send to all of a place, receive from all of it, check.
 *
 * A send that finds a full channel gives up after a moment and the loop receives first, so
 * full channels can never make a ring of waiters. What is on its way to other nodes is
 * limited (IN_FLIGHT_BYTES), because it lies in this node's pool, which the messages that
 * come in need as well.
 */
#include "exchange.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <dhow/dhow.h>

#include "base/clock.h"

enum {
	RECEIVE_BATCH = 32,		/* messages taken before the next send */
	LARGE_BYTES = 65536,
	IN_FLIGHT_BYTES = 4 << 20,	/* sent to other nodes and not deposited */
	NUMBER_BITS = 24,
	IDLE_MS = 20000,		/* without progress: give up */
};
static const uint64_t pause_ns = 200000;	/* a blocked send or an idle receive */
static const uint64_t patience_ns = 2000000;	/* with one full receiver */

static int fail(struct exchange *x, int rc, const char *what, int peer)
{
	x->tally.stop = 1;
	snprintf(x->tally.why, sizeof(x->tally.why), "%s rank %d: %s: %s", what, peer,
		 dhow_strerror(rc), dhow_error_text());
	return rc;
}

static bool not_now(int rc)
{
	return rc == -EAGAIN || rc == -ETIMEDOUT;
}

static bool takes_part(const struct exchange *x, int rank)
{
	return x->peers[rank].is_remote == (phase_place(x->phase) == 1);
}

/* Check one message; what is wrong is counted, never trusted. */
static void account(struct exchange *x, size_t bytes, const struct dhow_header *header)
{
	uint32_t number = header->tag & ((1u << NUMBER_BITS) - 1);
	uint64_t now = base_now_ns();
	struct peer *peer;

	x->seen++;
	if (header->sender >= (uint32_t)x->size || header->tag >> NUMBER_BITS != x->phase ||
	    bytes != x->bytes) {
		x->tally.damaged++;
		return;
	}
	peer = &x->peers[header->sender];
	if (!payload_is(x->in, bytes, header->sender, (uint32_t)x->rank, number))
		x->tally.damaged++;
	if (number != peer->next)
		x->tally.disordered++;
	peer->next = number + 1;
	peer->received++;
	x->tally.received++;
	x->tally.bytes += bytes;
	histogram_add(x->tally.latency, now > header->user ? now - header->user : 0);
}

/* Take what is there. Return: messages taken or negative errno. */
static int receive(struct exchange *x, uint64_t deadline_ns)
{
	struct dhow_header header;
	int taken = 0;

	while (taken < RECEIVE_BATCH) {
		size_t bytes = 0;
		int rc = dhow_recv(x->mine, x->in, exchange_sizes[EXCHANGE_SIZES - 1], &bytes,
				   &header, taken ? DHOW_TRY : deadline_ns);

		if (not_now(rc))
			break;
		if (rc)
			return fail(x, rc, "receive at", x->rank);
		account(x, bytes, &header);
		taken++;
	}
	return taken;
}

/* Learn which remote messages have been deposited. Return: 0; -EAGAIN not all are. */
static int settle(struct exchange *x, uint64_t deadline_ns)
{
	int result = 0;

	for (int rank = 0; rank < x->size; rank++) {
		struct peer *peer = &x->peers[rank];
		int rc;

		if (!peer->in_flight)
			continue;
		rc = dhow_flush(peer->channel, deadline_ns);
		if (rc && !not_now(rc))
			return fail(x, rc, "send to", rank);
		if (rc) {
			result = -EAGAIN;
			deadline_ns = DHOW_TRY;
			continue;
		}
		x->in_flight -= peer->in_flight;
		peer->in_flight = 0;
	}
	return result;
}

/* The next receiver that still wants a message, in turn from our right neighbour on; one
 * that was passed by lately only if there is no other. */
static int next_target(struct exchange *x)
{
	uint64_t now = base_now_ns();
	int last_resort = -1;

	for (int i = 0; i < x->size; i++) {
		int rank = (x->target + i) % x->size;

		if (!takes_part(x, rank) || x->peers[rank].sent == x->messages)
			continue;
		if (x->peers[rank].not_before_ns <= now)
			return rank;
		if (last_resort < 0)
			last_resort = rank;
	}
	return last_resort;
}

/* A receiver that stays full (it may be dead) must not keep us from the others. */
static void pass_by(struct exchange *x, int rank, uint64_t now_ns)
{
	if (!x->blocked_ns)
		x->blocked_ns = now_ns;
	if (now_ns - x->blocked_ns < patience_ns)
		return;
	x->peers[rank].not_before_ns = now_ns + 25 * patience_ns;
	x->blocked_ns = 0;
	x->staged = -1;
	x->target = (rank + 1) % x->size;
}

/* Send one message. Return: 1 sent; 0 not now; -ENOENT nothing left; negative errno. */
static int send_one(struct exchange *x, uint64_t deadline_ns)
{
	/* One byte more, so that messages without payload count as well. */
	size_t cost = x->bytes + 1;
	struct dhow_header header = { 0 };
	int rank = next_target(x), rc;
	struct peer *peer;

	if (rank < 0)
		return -ENOENT;
	peer = &x->peers[rank];
	if (peer->is_remote && x->in_flight + cost > IN_FLIGHT_BYTES) {
		rc = settle(x, deadline_ns);
		if (rc && rc != -EAGAIN)
			return rc;
		if (x->in_flight + cost > IN_FLIGHT_BYTES)
			return 0;
	}
	if (x->staged != rank)
		payload_fill(x->out, x->bytes, (uint32_t)x->rank, (uint32_t)rank, peer->sent);
	x->staged = rank;
	header.tag = (uint32_t)x->phase << NUMBER_BITS | peer->sent;
	header.user = base_now_ns();
	rc = dhow_send_with(peer->channel, x->out, x->bytes, &header, DHOW_ACCEPTED, deadline_ns);
	if (not_now(rc)) {
		pass_by(x, rank, header.user);
		return 0;
	}
	if (rc)
		return fail(x, rc, "send to", rank);
	x->blocked_ns = 0;
	peer->sent++;
	if (peer->is_remote) {
		peer->in_flight += cost;
		x->in_flight += cost;
	}
	x->staged = -1;
	x->target = (rank + 1) % x->size;
	return 1;
}

static void phase_begin(struct exchange *x, unsigned phase)
{
	uint32_t share = x->options.messages;

	x->phase = phase;
	x->bytes = phase_bytes(phase);
	if (x->bytes >= LARGE_BYTES)
		share /= x->bytes > LARGE_BYTES ? 25 : 4;
	x->messages = share < 2 ? 2 : share;
	x->target = (x->rank + 1) % x->size;
	x->staged = -1;
	x->seen = x->blocked_ns = 0;
	memset(&x->tally, 0, sizeof(x->tally));
	x->tally.phase = phase;
	x->tally.rank = (uint32_t)x->rank;
	x->tally.host = host_id();
	for (int rank = 0; rank < x->size; rank++) {
		x->peers[rank].not_before_ns = 0;
		x->peers[rank].sent = x->peers[rank].received = x->peers[rank].next = 0;
		x->tally.pairs += takes_part(x, rank);
	}
}

/* Append @rank to a list of ranks that may be cut. */
static void name_rank(char *text, size_t room, int rank)
{
	size_t used = strlen(text);

	snprintf(text + used, room - used, " %d", rank);
}

/* Count what never came and name who did not send or receive. */
static void phase_end(struct exchange *x, uint64_t begin_ns)
{
	char silent[72] = "", full[72] = "";

	x->tally.duration_ns = base_now_ns() - begin_ns;
	for (int rank = 0; rank < x->size; rank++) {
		const struct peer *peer = &x->peers[rank];

		if (!takes_part(x, rank))
			continue;
		if (peer->received < x->messages) {
			x->tally.lost += x->messages - peer->received;
			name_rank(silent, sizeof(silent), rank);
		}
		if (peer->sent < x->messages)
			name_rank(full, sizeof(full), rank);
	}
	if ((!*silent && !*full) || x->tally.stop)
		return;
	x->tally.stop = 1;
	snprintf(x->tally.why, sizeof(x->tally.why), "no progress for %d s: not all from%s, to%s",
		 IDLE_MS / 1000, *silent ? silent : " -", *full ? full : " -");
}

void phase_run(struct exchange *x, unsigned phase)
{
	uint64_t begin = base_now_ns(), last = begin, wanted;
	bool sent_all = false;

	phase_begin(x, phase);
	wanted = (uint64_t)x->tally.pairs * x->messages;
	while (!x->tally.stop && (!sent_all || x->seen < wanted)) {
		uint64_t now = base_now_ns();
		int taken, sent = 0;

		/* When everything is out there is only receiving left, so it may sleep. */
		taken = receive(x, sent_all ? now + 50 * pause_ns : DHOW_TRY);
		if (taken < 0)
			break;
		if (!sent_all) {
			sent = send_one(x, taken ? DHOW_TRY : now + pause_ns);
			if (sent == -ENOENT)
				sent_all = !settle(x, now + pause_ns);
		}
		if (taken > 0 || sent > 0)
			last = now;
		else if (now - last > IDLE_MS * BASE_MS)
			break;
	}
	phase_end(x, begin);
}
