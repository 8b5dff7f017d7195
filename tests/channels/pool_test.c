/* SPDX-License-Identifier: MIT */
/* pool_test.c - pools of an application. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "attached.h"

TestSuite(pool, .init = attach, .fini = detach, .timeout = 200);

Test(pool, serves_its_own_channels_and_blocks)
{
	struct dhow_channel_attr attr = { .capacity = 8 };
	struct dhow_channel *channel;
	struct dhow_message message;
	struct dhow_pool *pool;
	char text[100];
	size_t got;

	assert_ok(dhow_pool_create(1 << 20, &pool));
	attr.pool = pool;
	assert_ok(dhow_channel_create("in-a-pool", &attr, &channel));
	assert_ok(dhow_message_alloc(pool, 50000, SOON, &message));
	memcpy(message.data, "hello", 6);
	message.bytes = 6;
	assert_ok(dhow_send_message(channel, &message, DHOW_ACCEPTED, SOON));
	assert_ok(dhow_recv(channel, text, sizeof(text), &got, NULL, SOON));
	cr_assert_str_eq(text, "hello");
	dhow_channel_close(channel);
	dhow_pool_close(pool);
}

Test(pool, block_of_another_pool_is_copied)
{
	struct dhow_channel *channel;
	struct dhow_message message;
	struct dhow_pool *pool;
	char text[100];
	size_t got;

	assert_ok(dhow_pool_create(1 << 20, &pool));
	assert_ok(dhow_channel_create("in-the-node", NULL, &channel));
	assert_ok(dhow_message_alloc(pool, 6, SOON, &message));
	memcpy(message.data, "hello", 6);
	assert_ok(dhow_send_message(channel, &message, DHOW_ACCEPTED, SOON));
	assert_ok(dhow_recv(channel, text, sizeof(text), &got, NULL, SOON));
	cr_assert_str_eq(text, "hello");
	dhow_channel_close(channel);
	dhow_pool_close(pool);
}

/* Segments that this process has mapped. */
static unsigned mapped(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned count = 0;
	char line[512];

	cr_assert_not_null(maps);
	while (fgets(line, sizeof(line), maps))
		count += strstr(line, "memfd:dhow") != NULL;
	fclose(maps);
	return count;
}

/* The node's service maps a pool, too, and hears of the end by a message. */
static void wait_until_mapped(unsigned count)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (uint64_t limit = SOON; mapped() != count; nanosleep(&pause, NULL))
		cr_assert_lt(dhow_in_ms(0), limit, "%u are mapped, not %u", mapped(), count);
}

Test(pool, stays_after_its_close_for_as_long_as_it_is_in_use)
{
	const unsigned before = mapped();
	struct dhow_channel_attr attr = { .capacity = 8 };
	struct dhow_channel *channel, *again;
	struct dhow_message message;
	struct dhow_pool *pool;
	char text[100];
	size_t got;

	assert_ok(dhow_pool_create(1 << 20, &pool));
	attr.pool = pool;
	assert_ok(dhow_channel_create("in-a-closed-pool", &attr, &channel));
	assert_ok(dhow_message_alloc(pool, 50000, SOON, &message));
	dhow_pool_close(pool);
	dhow_pool_close(pool);
	cr_assert_gt(mapped(), before);
	memset(message.data, 1, message.bytes);
	assert_ok(dhow_send(channel, "hello", 6, SOON));
	assert_ok(dhow_channel_open("in-a-closed-pool", DHOW_TRY, &again));
	dhow_channel_close(channel);
	assert_ok(dhow_recv(again, text, sizeof(text), &got, NULL, SOON));
	cr_assert_str_eq(text, "hello");
	dhow_channel_close(again);
	cr_assert_gt(mapped(), before, "a message in hand did not keep it");
	memset(message.data, 2, message.bytes);
	dhow_message_free(&message);
	wait_until_mapped(before);
	assert_rc(dhow_channel_open("in-a-closed-pool", DHOW_TRY, &again), -ESTALE);
}

Test(pool, channel_is_the_last_that_holds_a_closed_one)
{
	const unsigned before = mapped();
	struct dhow_channel_attr attr = { .capacity = 8 };
	struct dhow_channel *channel;

	for (int i = 0; i < 100; i++) {	/* more than a process may have at once */
		assert_ok(dhow_pool_create(64 * 1024, &attr.pool));
		assert_ok(dhow_channel_create(NULL, &attr, &channel));
		dhow_pool_close(attr.pool);
		assert_ok(dhow_send(channel, "x", 1, SOON));
		assert_ok(dhow_channel_destroy(channel));
	}
	wait_until_mapped(before);
}

Test(pool, of_the_node_is_never_closed)
{
	struct dhow_channel *channel;

	dhow_pool_close(dhow_pool_default());
	assert_ok(dhow_channel_create(NULL, NULL, &channel));
	assert_ok(dhow_send(channel, "x", 1, SOON));
	dhow_channel_close(channel);
}

Test(pool, impossible_sizes_are_refused_with_the_reason)
{
	struct dhow_pool *pool;

	assert_rc(dhow_pool_create(0, &pool), -EINVAL);
	assert_rc(dhow_pool_create(UINT64_C(1) << 41, &pool), -EINVAL);
	assert_rc(dhow_pool_create(UINT64_C(1) << 40, &pool), -ENOMEM);
	cr_assert_not_null(strstr(dhow_error_text(), "MiB"), "%s", dhow_error_text());
}

Test(pool, full_pool_makes_the_caller_wait_until_its_deadline)
{
	struct dhow_message first, second;
	struct dhow_pool_stats stats;
	struct dhow_pool *pool;

	assert_ok(dhow_pool_create(64 * 1024, &pool));
	assert_ok(dhow_message_alloc(pool, 64 * 1024, DHOW_TRY, &first));
	assert_rc(dhow_message_alloc(pool, 1, DHOW_TRY, &second), -EAGAIN);
	assert_rc(dhow_message_alloc(pool, 1, dhow_in_ms(20), &second), -ETIMEDOUT);
	assert_rc(dhow_message_alloc(pool, 64 * 1024 + 1, DHOW_TRY, &second), -EMSGSIZE);
	dhow_message_free(&first);
	assert_ok(dhow_message_alloc(pool, 1, DHOW_TRY, &second));
	dhow_message_free(&second);
	dhow_pool_stats(pool, &stats);
	cr_assert_eq(stats.blocks, 0u);
	dhow_pool_close(pool);
}

Test(pool, many_come_and_go)
{
	struct dhow_pool *pool;

	for (int i = 0; i < 200; i++) {
		assert_ok(dhow_pool_create(64 * 1024, &pool));
		dhow_pool_close(pool);
	}
}

/* ---- choices ---- */

#define HUGE_PAGES "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

static unsigned long reserved(unsigned long set)
{
	FILE *file = fopen(HUGE_PAGES, set == ULONG_MAX ? "r" : "w");
	unsigned long pages = 0;

	if (file && set == ULONG_MAX && fscanf(file, "%lu", &pages) != 1)
		pages = 0;
	if (file && set != ULONG_MAX)
		fprintf(file, "%lu\n", set);
	if (file)
		fclose(file);
	return pages;
}

static void make_and_use(const struct dhow_pool_attr *attr, struct dhow_pool_stats *ret_stats)
{
	struct dhow_message message;
	struct dhow_pool *pool;

	assert_ok(dhow_pool_create_with(attr, &pool));
	dhow_pool_stats(pool, ret_stats);
	assert_ok(dhow_message_alloc(pool, 100000, SOON, &message));
	memset(message.data, 1, 100000);
	dhow_message_free(&message);
	dhow_pool_close(pool);
}

Test(pool, huge_pages_where_there_are_some)
{
	const struct dhow_pool_attr attr = { .bytes = 1 << 20, .huge_pages = 1 };
	unsigned long before = reserved(ULONG_MAX), wanted = before + 8;
	struct dhow_pool_stats stats;

	reserved(wanted);
	if (reserved(ULONG_MAX) < wanted) {
		reserved(before);
		printf("skipped: this machine reserves no huge pages for us\n");
		return;
	}
	make_and_use(&attr, &stats);
	reserved(before);
	cr_assert_eq(stats.page_bytes, UINT64_C(2) << 20);
}

Test(pool, ordinary_pages_where_there_are_none)
{
	/* More than any test machine reserves. */
	const struct dhow_pool_attr attr = { .bytes = 256 << 20, .huge_pages = 1 };
	struct dhow_pool_stats stats;

	make_and_use(&attr, &stats);
	cr_assert_eq(stats.page_bytes, UINT64_C(4096));
}

Test(pool, on_a_numa_node)
{
	struct dhow_pool_attr attr = { .bytes = 1 << 20, .numa_node = 1 };
	struct dhow_pool_stats stats;
	struct dhow_pool *pool;

	make_and_use(&attr, &stats);
	cr_assert(stats.numa_node == 1 || stats.numa_node == 0, "%d", stats.numa_node);
	attr.numa_node = 1 + 999;
	assert_rc(dhow_pool_create_with(&attr, &pool), -EINVAL);
	cr_assert_not_null(strstr(dhow_error_text(), "999"), "%s", dhow_error_text());
}
