/* SPDX-License-Identifier: MIT */
/*
 * ring_model.c - ring.c and wait.c themselves, under the model checker.
 *
 *	ring_model [--preemptions N] [--old N] [--trace] [NAME...]
 *
 * Small channels and few messages, but all interleavings and all permitted old values within
 * the bounds. Each message must come exactly once, those of one sender in order, its payload
 * without a race; who sleeps must be woken. Each thread has a handle of its own, as processes
 * have, unless the test says otherwise.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model.h"
#include "src/ring.h"
#include "src/wait.h"

enum {
	STRIDE = 64,
	CAPACITY_MAX = 2,
	NUMBERS = 16,
	TRIES = 3,		/* of a thread that does not sleep */
	OWNER = 0x201,		/* of thread 0; the others follow */
};

static struct shm_channel shm;
static _Alignas(LAYOUT_PAIR) unsigned char slots[STRIDE * CAPACITY_MAX];
static struct ring handles[MCX_THREADS];

/* What the threads did. */
static unsigned sent, got[NUMBERS];
static uint64_t order[MCX_THREADS];	/* per receiver: number that it got last */

static void make(uint32_t capacity, uint64_t first)
{
	memset(&shm, 0, sizeof(shm));
	memset(slots, 0, sizeof(slots));
	memset(got, 0, sizeof(got));
	memset(order, 0, sizeof(order));
	sent = 0;
	shm.head = shm.tail = first;
	for (unsigned i = 0; i < MCX_THREADS; i++)
		handles[i] = (struct ring){ .shm = &shm,
					    .slots = slots,
					    .capacity = capacity,
					    .mask = capacity - 1,
					    .stride = STRIDE,
					    .inline_bytes = 24 };
	for (uint64_t p = first; p < first + capacity; p++)
		ring_slot(&handles[0], p)->word = WORD(p, SLOT_FREE, 0);
}

static void make_private(uint32_t capacity, uint64_t first)
{
	make(capacity, first);
	mcx_private(handles, sizeof(handles));
}

static void setup_two(void)
{
	make_private(2, 0);
}

static void setup_four(void)
{
	make_private(4, 0);
}

static void setup_one(void)
{
	make_private(1, 0);
}

/* The serial in a slot's word begins anew. */
static void setup_wrap(void)
{
	make_private(2, (UINT64_C(1) << 32) - 1);
}

/* The threads of one process share its handle. */
static void setup_shared(void)
{
	make(2, 0);
}

/* ---- moves ---- */

static struct ring *handle(unsigned thread)
{
	return &handles[thread];
}

struct move {
	struct ring *ring;
	uint32_t me;
	uint64_t number;
	enum ring_look look;
};

static int try_put(void *arg)
{
	struct move *move = arg;
	uint64_t position;

	if (!ring_claim_write(move->ring, move->me, move->look, &position))
		return -EAGAIN;
	mcx_write(&ring_slot(move->ring, position)->user, move->number);
	ring_publish(move->ring, position);
	wait_notify(&shm.wait_in, NULL);
	sent |= 1u << move->number;
	return 0;
}

static void note(unsigned thread, uint64_t number)
{
	if (number == 0 || number >= NUMBERS)
		mcx_fail("a message is damaged");
	if (got[number]++)
		mcx_fail("a message comes twice");
	/* 1 to 7 are the first sender's, 8 to 15 the second's. */
	if ((order[thread] ^ number) < 8 && order[thread] > number)
		mcx_fail("messages are out of order");
	order[thread] = number;
}

static int try_get(void *arg)
{
	struct move *move = arg;
	struct shm_slot *slot;
	uint64_t word;

	if (!ring_claim_read(move->ring, move->me, move->look, &slot, &word))
		return -EAGAIN;
	move->number = mcx_read(&slot->user);
	ring_release(move->ring, slot, word);
	wait_notify(&shm.wait_out, NULL);
	return 0;
}

/* In order, else behind a slot that is not filled yet. */
static int try_get_past(void *arg)
{
	struct move *move = arg;
	struct shm_slot *slot;
	uint64_t word;

	if (try_get(arg) == 0)
		return 0;
	if (!ring_claim_past(move->ring, move->me, &slot, &word))
		return -EAGAIN;
	move->number = mcx_read(&slot->user);
	ring_release(move->ring, slot, word);
	return 0;
}

static void put(struct ring *ring, unsigned thread, uint64_t number)
{
	struct move move = { .ring = ring, .me = OWNER + thread, .number = number };

	for (unsigned i = 0; i < TRIES && try_put(&move) < 0; i++) {
		move.look = RING_READ;
		mcx_yield();
	}
}

static void get(struct ring *ring, unsigned thread, unsigned count)
{
	struct move move = { .ring = ring, .me = OWNER + thread };

	for (unsigned i = 0; i < TRIES && count; i++) {
		if (try_get(&move) < 0) {
			mcx_yield();
			continue;
		}
		note(thread, move.number);
		count--;
	}
}

static void receive_past(void)
{
	struct move move = { .ring = handle(2), .me = OWNER + 2 };

	for (unsigned i = 0, count = 0; i < TRIES && count < 2; i++) {
		if (try_get_past(&move) < 0) {
			mcx_yield();
			continue;
		}
		note(2, move.number);
		count++;
	}
}

/* The same, but they sleep when they must. */
static int wait_put(unsigned thread, uint64_t number)
{
	struct wait_habit habit = { .mode = DHOW_WAIT_SLEEP };
	struct move move = { .ring = handle(thread), .me = OWNER + thread, .number = number };

	return wait_until(&habit, &shm.wait_out, DHOW_FOREVER, try_put, &move);
}

static void wait_get(unsigned thread)
{
	struct wait_habit habit = { .mode = DHOW_WAIT_SLEEP };
	struct move move = { .ring = handle(thread), .me = OWNER + thread };

	if (wait_until(&habit, &shm.wait_in, DHOW_FOREVER, try_get, &move) == 0)
		note(thread, move.number);
}

/* Somebody who comes last takes what is left, and the channel works. */
static void finish(void)
{
	struct move move = { .ring = handle(0), .me = OWNER };

	memset(order, 0, sizeof(order));
	while (try_get(&move) == 0)
		note(0, move.number);
	for (unsigned i = 1; i < NUMBERS; i++)
		if ((sent >> i & 1) != got[i])
			mcx_fail(got[i] ? "a message comes that was not sent" :
					  "a message is lost");
	for (uint32_t i = 0; i < move.ring->capacity; i++)
		if (move.number = 1, try_put(&move) < 0)
			mcx_fail("senders are blocked");
}

/* ---- threads ---- */

static void send_1_2(void)
{
	put(handle(0), 0, 1);
	put(handle(0), 0, 2);
}

static void send_1_2_3(void)
{
	send_1_2();
	put(handle(0), 0, 3);
}

static void send_1(void)
{
	put(handle(0), 0, 1);
}

static void send_8(void)
{
	put(handle(1), 1, 8);
}

static void receive_1st(void)
{
	get(handle(2), 2, 2);
}

static void receive_2nd(void)
{
	get(handle(3), 3, 2);
}

static void receive_3(void)
{
	get(handle(2), 2, 3);
}

static void shared_send_1(void)
{
	put(handle(0), 0, 1);
}

static void shared_send_8(void)
{
	put(handle(0), 0, 8);
}

static void shared_receive(void)
{
	get(handle(0), 0, 2);
}

static void sleepy_receive(void)
{
	wait_get(2);
}

static void sleepy_receive_2nd(void)
{
	wait_get(3);
}

static void sleepy_receive_two(void)
{
	wait_get(2);
	wait_get(2);
}

static void sleepy_send_two(void)
{
	wait_put(0, 1);
	wait_put(0, 2);
}

/* Two at once, told about once. */
static void send_run(void)
{
	struct ring *ring = handle(0);
	int count = 0;

	for (uint64_t position; count < 2; count++) {
		if (!ring_claim_write(ring, OWNER, RING_SWAP, &position))
			break;
		mcx_write(&ring_slot(ring, position)->user, (uint64_t)count + 1);
		ring_publish_one_of_many(ring, position);
		sent |= 2u << count;
	}
	wait_notify_many(&shm.wait_in, NULL, count);
}

static void receive_run(void)
{
	struct ring *ring = handle(2);
	struct shm_slot *slot;
	uint64_t word;
	int count = 0;

	for (; count < 2 && ring_claim_read(ring, OWNER + 2, RING_SWAP, &slot, &word); count++) {
		note(2, mcx_read(&slot->user));
		ring_release_one_of_many(ring, slot, word);
	}
	wait_notify_many(&shm.wait_out, NULL, count);
}

/* Full, so that the sender must wait for the run to be taken. */
static void setup_full(void)
{
	struct move move = { .ring = handle(3), .me = OWNER + 3 };

	make_private(2, 0);
	for (move.number = 8; move.number < 10; move.number++)
		try_put(&move);
}

static void sleepy_send_one(void)
{
	wait_put(0, 1);
}

/* Takes the message, gives it back, and leaves it to the other. */
static void give_back(void)
{
	struct shm_slot *slot;
	uint64_t word;

	if (!ring_claim_read(handle(1), OWNER + 1, RING_READ, &slot, &word))
		return;
	mcx_read(&slot->user);
	ring_give_back(handle(1), slot, word);
	wait_notify(&shm.wait_in, NULL);
}

/* A dead writer's slot, on both sides of the channel at once. */
static void setup_tomb(void)
{
	make_private(2, 0);
	ring_slot(&handles[0], 0)->word = WORD(0, SLOT_TOMB, 0);
	shm.tail = 1;
}

static void finish_killed(void)
{
	if (!mcx_was_killed())
		finish();
	else if (mcx_sleeps(1) && WORD_STATE(ring_slot(handle(0), 0)->word) == SLOT_READY)
		mcx_fail("a receiver sleeps beside a message");
}

static const struct mcx_test tests[] = {
	{ .name = "1p1c", .setup = setup_two, .threads = { send_1_2, receive_1st } },
	{ .name = "2p1c", .setup = setup_two, .threads = { send_1, send_8, receive_1st } },
	{ .name = "1p2c", .setup = setup_two, .threads = { send_1_2, receive_1st, receive_2nd } },
	{ .name = "1p1c of one slot", .setup = setup_one, .threads = { send_1_2, receive_1st } },
	{ .name = "2p1c of one slot", .setup = setup_one,
	  .threads = { send_1, send_8, receive_1st } },
	{ .name = "lap", .setup = setup_two, .threads = { send_1_2_3, receive_3 } },
	{ .name = "wrap at 2^32", .setup = setup_wrap, .threads = { send_1_2_3, receive_3 } },
	{ .name = "2p1c, one handle", .setup = setup_shared,
	  .threads = { shared_send_1, shared_send_8, shared_receive } },
	{ .name = "tomb", .setup = setup_tomb, .preemptions = 2,
	  .threads = { send_1_2, send_8, receive_1st } },
	{ .name = "sleeping receiver", .setup = setup_two, .threads = { send_1, sleepy_receive } },
	{ .name = "two sleeping receivers", .setup = setup_two, .preemptions = 2,
	  .threads = { send_1_2, sleepy_receive, sleepy_receive_2nd } },
	{ .name = "sleeping on both sides", .setup = setup_one,
	  .threads = { sleepy_send_two, sleepy_receive_two } },
	{ .name = "run to a sleeper", .setup = setup_two,
	  .threads = { send_run, sleepy_receive_two } },
	{ .name = "run to two sleepers", .setup = setup_two, .preemptions = 2,
	  .threads = { send_run, sleepy_receive, sleepy_receive_2nd } },
	{ .name = "run from a sleeper", .setup = setup_full,
	  .threads = { sleepy_send_one, receive_run } },
	{ .name = "runs", .setup = setup_two, .threads = { send_run, send_8, receive_run } },
	{ .name = "given back", .setup = setup_two,
	  .threads = { send_1, give_back, sleepy_receive } },
	{ .name = "1p1c, past", .setup = setup_four, .threads = { send_1_2, receive_past } },
	{ .name = "2p1c, past", .setup = setup_four, .preemptions = 2,
	  .threads = { send_1_2, send_8, receive_past } },
	{ .name = "killed sender", .setup = setup_two, .finish = finish_killed, .killed = 1,
	  .threads = { send_1, sleepy_receive } },
};

int main(int argc, char **argv)
{
	return model_main("ring and wait", tests, sizeof(tests) / sizeof(*tests), finish, argc,
			  argv);
}
