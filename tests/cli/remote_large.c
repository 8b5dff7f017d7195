/* SPDX-License-Identifier: MIT */
/*
 * remote_large.c - all tasks of two nodes send large messages to the other node and receive as
 * many, at the same time: what they send must not take the memory that they receive into.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <dhow/dhow.h>

enum { MESSAGES = 40, BYTES = 1 << 20, OPEN_MS = 20000, SEND_MS = 30000, RECV_MS = 40000 };

static char out[BYTES], in[BYTES];

static int fail(const char *what, int number, int rc)
{
	fprintf(stderr, "rank %d: %s %d: %s (%s)\n", dhow_rank(), what, number, dhow_strerror(rc),
		dhow_error_text());
	return 1;
}

static void name_of(int rank, char name[32])
{
	snprintf(name, 32, "large%d", rank);
}

static void *send_all(void *arg)
{
	static int failed;
	struct dhow_channel *channel = NULL;
	char name[32];
	int rc, i = 0;

	(void)arg;
	name_of((dhow_rank() + dhow_size() / 2) % dhow_size(), name);
	rc = dhow_channel_open(name, dhow_in_ms(OPEN_MS), &channel);
	for (; i < MESSAGES && !rc; i++) {
		memset(out, i + 1, sizeof(out));
		rc = dhow_send(channel, out, sizeof(out), dhow_in_ms(SEND_MS));
	}
	if (rc)
		failed = fail("send", i, rc);
	if (channel)
		dhow_channel_close(channel);
	return failed ? &failed : NULL;
}

int main(void)
{
	const struct dhow_channel_attr attr = { .capacity = MESSAGES };
	struct dhow_channel *channel;
	void *failed = NULL;
	pthread_t sender;
	char name[32];
	size_t bytes;
	int rc = dhow_init();

	name_of(dhow_rank(), name);
	rc = rc ? rc : dhow_channel_create(name, &attr, &channel);
	if (rc)
		return fail("start", 0, rc);
	if (pthread_create(&sender, NULL, send_all, NULL))
		return 1;
	for (int i = 0; i < MESSAGES && !rc; i++) {
		rc = dhow_recv(channel, in, sizeof(in), &bytes, NULL, dhow_in_ms(RECV_MS));
		if (rc)
			fail("receive", i, rc);
		else if (bytes != BYTES || in[0] != i + 1 || in[BYTES - 1] != i + 1)
			rc = fail("wrong content", i, 0);
	}
	pthread_join(sender, &failed);
	dhow_channel_close(channel);
	dhow_fini();
	return rc || failed ? 1 : 0;
}
