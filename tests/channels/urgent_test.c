/* SPDX-License-Identifier: MIT */
/* urgent_test.c - messages that are received before others. */
#include <errno.h>
#include <string.h>

#include "attached.h"

enum { CAPACITY = 6 };

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

TestSuite(urgent, .init = start, .fini = stop, .timeout = 200);

static void send(uint32_t tag, uint32_t flags)
{
	const struct dhow_header header = { .tag = tag, .flags = flags };

	assert_ok(dhow_send_with(channel, &tag, sizeof(tag), &header, DHOW_ACCEPTED, DHOW_TRY));
}

static struct dhow_header receive(void)
{
	struct dhow_header header;
	uint32_t data;
	size_t bytes;

	assert_ok(dhow_recv(channel, &data, sizeof(data), &bytes, &header, DHOW_TRY));
	cr_assert_eq(data, header.tag);
	return header;
}

Test(urgent, come_first_and_in_their_order)
{
	/* All places in the ring, so that the order of slots is not that of messages. */
	for (unsigned lap = 0; lap < CAPACITY; lap++) {
		send(1, 0);
		send(2, 0);
		send(3, DHOW_URGENT);
		send(4, DHOW_URGENT);
		send(5, 0);
		cr_assert_eq(receive().tag, 3u);
		cr_assert_eq(receive().tag, 4u);
		send(6, DHOW_URGENT);
		cr_assert_eq(receive().tag, 6u);
		cr_assert_eq(receive().tag, 1u);
		cr_assert_eq(receive().tag, 2u);
		cr_assert_eq(receive().tag, 5u);
		send(7, 0);	/* seven a lap: the next begins one slot later */
		cr_assert_eq(receive().tag, 7u);
	}
}

Test(urgent, the_receiver_is_told)
{
	send(1, DHOW_URGENT);
	send(2, 0);
	cr_assert_eq(receive().flags, (uint32_t)DHOW_URGENT);
	cr_assert_eq(receive().flags, 0u);
}

Test(urgent, in_batches_peeks_and_blocks)
{
	static unsigned char large[5000], got[2][5000];
	struct dhow_item out[2] = {
		{ .data = large, .bytes = 8, .header = { .tag = 1 } },
		{ .data = large, .bytes = sizeof(large),
		  .header = { .tag = 2, .flags = DHOW_URGENT } },
	};
	struct dhow_item in[2] = { { .data = got[0], .room = 5000 },
				   { .data = got[1], .room = 5000 } };
	struct dhow_header header;
	size_t count, bytes;

	assert_ok(dhow_send_many(channel, out, 2, DHOW_TRY, &count));
	cr_assert_eq(count, 2u);
	assert_ok(dhow_peek(channel, got[0], 5000, &bytes, &header, DHOW_TRY));
	cr_assert_eq(header.tag, 2u);
	assert_ok(dhow_recv_many(channel, in, 2, DHOW_TRY, &count));
	cr_assert_eq(in[0].header.tag, 2u);
	cr_assert_eq(in[0].bytes, sizeof(large));
	if (count == 1)
		assert_ok(dhow_recv_many(channel, in + 1, 1, DHOW_TRY, &count));
	cr_assert_eq(in[1].header.tag, 1u);
}

Test(urgent, lent_and_given_back)
{
	struct dhow_message message;

	send(1, 0);
	send(2, DHOW_URGENT);
	assert_ok(dhow_recv_begin(channel, &message, DHOW_TRY));
	cr_assert_eq(message.header.tag, 2u);
	assert_ok(dhow_recv_cancel(channel, &message));
	cr_assert_eq(receive().tag, 2u);
	cr_assert_eq(receive().tag, 1u);
}

Test(urgent, no_more_than_fit)
{
	const struct dhow_header header = { .flags = DHOW_URGENT };

	for (unsigned i = 0; i < CAPACITY; i++)
		send(i, i % 2 ? DHOW_URGENT : 0);
	assert_rc(dhow_send_with(channel, "", 0, &header, DHOW_ACCEPTED, DHOW_TRY), -EAGAIN);
}

Test(urgent, unknown_flags)
{
	const struct dhow_header header = { .flags = 1 };

	assert_rc(dhow_send_with(channel, "", 0, &header, DHOW_ACCEPTED, DHOW_TRY), -EINVAL);
	cr_assert(strstr(dhow_error_text(), "0x1"), "%s", dhow_error_text());
}
