/* SPDX-License-Identifier: MIT */
/* threads_test.c - many threads of one process on one mapping: what ThreadSanitizer can see. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "attached.h"

enum { SENDERS = 3, RECEIVERS = 3, MESSAGES = 4000 };

static struct dhow_channel *channel;
static _Atomic unsigned received[SENDERS], damaged, disordered;

TestSuite(threads, .init = attach, .fini = detach, .timeout = 200);

static size_t size_of(unsigned number)
{
	static const size_t sizes[] = { 16, 64, 88, 700, 5000 };

	return sizes[number % 5];
}

static void *sender(void *arg)
{
	unsigned me = (unsigned)(size_t)arg;
	unsigned char data[5000];

	for (unsigned i = 0; i < MESSAGES; i++) {
		struct dhow_header header = { .tag = me, .user = i };

		memset(data, (int)(me * 31 + i), size_of(i));
		assert_ok(dhow_send_with(channel, data, size_of(i), &header, DHOW_ACCEPTED, SOON));
	}
	return NULL;
}

static void *receiver(void *arg)
{
	unsigned char data[5000];
	unsigned last[SENDERS];

	(void)arg;
	memset(last, 0xff, sizeof(last));
	for (;;) {
		struct dhow_header header;
		size_t bytes;
		unsigned from;

		assert_ok(dhow_recv(channel, data, sizeof(data), &bytes, &header, SOON));
		if (header.tag == SENDERS)
			return NULL;
		from = header.tag;
		/* Each receiver sees a sender's messages in order, though not all of them. */
		if (last[from] != UINT32_MAX && header.user <= last[from])
			atomic_fetch_add(&disordered, 1);
		last[from] = (unsigned)header.user;
		if (bytes != size_of((unsigned)header.user))
			atomic_fetch_add(&damaged, 1);
		for (size_t i = 0; i < bytes; i++)
			if (data[i] != (unsigned char)(from * 31 + header.user))
				atomic_fetch_add(&damaged, 1);
		atomic_fetch_add(&received[from], 1);
	}
}

static void run(enum dhow_wait_mode mode)
{
	struct dhow_header end = { .tag = SENDERS };
	pthread_t senders[SENDERS], receivers[RECEIVERS];

	assert_ok(dhow_channel_create(NULL, NULL, &channel));
	dhow_channel_set_wait(channel, mode);
	for (size_t i = 0; i < RECEIVERS; i++)
		pthread_create(&receivers[i], NULL, receiver, NULL);
	for (size_t i = 0; i < SENDERS; i++)
		pthread_create(&senders[i], NULL, sender, (void *)i);
	for (size_t i = 0; i < SENDERS; i++)
		pthread_join(senders[i], NULL);
	for (size_t i = 0; i < RECEIVERS; i++)
		assert_ok(dhow_send_with(channel, NULL, 0, &end, DHOW_ACCEPTED, SOON));
	for (size_t i = 0; i < RECEIVERS; i++)
		pthread_join(receivers[i], NULL);
	for (size_t i = 0; i < SENDERS; i++)
		cr_assert_eq(atomic_exchange(&received[i], 0), (unsigned)MESSAGES);
	cr_assert_eq(damaged, 0u);
	cr_assert_eq(disordered, 0u);
	assert_ok(dhow_channel_destroy(channel));
}

Test(threads, nothing_is_lost_damaged_or_out_of_order_when_adaptive)
{
	run(DHOW_WAIT_ADAPTIVE);
}

Test(threads, nothing_is_lost_damaged_or_out_of_order_when_sleeping)
{
	run(DHOW_WAIT_SLEEP);
}

static void *blocked_receiver(void *arg)
{
	size_t bytes;
	char data[8];

	(void)arg;
	return (void *)(long)dhow_recv(channel, data, sizeof(data), &bytes, NULL, SOON);
}

Test(threads, destroying_a_channel_wakes_its_waiters)
{
	struct dhow_channel *second;
	struct dhow_address address;
	char text[DHOW_ADDRESS_BYTES];
	pthread_t thread;
	void *rc;

	assert_ok(dhow_channel_create(NULL, NULL, &channel));
	dhow_channel_address(channel, &address);
	dhow_address_print(&address, text);
	assert_ok(dhow_channel_open(text, SOON, &second));
	pthread_create(&thread, NULL, blocked_receiver, NULL);
	assert_ok(dhow_channel_destroy(second));
	pthread_join(thread, &rc);
	cr_assert_eq((long)rc, -EPIPE);
	dhow_channel_close(channel);
}

static void *late_receiver(void *arg)
{
	size_t bytes;
	char data[8];

	(void)arg;
	dhow_recv(channel, data, sizeof(data), &bytes, NULL, SOON);
	return NULL;
}

Test(threads, send_returns_when_it_is_received)
{
	pthread_t thread;

	assert_ok(dhow_channel_create(NULL, NULL, &channel));
	pthread_create(&thread, NULL, late_receiver, NULL);
	assert_ok(dhow_send_with(channel, "x", 1, NULL, DHOW_RECEIVED, SOON));
	pthread_join(thread, NULL);
	dhow_channel_close(channel);
}
