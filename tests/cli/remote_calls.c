/* SPDX-License-Identifier: MIT */
/*
 * remote_calls.c - every call on a channel whose home is another node; run by remote.sh as
 * `dlaunch -n 2 -N 1 remote_calls`. Rank 0 owns the channels, rank 1 uses them from afar.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dhow/dhow.h>

#define SOON dhow_in_ms(20000)

#define CHECK(condition)                                                                    \
	do {                                                                                \
		if (!(condition)) {                                                         \
			fprintf(stderr, "rank %d, line %d: %s (%s)\n", dhow_rank(), __LINE__, \
				#condition, dhow_error_text());                             \
			exit(1);                                                            \
		}                                                                           \
	} while (0)

enum { LARGE = 300000, MANY = 500 };

static unsigned char data[LARGE], back[LARGE];

/* What both do between the parts: rank 0 waits for a word of rank 1. */
static void await(struct dhow_channel *words, const char *word)
{
	char text[32];
	size_t bytes;

	CHECK(dhow_recv(words, text, sizeof(text), &bytes, NULL, SOON) == 0);
	CHECK(strcmp(text, word) == 0);
}

static void say(struct dhow_channel *words, const char *word)
{
	CHECK(dhow_send(words, word, strlen(word) + 1, SOON) == 0);
}

static size_t size_of(unsigned number)
{
	static const size_t sizes[] = { 0, 1, 88, 217, 4096, 9000, 100000 };

	return sizes[number % 7];
}

/* An urgent message overtakes what is in the channel already. */
static void take_urgent(struct dhow_channel *in, struct dhow_channel *words)
{
	static const uint64_t order[] = { 3, 0, 1, 2 };
	struct dhow_header got;
	size_t bytes;

	await(words, "urgent");
	for (unsigned i = 0; i < 4; i++) {
		CHECK(dhow_recv(in, back, sizeof(back), &bytes, &got, SOON) == 0);
		CHECK(got.user == order[i] && got.flags == (i ? 0u : DHOW_URGENT));
		CHECK(bytes == 8 * order[i] + 8 && memcmp(back, data, bytes) == 0);
	}
}

static void send_urgent(struct dhow_channel *in, struct dhow_channel *words)
{
	struct dhow_item items[4];
	size_t sent;

	for (unsigned i = 0; i < 4; i++)
		items[i] = (struct dhow_item){
			.data = data,
			.bytes = 8 * i + 8,
			.header = { .user = i, .flags = i == 3 ? DHOW_URGENT : 0 },
		};
	CHECK(dhow_send_many(in, items, 4, SOON, &sent) == 0 && sent == 4);
	CHECK(dhow_flush(in, SOON) == 0);
	say(words, "urgent");
}

static void owner(void)
{
	const struct dhow_header header = { .tag = 9, .user = 99 };
	struct dhow_channel *in, *out, *words, *answers;
	struct dhow_channel_stats stats;
	struct dhow_header got;
	size_t bytes;

	CHECK(dhow_channel_create("in", NULL, &in) == 0);
	CHECK(dhow_channel_create("out", NULL, &out) == 0);
	CHECK(dhow_channel_create("words", NULL, &words) == 0);
	CHECK(dhow_channel_create("answers", NULL, &answers) == 0);
	for (unsigned i = 0; i < MANY; i++) {
		CHECK(dhow_recv(in, back, sizeof(back), &bytes, &got, SOON) == 0);
		CHECK(bytes == size_of(i) && got.user == i && got.sender == 1);
		CHECK(memcmp(back, data, bytes) == 0);
	}
	say(answers, "all");	/* or the urgent one would overtake them */
	take_urgent(in, words);
	await(words, "looking");
	CHECK(dhow_send_with(out, "hello", 6, &header, DHOW_ACCEPTED, SOON) == 0);
	CHECK(dhow_send(out, data, LARGE, SOON) == 0);
	await(words, "received");
	CHECK(dhow_channel_stats(out, &stats) == 0 && stats.count == 0);
	CHECK(dhow_channel_destroy(in) == 0);
	CHECK(dhow_channel_destroy(out) == 0);
	say(answers, "destroyed");
	await(words, "end");
	CHECK(dhow_channel_destroy(words) == 0);
	CHECK(dhow_channel_destroy(answers) == 0);
}

static void send_all(struct dhow_channel *in)
{
	for (unsigned i = 0; i < MANY; i++) {
		const struct dhow_header header = { .user = i };
		enum dhow_return_when when = i % 50 == 0 ? DHOW_RECEIVED :
					     i % 10 == 0 ? DHOW_DEPOSITED :
							   DHOW_ACCEPTED;
		struct dhow_message message;

		if (i % 3) {
			CHECK(dhow_send_with(in, data, size_of(i), &header, when, SOON) == 0);
			continue;
		}
		CHECK(dhow_message_alloc(NULL, size_of(i), SOON, &message) == 0);
		memcpy(message.data, data, message.bytes);
		message.header = header;
		CHECK(dhow_send_message(in, &message, when, SOON) == 0);
		CHECK(!message.data);
	}
	CHECK(dhow_flush(in, SOON) == 0);
}

static void look_and_take(struct dhow_channel *out, struct dhow_channel *words)
{
	struct dhow_message message;
	struct dhow_header got;
	unsigned events;
	size_t bytes;

	CHECK(dhow_recv(out, back, 8, &bytes, NULL, DHOW_TRY) == -EAGAIN);
	CHECK(dhow_recv(out, back, 8, &bytes, NULL, dhow_in_ms(30)) == -ETIMEDOUT);
	CHECK(dhow_poll(out, DHOW_IN, DHOW_TRY, &events) == -EAGAIN);
	CHECK(dhow_poll(out, DHOW_IN | DHOW_OUT, SOON, &events) == 0 && events == DHOW_OUT);
	say(words, "looking");
	CHECK(dhow_poll(out, DHOW_IN, SOON, &events) == 0 && events == DHOW_IN);
	CHECK(dhow_peek(out, back, 3, &bytes, &got, SOON) == 0);
	CHECK(bytes == 6 && got.tag == 9 && memcmp(back, "hel", 3) == 0);
	CHECK(dhow_recv_begin(out, &message, SOON) == -EREMOTE);
	CHECK(dhow_recv(out, back, 5, &bytes, NULL, SOON) == -EMSGSIZE && bytes == 6);
	CHECK(dhow_recv(out, back, 6, &bytes, &got, SOON) == 0 && got.user == 99);
	CHECK(dhow_recv_message(out, &message, SOON) == 0);
	CHECK(message.bytes == LARGE && memcmp(message.data, data, LARGE) == 0);
	dhow_message_free(&message);
}

static void user(void)
{
	struct dhow_channel *in, *out, *words, *answers, *other;
	char address[DHOW_ADDRESS_BYTES];
	struct dhow_channel_stats stats;
	struct dhow_address where;
	size_t bytes;

	CHECK(dhow_channel_open("in", SOON, &in) == 0);
	CHECK(dhow_channel_open("out", SOON, &out) == 0);
	CHECK(dhow_channel_open("words", SOON, &words) == 0);
	CHECK(dhow_channel_open("answers", SOON, &answers) == 0);
	CHECK(dhow_channel_create("in", NULL, &other) == -EEXIST);
	dhow_channel_address(in, &where);
	dhow_address_print(&where, address);
	send_all(in);
	await(answers, "all");
	send_urgent(in, words);
	look_and_take(out, words);
	say(words, "received");
	CHECK(dhow_channel_stats(in, &stats) == -EREMOTE);
	CHECK(dhow_channel_destroy(in) == -EREMOTE);
	await(answers, "destroyed");
	while (dhow_send_with(in, "x", 1, NULL, DHOW_DEPOSITED, SOON) == 0)
		;
	CHECK(dhow_send(in, "x", 1, SOON) == -EPIPE || dhow_send(in, "x", 1, SOON) == -ESTALE);
	CHECK(strstr(dhow_error_text(), address));
	CHECK(dhow_recv(out, back, 8, &bytes, NULL, SOON) < 0);
	CHECK(dhow_channel_open(address, SOON, &other) == -ESTALE);
	dhow_channel_close(in);
	dhow_channel_close(out);
	say(words, "end");
	dhow_channel_close(words);
	dhow_channel_close(answers);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 13 + i / 251);
	CHECK(dhow_init() == 0);
	CHECK(dhow_size() == 2 && dhow_nodes() == 2 && dhow_node() == dhow_rank());
	if (dhow_rank() == 0)
		owner();
	else
		user();
	dhow_fini();
	return 0;
}
