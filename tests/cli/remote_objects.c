/* SPDX-License-Identifier: MIT */
/*
 * remote_objects.c - wait-sets, semaphores and barriers over nodes; run by remote_objects.sh as
 * `dlaunch -n 3 -N 1 remote_objects`. Rank 0 owns what the others use from afar.
 */
#include <errno.h>
#include <poll.h>
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

enum { RANKS = 3, EACH = 100 };

/* The channel @name of rank @home. */
static struct dhow_channel *open_of(int home, const char *name)
{
	/* Nobody must receive while he sends. */
	const struct dhow_channel_attr attr = { .capacity = RANKS * EACH };
	struct dhow_channel *channel;

	CHECK((home == dhow_rank() ? dhow_channel_create(name, &attr, &channel) :
				     dhow_channel_open(name, SOON, &channel)) == 0);
	return channel;
}

/* Nobody goes on before all are here. */
static void meet(void)
{
	static struct dhow_channel *arrived, *go;
	size_t bytes;

	if (!arrived) {
		arrived = open_of(0, "arrived");
		go = open_of(0, "go");
	}
	CHECK(dhow_send(arrived, NULL, 0, SOON) == 0);
	for (int i = 0; dhow_rank() == 0 && i < RANKS; i++)
		CHECK(dhow_recv(arrived, NULL, 0, &bytes, NULL, SOON) == 0);
	for (int i = 0; dhow_rank() == 0 && i < RANKS; i++)
		CHECK(dhow_send(go, NULL, 0, SOON) == 0);
	CHECK(dhow_recv(go, NULL, 0, &bytes, NULL, SOON) == 0);
}

/* ---- wait-sets: each rank waits for a channel on each node, to which all ranks send ---- */

static struct dhow_channel *channels[RANKS][RANKS];	/* [receiver][home] */

static unsigned take(const struct dhow_waitset_event *events, size_t count)
{
	size_t bytes;

	for (size_t i = 0; i < count; i++) {
		CHECK(events[i].events == DHOW_IN && events[i].user < RANKS);
		CHECK(events[i].channel == channels[dhow_rank()][events[i].user]);
		CHECK(dhow_recv(events[i].channel, NULL, 0, &bytes, NULL, SOON) == 0);
	}
	return (unsigned)count;
}

/* Every other rank waits by the descriptor. */
static unsigned wait_once(struct dhow_waitset *set)
{
	struct dhow_waitset_event events[2];
	struct pollfd fd = { .fd = dhow_rank() % 2 ? dhow_waitset_fd(set) : -1, .events = POLLIN };
	size_t count;
	int rc;

	if (fd.fd >= 0)
		CHECK(poll(&fd, 1, 20000) == 1);
	rc = dhow_waitset_wait(set, events, 2, &count, fd.fd >= 0 ? DHOW_TRY : SOON);
	if (rc == -EAGAIN && fd.fd >= 0)
		return 0;
	CHECK(rc == 0);
	return take(events, count);
}

static void wait_for_all(void)
{
	struct dhow_waitset *set;
	unsigned taken = 0;
	char name[32];

	CHECK(dhow_waitset_create(&set) == 0);
	for (int i = 0; i < RANKS * RANKS; i++) {
		snprintf(name, sizeof(name), "to%d.at%d", i / RANKS, i % RANKS);
		channels[i / RANKS][i % RANKS] = open_of(i % RANKS, name);
	}
	for (int i = 0; i < RANKS; i++)
		CHECK(dhow_waitset_add(set, channels[dhow_rank()][i], DHOW_IN, (uint64_t)i) == 0);
	for (int i = 0; i < RANKS * RANKS * EACH; i++) {
		CHECK(dhow_send(channels[i % RANKS][i / RANKS % RANKS], NULL, 0, SOON) == 0);
		if (i % 8 == 0 && dhow_rank() == 0 && taken < RANKS * RANKS * EACH)
			taken += wait_once(set);
	}
	while (taken < RANKS * RANKS * EACH)
		taken += wait_once(set);
	/* A member that is removed while its question is on its way, and comes back. */
	for (int i = 0; i < RANKS; i++) {
		CHECK(dhow_waitset_modify(set, channels[dhow_rank()][i], DHOW_OUT, 9) == 0);
		CHECK(dhow_waitset_remove(set, channels[dhow_rank()][i]) == 0);
		CHECK(dhow_waitset_add(set, channels[dhow_rank()][i], DHOW_OUT, 9) == 0);
	}
	for (int i = 0; i < 10; i++) {
		struct dhow_waitset_event event;
		size_t count;

		CHECK(dhow_waitset_wait(set, &event, 1, &count, SOON) == 0);
		CHECK(count == 1 && event.user == 9 && event.events == DHOW_OUT);
	}
	dhow_waitset_destroy(set);
}

/* Destroyed at home, reported from afar. */
static void see_the_end(void)
{
	struct dhow_channel *mine = channels[(dhow_rank() + 1) % RANKS][dhow_rank()];
	struct dhow_channel *theirs = channels[dhow_rank()][(dhow_rank() + 2) % RANKS];
	struct dhow_waitset_event event;
	struct dhow_waitset *set;
	size_t count;

	CHECK(dhow_waitset_create(&set) == 0);
	CHECK(dhow_waitset_add(set, theirs, DHOW_IN, 5) == 0);
	CHECK(dhow_waitset_wait(set, &event, 1, &count, DHOW_TRY) == -EAGAIN);
	CHECK(dhow_channel_destroy(mine) == 0);
	CHECK(dhow_waitset_wait(set, &event, 1, &count, SOON) == 0);
	CHECK(event.events == DHOW_CLOSED && event.user == 5);
	dhow_waitset_destroy(set);
}

int main(void)
{
	CHECK(dhow_init() == 0);
	CHECK(dhow_size() == RANKS && dhow_nodes() == RANKS);
	wait_for_all();
	meet();
	see_the_end();
	meet();
	dhow_fini();
	return 0;
}
