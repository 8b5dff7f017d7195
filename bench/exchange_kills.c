/* SPDX-License-Identifier: MIT */
/*
 * exchange_kills.c - `--kills N`: senders are SIGKILLed inside their sends while the ranks
 * go on.
 *
 * Each rank starts a *victim*, a child that attaches for itself and sends to all ranks as
 * fast as it can; kills it a few milliseconds after its first send; and starts the next.
 * Meanwhile the ranks exchange messages of their own. What a victim sent must arrive whole,
 * once and in order, up to some number; what a rank sent must arrive to the last message.
 *
 * Tag: kind and number of the message, counted per sender's life and receiver. User word: life.
 */
#include "exchange.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dhow/dhow.h>

#include "base/clock.h"

enum {
	KIND_RANK = 200,		/* above the phases */
	KIND_VICTIM,
	KIND_END,			/* no more victims of this rank */
	NUMBER_BITS = 24,
	NUMBER_MASK = (1 << NUMBER_BITS) - 1,
	BATCH = 16,
	START_MS = 20000,		/* a victim's way to its first send */
	LIFE_MAX_US = 4000,		/* random time from there to the kill */
	SIZES = 5,
	QUIET_MS = 300,			/* without a message: what was on its way has come */
	SLOW_MS = 60000,		/* the whole, without progress */
};

struct kills {
	struct exchange *x;
	struct dhow_channel **channels;	/* the victim's */
	uint32_t *next;			/* per sender and life (0: the rank itself) */
	uint32_t *sent;			/* own messages, per receiver, the end among them */
	int ends;			/* ranks whose victims are all dead */
	uint32_t lives, done;		/* victims of this rank: wanted and killed */
	uint32_t messages;		/* own, per receiver */
	_Atomic uint64_t *victim_sends;	/* shared with the victim */
	pid_t victim;
	uint64_t started_ns, kill_ns;
	uint64_t from_victims, heard;
};

static size_t size_of(uint32_t number)
{
	static const size_t sizes[SIZES] = { 8, 64, 300, 4096, 20000 };

	return sizes[number % SIZES];
}

static int send_numbered(struct exchange *x, struct dhow_channel *channel, uint32_t kind, int to,
			 uint32_t number, uint32_t life, uint64_t deadline_ns)
{
	struct dhow_header header = { .tag = kind << NUMBER_BITS | number, .user = life };
	size_t bytes = size_of(number);

	payload_fill(x->out, bytes, (uint32_t)x->rank, (uint32_t)to, number);
	return dhow_send_with(channel, x->out, bytes, &header, DHOW_ACCEPTED, deadline_ns);
}

/* The victim's life; ends by a kill. */
static void victim_run(struct kills *kills, uint32_t life)
{
	struct exchange *x = kills->x;
	uint32_t number = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dhow_init())
		_exit(1);
	for (int rank = 0; rank < x->size; rank++) {
		char name[64];

		snprintf(name, sizeof(name), "exchange-%d", rank);
		if (dhow_channel_open(name, dhow_in_ms(START_MS), &kills->channels[rank]))
			_exit(2);
	}
	for (;; number++)
		for (int i = 1; i <= x->size; i++) {
			int to = (x->rank + i) % x->size;

			if (send_numbered(x, kills->channels[to], KIND_VICTIM, to,
					  number & NUMBER_MASK, life, dhow_in_ms(START_MS)))
				_exit(3);
			atomic_fetch_add(kills->victim_sends, 1);
		}
}

static int fail(struct exchange *x, int rc, const char *what)
{
	x->tally.stop = 1;
	snprintf(x->tally.why, sizeof(x->tally.why), "%s: %s: %s", what, dhow_strerror(rc),
		 dhow_error_text());
	return rc;
}

static void victim_start(struct kills *kills)
{
	atomic_store(kills->victim_sends, 0);
	kills->kill_ns = 0;
	kills->started_ns = base_now_ns();
	kills->victim = fork();
	if (kills->victim == 0)
		victim_run(kills, kills->done + 1);
	if (kills->victim < 0)
		fail(kills->x, -errno, "fork");
}

/* Start, watch or kill the victim. */
static void victim_step(struct kills *kills)
{
	uint64_t now = base_now_ns();
	int status;

	if (kills->victim <= 0) {
		if (kills->done < kills->lives)
			victim_start(kills);
		return;
	}
	if (!kills->kill_ns && atomic_load(kills->victim_sends))
		kills->kill_ns = now + (uint64_t)(rand() % LIFE_MAX_US) * 1000;
	if (waitpid(kills->victim, &status, WNOHANG) == kills->victim) {
		kills->victim = 0;
		fail(kills->x, -ECHILD, "a victim ended by itself");
	} else if (now - kills->started_ns > START_MS * BASE_MS) {
		fail(kills->x, -ETIMEDOUT, "a victim did not begin to send");
	} else if (kills->kill_ns && now >= kills->kill_ns) {
		kill(kills->victim, SIGKILL);
		waitpid(kills->victim, NULL, 0);
		kills->victim = 0;
		kills->done++;
	}
}

static void account(struct kills *kills, size_t bytes, const struct dhow_header *header)
{
	struct exchange *x = kills->x;
	uint32_t kind = header->tag >> NUMBER_BITS, number = header->tag & NUMBER_MASK;
	uint64_t life = header->user;
	uint32_t *next;

	if (header->sender >= (uint32_t)x->size || life > kills->lives ||
	    (kind == KIND_VICTIM) != (life != 0) || kind > KIND_END || kind < KIND_RANK ||
	    bytes != size_of(number) ||
	    !payload_is(x->in, bytes, header->sender, (uint32_t)x->rank, number)) {
		x->tally.damaged++;
		return;
	}
	next = &kills->next[header->sender * (kills->lives + 1) + life];
	x->tally.disordered += number != *next;
	*next = number + 1;
	x->tally.bytes += bytes;
	x->tally.received += kind == KIND_RANK;
	kills->from_victims += kind == KIND_VICTIM;
	kills->ends += kind == KIND_END;
}

static int receive(struct kills *kills, uint64_t deadline_ns)
{
	struct exchange *x = kills->x;
	struct dhow_header header;
	int taken = 0;

	for (; taken < BATCH; taken++) {
		size_t bytes = 0;
		int rc = dhow_recv(x->mine, x->in, exchange_sizes[EXCHANGE_SIZES - 1], &bytes,
				   &header, taken ? DHOW_TRY : deadline_ns);

		if (rc == -EAGAIN || rc == -ETIMEDOUT)
			break;
		if (rc)
			return fail(x, rc, "receive");
		account(kills, bytes, &header);
		kills->heard++;
	}
	return taken;
}

/* Own messages: one to each receiver that has room; the end when no victim is left. A rank
 * receives until it has the end of all, so that no victim finds a channel full for ever. */
static void send_round(struct kills *kills)
{
	struct exchange *x = kills->x;
	uint32_t limit = kills->messages + (kills->done == kills->lives);

	for (int i = 1; i <= x->size && !x->tally.stop; i++) {
		int to = (x->rank + i) % x->size;
		uint32_t kind = kills->sent[to] < kills->messages ? KIND_RANK : KIND_END;
		int rc;

		if (kills->sent[to] == limit)
			continue;
		rc = send_numbered(x, x->peers[to].channel, kind, to, kills->sent[to], 0, DHOW_TRY);
		if (rc && rc != -EAGAIN)
			fail(x, rc, "send");
		kills->sent[to] += rc == 0;
	}
}

static bool all_sent(const struct kills *kills)
{
	for (int to = 0; to < kills->x->size; to++)
		if (kills->sent[to] <= kills->messages)
			return false;
	return true;
}

static int set_up(struct kills *kills)
{
	struct exchange *x = kills->x;
	size_t size = (size_t)x->size;

	kills->lives = (x->options.kills + (uint32_t)x->size - 1) / (uint32_t)x->size;
	kills->messages = x->options.messages;
	kills->channels = calloc(size, sizeof(struct dhow_channel *));
	kills->next = calloc(size * (kills->lives + 1), sizeof(*kills->next));
	kills->sent = calloc(size, sizeof(*kills->sent));
	kills->victim_sends = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(&x->tally, 0, sizeof(x->tally));
	x->tally.rank = (uint32_t)x->rank;
	x->tally.phase = EXCHANGE_PHASES;
	x->tally.pairs = (uint32_t)x->size;
	srand((unsigned)x->rank + 1);
	return kills->channels && kills->next && kills->sent && kills->victim_sends != MAP_FAILED ?
		       0 :
		       -ENOMEM;
}

static void tear_down(struct kills *kills)
{
	if (kills->victim > 0) {
		kill(kills->victim, SIGKILL);
		waitpid(kills->victim, NULL, 0);
	}
	if (kills->victim_sends != MAP_FAILED)
		munmap((void *)kills->victim_sends, sizeof(uint64_t));
	free(kills->channels);
	free(kills->next);
	free(kills->sent);
}

/* Until all victims are killed and all ranks' own messages are here. */
static void run(struct kills *kills)
{
	struct exchange *x = kills->x;
	uint64_t wanted = (uint64_t)kills->messages * (uint64_t)x->size;
	uint64_t begin = base_now_ns(), last = begin, seen = 0;

	while (!x->tally.stop && (kills->ends < x->size || !all_sent(kills))) {
		uint64_t progress;

		victim_step(kills);
		send_round(kills);
		if (receive(kills, base_now_ns() + BASE_MS / 5) < 0)
			break;
		progress = kills->heard + kills->done;
		if (progress != seen)
			last = base_now_ns();
		seen = progress;
		if (base_now_ns() - last > SLOW_MS * BASE_MS)
			fail(x, -ETIMEDOUT, "no progress");
	}
	x->tally.lost = wanted - x->tally.received;
	x->tally.duration_ns = base_now_ns() - begin;
}

int kills_run(struct exchange *x, int (*meet)(struct exchange *x, struct exchange_total *total),
	      struct exchange_total *ret_total)
{
	struct kills kills = { .x = x, .victim_sends = MAP_FAILED };
	int rc = set_up(&kills);

	if (rc == 0) {
		run(&kills);
		/* All victims are dead after this; what they sent may still be on its way. */
		rc = meet(x, NULL);
		while (rc == 0 && receive(&kills, dhow_in_ms(QUIET_MS)) > 0)
			;
		x->tally.victims = kills.done;
		x->tally.from_victims = kills.from_victims;
		rc = rc ? rc : meet(x, ret_total);
	}
	tear_down(&kills);
	return rc;
}
