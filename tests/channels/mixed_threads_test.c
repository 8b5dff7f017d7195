/* SPDX-License-Identifier: MIT */
/*
 * mixed_threads_test.c - all kinds of sends and receives at once, by threads on one mapping.
 *
 * For ThreadSanitizer, which sees only those. The channel is so small that everybody waits,
 * and the pool so small that it splits and merges all the time.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "attached.h"

enum { KINDS = 3, RECEIVERS = 4, MESSAGES = 600, BATCH = 4, LARGEST = 2000 };

static struct dhow_channel *channel;
static struct dhow_pool *pool;
static _Atomic unsigned received[KINDS], damaged;

static void start(void)
{
	struct dhow_channel_attr attr = { .capacity = 8 };

	/* Without Criterion's runner the tests share a process. */
	for (unsigned i = 0; i < KINDS; i++)
		atomic_store(&received[i], 0);
	attach();
	assert_ok(dhow_pool_create(64 << 10, &pool));
	attr.pool = pool;
	assert_ok(dhow_channel_create(NULL, &attr, &channel));
}

static void stop(void)
{
	struct dhow_pool_stats stats;

	dhow_channel_destroy(channel);
	dhow_pool_stats(pool, &stats);
	cr_assert_eq(stats.blocks, 0u, "%lu blocks are left", (unsigned long)stats.blocks);
	dhow_pool_close(pool);
	detach();
}

TestSuite(mixed_threads, .init = start, .fini = stop, .timeout = 200);

static size_t size_of(unsigned number)
{
	return number % 3 == 0 ? 100 + number % (LARGEST - 100) : 1 + number % 80;
}

static struct dhow_header header_of(unsigned kind, unsigned number)
{
	return (struct dhow_header){ .tag = kind, .user = number };
}

static unsigned char byte_of(unsigned kind, unsigned number)
{
	return (unsigned char)(kind * 85 + number);
}

static void send_copy(unsigned kind, unsigned number)
{
	struct dhow_header header = header_of(kind, number);
	unsigned char data[LARGEST];

	memset(data, byte_of(kind, number), size_of(number));
	assert_ok(dhow_send_with(channel, data, size_of(number), &header, DHOW_ACCEPTED, SOON));
}

static void send_block(unsigned kind, unsigned number)
{
	struct dhow_message message;

	assert_ok(dhow_message_alloc(pool, size_of(number), SOON, &message));
	memset(message.data, byte_of(kind, number), message.bytes);
	message.header = header_of(kind, number);
	assert_ok(dhow_send_message(channel, &message, DHOW_ACCEPTED, SOON));
}

static void send_batch(unsigned kind, unsigned first)
{
	static _Thread_local unsigned char data[BATCH][LARGEST];
	struct dhow_item items[BATCH] = { 0 };
	size_t done = 0, sent;

	for (unsigned i = 0; i < BATCH; i++) {
		items[i].bytes = size_of(first + i);
		items[i].data = memset(data[i], byte_of(kind, first + i), items[i].bytes);
		items[i].header = header_of(kind, first + i);
	}
	for (; done < BATCH; done += sent)
		assert_ok(dhow_send_many(channel, items + done, BATCH - done, SOON, &sent));
}

static void *sender(void *arg)
{
	unsigned kind = (unsigned)(size_t)arg;

	for (unsigned i = 0; i < MESSAGES; i += kind == 2 ? BATCH : 1) {
		if (kind == 0)
			send_copy(kind, i);
		else if (kind == 1)
			send_block(kind, i);
		else
			send_batch(kind, i);
	}
	return NULL;
}

/* True: it was the sign to end. */
static bool check(const struct dhow_header *header, const void *data, size_t bytes)
{
	const unsigned char *at = data;

	if (header->tag >= KINDS)
		return true;
	if (bytes != size_of((unsigned)header->user))
		atomic_fetch_add(&damaged, 1);
	for (size_t i = 0; i < bytes; i++)
		if (at[i] != byte_of(header->tag, (unsigned)header->user))
			atomic_fetch_add(&damaged, 1);
	atomic_fetch_add(&received[header->tag], 1);
	return false;
}

static bool recv_copy(void)
{
	unsigned char data[LARGEST];
	struct dhow_header header;
	size_t bytes;

	assert_ok(dhow_recv(channel, data, sizeof(data), &bytes, &header, SOON));
	return check(&header, data, bytes);
}

static bool recv_block(void)
{
	struct dhow_message message;
	bool end;

	assert_ok(dhow_recv_message(channel, &message, SOON));
	end = check(&message.header, message.data, message.bytes);
	dhow_message_free(&message);
	return end;
}

static bool recv_lent(void)
{
	struct dhow_message message;
	bool end;

	assert_ok(dhow_recv_begin(channel, &message, SOON));
	if (message.header.user % 7 == 3 && message.header.tag == 0) {
		message.header.tag = KINDS;	/* once given back it may come to anybody */
		assert_ok(dhow_recv_cancel(channel, &message));
		return recv_copy();
	}
	end = check(&message.header, message.data, message.bytes);
	assert_ok(dhow_recv_commit(channel, &message));
	return end;
}

/* At most one message that says the end is taken: the others wait for theirs. */
static bool recv_one_of_many(void)
{
	static _Thread_local unsigned char data[LARGEST];
	struct dhow_item item = { .data = data, .room = LARGEST };
	size_t count;

	assert_ok(dhow_recv_many(channel, &item, 1, SOON, &count));
	return check(&item.header, item.data, item.bytes);
}

static void *receiver(void *arg)
{
	static bool (*const kinds[RECEIVERS])(void) = { recv_copy, recv_block, recv_lent,
							recv_one_of_many };

	while (!kinds[(size_t)arg]())
		;
	return NULL;
}

static void run(enum dhow_wait_mode mode)
{
	struct dhow_header end = { .tag = KINDS };
	pthread_t senders[KINDS], receivers[RECEIVERS];

	dhow_channel_set_wait(channel, mode);
	for (size_t i = 0; i < RECEIVERS; i++)
		pthread_create(&receivers[i], NULL, receiver, (void *)i);
	for (size_t i = 0; i < KINDS; i++)
		pthread_create(&senders[i], NULL, sender, (void *)i);
	for (size_t i = 0; i < KINDS; i++)
		pthread_join(senders[i], NULL);
	for (size_t i = 0; i < RECEIVERS; i++)
		assert_ok(dhow_send_with(channel, "e", 1, &end, DHOW_ACCEPTED, SOON));
	for (size_t i = 0; i < RECEIVERS; i++)
		pthread_join(receivers[i], NULL);
	for (size_t i = 0; i < KINDS; i++)
		cr_assert_eq(atomic_exchange(&received[i], 0), (unsigned)MESSAGES, "kind %zu", i);
	cr_assert_eq(atomic_load(&damaged), 0u);
}

Test(mixed_threads, all_kinds_of_calls_agree_when_adaptive)
{
	run(DHOW_WAIT_ADAPTIVE);
}

Test(mixed_threads, all_kinds_of_calls_agree_when_sleeping)
{
	run(DHOW_WAIT_SLEEP);
}
