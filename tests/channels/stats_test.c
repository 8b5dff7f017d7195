/* SPDX-License-Identifier: MIT */
/* stats_test.c - how full a channel is, who sleeps on it, and how it ends. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "attached.h"

enum { CAPACITY = 4 };

static struct dhow_channel *channel;

static void start(void)
{
	const struct dhow_channel_attr attr = { .capacity = CAPACITY };

	attach();
	assert_ok(dhow_channel_create(NULL, &attr, &channel));
}

static void stop(void)
{
	dhow_channel_close(channel);
	detach();
}

TestSuite(stats, .init = start, .fini = stop, .timeout = 200);

static struct dhow_channel_stats stats(void)
{
	struct dhow_channel_stats now;

	assert_ok(dhow_channel_stats(channel, &now));
	return now;
}

static int receive(void)
{
	char data[100];
	size_t bytes;

	return dhow_recv(channel, data, sizeof(data), &bytes, NULL, dhow_in_ms(100));
}

Test(stats, count_and_bytes)
{
	struct dhow_message message;

	for (size_t i = 1; i <= 3; i++)
		assert_ok(dhow_send(channel, "abcdefgh", i, DHOW_TRY));
	cr_assert_eq(stats().count, 3u);
	cr_assert_eq(stats().bytes, 6u);
	cr_assert_eq(stats().sent, 3u);
	cr_assert_eq(stats().received, 0u);
	cr_assert_eq(stats().capacity, (uint32_t)CAPACITY);
	assert_ok(receive());
	assert_ok(dhow_recv_begin(channel, &message, DHOW_TRY));
	cr_assert_eq(stats().count, 1u, "one is taken, one lent");
	cr_assert_eq(stats().bytes, 3u);
	assert_ok(dhow_recv_commit(channel, &message));
	cr_assert_eq(stats().received, 2u);
}

Test(stats, high_water)
{
	for (unsigned i = 0; i < CAPACITY; i++)
		assert_ok(dhow_send(channel, "", 0, DHOW_TRY));
	assert_rc(dhow_send(channel, "", 0, DHOW_TRY), -EAGAIN);
	for (unsigned i = 0; i < CAPACITY; i++)
		assert_ok(receive());
	cr_assert_eq(stats().count, 0u);
	cr_assert_eq(stats().high_water, (uint64_t)CAPACITY);
}

static void *sleeper(void *arg)
{
	static _Thread_local int rc;

	dhow_channel_set_wait(channel, DHOW_WAIT_SLEEP);
	rc = *(int *)arg ? dhow_send(channel, "x", 1, SOON) :
			   dhow_recv(channel, (char[8]){ 0 }, 8, &(size_t){ 0 }, NULL, SOON);
	return (void *)(intptr_t)rc;
}

/* Start a thread that sleeps and wait until it does. */
static pthread_t fall_asleep(int sends)
{
	static int arg;
	pthread_t thread;

	arg = sends;
	cr_assert_eq(pthread_create(&thread, NULL, sleeper, &arg), 0);
	while ((sends ? stats().senders_asleep : stats().receivers_asleep) == 0)
		sched_yield();
	return thread;
}

static int wake_up(pthread_t thread)
{
	void *rc;

	cr_assert_eq(pthread_join(thread, &rc), 0);
	return (int)(intptr_t)rc;
}

Test(stats, who_sleeps)
{
	pthread_t thread = fall_asleep(0);

	cr_assert_eq(stats().receivers_asleep, 1u);
	cr_assert_eq(stats().senders_asleep, 0u);
	assert_ok(dhow_send(channel, "x", 1, DHOW_TRY));
	assert_ok(wake_up(thread));
	cr_assert_eq(stats().receivers_asleep, 0u);
	for (unsigned i = 0; i < CAPACITY; i++)
		assert_ok(dhow_send(channel, "x", 1, DHOW_TRY));
	thread = fall_asleep(1);
	cr_assert_eq(stats().senders_asleep, 1u);
	assert_ok(receive());
	assert_ok(wake_up(thread));
}

Test(shut, what_is_in_it_comes_out, .init = start, .fini = stop, .timeout = 200)
{
	unsigned events = 0;

	assert_ok(dhow_send(channel, "x", 1, DHOW_TRY));
	assert_ok(dhow_channel_shut(channel));
	assert_ok(dhow_channel_shut(channel));
	cr_assert(stats().is_shut);
	assert_rc(dhow_send(channel, "y", 1, SOON), -EPIPE);
	assert_ok(dhow_poll(channel, DHOW_IN, DHOW_TRY, &events));
	cr_assert_eq(events, (unsigned)(DHOW_IN | DHOW_CLOSED));
	assert_rc(dhow_channel_drain(channel, DHOW_TRY), -EAGAIN);
	assert_ok(receive());
	assert_ok(dhow_channel_drain(channel, SOON));
	assert_rc(receive(), -EPIPE);
	assert_rc(dhow_peek(channel, NULL, 0, &(size_t){ 0 }, NULL, SOON), -EPIPE);
	cr_assert_eq(stats().count, 0u);
}

Test(shut, wakes_who_sleeps, .init = start, .fini = stop, .timeout = 200)
{
	pthread_t thread = fall_asleep(0);

	assert_ok(dhow_channel_shut(channel));
	cr_assert_eq(wake_up(thread), -EPIPE);
}

Test(shut, a_full_channel_refuses_who_waits_for_room, .init = start, .fini = stop, .timeout = 200)
{
	pthread_t thread;

	for (unsigned i = 0; i < CAPACITY; i++)
		assert_ok(dhow_send(channel, "x", 1, DHOW_TRY));
	thread = fall_asleep(1);
	assert_ok(dhow_channel_shut(channel));
	assert_ok(receive());
	cr_assert_eq(wake_up(thread), -EPIPE);
	for (unsigned i = 1; i < CAPACITY; i++)
		assert_ok(receive());
	assert_rc(receive(), -EPIPE);
}

Test(shut, a_lent_message_may_come_again, .init = start, .fini = stop, .timeout = 200)
{
	struct dhow_message message;

	assert_ok(dhow_send(channel, "x", 1, DHOW_TRY));
	assert_ok(dhow_recv_begin(channel, &message, DHOW_TRY));
	assert_ok(dhow_channel_shut(channel));
	assert_rc(receive(), -ETIMEDOUT);
	assert_ok(dhow_recv_cancel(channel, &message));
	assert_ok(receive());
	assert_rc(receive(), -EPIPE);
}
