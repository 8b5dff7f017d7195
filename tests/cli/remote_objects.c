/* SPDX-License-Identifier: MIT */
/*
 * remote_objects.c - wait-sets, semaphores and barriers over nodes; run by remote_objects.sh as
 * `dlaunch -n 3 -N 1 remote_objects`. Rank 0 owns what the others use from afar.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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
	static struct dhow_barrier *barrier;

	if (!barrier)
		CHECK((dhow_rank() == 0 ? dhow_barrier_create("meet", RANKS, &barrier) :
					  dhow_barrier_open("meet", SOON, &barrier)) == 0);
	CHECK(dhow_barrier_wait(barrier, NULL, SOON) == 0);
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
	meet();		/* or another rank's destroy comes before that look */
	CHECK(dhow_channel_destroy(mine) == 0);
	CHECK(dhow_waitset_wait(set, &event, 1, &count, SOON) == 0);
	CHECK(event.events == DHOW_CLOSED && event.user == 5);
	dhow_waitset_destroy(set);
}

/* ---- semaphores ---- */

enum { TURNS = 50 };

static void semaphores(void)
{
	struct dhow_waitset_event event;
	struct dhow_semaphore *units;
	struct dhow_channel *channel;
	struct dhow_waitset *set;
	struct dhow_unit unit;
	uint32_t value;
	size_t count;

	CHECK((dhow_rank() == 0 ? dhow_semaphore_create("units", 2, 2, &units) :
				  dhow_semaphore_open("units", SOON, &units)) == 0);
	for (int i = 0; i < TURNS; i++) {
		if (dhow_rank() == 0 && i % 2) {
			CHECK(dhow_semaphore_hold(units, &unit, SOON) == 0);
			CHECK(dhow_semaphore_give_back(units, &unit) == 0);
			continue;
		}
		CHECK(dhow_semaphore_acquire(units, SOON) == 0);
		CHECK(dhow_semaphore_value(units, &value) == 0 && value <= 1);
		CHECK(dhow_semaphore_release(units, 1) == 0);
	}
	meet();
	CHECK(dhow_semaphore_value(units, &value) == 0 && value == 2);
	CHECK(dhow_semaphore_release(units, 1) == -EOVERFLOW);
	meet();
	if (dhow_rank() == 1) {
		CHECK(dhow_semaphore_acquire(units, SOON) == 0);
		CHECK(dhow_semaphore_acquire(units, SOON) == 0);
		CHECK(dhow_semaphore_acquire(units, DHOW_TRY) == -EAGAIN);
		CHECK(dhow_semaphore_acquire(units, dhow_in_ms(20)) == -ETIMEDOUT);
		CHECK(dhow_semaphore_hold(units, &unit, SOON) == -EREMOTE);
		CHECK(dhow_channel_open("units", SOON, &channel) == -EPROTOTYPE);
	}
	meet();
	CHECK(dhow_waitset_create(&set) == 0);
	CHECK(dhow_waitset_add(set, dhow_semaphore_channel(units), DHOW_IN, 1) == 0);
	CHECK(dhow_waitset_wait(set, &event, 1, &count, DHOW_TRY) == -EAGAIN);
	meet();
	if (dhow_rank() == 2)
		CHECK(dhow_semaphore_release(units, 2) == 0);
	CHECK(dhow_waitset_wait(set, &event, 1, &count, SOON) == 0 && event.events == DHOW_IN);
	dhow_waitset_destroy(set);
	meet();
	dhow_semaphore_close(units);
}

/* ---- barriers ---- */

static void barriers(void)
{
	struct dhow_channel *lasts = open_of(0, "lasts"), *wrong;
	struct dhow_barrier_state state;
	struct dhow_barrier *barrier;
	size_t bytes;
	bool last;
	int rc;

	CHECK((dhow_rank() == 1 ? dhow_barrier_create("barrier", RANKS, &barrier) :
				  dhow_barrier_open("barrier", SOON, &barrier)) == 0);
	CHECK(dhow_channel_open("barrier", SOON, &wrong) == -EPROTOTYPE);
	for (int i = 0; i < TURNS; i++) {
		CHECK(dhow_barrier_wait(barrier, &last, SOON) == 0);
		if (last)
			CHECK(dhow_send_with(lasts, NULL, 0, NULL, DHOW_DEPOSITED, SOON) == 0);
	}
	meet();
	for (int i = 0; dhow_rank() == 0 && i < TURNS; i++)
		CHECK(dhow_recv(lasts, NULL, 0, &bytes, NULL, DHOW_TRY) == 0);
	if (dhow_rank() == 0)
		CHECK(dhow_recv(lasts, NULL, 0, &bytes, NULL, DHOW_TRY) == -EAGAIN);
	if (dhow_rank() == 2)
		CHECK(dhow_barrier_wait(barrier, &last, DHOW_TRY) == -EAGAIN);
	meet();
	/* One gives up: all are told, and again until the reset. */
	rc = dhow_rank() == 1 ? 0 : dhow_barrier_wait(barrier, &last,
						       dhow_rank() == 2 ? dhow_in_ms(50) : SOON);
	CHECK(rc == (dhow_rank() == 1 ? 0 : dhow_rank() == 2 ? -ETIMEDOUT : -ECANCELED));
	meet();
	CHECK(dhow_barrier_wait(barrier, &last, SOON) == -ECANCELED);
	CHECK(dhow_barrier_state(barrier, &state) == 0);
	CHECK(state.broken == -ECANCELED && state.parties == RANKS);
	meet();
	if (dhow_rank() == 0)
		CHECK(dhow_barrier_reset(barrier) == 0);
	meet();
	CHECK(dhow_barrier_wait(barrier, &last, SOON) == 0);
	meet();
	if (dhow_rank() == 1) {
		while (dhow_barrier_state(barrier, &state) == 0 && state.waiting < 2)
			;
		CHECK(dhow_barrier_destroy(barrier) == 0);
	} else {
		rc = dhow_barrier_wait(barrier, &last, SOON);
		CHECK(rc == -EPIPE || rc == -ESTALE);
		dhow_barrier_close(barrier);
	}
	dhow_channel_close(lasts);
}

/* A process of another node is killed in the midst of its wait. */
static void die_waiting(void)
{
	struct dhow_barrier_state state = { 0 };
	struct dhow_barrier *barrier;
	pid_t child;

	CHECK((dhow_rank() == 0 ? dhow_barrier_create("fatal", RANKS + 1, &barrier) :
				  dhow_barrier_open("fatal", SOON, &barrier)) == 0);
	meet();
	if (dhow_rank() < 2) {
		CHECK(dhow_barrier_wait(barrier, NULL, SOON) == -EOWNERDEAD);
	} else {
		child = fork();
		if (child == 0) {
			CHECK(dhow_init() == 0 && dhow_barrier_open("fatal", SOON, &barrier) == 0);
			dhow_barrier_wait(barrier, NULL, SOON);
			_exit(0);
		}
		while (state.waiting < RANKS)
			CHECK(dhow_barrier_state(barrier, &state) == 0);
		kill(child, SIGKILL);
		CHECK(waitpid(child, NULL, 0) == child);
		while (!state.broken)	/* ours would still complete it */
			CHECK(dhow_barrier_state(barrier, &state) == 0);
		CHECK(dhow_barrier_wait(barrier, NULL, SOON) == -EOWNERDEAD);
	}
	meet();
	dhow_barrier_close(barrier);
}

int main(void)
{
	CHECK(dhow_init() == 0);
	CHECK(dhow_size() == RANKS && dhow_nodes() == RANKS);
	wait_for_all();
	meet();
	see_the_end();
	meet();
	semaphores();
	barriers();
	die_waiting();
	meet();
	dhow_fini();
	return 0;
}
