/* SPDX-License-Identifier: MIT */
/*
 * hostile_segment.c - a peer of the same user writes garbage into the segment while another
 * process uses it.
 *
 *	hostile_segment [--seconds N] [--seed N]
 *
 * In rounds: a segment is made; an attacker overwrites bytes and words in it, mostly where
 * they hurt; a user makes all public calls on two channels, with short deadlines, and touches
 * all that it is given. Then an attach to a segment with a damaged header. The user may be
 * told any error, but it must not crash, not reach outside of the segment (AddressSanitizer
 * and the guard pages around the mapping see to that), and come back from every call: a
 * round that takes longer than its limit has hung.
 *
 * Not attacked: the mutexes that prove life. They are glibc's, which keeps pointers in them;
 * whoever writes there can end the others (docs/memory-model.md, Limits).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "src/channel.h"
#include "src/context.h"
#include "src/heap.h"
#include "src/liveness.h"

enum {
	POOL_BYTES = 192 * 1024,	/* no power of two: the tree has blocks outside of it */
	CAPACITY = 8,
	ROUND_MS = 100,
	ROUND_LIMIT_S = 30,
	CALL_MS = 2,			/* deadline of a call */
	GUARD_BYTES = 1 << 20,
	LARGEST = 5000,
	HUGE = 128 << 10,		/* copied out while it is copied in */
};

static uint64_t state;			/* of the random numbers */

static uint64_t random64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint64_t below(uint64_t n)
{
	return random64() % n;
}

static _Noreturn void die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(3);
}

/* ---- the attacker ---- */

static const struct segment *target;	/* his own mapping */
static uint64_t target_slots;		/* offset of the first channel's slots */

/* Small numbers, offsets, owned words, and anything. */
static uint64_t nasty(void)
{
	switch (below(6)) {
	case 0:
		return below(16);
	case 1:
		return ~UINT64_C(0) - below(4);
	case 2:
		return below(target->bytes * 2);
	case 3:
		return WORD(below(64), below(16), below(4) ? 0 : random64() & 0xfffffff);
	case 4:
		return UINT64_C(1) << below(64);
	default:
		return random64();
	}
}

/* Where it hurts: what the library reads all the time. */
static uint64_t place(void)
{
	uint64_t tree = (uint64_t)((unsigned char *)target->tree - target->base);
	uint64_t channels = (uint64_t)((unsigned char *)target->channels - target->base);
	uint64_t processes = (uint64_t)((unsigned char *)target->processes - target->base);

	switch (below(6)) {
	case 0:
		return channels + below(3 * sizeof(struct shm_channel));
	case 1:
		return tree + below(heap_tree_bytes(target->order_min, target->order_max));
	case 2:
		return below(sizeof(struct shm_segment));
	case 3:		/* id, pid and rank of a process */
		return processes + below(4) * sizeof(struct shm_process) +
		       offsetof(struct shm_process, id) + below(16);
	case 4:
		return channels + below(LAYOUT_CHANNELS * sizeof(struct shm_channel));
	default:
		return target_slots + below(2 * CAPACITY * 128);
	}
}

static void strike(void)
{
	uint64_t at = place(), value = nasty();
	unsigned bytes = 1u << below(4);

	at -= at % bytes;
	if (at + bytes <= target->bytes)
		memcpy(target->base + at, &value, bytes);
}

static _Noreturn void attack(int fd, uint64_t seed)
{
	static struct segment mine;
	struct base_err err = { "" };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	state = seed * 2 + 1;
	if (segment_map(fd, &mine, &err) < 0)
		die("the attacker cannot map: %s", err.text);
	target = &mine;
	target_slots = mine.channels[1].slots;
	for (;;) {
		for (uint64_t i = below(200); i-- > 0;)
			strike();
		usleep((useconds_t)below(300));
	}
}

/* ---- the user ---- */

static struct dhow_pool pool;
static struct dhow_channel *channels[2];
static unsigned char buffer[HUGE];
static _Atomic unsigned long calls, errors;

static uint64_t soon(void)
{
	return below(2) ? DHOW_TRY : dhow_in_ms(CALL_MS);
}

static void note(int rc)
{
	calls++;
	errors += rc < 0;
}

/* All of it must be readable and inside the segment. */
static void touch(const struct dhow_message *message)
{
	const unsigned char *data = message->data;
	uint64_t begin = (uint64_t)(data - pool.segment.base);
	unsigned sum = 0;

	if (!message->bytes)
		return;
	if (begin > pool.segment.bytes || message->bytes > pool.segment.bytes - begin)
		die("a message of %zu bytes reaches outside of the segment", message->bytes);
	for (size_t i = 0; i < message->bytes; i++)
		sum += data[i];
	atomic_fetch_add_explicit(&calls, sum == 1, memory_order_relaxed);
}

static struct dhow_channel *any_channel(void)
{
	return channels[below(2)];
}

static void call_send(void)
{
	struct dhow_header header = { .tag = 1 };

	note(dhow_send(any_channel(), buffer, below(20) ? below(LARGEST) : HUGE, soon()));
	note(dhow_send_with(any_channel(), buffer, below(100), &header, DHOW_RECEIVED, soon()));
}

static void call_send_many(void)
{
	struct dhow_item items[3];
	size_t sent;

	for (unsigned i = 0; i < 3; i++)
		items[i] = (struct dhow_item){ .data = buffer, .bytes = below(i ? LARGEST : 80) };
	note(dhow_send_many(any_channel(), items, 3, soon(), &sent));
}

static void call_send_message(void)
{
	struct dhow_message message;
	int rc = dhow_message_alloc(&pool, below(LARGEST), soon(), &message);

	note(rc);
	if (rc < 0)
		return;
	touch(&message);
	if (message.bytes)
		memset(message.data, 7, message.bytes);
	note(dhow_send_message(any_channel(), &message, DHOW_ACCEPTED, soon()));
	dhow_message_free(&message);
}

static void call_recv(void)
{
	struct dhow_header header;
	size_t bytes, room = below(2) ? HUGE : below(LARGEST);

	note(dhow_recv(any_channel(), buffer, room, &bytes, &header, soon()));
}

static void call_recv_many(void)
{
	struct dhow_item items[3];
	size_t received;

	for (unsigned i = 0; i < 3; i++)
		items[i] = (struct dhow_item){ .data = buffer + i * LARGEST, .room = LARGEST };
	note(dhow_recv_many(any_channel(), items, 3, soon(), &received));
}

static void call_recv_message(void)
{
	struct dhow_message message;
	int rc = dhow_recv_message(any_channel(), &message, soon());

	note(rc);
	if (rc < 0)
		return;
	touch(&message);
	dhow_message_free(&message);
}

static void call_recv_begin(void)
{
	struct dhow_channel *channel = any_channel();
	struct dhow_message message;
	int rc = dhow_recv_begin(channel, &message, soon());

	note(rc);
	if (rc < 0)
		return;
	touch(&message);
	note(below(3) ? dhow_recv_commit(channel, &message) : dhow_recv_cancel(channel, &message));
}

static void call_look(void)
{
	struct dhow_channel_stats channel_stats;
	struct dhow_pool_stats pool_stats;
	struct dhow_header header;
	unsigned events;
	size_t bytes;

	note(dhow_peek(any_channel(), buffer, LARGEST, &bytes, &header, soon()));
	note(dhow_poll(any_channel(), 1 + (unsigned)below(3), soon(), &events));
	note(dhow_channel_stats(any_channel(), &channel_stats));
	dhow_pool_stats(&pool, &pool_stats);
}

static void call_make(void)
{
	struct dhow_channel_attr attr = { .capacity = 1 + (uint32_t)below(20) };
	struct dhow_channel *channel;
	int rc = channel_make(&pool.segment, &attr, -1, &channel);

	note(rc);
	if (rc < 0)
		return;
	note(dhow_send(channel, buffer, below(LARGEST), DHOW_TRY));
	if (dhow_channel_destroy(channel) < 0)
		dhow_channel_close(channel);
}

static void call_open(void)
{
	unsigned which = (unsigned)below(2);
	uint32_t index = below(3) ? which + 1 : (uint32_t)below(LAYOUT_CHANNELS + 2);
	uint64_t word = index < LAYOUT_CHANNELS ? pool.segment.channels[index].word : 0;
	struct dhow_channel *channel;
	int rc = channel_attach(&pool.segment, index, WORD_SERIAL(word), &channel);

	note(rc);
	if (rc < 0)
		return;
	/* As dhow_channel_open() does: a barrier has no slots. */
	if (channel->kind != KIND_CHANNEL) {
		dhow_channel_close(channel);
		return;
	}
	dhow_channel_close(channels[which]);
	channels[which] = channel;
	dhow_channel_set_wait(channel, 1 + (enum dhow_wait_mode)below(3));
}

static void call_sweep(void)
{
	note((int)liveness_sweep(&pool.segment));
}

static void (*const all_calls[])(void) = { call_send, call_send_many, call_send_message,
					   call_recv, call_recv_many, call_recv_message,
					   call_recv_begin, call_look, call_make, call_open,
					   call_sweep };

/* Pages that nobody may touch on both sides: what runs over the end is seen. */
static void fence_in(struct segment *segment)
{
	unsigned char *base = mmap(NULL, segment->bytes + 2 * GUARD_BYTES, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ptrdiff_t by;

	if (base == MAP_FAILED)
		die("no room: %s", strerror(errno));
	/* segment_map() chooses the place; move what it mapped between the guards. */
	base += GUARD_BYTES;
	if (mremap(segment->base, segment->bytes, segment->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		   base) == MAP_FAILED)
		die("cannot move the mapping: %s", strerror(errno));
	by = base - segment->base;
	segment->base = base;
	segment->shm = (void *)base;
	segment->processes = (void *)((unsigned char *)segment->processes + by);
	segment->threads = (void *)((unsigned char *)segment->threads + by);
	segment->channels = (void *)((unsigned char *)segment->channels + by);
	segment->tree = (void *)((unsigned char *)segment->tree + by);
	segment->data += by;
}

/* Enter an undamaged segment; @ready is written to when that is done. */
static _Noreturn void use(int fd, uint64_t seed, int ready, int report)
{
	struct base_err err = { "" };
	uint64_t until, counts[2];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	state = seed * 2 + 1;
	if (segment_map(fd, &pool.segment, &err) < 0)
		die("the user cannot map: %s", err.text);
	fence_in(&pool.segment);
	if (liveness_enter(&pool.segment, 1) < 0 || liveness_check(&pool.segment) < 0)
		die("the user cannot enter");
	for (uint32_t i = 0; i < 2; i++) {
		uint64_t word = pool.segment.channels[i + 1].word;

		if (channel_attach(&pool.segment, i + 1, WORD_SERIAL(word), &channels[i]) < 0)
			die("the user cannot open a channel");
	}
	if (write(ready, "", 1) != 1)
		die("the user cannot say so");
	until = base_now_ns() + ROUND_MS * BASE_MS;
	while (base_now_ns() < until)
		all_calls[below(sizeof(all_calls) / sizeof(*all_calls))]();
	counts[0] = calls;
	counts[1] = errors;
	if (write(report, counts, sizeof(counts)) != sizeof(counts))
		die("no report");
	/* Without clearing up: that is call_sweep()'s. */
	_exit(0);
}

/* An attach to a segment whose header is damaged: refused, or inside of its bounds. */
static _Noreturn void attach_damaged(int fd, uint64_t seed)
{
	struct base_err err = { "" };
	uint64_t word, at;
	uint32_t block;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	state = seed * 2 + 1;
	for (unsigned i = 0; i < 200; i++) {
		unsigned char header[sizeof(struct shm_segment)];
		struct dhow_channel *channel;

		if (pread(fd, header, sizeof(header), 0) != sizeof(header))
			die("cannot read the header");
		word = below(3) ? below(64 << 20) / 128 * 128 : random64();
		at = below(160) / 4 * 4;
		if (pwrite(fd, &word, below(2) ? 4 : 8, (off_t)at) < 0)
			die("cannot damage the header");
		memset(&pool, 0, sizeof(pool));
		if (segment_map(fd, &pool.segment, &err) == 0) {
			pool.segment.fd = -1;
			pool.segment.me = 0x201;
			if (heap_alloc(&pool.segment, below(LARGEST), &block) == 0)
				memset(heap_data(&pool.segment, block), 1, 8);
			if (channel_attach(&pool.segment, 1 + (uint32_t)below(2),
					   (uint32_t)below(4), &channel) == 0)
				channel_free(channel);
			segment_unmap(&pool.segment);
		}
		if (pwrite(fd, header, sizeof(header), 0) != sizeof(header))
			die("cannot mend the header");
	}
	_exit(0);
}

/* ---- rounds ---- */

static int make_segment(void)
{
	struct segment_options options = { .pool_bytes = POOL_BYTES };
	struct dhow_channel_attr attr = { .capacity = CAPACITY };
	static struct segment segment;
	struct dhow_channel *channel;
	struct base_err err = { "" };
	int fd, keep;

	memset(&segment, 0, sizeof(segment));
	if (segment_create(&options, &fd, &err) < 0 || segment_map(fd, &segment, &err) < 0)
		die("no segment: %s", err.text);
	segment.me = 0x201;
	for (unsigned i = 0; i < 2; i++) {
		if (channel_make(&segment, &attr, -1, &channel) < 0)
			die("no channel: %s", dhow_error_text());
		channel_free(channel);
	}
	keep = dup(fd);
	segment_unmap(&segment);
	return keep;
}

/* Wait for @pid to end by itself. False: it crashed or hung. */
static bool ended_well(pid_t pid)
{
	uint64_t limit = base_now_ns() + ROUND_LIMIT_S * 1000 * BASE_MS;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (base_now_ns() > limit) {
			printf("BAD: a call does not return\n");
			kill(pid, SIGABRT);
			waitpid(pid, &status, 0);
			return false;
		}
		usleep(1000);
	}
	if (WIFSIGNALED(status))
		printf("BAD: the user was ended by signal %d\n", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		printf("BAD: the user ended with status %d\n", WEXITSTATUS(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool round_of(uint64_t seed, int report, bool damaged_attach)
{
	int fd = make_segment(), ready[2];
	pid_t attacker = 0, user;
	bool well;
	char byte;

	fflush(stdout);
	if (pipe(ready) < 0)
		die("pipe: %s", strerror(errno));
	user = fork();
	if (user == 0) {
		if (damaged_attach)
			attach_damaged(fd, seed);
		close(ready[0]);
		use(fd, seed, ready[1], report);
	}
	close(ready[1]);
	if (!damaged_attach && read(ready[0], &byte, 1) == 1 && (attacker = fork()) == 0)
		attack(fd, seed ^ 0x5555);
	close(ready[0]);
	well = ended_well(user);
	if (attacker > 0) {
		kill(attacker, SIGKILL);
		waitpid(attacker, NULL, 0);
	}
	close(fd);
	return well;
}

int main(int argc, char **argv)
{
	uint64_t seed = (uint64_t)getpid(), until, counts[2], sum[2] = { 0, 0 };
	unsigned seconds = 4, rounds = 0, bad = 0;
	int report[2];

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 < argc && strcmp(argv[i], "--seconds") == 0)
			seconds = (unsigned)atoi(argv[i + 1]);
		else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 0);
		else
			die("usage: hostile_segment [--seconds N] [--seed N]");
	}
	if (pipe2(report, O_NONBLOCK) < 0)
		die("pipe: %s", strerror(errno));
	printf("seed %llu\n", (unsigned long long)seed);
	until = base_now_ns() + (uint64_t)seconds * 1000 * BASE_MS;
	for (; base_now_ns() < until && bad < 3; rounds++) {
		if (!round_of(seed + rounds, report[1], rounds % 8 == 7)) {
			printf("  in round %u: --seed %llu\n", rounds,
			       (unsigned long long)(seed + rounds));
			bad++;
		}
		while (read(report[0], counts, sizeof(counts)) == sizeof(counts)) {
			sum[0] += counts[0];
			sum[1] += counts[1];
		}
	}
	printf("hostile segment: %u rounds, %llu calls, %llu errors told, %u bad\n", rounds,
	       (unsigned long long)sum[0], (unsigned long long)sum[1], bad);
	return bad != 0;
}
