/* SPDX-License-Identifier: MIT */
/* preview_test.c - large messages that are copied out while they are copied in. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "attached.h"
#include "src/preview.h"

enum { LARGE = 1 << 20, ROUNDS = 60 };

static struct dhow_channel *channel;
static unsigned char sent[LARGE + 100], got[2][LARGE + 100];

static void start(void)
{
	attach();
	assert_ok(dhow_channel_create(NULL, NULL, &channel));
	dhow_channel_set_wait(channel, DHOW_WAIT_SPIN);
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (unsigned char)(i * 31 + i / 509);
}

static void stop(void)
{
	dhow_channel_close(channel);
	detach();
}

TestSuite(preview, .init = start, .fini = stop, .timeout = 200);

/* Sizes around the threshold and the pieces; each message begins elsewhere in the data. */
static size_t size_of(unsigned number)
{
	static const size_t sizes[] = { PREVIEW_MIN - 1, PREVIEW_MIN, PREVIEW_MIN + 1,
					PREVIEW_MIN + (16 << 10), LARGE, LARGE - 7 };

	return sizes[number % 6];
}

static void check(const unsigned char *data, size_t bytes, unsigned number)
{
	cr_assert_eq(bytes, size_of(number), "%u: %zu", number, bytes);
	cr_assert(memcmp(data, sent + number % 100, bytes) == 0, "message %u is damaged", number);
}

static void *sender(void *arg)
{
	unsigned first = *(unsigned *)arg;

	for (unsigned i = first; i < first + ROUNDS; i++) {
		const struct dhow_header header = { .user = i };

		assert_ok(dhow_send_with(channel, sent + i % 100, size_of(i), &header,
					 DHOW_RECEIVED, SOON));
	}
	return NULL;
}

static void *receiver(void *arg)
{
	unsigned char *buffer = arg;
	struct dhow_header header;
	size_t bytes;

	for (unsigned i = 0; i < ROUNDS; i++) {
		memset(buffer, 0, LARGE);
		assert_ok(dhow_recv(channel, buffer, LARGE, &bytes, &header, SOON));
		check(buffer, bytes, (unsigned)header.user);
	}
	return NULL;
}

Test(preview, a_waiting_receiver_gets_it_whole)
{
	unsigned first = 0;
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, sender, &first), 0);
	receiver(got[0]);
	pthread_join(thread, NULL);
}

Test(preview, two_senders_and_two_receivers)
{
	unsigned first[2] = { 0, 1000 };
	pthread_t threads[3];

	cr_assert_eq(pthread_create(&threads[0], NULL, sender, &first[0]), 0);
	cr_assert_eq(pthread_create(&threads[1], NULL, sender, &first[1]), 0);
	cr_assert_eq(pthread_create(&threads[2], NULL, receiver, got[1]), 0);
	receiver(got[0]);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

/* Another message is next than the one that was followed. */
Test(preview, of_a_message_that_somebody_else_takes)
{
	struct preview_reader reader = { .buffer = got[0], .room = LARGE };
	struct dhow_header header = { .user = 4 };
	struct dhow_message message;
	struct shm_channel *shm = channel->ring.shm;
	uint64_t preview;
	uint32_t serial;

	assert_ok(dhow_message_alloc(NULL, LARGE, SOON, &message));
	serial = preview_copy_in(channel, message.block_, sent, LARGE);
	preview = shm->preview;
	preview_follow(channel, &reader);
	preview_follow(channel, &reader);
	cr_assert_eq(reader.serial, serial);
	cr_assert_gt(reader.done, (size_t)0);
	cr_assert(memcmp(got[0], sent, reader.done) == 0);
	/* Its sender gives up, and a message of the same size comes in the same block. */
	preview_end(channel, message.block_, serial);
	cr_assert_eq(shm->preview, 0u);
	dhow_message_free(&message);
	assert_ok(dhow_send_with(channel, sent + 4, LARGE, &header, DHOW_ACCEPTED, SOON));
	cr_assert_eq(ring_slot(&channel->ring, 0)->block, (uint32_t)preview, "the same block");
	cr_assert_eq(preview_done(&reader, ring_slot(&channel->ring, 0), (uint32_t)preview), 0u);
}

Test(preview, is_followed_by_one)
{
	struct preview_reader one = { .buffer = got[0], .room = LARGE };
	struct preview_reader other = { .buffer = got[1], .room = LARGE };
	struct dhow_message message;
	uint32_t serial;

	assert_ok(dhow_message_alloc(NULL, LARGE, SOON, &message));
	serial = preview_copy_in(channel, message.block_, sent, LARGE);
	preview_follow(channel, &one);
	preview_follow(channel, &other);
	cr_assert_eq(one.serial, serial);
	cr_assert_eq(other.serial, 0u);
	cr_assert_eq(other.done, 0u);
	preview_end(channel, message.block_, serial);
	dhow_message_free(&message);
}
