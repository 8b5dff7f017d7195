/* SPDX-License-Identifier: MIT */
/* waitset_test.c - what a wait-set reports; its descriptor; the death of those around it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attached.h"
#include "src/channel.h"

enum { MANY = 1000, ROOM = 16 };

static struct dhow_waitset *set;
static struct dhow_channel *channel;
static struct dhow_waitset_event events[ROOM];
static size_t count;

static void start(void)
{
	attach();
	assert_ok(dhow_waitset_create(&set));
	assert_ok(dhow_channel_create(NULL, NULL, &channel));
}

static void stop(void)
{
	dhow_waitset_destroy(set);
	dhow_channel_close(channel);
	detach();
}

TestSuite(waitset, .init = start, .fini = stop, .timeout = 200);

static void put(struct dhow_channel *to)
{
	assert_ok(dhow_send(to, "x", 1, SOON));
}

static void take(struct dhow_channel *from)
{
	char byte;
	size_t bytes;

	assert_ok(dhow_recv(from, &byte, 1, &bytes, NULL, DHOW_TRY));
}

/* Wait, and expect exactly this. */
static void expect(struct dhow_channel *of, unsigned wanted, uint64_t user)
{
	assert_ok(dhow_waitset_wait(set, events, ROOM, &count, SOON));
	cr_assert_eq(count, 1u);
	cr_assert_eq(events[0].channel, of);
	cr_assert_eq(events[0].events, wanted, "0x%x", events[0].events);
	cr_assert_eq(events[0].user, user);
}

static void expect_none(void)
{
	assert_rc(dhow_waitset_wait(set, events, ROOM, &count, DHOW_TRY), -EAGAIN);
}

Test(waitset, reports_true_masks_while_they_last)
{
	struct dhow_channel_attr attr = { .capacity = 1 };
	struct dhow_channel *small;

	assert_ok(dhow_channel_create(NULL, &attr, &small));
	assert_ok(dhow_waitset_add(set, small, DHOW_IN | DHOW_OUT, 7));
	expect(small, DHOW_OUT, 7);
	expect(small, DHOW_OUT, 7);
	put(small);
	expect(small, DHOW_IN, 7);
	assert_ok(dhow_waitset_modify(set, small, DHOW_OUT, 8));
	expect_none();
	take(small);
	expect(small, DHOW_OUT, 8);
	dhow_channel_close(small);
	expect_none();
}

Test(waitset, refuses_what_makes_no_sense)
{
	assert_rc(dhow_waitset_add(set, channel, 0, 0), -EINVAL);
	assert_rc(dhow_waitset_add(set, channel, DHOW_CLOSED, 0), -EINVAL);
	assert_rc(dhow_waitset_modify(set, channel, DHOW_IN, 0), -ENOENT);
	assert_rc(dhow_waitset_remove(set, channel), -ENOENT);
	assert_ok(dhow_waitset_add(set, channel, DHOW_IN, 0));
	assert_rc(dhow_waitset_add(set, channel, DHOW_IN, 0), -EEXIST);
	assert_rc(dhow_waitset_wait(set, events, 0, &count, SOON), -EINVAL);
	assert_rc(dhow_waitset_wait(set, events, ROOM, &count, dhow_in_ms(5)), -ETIMEDOUT);
	assert_ok(dhow_waitset_remove(set, channel));
}

Test(waitset, a_busy_member_does_not_starve_the_others)
{
	struct dhow_channel *others[3];
	unsigned seen[3] = { 0 };

	assert_ok(dhow_waitset_add(set, channel, DHOW_IN, 99));
	put(channel);
	for (unsigned i = 0; i < 3; i++) {
		assert_ok(dhow_channel_create(NULL, NULL, &others[i]));
		assert_ok(dhow_waitset_add(set, others[i], DHOW_IN, i));
		put(others[i]);
	}
	for (unsigned i = 0; i < 40; i++) {
		assert_ok(dhow_waitset_wait(set, events, 1, &count, SOON));
		if (events[0].user < 3)
			seen[events[0].user]++;
	}
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(seen[i], 10u, "member %u: %u times of 40", i, seen[i]);
		dhow_channel_close(others[i]);
	}
}

Test(waitset, same_channel_in_several_sets_is_reported_by_each)
{
	struct dhow_waitset *second;

	assert_ok(dhow_waitset_create(&second));
	assert_ok(dhow_waitset_add(set, channel, DHOW_IN, 1));
	assert_ok(dhow_waitset_add(second, channel, DHOW_IN, 2));
	for (int i = 0; i < 3; i++) {
		expect_none();
		assert_rc(dhow_waitset_wait(second, events, ROOM, &count, DHOW_TRY), -EAGAIN);
		put(channel);
		expect(channel, DHOW_IN, 1);
		assert_ok(dhow_waitset_wait(second, events, ROOM, &count, SOON));
		cr_assert_eq(events[0].user, 2u);
		take(channel);
	}
	dhow_waitset_destroy(second);
}

Test(waitset, spans_pools_and_outlives_the_last_channel_of_one)
{
	struct dhow_channel_attr attr = { 0 };
	struct dhow_channel *other;

	assert_ok(dhow_waitset_fd(set));
	for (int i = 0; i < 5; i++) {
		assert_ok(dhow_pool_create(1 << 20, &attr.pool));
		assert_ok(dhow_channel_create(NULL, &attr, &other));
		assert_ok(dhow_waitset_add(set, other, DHOW_IN, 5));
		assert_ok(dhow_waitset_add(set, channel, DHOW_IN, 6));
		put(other);
		expect(other, DHOW_IN, 5);
		take(other);
		put(channel);
		expect(channel, DHOW_IN, 6);
		take(channel);
		assert_ok(dhow_waitset_remove(set, channel));
		assert_ok(dhow_channel_destroy(other));
		dhow_pool_close(attr.pool);
	}
}

Test(waitset, thousand_channels_each_is_reported_once)
{
	static struct dhow_channel *many[MANY];
	struct dhow_channel_attr attr = { .capacity = 2, .inline_bytes = 24 };
	static unsigned seen[MANY];

	for (unsigned i = 0; i < MANY; i++) {
		assert_ok(dhow_channel_create(NULL, &attr, &many[i]));
		assert_ok(dhow_waitset_add(set, many[i], DHOW_IN, i));
	}
	expect_none();
	for (unsigned i = 0; i < MANY; i++)
		put(many[i * 7 % MANY]);
	for (unsigned all = 0; all < MANY; all += (unsigned)count) {
		assert_ok(dhow_waitset_wait(set, events, ROOM, &count, SOON));
		for (size_t i = 0; i < count; i++) {
			seen[events[i].user]++;
			take(events[i].channel);
		}
	}
	expect_none();
	for (unsigned i = 0; i < MANY; i++) {
		cr_assert_eq(seen[i], 1u);
		dhow_channel_close(many[i]);
	}
}

/* ---- the descriptor ---- */

static bool is_readable(int fd, int ms)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };

	return poll(&one, 1, ms) == 1;
}

Test(waitset, descriptor_is_readable_until_a_look_finds_nothing)
{
	int fd = dhow_waitset_fd(set);

	assert_ok(fd);
	cr_assert_eq(dhow_waitset_fd(set), fd);
	assert_ok(dhow_waitset_add(set, channel, DHOW_IN, 1));
	for (int i = 0; i < 200; i++) {
		expect_none();
		cr_assert_not(is_readable(fd, 0));
		put(channel);
		cr_assert(is_readable(fd, 10000), "round %d", i);
		expect(channel, DHOW_IN, 1);
		cr_assert(is_readable(fd, 0));
		take(channel);
	}
}

Test(waitset, descriptor_works_in_an_epoll_with_others)
{
	struct epoll_event wanted = { .events = EPOLLIN | EPOLLET, .data.u32 = 1 }, got[2];
	int epoll = epoll_create1(EPOLL_CLOEXEC), pipes[2];

	cr_assert_eq(pipe(pipes), 0);
	assert_ok(dhow_waitset_add(set, channel, DHOW_IN, 1));
	cr_assert_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, dhow_waitset_fd(set), &wanted), 0);
	wanted.data.u32 = 2;
	cr_assert_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &wanted), 0);
	for (int i = 0; i < 200; i++) {
		put(channel);
		cr_assert_eq(epoll_wait(epoll, got, 2, 10000), 1, "round %d", i);
		cr_assert_eq(got[0].data.u32, 1u);
		while (dhow_waitset_wait(set, events, ROOM, &count, DHOW_TRY) == 0)
			take(channel);
	}
	cr_assert_eq(write(pipes[1], "x", 1), 1);
	cr_assert_eq(epoll_wait(epoll, got, 2, 10000), 1);
	cr_assert_eq(got[0].data.u32, 2u);
	close(pipes[0]);
	close(pipes[1]);
	close(epoll);
}

/* ---- other processes ---- */

static char node[64], where[DHOW_ADDRESS_BYTES];

/* A node that children can join, in place of the suite's. */
static void shared_start(void)
{
	struct dhow_address address;

	snprintf(node, sizeof(node), "@waitset_test.%d", getpid());
	assert_ok(dhow_init_at(node, 0));
	assert_ok(dhow_waitset_create(&set));
	assert_ok(dhow_channel_create(NULL, NULL, &channel));
	dhow_channel_address(channel, &address);
	dhow_address_print(&address, where);
}

TestSuite(waitset_processes, .init = shared_start, .fini = stop, .timeout = 200);

static pid_t child(void (*body)(struct dhow_channel *of))
{
	struct dhow_channel *own;
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dhow_init_at(node, 0) < 0 || dhow_channel_open(where, SOON, &own) < 0)
		_exit(1);
	body(own);
	_exit(0);
}

static void destroy_it(struct dhow_channel *of)
{
	usleep(20000);
	if (dhow_channel_destroy(of) < 0)
		_exit(1);
	dhow_fini();
}

Test(waitset_processes, destruction_by_another_process_is_reported)
{
	pid_t pid;

	assert_ok(dhow_waitset_add(set, channel, DHOW_OUT, 3));
	assert_ok(dhow_waitset_modify(set, channel, DHOW_IN, 3));
	pid = child(destroy_it);
	expect(channel, DHOW_CLOSED, 3);
	expect(channel, DHOW_CLOSED, 3);
	waitpid(pid, NULL, 0);
}

static void watch_for_ever(struct dhow_channel *of)
{
	struct dhow_waitset *own;

	if (dhow_waitset_create(&own) < 0 || dhow_waitset_add(own, of, DHOW_IN, 0) < 0)
		_exit(1);
	dhow_waitset_wait(own, events, ROOM, &count, DHOW_FOREVER);
}

static unsigned watchers(void)
{
	unsigned all = 0;

	for (unsigned i = 0; i < LAYOUT_PROCESSES / 64; i++)
		all += (unsigned)__builtin_popcountll(
			atomic_load(&channel->ring.shm->watchers[i]));
	return all;
}

Test(waitset_processes, killed_watcher_is_forgotten)
{
	uint64_t end = SOON;
	pid_t pid = child(watch_for_ever);

	while (watchers() == 0 && dhow_in_ms(0) < end)
		usleep(1000);
	usleep(5000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (watchers() && dhow_in_ms(0) < end)
		usleep(1000);
	cr_assert_eq(watchers(), 0u);
	put(channel);
	put(channel);
	cr_assert_eq(atomic_load(&channel->ring.shm->wait_in) & WAIT_BELLS, 0u);
}

static void parent_uses_its_set(struct dhow_channel *of)
{
	(void)of;
	_exit(dhow_waitset_wait(set, events, ROOM, &count, DHOW_TRY) == -ENOTCONN ? 0 : 2);
}

/* Until the thread behind the descriptor has begun: while it begins, a fork under AddressSanitizer
 * leaves the child with a lock of the allocator that nobody opens. */
static void settle(int fd, struct dhow_channel *to)
{
	size_t bytes;

	assert_ok(fd);
	assert_ok(dhow_send(to, "", 0, DHOW_TRY));
	cr_assert(is_readable(fd, 10000));
	assert_ok(dhow_recv(to, NULL, 0, &bytes, NULL, DHOW_TRY));
}

Test(waitset_processes, a_child_cannot_use_its_parents_set)
{
	int status;
	pid_t pid;

	assert_ok(dhow_waitset_add(set, channel, DHOW_IN, 3));
	settle(dhow_waitset_fd(set), channel);
	pid = child(parent_uses_its_set);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", status);
}

/* ---- many producers on many channels, some of them killed ---- */

enum { CHANNELS = 40, PRODUCERS = 4, EACH = 3000, KILLED = 12 };

static struct dhow_channel *many[CHANNELS];
static char names[CHANNELS][DHOW_ADDRESS_BYTES];

static void producer(unsigned me, unsigned messages)
{
	struct dhow_channel *own[CHANNELS];
	unsigned random = me * 7919 + 1;

	if (dhow_init_at(node, 0) < 0)
		_exit(1);
	for (unsigned i = 0; i < CHANNELS; i++)
		if (dhow_channel_open(names[i], SOON, &own[i]) < 0)
			_exit(2);
	for (unsigned i = 0; i < messages; i++) {
		const struct dhow_header header = { .tag = me, .user = i };

		random = random * 1664525 + 1013904223;
		if (dhow_send_with(own[(random >> 16) % CHANNELS], NULL, 0, &header, DHOW_ACCEPTED,
				   SOON) < 0)
			_exit(3);
	}
	_exit(0);
}

static pid_t start_producer(unsigned me, unsigned messages)
{
	pid_t pid = fork();

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pid == 0)
		producer(me, messages);
	return pid;
}

static void make_many(void)
{
	for (unsigned i = 0; i < CHANNELS; i++) {
		struct dhow_address address;

		assert_ok(dhow_channel_create(NULL, NULL, &many[i]));
		assert_ok(dhow_waitset_add(set, many[i], DHOW_IN, i));
		dhow_channel_address(many[i], &address);
		dhow_address_print(&address, names[i]);
	}
}

/* Receive one of each reported channel. Return: of living producers. */
static unsigned take_reported(void)
{
	unsigned taken = 0;

	for (size_t i = 0; i < count; i++) {
		struct dhow_header header;
		size_t bytes;

		cr_assert_eq(events[i].events, DHOW_IN);
		assert_ok(dhow_recv(events[i].channel, NULL, 0, &bytes, &header, DHOW_TRY));
		taken += header.tag < PRODUCERS;
	}
	return taken;
}

static void run(enum dhow_wait_mode mode, bool by_fd)
{
	pid_t producers[PRODUCERS], victim = 0;
	unsigned taken = 0, killed = 0;
	int fd = by_fd ? dhow_waitset_fd(set) : -1, status;

	make_many();
	if (by_fd)
		settle(fd, many[0]);
	dhow_waitset_set_wait(set, mode);
	for (unsigned i = 0; i < PRODUCERS; i++)
		producers[i] = start_producer(i, EACH);
	while (taken < PRODUCERS * EACH) {
		if (!victim && killed < KILLED)
			victim = start_producer(PRODUCERS + 1, 1u << 30);
		if (by_fd)
			cr_assert(is_readable(fd, 10000), "%u of %d", taken, PRODUCERS * EACH);
		status = dhow_waitset_wait(set, events, ROOM, &count, by_fd ? DHOW_TRY : SOON);
		if (by_fd && status == -EAGAIN)
			continue;
		assert_ok(status);
		taken += take_reported();
		if (victim && taken > (killed + 1) * (PRODUCERS * EACH / (KILLED + 2))) {
			kill(victim, SIGKILL);
			waitpid(victim, NULL, 0);
			victim = 0;
			killed++;
		}
	}
	for (unsigned i = 0; i < PRODUCERS; i++) {
		cr_assert_eq(waitpid(producers[i], &status, 0), producers[i]);
		cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", status);
	}
	if (victim) {
		kill(victim, SIGKILL);
		waitpid(victim, NULL, 0);
	}
	for (unsigned i = 0; i < CHANNELS; i++)
		dhow_channel_close(many[i]);
	printf("%u messages, %u producers killed\n", taken, killed);
}

Test(waitset_processes, nothing_is_missed_when_sleeping)
{
	run(DHOW_WAIT_SLEEP, false);
}

Test(waitset_processes, nothing_is_missed_when_adaptive)
{
	run(DHOW_WAIT_ADAPTIVE, false);
}

Test(waitset_processes, nothing_is_missed_when_spinning)
{
	run(DHOW_WAIT_SPIN, false);
}

Test(waitset_processes, nothing_is_missed_by_the_descriptor)
{
	run(DHOW_WAIT_ADAPTIVE, true);
}
