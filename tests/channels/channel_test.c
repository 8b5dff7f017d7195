/* SPDX-License-Identifier: MIT */
/* channel_test.c - the public calls on channels of this node. */
#include <errno.h>
#include <string.h>

#include "attached.h"

static struct dhow_channel *channel;
static unsigned char buffer[1 << 20];

static void start(void)
{
	attach();
	assert_ok(dhow_channel_create("subject", NULL, &channel));
}

static void stop(void)
{
	dhow_channel_close(channel);
	detach();
}

TestSuite(channel, .init = start, .fini = stop, .timeout = 200);

static uint64_t blocks(void)
{
	struct dhow_pool_stats stats;

	dhow_pool_stats(dhow_pool_default(), &stats);
	return stats.blocks;
}

Test(channel, carries_any_size)
{
	static const size_t sizes[] = { 0, 1, 8, 88, 89, 512, 513, 4096, 65536, 1 << 20 };
	static unsigned char sent[1 << 20];
	uint64_t before = blocks();
	size_t got;

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (unsigned char)(i * 7 + i / 256);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		memset(buffer, 0, sizeof(buffer));
		assert_ok(dhow_send(channel, sent, sizes[i], SOON));
		assert_ok(dhow_recv(channel, buffer, sizeof(buffer), &got, NULL, SOON));
		cr_assert_eq(got, sizes[i]);
		cr_assert_arr_eq(buffer, sent, got);
	}
	cr_assert_eq(blocks(), before, "no block is left");
}

Test(channel, carries_the_header)
{
	struct dhow_header sent = { .sender = 99, .tag = 5, .user = UINT64_MAX }, got;
	size_t bytes;

	assert_ok(dhow_send_with(channel, "x", 1, &sent, DHOW_ACCEPTED, SOON));
	assert_ok(dhow_recv(channel, buffer, 1, &bytes, &got, SOON));
	cr_assert_eq(got.tag, 5u);
	cr_assert_eq(got.user, UINT64_MAX);
	cr_assert_eq(got.sender, 0u, "the library fills in the rank");
}

Test(channel, empty_and_full_do_not_block_a_try)
{
	size_t got;

	assert_rc(dhow_recv(channel, buffer, 1, &got, NULL, DHOW_TRY), -EAGAIN);
	for (int i = 0; i < 128; i++)
		assert_ok(dhow_send(channel, "x", 1, DHOW_TRY));
	assert_rc(dhow_send(channel, "x", 1, DHOW_TRY), -EAGAIN);
	assert_rc(dhow_send(channel, buffer, 4096, DHOW_TRY), -EAGAIN);
	assert_rc(dhow_send(channel, "x", 1, dhow_in_ms(10)), -ETIMEDOUT);
}

Test(channel, every_wait_mode_keeps_its_deadline)
{
	size_t got;

	for (int mode = DHOW_WAIT_SPIN; mode <= DHOW_WAIT_SLEEP; mode++) {
		dhow_channel_set_wait(channel, (enum dhow_wait_mode)mode);
		assert_rc(dhow_recv(channel, buffer, 1, &got, NULL, dhow_in_ms(20)), -ETIMEDOUT);
	}
}

Test(channel, message_larger_than_the_buffer_stays)
{
	size_t got = 0;

	assert_ok(dhow_send(channel, buffer, 5000, SOON));
	assert_rc(dhow_recv(channel, buffer, 4999, &got, NULL, DHOW_TRY), -EMSGSIZE);
	cr_assert_eq(got, 5000u);
	cr_assert_not_null(strstr(dhow_error_text(), "5000"));
	assert_ok(dhow_recv(channel, buffer, 5000, &got, NULL, DHOW_TRY));
}

Test(channel, message_larger_than_the_pool_is_refused)
{
	struct dhow_pool *pool;
	struct dhow_channel *small;
	struct dhow_channel_attr attr = { .capacity = 4 };

	assert_ok(dhow_pool_create(128 * 1024, &pool));
	attr.pool = pool;
	assert_ok(dhow_channel_create(NULL, &attr, &small));
	assert_rc(dhow_send(small, buffer, 256 * 1024, SOON), -EMSGSIZE);
	cr_assert_not_null(strstr(dhow_error_text(), "262144"), "%s", dhow_error_text());
	dhow_channel_close(small);
	dhow_pool_close(pool);
}

Test(channel, block_is_handed_over_without_a_copy)
{
	struct dhow_message message, got;
	void *data;

	assert_ok(dhow_message_alloc(NULL, 70000, SOON, &message));
	data = message.data;
	memset(data, 42, 70000);
	assert_ok(dhow_send_message(channel, &message, DHOW_ACCEPTED, SOON));
	cr_assert_null(message.data, "it was given away");
	assert_ok(dhow_recv_message(channel, &got, SOON));
	cr_assert_eq(got.data, data);
	cr_assert_eq(got.bytes, 70000u);
	dhow_message_free(&got);
}

Test(channel, small_message_can_be_taken_with_a_block)
{
	struct dhow_message got;

	assert_ok(dhow_send(channel, "hello", 6, SOON));
	assert_ok(dhow_recv_message(channel, &got, SOON));
	cr_assert_str_eq(got.data, "hello");
	dhow_message_free(&got);
}

Test(channel, lent_message_is_committed_once)
{
	struct dhow_message lent, again;

	assert_ok(dhow_send(channel, "hello", 6, SOON));
	assert_ok(dhow_recv_begin(channel, &lent, SOON));
	cr_assert_str_eq(lent.data, "hello");
	again = lent;
	assert_ok(dhow_recv_commit(channel, &lent));
	assert_rc(dhow_recv_commit(channel, &again), -EINVAL);
	assert_rc(dhow_recv_begin(channel, &lent, DHOW_TRY), -EAGAIN);
}

Test(channel, cancelled_message_is_received_next)
{
	struct dhow_message lent;
	size_t got;

	assert_ok(dhow_send(channel, buffer, 9000, SOON));
	assert_ok(dhow_send(channel, "second", 7, SOON));
	assert_ok(dhow_recv_begin(channel, &lent, SOON));
	assert_ok(dhow_recv_cancel(channel, &lent));
	assert_ok(dhow_recv(channel, buffer, sizeof(buffer), &got, NULL, SOON));
	cr_assert_eq(got, 9000u);
}

Test(channel, peek_leaves_the_message)
{
	struct dhow_header header = { .tag = 3 }, seen;
	size_t got;

	assert_rc(dhow_peek(channel, buffer, 8, &got, NULL, DHOW_TRY), -EAGAIN);
	assert_ok(dhow_send_with(channel, "hello", 6, &header, DHOW_ACCEPTED, SOON));
	for (int i = 0; i < 2; i++) {
		assert_ok(dhow_peek(channel, buffer, 3, &got, &seen, SOON));
		cr_assert_eq(got, 6u);
		cr_assert_eq(seen.tag, 3u);
		cr_assert_arr_eq(buffer, "hel", 3);
	}
	assert_ok(dhow_recv(channel, buffer, 6, &got, NULL, DHOW_TRY));
}

Test(channel, poll_tells_what_is_true)
{
	unsigned events;

	assert_ok(dhow_poll(channel, DHOW_IN | DHOW_OUT, SOON, &events));
	cr_assert_eq(events, (unsigned)DHOW_OUT);
	assert_rc(dhow_poll(channel, DHOW_IN, DHOW_TRY, &events), -EAGAIN);
	assert_rc(dhow_poll(channel, DHOW_IN, dhow_in_ms(5), &events), -ETIMEDOUT);
	for (int i = 0; i < 128; i++)
		assert_ok(dhow_send(channel, "x", 1, SOON));
	assert_ok(dhow_poll(channel, DHOW_IN | DHOW_OUT, SOON, &events));
	cr_assert_eq(events, (unsigned)DHOW_IN);
	assert_rc(dhow_poll(channel, 0, SOON, &events), -EINVAL);
}

Test(channel, send_can_wait_until_it_is_received)
{
	assert_rc(dhow_send_with(channel, "x", 1, NULL, DHOW_RECEIVED, dhow_in_ms(20)), -ETIMEDOUT);
}

Test(channel, destroyed_channel_is_closed_for_all)
{
	struct dhow_channel *second;
	char address[DHOW_ADDRESS_BYTES];
	struct dhow_address where;
	unsigned events;
	size_t got;

	dhow_channel_address(channel, &where);
	dhow_address_print(&where, address);
	assert_ok(dhow_channel_open(address, SOON, &second));
	assert_ok(dhow_send(second, buffer, 5000, SOON));
	assert_ok(dhow_channel_destroy(channel));
	assert_rc(dhow_send(second, "x", 1, SOON), -EPIPE);
	assert_ok(dhow_recv(second, buffer, sizeof(buffer), &got, NULL, SOON));
	assert_rc(dhow_recv(second, buffer, 1, &got, NULL, SOON), -EPIPE);
	assert_ok(dhow_poll(second, DHOW_IN, SOON, &events));
	cr_assert(events & DHOW_CLOSED);
	assert_rc(dhow_channel_open(address, SOON, &channel), -ESTALE);
	dhow_channel_close(second);
	assert_ok(dhow_channel_create("subject", NULL, &channel));
}

Test(channel, destroyed_channels_leave_nothing)
{
	uint64_t before = blocks();
	struct dhow_channel *other;

	for (int i = 0; i < 2000; i++) {
		assert_ok(dhow_channel_create(NULL, NULL, &other));
		assert_ok(dhow_send(other, buffer, 3000, SOON));
		assert_ok(dhow_channel_destroy(other));
	}
	cr_assert_eq(blocks(), before);
}

Test(channel, bad_arguments_name_the_value)
{
	struct dhow_channel_attr attr = { .capacity = 2000000 };
	struct dhow_channel *other;
	struct dhow_address address;
	char text[DHOW_ADDRESS_BYTES];

	assert_rc(dhow_channel_create("subject", NULL, &other), -EEXIST);
	assert_rc(dhow_channel_create("two words", NULL, &other), -EINVAL);
	assert_rc(dhow_channel_create("", NULL, &other), -EINVAL);
	assert_rc(dhow_channel_create(NULL, &attr, &other), -EINVAL);
	cr_assert_not_null(strstr(dhow_error_text(), "2000000"));
	assert_rc(dhow_channel_open("nobody", DHOW_TRY, &other), -ENOENT);
	assert_rc(dhow_channel_open("nobody", dhow_in_ms(30), &other), -ETIMEDOUT);
	assert_rc(dhow_channel_open("dhow:12.n0.0.1.1.0000", SOON, &other), -EBADMSG);
	dhow_channel_address(channel, &address);
	address.job++;
	dhow_address_print(&address, text);
	assert_rc(dhow_channel_open(text, SOON, &other), -EXDEV);
	address.job--;
	address.node = 5;
	dhow_address_print(&address, text);
	assert_rc(dhow_channel_open(text, SOON, &other), -EHOSTUNREACH);
}

Test(channel, statistics_count)
{
	struct dhow_channel_stats stats;
	size_t got;

	for (int i = 0; i < 5; i++)
		assert_ok(dhow_send(channel, "x", 1, SOON));
	assert_ok(dhow_recv(channel, buffer, 1, &got, NULL, SOON));
	assert_ok(dhow_channel_stats(channel, &stats));
	cr_assert_eq(stats.count, 4u);
	cr_assert_eq(stats.sent, 5u);
	cr_assert_eq(stats.received, 1u);
	cr_assert_eq(stats.capacity, 128u);
}

Test(channel, received_block_is_nobody_elses)
{
	struct dhow_message received, other;

	assert_ok(dhow_send(channel, buffer, 2000, SOON));
	assert_ok(dhow_recv_message(channel, &received, SOON));
	assert_ok(dhow_message_alloc(NULL, 2000, SOON, &other));
	cr_assert_neq(other.data, received.data, "a block was given out that somebody has");
	dhow_message_free(&other);
	dhow_message_free(&received);
}

TestSuite(detached, .timeout = 200);

Test(detached, every_call_says_so)
{
	struct dhow_channel *other;
	struct dhow_message message;

	assert_rc(dhow_channel_create("x", NULL, &other), -ENOTCONN);
	assert_rc(dhow_channel_open("x", SOON, &other), -ENOTCONN);
	assert_rc(dhow_message_alloc(NULL, 1, SOON, &message), -ENOTCONN);
	cr_assert_not_null(strstr(dhow_error_text(), "dhow_init"));
}
