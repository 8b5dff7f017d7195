/* SPDX-License-Identifier: MIT */
/*
 * fabric_conformance.c - the cases of fabric_conformance.h. All run in one process and one
 * thread, save the peer that is killed.
 */
#include "fabric_conformance.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fabric_side.h"

enum { MIB = 1 << 20 };

void conformance_address_and_connect(const struct fabric_ops *ops)
{
	struct pair pair;
	uint8_t blob[1];
	size_t bytes = sizeof(blob);
	char why[128] = "";

	cr_assert_eq(ops->probe(NULL, why, sizeof(why)), 0, "%s", why);
	cr_assert_not_null(ops->name);
	pair_open(&pair, ops);
	cr_assert_geq(pair.a.caps.frame_max, 4096);
	cr_assert_geq(pair.a.caps.offer_max, 128);
	cr_expect_lt(ops->address(pair.a.fabric, blob, &bytes), 0, "no room is an error");
	cr_expect_eq(pair.b.peers_new, 1);
	cr_expect_eq(pair.a.peers_new, 0);
	cr_expect_eq(ops->peer_user(pair.a.peer, NULL), &pair.a);
	cr_expect_eq(ops->peer_user(pair.b.peer, NULL), &pair.b);
	cr_expect_eq(ops->peer_user(pair.b.peer, &pair), &pair);
	cr_expect_eq(ops->peer_user(pair.b.peer, NULL), &pair);
	pair_close(&pair);
}

void conformance_frames_of_all_sizes(const struct fabric_ops *ops)
{
	struct pair pair;
	unsigned sent = 0;

	pair_open(&pair, ops);
	for (size_t bytes = 1; bytes <= pair.a.caps.frame_max;
	     bytes += bytes < 300 ? 1 : 1 + bytes / 13) {
		pair_send(&pair, &pair.a, bytes, sent);
		pair_send(&pair, &pair.b, bytes, sent++);
	}
	for (int i = 0; i < 40; i++) {
		pair_send(&pair, &pair.a, pair.a.caps.frame_max, sent);
		pair_send(&pair, &pair.b, pair.a.caps.frame_max, sent++);
	}
	PAIR_UNTIL(&pair, pair.a.frames == sent && pair.b.frames == sent);
	pair_close(&pair);
}

static void flow(struct pair *pair, unsigned count, size_t bytes)
{
	pair->b.seen = calloc(count, 1);
	pair->b.seen_max = count;
	for (unsigned i = 0; i < count; i++)
		pair_send(pair, &pair->a, bytes, i);
	PAIR_UNTIL(pair, pair->b.frames == count);
	cr_expect_eq(pair->b.seen_twice, 0);
	free(pair->b.seen);
	pair->b.seen = NULL;
}

void conformance_ten_thousand_frames(const struct fabric_ops *ops)
{
	struct pair pair;

	pair_open(&pair, ops);
	flow(&pair, 10000, 64);
	pair_close(&pair);
}

/* Memory of both sides, registered. */
struct memories {
	uint8_t *from, *to;
	struct fabric_memory *from_memory, *to_memory;
};

static void memories_open(struct memories *m, struct side *from, struct side *to, size_t bytes)
{
	m->from = malloc(bytes);
	m->to = calloc(1, bytes);
	cr_assert(m->from && m->to);
	cr_assert_eq(from->ops->memory_add(from->fabric, m->from, bytes, &m->from_memory), 0);
	cr_assert_eq(to->ops->memory_add(to->fabric, m->to, bytes, &m->to_memory), 0);
}

static void memories_close(struct memories *m, const struct fabric_ops *ops)
{
	ops->memory_del(m->from_memory);
	ops->memory_del(m->to_memory);
	free(m->from);
	free(m->to);
}

static void transfer(struct pair *pair, struct side *from, struct side *to, size_t bytes,
		     size_t offset)
{
	struct side_op out, in;
	struct memories m;
	enum fabric_status status;
	char header[] = "header";

	memories_open(&m, from, to, bytes + 2 * offset);
	side_op_init(&out);
	side_op_init(&in);
	side_fill(m.from + offset, bytes, (uint32_t)bytes);
	to->offer_count = 0;
	PAIR_UNTIL(pair, (status = from->ops->bulk(from->peer, header, sizeof(header),
						   m.from_memory, offset, bytes, &out.op)) !=
				 FABRIC_AGAIN);
	cr_assert_eq(status, FABRIC_OK);
	PAIR_UNTIL(pair, to->offer_count == 1);
	cr_assert_eq(to->offer_bytes[0], bytes);
	cr_assert_eq(to->header_bytes, sizeof(header));
	cr_assert_eq(memcmp(to->header, header, sizeof(header)), 0);
	cr_assert_eq(out.done, 0);
	PAIR_UNTIL(pair, (status = to->ops->fetch(to->offers[0], m.to_memory, offset, &in.op)) !=
				 FABRIC_AGAIN);
	cr_assert_eq(status, FABRIC_OK);
	PAIR_UNTIL(pair, out.done && in.done);
	cr_assert(out.done == 1 && in.done == 1);
	cr_assert(out.status == FABRIC_OK && in.status == FABRIC_OK);
	cr_assert_eq(memcmp(m.from + offset, m.to + offset, bytes), 0);
	for (size_t i = 0; i < offset; i++)
		cr_assert(m.to[i] == 0 && m.to[offset + bytes + i] == 0, "outside is untouched");
	memories_close(&m, from->ops);
}

void conformance_bulk_of_all_sizes(const struct fabric_ops *ops)
{
	static const size_t sizes[] = { 1,	4095,	     65536,   262143, 262144,
					262145, MIB + 17, 8 * MIB, 8 * MIB };
	struct pair pair;

	pair_open(&pair, ops);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		transfer(&pair, &pair.a, &pair.b, sizes[i], i * 3);
		transfer(&pair, &pair.b, &pair.a, sizes[i], 64);
	}
	flow(&pair, 100, 64);
	pair_close(&pair);
}

void conformance_bulk_is_dropped(const struct fabric_ops *ops)
{
	struct side_op out;
	struct memories m;
	struct pair pair;
	enum fabric_status status;

	pair_open(&pair, ops);
	memories_open(&m, &pair.a, &pair.b, MIB);
	for (int i = 0; i < 300; i++) {
		side_op_init(&out);
		pair.b.offer_count = 0;
		PAIR_UNTIL(&pair, (status = ops->bulk(pair.a.peer, NULL, 0, m.from_memory, 0, MIB,
						      &out.op)) != FABRIC_AGAIN);
		cr_assert_eq(status, FABRIC_OK);
		PAIR_UNTIL(&pair, pair.b.offer_count == 1);
		ops->drop(pair.b.offers[0]);
		PAIR_UNTIL(&pair, out.done);
		cr_assert(out.done == 1 && out.status == FABRIC_OK);
	}
	transfer(&pair, &pair.a, &pair.b, 100000, 1);
	memories_close(&m, ops);
	pair_close(&pair);
}

/* @count transfers of @bytes from a to b, offered and fetched; ops: 2 * count. */
static void start_many(struct pair *pair, struct memories *m, struct side_op *ops_, unsigned count,
		       size_t bytes)
{
	const struct fabric_ops *ops = pair->a.ops;
	enum fabric_status status;

	pair->b.offer_count = 0;
	for (unsigned i = 0; i < count; i++) {
		side_op_init(&ops_[i]);
		side_op_init(&ops_[count + i]);
		side_fill(m->from + i * bytes, bytes, i);
		PAIR_UNTIL(pair, (status = ops->bulk(pair->a.peer, &i, sizeof(i), m->from_memory,
						     i * bytes, bytes, &ops_[i].op)) !=
					 FABRIC_AGAIN);
		cr_assert_eq(status, FABRIC_OK);
		PAIR_UNTIL(pair, pair->b.offer_count == i + 1);
	}
	for (unsigned i = 0; i < count; i++) {
		PAIR_UNTIL(pair, (status = ops->fetch(pair->b.offers[i], m->to_memory, i * bytes,
						      &ops_[count + i].op)) != FABRIC_AGAIN);
		cr_assert_eq(status, FABRIC_OK);
	}
}

static unsigned count_done(const struct side_op *ops_, unsigned count)
{
	unsigned done = 0;

	for (unsigned i = 0; i < count; i++) {
		cr_assert(ops_[i].done <= 1);
		done += ops_[i].done && ops_[i].status == FABRIC_OK;
	}
	return done;
}

void conformance_bulk_many_at_once(const struct fabric_ops *ops)
{
	enum { COUNT = 32, BYTES = 700001 };
	struct side_op all[2 * COUNT];
	struct memories m;
	struct pair pair;

	pair_open(&pair, ops);
	memories_open(&m, &pair.a, &pair.b, (size_t)COUNT * BYTES);
	start_many(&pair, &m, all, COUNT, BYTES);
	PAIR_UNTIL(&pair, count_done(all, 2 * COUNT) == 2 * COUNT);
	cr_assert_eq(memcmp(m.from, m.to, (size_t)COUNT * BYTES), 0);
	memories_close(&m, ops);
	pair_close(&pair);
}

void conformance_frames_pass_bulk(const struct fabric_ops *ops)
{
	enum { COUNT = 4, BYTES = 8 * MIB, FRAMES = 20 };
	struct side_op all[2 * COUNT];
	struct memories m;
	struct pair pair;
	unsigned before = 0;

	pair_open(&pair, ops);
	memories_open(&m, &pair.a, &pair.b, (size_t)COUNT * BYTES);
	start_many(&pair, &m, all, COUNT, BYTES);
	for (unsigned i = 0; i < FRAMES; i++) {
		size_t bytes = 1000 + i * 1000;

		if (bytes > pair.a.caps.frame_max)
			bytes = pair.a.caps.frame_max;
		pair_send(&pair, &pair.a, bytes, i);
		PAIR_UNTIL(&pair, pair.b.frames == i + 1);
		before += count_done(all, 2 * COUNT) < 2 * COUNT;
	}
	/* 32 MiB of bulk take longer than a frame that does not wait for them (mem copies at
	 * once). */
	if (strcmp(ops->name, "mem") != 0)
		cr_expect_gt(before, 0);
	PAIR_UNTIL(&pair, count_done(all, 2 * COUNT) == 2 * COUNT);
	cr_assert_eq(memcmp(m.from, m.to, (size_t)COUNT * BYTES), 0);
	memories_close(&m, ops);
	pair_close(&pair);
}

void conformance_slots_run_out_and_return(const struct fabric_ops *ops)
{
	enum { MANY = 100000 };
	void **slots = calloc(MANY, sizeof(*slots));
	struct pair pair;
	enum fabric_status status;
	unsigned count = 0;

	pair_open(&pair, ops);
	for (int round = 1; round <= 3; round++) {
		for (count = 0; count < MANY; count++) {
			slots[count] = ops->slot(pair.a.fabric);
			if (!slots[count])
				break;
			side_fill(slots[count], 100, count);
		}
		cr_assert(count > 1 && count < MANY, "slots are bounded");
		pair.b.frames = 0;
		for (unsigned i = 0; i < count; i++) {
			PAIR_UNTIL(&pair, (status = ops->frame(pair.a.peer, slots[i], 100)) !=
						  FABRIC_AGAIN);
			cr_assert_eq(status, FABRIC_OK);
		}
		PAIR_UNTIL(&pair, pair.b.frames == count);
	}
	free(slots);
	pair_close(&pair);
}

void conformance_slow_receiver(const struct fabric_ops *ops)
{
	struct pair pair;
	void *slot = NULL;
	unsigned sent = 0, refused = 0;
	uint64_t until;

	pair_open(&pair, ops);
	/* Only the sender runs, until nothing more is taken for a while; not so long that the
	 * other counts as lost. */
	until = base_now_ns() + 500 * BASE_MS;
	while (refused < 2000 && base_now_ns() < until) {
		if (side_try(&pair.a, &slot, pair.a.caps.frame_max, sent) == FABRIC_OK) {
			sent++;
			refused = 0;
		} else {
			refused++;
		}
		cr_assert_geq(ops->progress(pair.a.fabric, 64), 0);
		cr_assert_lt(sent, 100000, "memory of a sender is bounded");
	}
	PAIR_UNTIL(&pair, side_try(&pair.a, &slot, 100, sent) == FABRIC_OK);
	PAIR_UNTIL(&pair, pair.b.frames == sent + 1);
	pair_close(&pair);
}

/* A hub and many others: all send at once, then all go at once. */
void conformance_many_peers(const struct fabric_ops *ops)
{
	enum { MANY = 24, FRAMES = 200 };
	static struct side others[MANY];
	struct pair pair;
	void *slots[MANY] = { NULL };
	unsigned left = MANY * FRAMES;
	unsigned sent[MANY] = { 0 };

	pair_open(&pair, ops);
	for (int i = 0; i < MANY; i++) {
		side_open(&others[i], ops);
		side_add(&others[i], &pair.b);
	}
	while (left > 0 || pair.b.frames < MANY * FRAMES) {
		for (int i = 0; i < MANY; i++) {
			if (sent[i] < FRAMES && side_try(&others[i], &slots[i], 1 + sent[i] * 61,
							 sent[i]) == FABRIC_OK) {
				sent[i]++;
				left--;
			}
			cr_assert_geq(ops->progress(others[i].fabric, 16), 0);
		}
		cr_assert_geq(ops->progress(pair.b.fabric, 16), 0);
		/* Or it counts as lost, if this takes seconds. */
		cr_assert_geq(ops->progress(pair.a.fabric, 16), 0);
	}
	cr_expect_eq(pair.b.peers_new, 1 + MANY);
	for (int i = 0; i < MANY; i++)
		side_close(&others[i]);
	PAIR_UNTIL(&pair, pair.b.peers_down == MANY);
	pair_send(&pair, &pair.a, 64, 0);
	PAIR_UNTIL(&pair, pair.b.frames == MANY * FRAMES + 1);
	pair_close(&pair);
}

void conformance_delete_completes_offer(const struct fabric_ops *ops)
{
	struct side_op out, in;
	struct memories m;
	struct pair pair;
	enum fabric_status status;
	struct fabric_offer *offer;

	pair_open(&pair, ops);
	memories_open(&m, &pair.a, &pair.b, MIB);
	side_op_init(&out);
	side_op_init(&in);
	cr_assert_eq(ops->bulk(pair.a.peer, NULL, 0, m.from_memory, 0, MIB, &out.op), FABRIC_OK);
	PAIR_UNTIL(&pair, pair.b.offer_count == 1);
	offer = pair.b.offers[0];
	ops->peer_del(pair.a.peer);
	pair.a.peer = NULL;
	cr_assert(out.done == 1 && out.status == FABRIC_PEER, "from inside peer_del()");
	status = ops->fetch(offer, m.to_memory, 0, &in.op);
	cr_assert(status == FABRIC_OK || status == FABRIC_PEER);
	PAIR_UNTIL(&pair, pair.b.peers_down == 1);
	cr_assert_eq(in.done, status == FABRIC_OK);
	cr_assert(!in.done || in.status == FABRIC_PEER);
	memories_close(&m, ops);
	pair_close(&pair);
}

void conformance_delete_completes_fetch(const struct fabric_ops *ops)
{
	enum { COUNT = 8, BYTES = 4 * MIB };
	struct side_op all[2 * COUNT];
	struct memories m;
	struct pair pair;

	for (int by_a = 0; by_a < 2; by_a++) {
		for (int pumps = 0; pumps < 12; pumps += 3) {
			struct side *side;

			pair_open(&pair, ops);
			side = by_a ? &pair.a : &pair.b;
			memories_open(&m, &pair.a, &pair.b, (size_t)COUNT * BYTES);
			start_many(&pair, &m, all, COUNT, BYTES);
			for (int i = 0; i < pumps; i++)
				pair_pump(&pair);
			ops->peer_del(side->peer);
			side->peer = NULL;
			for (unsigned i = 0; i < COUNT; i++)
				cr_assert_eq(all[i + (by_a ? 0 : COUNT)].done, 1);
			/* The memory is ours again: a late write would be seen here. */
			if (!by_a)
				memset(m.to, 0xee, (size_t)COUNT * BYTES);
			PAIR_UNTIL(&pair, (by_a ? &pair.b : &pair.a)->peers_down == 1);
			for (unsigned i = 0; i < 2 * COUNT; i++)
				cr_assert_eq(all[i].done, 1);
			for (size_t i = 0; !by_a && i < (size_t)COUNT * BYTES; i++)
				cr_assert_eq(m.to[i], 0xee);
			memories_close(&m, ops);
			pair_close(&pair);
		}
	}
}

void conformance_delete_in_an_event(const struct fabric_ops *ops)
{
	struct pair pair;

	pair_open(&pair, ops);
	pair.b.delete_on_frame = true;
	for (unsigned i = 0; i < 20; i++) {
		void *slot = ops->slot(pair.a.fabric);

		side_fill(slot, 64, i);
		cr_assert_eq(ops->frame(pair.a.peer, slot, 64), FABRIC_OK);
	}
	PAIR_UNTIL(&pair, pair.a.peers_down == 1);
	cr_expect_eq(pair.b.frames, 1);
	cr_expect_eq(pair.b.peers_down, 0);
	pair.b.delete_on_frame = false;
	/* And again, the fabrics are well. */
	side_add(&pair.a, &pair.b);
	pair_send(&pair, &pair.a, 64, 0);
	PAIR_UNTIL(&pair, pair.b.frames == 2);
	pair_close(&pair);
}

void conformance_close_is_told(const struct fabric_ops *ops)
{
	struct side_op out;
	struct memories m;
	struct pair pair;

	pair_open(&pair, ops);
	memories_open(&m, &pair.a, &pair.b, MIB);
	side_op_init(&out);
	cr_assert_eq(ops->bulk(pair.a.peer, NULL, 0, m.from_memory, 0, MIB, &out.op), FABRIC_OK);
	PAIR_UNTIL(&pair, pair.b.offer_count == 1);
	side_close(&pair.b);
	PAIR_UNTIL(&pair, pair.a.peers_down == 1);
	cr_expect(out.done == 1 && out.status == FABRIC_PEER);
	memories_close(&m, ops);
	pair_close(&pair);
}

static void child_run(const struct fabric_ops *ops, int out)
{
	struct side side;
	uint8_t blob[256];
	size_t bytes = sizeof(blob);
	void *slot = NULL;

	side_open(&side, ops);
	if (ops->address(side.fabric, blob, &bytes) < 0 ||
	    write(out, blob, bytes) != (ssize_t)bytes)
		_exit(1);
	for (;;) {
		ops->progress(side.fabric, 64);
		if (side.peer && side.frames)
			side_try(&side, &slot, 10000, 1);
		ops->wait(side.fabric, base_now_ns() + BASE_MS);
	}
}

void conformance_killed_peer_is_told(const struct fabric_ops *ops)
{
	struct pair pair;
	uint8_t blob[256];
	int ends[2];
	ssize_t bytes;
	pid_t child;

	if (strcmp(ops->name, "mem") == 0)
		return; /* it knows no other process */
	cr_assert_eq(pipe(ends), 0);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0)
		child_run(ops, ends[1]);
	bytes = read(ends[0], blob, sizeof(blob));
	cr_assert_gt(bytes, 0);
	pair.b.fabric = NULL;
	side_open(&pair.a, ops);
	cr_assert_eq(ops->peer_add(pair.a.fabric, blob, (size_t)bytes, &pair.a, &pair.a.peer),
		     FABRIC_OK);
	pair_send(&pair, &pair.a, 4, 0);
	PAIR_UNTIL(&pair, pair.a.frames >= 3);
	kill(child, SIGKILL);
	PAIR_UNTIL(&pair, pair.a.peers_down == 1);
	cr_expect_eq(pair.a.frames_bad, 0);
	waitpid(child, NULL, 0);
	side_close(&pair.a);
	close(ends[0]);
	close(ends[1]);
}

void conformance_nobody_there(const struct fabric_ops *ops)
{
	struct pair pair, gone;
	uint8_t blob[256];
	size_t bytes = sizeof(blob);
	void *slot;

	pair_open(&pair, ops);
	side_open(&gone.a, ops);
	side_open(&gone.b, ops);
	cr_assert_eq(ops->address(gone.b.fabric, blob, &bytes), 0);
	side_add(&gone.a, &gone.b);
	side_close(&gone.b);
	/* Nothing was pumped, so gone.a may or may not have been connected meanwhile. */
	slot = ops->slot(gone.a.fabric);
	cr_assert_not_null(slot);
	side_fill(slot, 64, 0);
	ops->frame(gone.a.peer, slot, 64);
	PAIR_UNTIL(&gone, gone.a.peers_down == 1);
	/* Whoever calls now finds nobody. */
	cr_assert_eq(ops->peer_add(gone.a.fabric, blob, bytes, &gone.a, &gone.a.peer), FABRIC_OK);
	PAIR_UNTIL(&gone, gone.a.peers_down == 2);
	cr_assert(!gone.a.caps.tells_refusal || gone.a.loss == FABRIC_REFUSED, "%s", gone.a.why);
	/* Others do not suffer. */
	flow(&pair, 100, 64);
	side_close(&gone.a);
	pair_close(&pair);
}

static double cpu_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

/* Others use the machine, too: what shall be quick is so in one try of several. */
enum { TRIES = 6 };

/* Progress and wait until @ms passed. Return: how often wait() came back. */
static unsigned idle(struct side *side, unsigned ms)
{
	uint64_t until = base_now_ns() + ms * BASE_MS;
	unsigned count = 0;

	do {
		side->ops->progress(side->fabric, 64);
		cr_assert_eq(side->ops->wait(side->fabric, until), FABRIC_OK);
		count++;
	} while (base_now_ns() < until);
	return count;
}

static bool sleeps_until_deadline(struct side *side)
{
	const uint64_t begin = base_now_ns();
	const double cpu = cpu_ms();
	unsigned count = idle(side, 300);

	return count < 10 && cpu_ms() - cpu < 30 && base_now_ns() - begin < 1000 * BASE_MS;
}

static bool sleeps_not(const struct fabric_ops *ops, struct side *side)
{
	const uint64_t begin = base_now_ns();

	for (int i = 0; i < 10; i++)
		cr_assert_eq(ops->wait(side->fabric, 0), FABRIC_OK);
	cr_assert_eq(ops->wait(side->fabric, begin), FABRIC_OK);
	return base_now_ns() - begin < 100 * BASE_MS;
}

void conformance_wait_until_deadline(const struct fabric_ops *ops)
{
	struct pair pair;
	bool sleeps = false, returns = false;

	pair_open(&pair, ops);
	idle(&pair.a, 5);
	for (int i = 0; i < TRIES && !sleeps; i++)
		sleeps = sleeps_until_deadline(&pair.a);
	cr_expect(sleeps, "wait() sleeps, costs nothing, and ends");
	for (int i = 0; i < TRIES && !returns; i++)
		returns = sleeps_not(ops, &pair.a);
	cr_expect(returns, "0 and the past do not sleep");
	pair_close(&pair);
}

static void *ring_later(void *user)
{
	const uint64_t one = 1;

	usleep(30000);
	cr_assert_eq(write(*(int *)user, &one, sizeof(one)), (ssize_t)sizeof(one));
	return NULL;
}

/* True: wait() came back at once from a bell that rings after a while. */
static bool wakes(const struct fabric_ops *ops, struct side *side, int *bell)
{
	const uint64_t begin = base_now_ns();
	pthread_t thread;
	uint64_t rings, end;

	cr_assert_eq(pthread_create(&thread, NULL, ring_later, bell), 0);
	while (read(*bell, &rings, sizeof(rings)) < 0) {
		cr_assert_eq(ops->wait(side->fabric, begin + 3000 * BASE_MS), FABRIC_OK);
		cr_assert_geq(ops->progress(side->fabric, 64), 0);
	}
	end = base_now_ns();
	pthread_join(thread, NULL);
	return end - begin < 1000 * BASE_MS;
}

/* True: as long as @bell is not drained, nobody sleeps. */
static bool stays_awake(const struct fabric_ops *ops, struct side *side, int *bell)
{
	uint64_t begin, rings;
	bool awake;

	ring_later(bell);
	begin = base_now_ns();
	for (int i = 0; i < 5; i++) {
		cr_assert_eq(ops->wait(side->fabric, begin + 2000 * BASE_MS), FABRIC_OK);
		cr_assert_geq(ops->progress(side->fabric, 64), 0);
	}
	awake = base_now_ns() - begin < 500 * BASE_MS;
	cr_assert_eq(read(*bell, &rings, sizeof(rings)), (ssize_t)sizeof(rings));
	return awake;
}

void conformance_wait_for_watched(const struct fabric_ops *ops)
{
	int bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	bool awake = false;
	struct pair pair;
	unsigned prompt = 0;

	pair_open(&pair, ops);
	cr_assert_eq(ops->watch(pair.a.fabric, bell), 0);
	idle(&pair.a, 5);
	for (int i = 0; i < TRIES && prompt < 3; i++)
		prompt += wakes(ops, &pair.a, &bell);
	cr_expect_gt(prompt, 0);
	for (int i = 0; i < TRIES && !awake; i++)
		awake = stays_awake(ops, &pair.a, &bell);
	cr_expect(awake);
	cr_expect_lt(idle(&pair.a, 100), 10);
	pair_close(&pair);
	close(bell);
}

void conformance_wait_for_frame(const struct fabric_ops *ops)
{
	struct pair pair;
	unsigned prompt = 0;
	uint64_t begin;
	void *slot = NULL;

	pair_open(&pair, ops);
	idle(&pair.b, 5);
	for (unsigned i = 0; i < 50; i++) {
		begin = base_now_ns();
		cr_assert_eq(side_try(&pair.a, &slot, 64, i), FABRIC_OK);
		/* wait() with no time submits all the same. */
		cr_assert_eq(ops->wait(pair.a.fabric, 0), FABRIC_OK);
		while (pair.b.frames == i) {
			cr_assert_eq(ops->wait(pair.b.fabric, begin + 3000 * BASE_MS), FABRIC_OK);
			cr_assert_geq(ops->progress(pair.b.fabric, 64), 0);
			/* The frame before may still have been on its way (a thread of the kernel
			 * sends for sqpoll): what is behind it leaves when it has left. */
			cr_assert_geq(ops->progress(pair.a.fabric, 64), 0);
			cr_assert_lt(base_now_ns(), begin + 60000 * BASE_MS, "frame %u", i);
		}
		prompt += base_now_ns() - begin < 1000 * BASE_MS;
		cr_assert_geq(ops->progress(pair.a.fabric, 64), 0);
	}
	cr_expect_gt(prompt, 25, "and the machine is not that busy");
	pair_close(&pair);
}
