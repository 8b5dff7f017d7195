/* SPDX-License-Identifier: MIT */
/* batch_test.c - dhow_send_many() and dhow_recv_many() on a channel of this node. */
#include <errno.h>
#include <string.h>

#include "attached.h"

enum { CAPACITY = 8, BATCH = 100, ROOM = 4096 };

static struct dhow_channel *channel;
static struct dhow_item out[BATCH], in[BATCH];
static unsigned char sent[BATCH][ROOM], got[BATCH][ROOM];

static size_t size_of(unsigned i)
{
	return i % 5 == 4 ? 1000 + i : i % 90;	/* some need a block */
}

static void start(void)
{
	const struct dhow_channel_attr attr = { .capacity = CAPACITY };

	attach();
	assert_ok(dhow_channel_create(NULL, &attr, &channel));
	for (unsigned i = 0; i < BATCH; i++) {
		memset(sent[i], (int)i + 1, ROOM);
		out[i] = (struct dhow_item){ .data = sent[i], .bytes = size_of(i),
					     .header = { .tag = i, .user = i * 7u } };
		in[i] = (struct dhow_item){ .data = got[i], .room = ROOM };
	}
}

static void stop(void)
{
	dhow_channel_close(channel);
	detach();
}

TestSuite(batch, .init = start, .fini = stop, .timeout = 200);

static void check(const struct dhow_item *item, unsigned number)
{
	cr_assert_eq(item->header.tag, number);
	cr_assert_eq(item->header.user, number * 7u);
	cr_assert_eq(item->bytes, size_of(number));
	cr_assert_arr_eq(item->data, sent[number], item->bytes);
}

Test(batch, carries_all_in_order)
{
	size_t count, done = 0, taken = 0;

	while (taken < BATCH) {
		if (done < BATCH) {
			count = 0;
			assert_ok(dhow_send_many(channel, out + done, BATCH - done, DHOW_TRY,
						 &count));
			cr_assert(count > 0 && count <= CAPACITY, "%zu", count);
			done += count;
		}
		assert_ok(dhow_recv_many(channel, in + taken, BATCH - taken, DHOW_TRY, &count));
		cr_assert_eq(count, done - taken, "all that is there is taken");
		for (size_t i = 0; i < count; i++)
			check(&in[taken + i], (unsigned)(taken + i));
		taken += count;
	}
	assert_rc(dhow_recv_many(channel, in, BATCH, DHOW_TRY, &count), -EAGAIN);
}

Test(batch, tells_how_many_fitted)
{
	size_t count;

	assert_ok(dhow_send_many(channel, out, BATCH, dhow_in_ms(20), &count));
	cr_assert_eq(count, CAPACITY);
	assert_rc(dhow_send_many(channel, out, BATCH, DHOW_TRY, &count), -EAGAIN);
	assert_rc(dhow_send_many(channel, out, BATCH, dhow_in_ms(20), &count), -ETIMEDOUT);
}

Test(batch, stops_before_a_message_that_does_not_fit)
{
	size_t count;

	in[2].room = 1;
	out[2].bytes = 20;
	assert_ok(dhow_send_many(channel, out, 4, DHOW_TRY, &count));
	assert_ok(dhow_recv_many(channel, in, 4, DHOW_TRY, &count));
	cr_assert_eq(count, 2u);
	assert_rc(dhow_recv_many(channel, in + 2, 2, DHOW_TRY, &count), -EMSGSIZE);
	cr_assert_eq(in[2].bytes, 20u);
	in[2].room = ROOM;
	assert_ok(dhow_recv_many(channel, in + 2, 2, DHOW_TRY, &count));
	cr_assert_eq(count, 2u);
	cr_assert_eq(in[2].header.tag, 2u);
	cr_assert_eq(in[3].header.tag, 3u);
}

Test(batch, refuses_none_and_too_large)
{
	size_t count;

	assert_rc(dhow_send_many(channel, out, 0, DHOW_TRY, &count), -EINVAL);
	assert_rc(dhow_recv_many(channel, in, 0, DHOW_TRY, &count), -EINVAL);
	out[0].bytes = (size_t)1 << 40;
	assert_rc(dhow_send_many(channel, out, 2, DHOW_TRY, &count), -EMSGSIZE);
	out[0].bytes = 4;
	out[1].bytes = (size_t)1 << 40;
	assert_ok(dhow_send_many(channel, out, 2, DHOW_TRY, &count));
	cr_assert_eq(count, 1u);
}

Test(batch, destroyed_channel)
{
	struct dhow_channel *other;
	struct dhow_address address;
	char text[DHOW_ADDRESS_BYTES];
	size_t count;

	dhow_channel_address(channel, &address);
	dhow_address_print(&address, text);
	assert_ok(dhow_channel_open(text, DHOW_TRY, &other));
	assert_ok(dhow_channel_destroy(other));
	assert_rc(dhow_send_many(channel, out, 4, DHOW_TRY, &count), -EPIPE);
	assert_rc(dhow_recv_many(channel, in, 4, DHOW_TRY, &count), -EPIPE);
}
