/* SPDX-License-Identifier: MIT */
/* waitset_threads_test.c - threads that wait, change the set and send: for ThreadSanitizer. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "attached.h"
#include "src/waitset.h"

enum { CHANNELS = 6, SENDERS = 2, WAITERS = 2, TRIPS = 100000, EACH = 2000, ALL = SENDERS * EACH };

static struct dhow_channel *channels[CHANNELS];
static struct dhow_waitset *set;
static _Atomic unsigned taken, wrong;

TestSuite(waitset_threads, .init = attach, .fini = detach, .timeout = 200);

static void *sender(void *arg)
{
	unsigned me = (unsigned)(size_t)arg;

	for (unsigned i = 0; i < EACH; i++)
		assert_ok(dhow_send(channels[(i * 5 + me) % CHANNELS], NULL, 0, SOON));
	return NULL;
}

/* Take what is reported, which another may have taken meanwhile. */
static void take(const struct dhow_waitset_event *events, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t bytes;
		int rc = dhow_recv(events[i].channel, NULL, 0, &bytes, NULL, DHOW_TRY);

		if (rc == 0)
			atomic_fetch_add(&taken, 1);
		else if (rc != -EAGAIN)
			atomic_fetch_add(&wrong, 1);
	}
}

static void *waiter(void *arg)
{
	struct dhow_waitset *own = arg;
	struct dhow_waitset_event events[3];
	size_t count;

	while (atomic_load(&taken) < ALL) {
		int rc = dhow_waitset_wait(own, events, 3, &count, dhow_in_ms(20));

		if (rc == 0)
			take(events, count);
		else if (rc != -ETIMEDOUT)
			atomic_fetch_add(&wrong, 1);
	}
	return NULL;
}

static void *poller(void *arg)
{
	struct dhow_waitset *own = arg;
	struct dhow_waitset_event events[3];
	struct pollfd fd = { .fd = dhow_waitset_fd(own), .events = POLLIN };
	size_t count;

	while (atomic_load(&taken) < ALL) {
		poll(&fd, 1, 20);
		if (dhow_waitset_wait(own, events, 3, &count, DHOW_TRY) == 0)
			take(events, count);
	}
	return NULL;
}

static void *changer(void *arg)
{
	(void)arg;
	for (unsigned i = 0; atomic_load(&taken) < ALL; i++) {
		struct dhow_channel *channel = channels[i % CHANNELS];

		assert_ok(dhow_waitset_remove(set, channel));
		assert_ok(dhow_waitset_add(set, channel, DHOW_IN, i));
		assert_ok(dhow_waitset_modify(set, channel, DHOW_IN, i + 1));
	}
	return NULL;
}

static struct dhow_waitset *make_set(enum dhow_wait_mode mode)
{
	struct dhow_waitset *made;

	assert_ok(dhow_waitset_create(&made));
	dhow_waitset_set_wait(made, mode);
	for (unsigned i = 0; i < CHANNELS; i++)
		assert_ok(dhow_waitset_add(made, channels[i], DHOW_IN, i));
	return made;
}

Test(waitset_threads, each_message_is_reported_to_somebody)
{
	pthread_t senders[SENDERS], waiters[WAITERS], others[3];
	struct dhow_waitset *second, *third;

	for (unsigned i = 0; i < CHANNELS; i++)
		assert_ok(dhow_channel_create(NULL, NULL, &channels[i]));
	set = make_set(DHOW_WAIT_ADAPTIVE);
	second = make_set(DHOW_WAIT_SLEEP);
	third = make_set(DHOW_WAIT_DEFAULT);
	for (size_t i = 0; i < WAITERS; i++)
		pthread_create(&waiters[i], NULL, waiter, set);
	pthread_create(&others[0], NULL, waiter, second);
	pthread_create(&others[1], NULL, poller, third);
	pthread_create(&others[2], NULL, changer, NULL);
	for (size_t i = 0; i < SENDERS; i++)
		pthread_create(&senders[i], NULL, sender, (void *)i);
	for (size_t i = 0; i < SENDERS; i++)
		pthread_join(senders[i], NULL);
	for (size_t i = 0; i < WAITERS; i++)
		pthread_join(waiters[i], NULL);
	for (size_t i = 0; i < 3; i++)
		pthread_join(others[i], NULL);
	cr_assert_eq(taken, (unsigned)ALL);
	cr_assert_eq(wrong, 0u);
	dhow_waitset_destroy(set);
	dhow_waitset_destroy(second);
	dhow_waitset_destroy(third);
	for (unsigned i = 0; i < CHANNELS; i++)
		dhow_channel_close(channels[i]);
}

/* ---- one message at a time, so that none makes up for one that was missed ---- */

static void *asker(void *arg)
{
	size_t bytes;

	(void)arg;
	for (unsigned i = 0; i < TRIPS; i++) {
		assert_ok(dhow_send(channels[0], NULL, 0, SOON));
		assert_ok(dhow_recv(channels[1], NULL, 0, &bytes, NULL, SOON));
	}
	return NULL;
}

static void answer_all(enum dhow_wait_mode mode)
{
	pthread_t thread;
	size_t count, bytes;

	for (unsigned i = 0; i < 2; i++)
		assert_ok(dhow_channel_create(NULL, NULL, &channels[i]));
	/* The scans that make up for killed senders must not help here. */
	waitsets.scan_ns = UINT64_MAX;
	assert_ok(dhow_waitset_create(&set));
	dhow_waitset_set_wait(set, mode);
	assert_ok(dhow_waitset_add(set, channels[0], DHOW_IN, 0));
	pthread_create(&thread, NULL, asker, NULL);
	for (unsigned i = 0; i < TRIPS;) {
		struct dhow_waitset_event event;

		assert_ok(dhow_waitset_wait(set, &event, 1, &count, SOON));
		/* The look in vain lets the next message come while the set looks. */
		for (; dhow_recv(channels[0], NULL, 0, &bytes, NULL, DHOW_TRY) == 0; i++)
			assert_ok(dhow_send(channels[1], NULL, 0, SOON));
	}
	pthread_join(thread, NULL);
	dhow_waitset_destroy(set);
	for (unsigned i = 0; i < 2; i++)
		dhow_channel_close(channels[i]);
}

Test(waitset_threads, no_single_message_is_missed_when_adaptive)
{
	answer_all(DHOW_WAIT_ADAPTIVE);
}

Test(waitset_threads, no_single_message_is_missed_when_sleeping)
{
	answer_all(DHOW_WAIT_SLEEP);
}
