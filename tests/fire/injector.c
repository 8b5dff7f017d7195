/* SPDX-License-Identifier: MIT */
/*
 * injector.c - see injector.h.
 *
 * Packets wait in a heap by the time at which they arrive. Without reordering the times of one
 * direction never fall, whatever the jitter; a reordered packet gets a later time than it would
 * have, and others overtake it.
 */
#include "injector.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "packet.h"

enum {
	QUEUE_MAX = 8192,
	READS_A_TURN = 64,
	REPEAT_LATER_NS = 50000,
	REORDER_LATER_NS = 1000000,
	MILLION = 1000000,
};

struct waiting {
	uint64_t at_ns;
	unsigned to;
	size_t bytes;
	uint8_t data[PACKET_MAX];
};

static struct {
	struct injector *injector;
	const int *tuns;
	unsigned count;
	uint64_t random;
	struct waiting *queue[QUEUE_MAX];
	size_t queued;
	uint64_t last_ns[SPACES_MAX];
} net;

/* xorshift64: the same seed gives the same dice. */
static uint64_t dice(void)
{
	net.random ^= net.random << 13;
	net.random ^= net.random >> 7;
	net.random ^= net.random << 17;
	return net.random;
}

static uint32_t get(const _Atomic uint32_t *setting)
{
	return atomic_load_explicit(setting, memory_order_relaxed);
}

static void count(_Atomic uint64_t *counter, uint64_t add)
{
	atomic_fetch_add_explicit(counter, add, memory_order_relaxed);
}

static bool happens(const _Atomic uint32_t *per_million)
{
	uint32_t chance = get(per_million);

	return chance && dice() % MILLION < chance;
}

static void push(uint64_t at_ns, unsigned to, const uint8_t *data, size_t bytes)
{
	struct waiting *waiting = net.queued < QUEUE_MAX ? malloc(sizeof(*waiting)) : NULL;
	size_t i = net.queued;

	if (!waiting) {
		count(&net.injector->overrun, 1);
		return;
	}
	waiting->at_ns = at_ns;
	waiting->to = to;
	waiting->bytes = bytes;
	memcpy(waiting->data, data, bytes);
	for (net.queued++; i && net.queue[(i - 1) / 2]->at_ns > at_ns; i = (i - 1) / 2)
		net.queue[i] = net.queue[(i - 1) / 2];
	net.queue[i] = waiting;
}

static struct waiting *pop(void)
{
	struct waiting *first = net.queue[0], *last = net.queue[--net.queued];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < net.queued) {
		if (child + 1 < net.queued &&
		    net.queue[child + 1]->at_ns < net.queue[child]->at_ns)
			child++;
		if (net.queue[child]->at_ns >= last->at_ns)
			break;
		net.queue[i] = net.queue[child];
		i = child;
	}
	net.queue[i] = last;
	return first;
}

static void take(unsigned from, uint8_t *data, size_t bytes)
{
	struct injector *injector = net.injector;
	unsigned to = packet_destination(data, bytes) - SPACE_FIRST;
	uint32_t jitter_us = get(&injector->jitter_us);
	uint64_t at_ns;

	if (to >= net.count)
		return;		/* multicast, and what the kernel says on its own */
	count(&injector->packets, 1);
	count(&injector->bytes, bytes);
	if (get(&injector->cut[from]) & 1u << to) {
		count(&injector->cut_off, 1);
		return;
	}
	if (happens(&injector->loss)) {
		count(&injector->lost, 1);
		return;
	}
	if (happens(&injector->damage) && packet_damage(data, bytes, dice()))
		count(&injector->damaged, 1);
	if (happens(&injector->reset) && packet_reset(data, &bytes))
		count(&injector->resets, 1);
	at_ns = base_now_ns() + get(&injector->delay_us) * UINT64_C(1000);
	if (jitter_us)
		at_ns += dice() % (jitter_us * UINT64_C(1000));
	if (happens(&injector->reorder)) {
		at_ns += REORDER_LATER_NS;
		count(&injector->reordered, 1);
	} else {
		if (at_ns <= net.last_ns[to])
			at_ns = net.last_ns[to] + 1;
		net.last_ns[to] = at_ns;
	}
	push(at_ns, to, data, bytes);
	if (happens(&injector->repeat)) {
		push(at_ns + REPEAT_LATER_NS, to, data, bytes);
		count(&injector->repeated, 1);
	}
}

static void deliver(void)
{
	uint64_t now = base_now_ns();

	while (net.queued && net.queue[0]->at_ns <= now) {
		struct waiting *waiting = pop();

		/* A device that is down or full loses packets, as devices do. */
		if (write(net.tuns[waiting->to], waiting->data, waiting->bytes) < 0 &&
		    errno != EAGAIN && errno != EIO)
			_exit(1);
		free(waiting);
	}
}

static void await(void)
{
	struct pollfd fds[SPACES_MAX];
	struct timespec pause = { .tv_sec = 1 };
	uint64_t now = base_now_ns();

	for (unsigned i = 0; i < net.count; i++)
		fds[i] = (struct pollfd){ .fd = net.tuns[i], .events = POLLIN };
	if (net.queued) {
		uint64_t at_ns = net.queue[0]->at_ns;

		if (at_ns <= now)
			return;
		pause = (struct timespec){ .tv_nsec = (long)((at_ns - now) % 1000000000) };
	}
	ppoll(fds, net.count, &pause, NULL);
}

void injector_run(struct injector *injector, const int *tuns, unsigned spaces, uint64_t seed)
{
	uint8_t data[PACKET_MAX];

	net.injector = injector;
	net.tuns = tuns;
	net.count = spaces;
	net.random = seed * 2654435761u + 88172645463325252u;
	for (;;) {
		await();
		for (unsigned i = 0; i < spaces; i++)
			for (int turn = 0; turn < READS_A_TURN; turn++) {
				ssize_t bytes = read(tuns[i], data, sizeof(data));

				if (bytes <= 0)
					break;
				take(i, data, (size_t)bytes);
				deliver();
			}
		deliver();
	}
}

void injector_cut(struct injector *injector, unsigned from, unsigned to, int cut)
{
	if (cut)
		atomic_fetch_or_explicit(&injector->cut[from], 1u << to, memory_order_seq_cst);
	else
		atomic_fetch_and_explicit(&injector->cut[from], ~(1u << to),
					  memory_order_seq_cst);
}

void injector_print(const struct injector *injector, FILE *to)
{
	const struct {
		const char *name;
		const _Atomic uint64_t *counter;
	} all[] = {
		{ "packets", &injector->packets },	{ "lost", &injector->lost },
		{ "cut off", &injector->cut_off },	{ "repeated", &injector->repeated },
		{ "reordered", &injector->reordered },	{ "damaged", &injector->damaged },
		{ "resets", &injector->resets },	{ "overrun", &injector->overrun },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		uint64_t value = atomic_load_explicit(all[i].counter, memory_order_relaxed);

		if (i == 0 || value)
			fprintf(to, "%s%llu %s", i ? ", " : "", (unsigned long long)value,
				all[i].name);
	}
}
