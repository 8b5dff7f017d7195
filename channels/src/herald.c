/* SPDX-License-Identifier: MIT */
/*
 * herald.c - the thread behind the descriptors of wait-sets.
 *
 * It sleeps on the process's bells and writes to the eventfd of each set that has an event. A
 * set that is readable already is left alone until its owner has looked. It runs while a set
 * has a descriptor; it is a thread of its own, since the library's other thread sleeps in
 * poll(), where no bell wakes it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "src/bell.h"
#include "src/context.h"
#include "src/liveness.h"
#include "src/waitset.h"

enum { IDLE_MS = 40 };	/* until the next look where no bell can be waited for */

static struct {			/* guarded by waitsets.lock */
	pthread_t thread;
	unsigned users;		/* sets with a descriptor */
	bool runs, quit;
	struct segment *known[SEGMENT_MAX];	/* where the thread is known as alive */
	pthread_cond_t changed;	/* known, or runs */
} herald = { .changed = PTHREAD_COND_INITIALIZER };

/* Be known in each watched segment, and in no other. */
static unsigned gather(_Atomic uint32_t **words)
{
	unsigned count = 0;

	for (unsigned slot = 0; slot < SEGMENT_MAX; slot++) {
		struct segment *segment = waitsets.segments[slot];

		if (herald.known[slot] && herald.known[slot] != segment) {
			liveness_forget(herald.known[slot]);
			herald.known[slot] = NULL;
			pthread_cond_broadcast(&herald.changed);
		}
		if (!segment || liveness_check(segment) < 0)
			continue;
		herald.known[slot] = segment;
		words[count++] = bell_word(segment);
	}
	return count;
}

static void tell(void)
{
	for (unsigned slot = 0; slot < SEGMENT_MAX; slot++)
		if (herald.known[slot] && herald.known[slot] == waitsets.segments[slot])
			waitset_collect(herald.known[slot]);
	base_list_for(node, &waitsets.sets) {
		struct dhow_waitset *set = base_list_entry(node, struct dhow_waitset, node);

		if (set->fd < 0 || set->readable)
			continue;
		waitset_scan(set);
		if (waitset_has_event(set))
			waitset_set_readable(set, true);
	}
}

static void *herald_thread(void *unused)
{
	_Atomic uint32_t *words[SEGMENT_MAX];
	uint32_t values[SEGMENT_MAX];
	unsigned count;

	(void)unused;
	pthread_mutex_lock(&waitsets.lock);
	while (!herald.quit) {
		count = gather(words);
		for (unsigned i = 0; i < count; i++)
			values[i] = wait_announce(words[i], WAIT_SLEEPING);
		tell();
		pthread_mutex_unlock(&waitsets.lock);
		/* In slices, in both cases. None: each segment has as many threads as it takes. */
		if (count)
			wait_sleep_any(words, values, count, DHOW_FOREVER);
		else
			poll(NULL, 0, IDLE_MS);
		pthread_mutex_lock(&waitsets.lock);
	}
	for (unsigned slot = 0; slot < SEGMENT_MAX; slot++)
		if (herald.known[slot])
			liveness_forget(herald.known[slot]);
	memset(herald.known, 0, sizeof(herald.known));
	herald.runs = false;
	pthread_cond_broadcast(&herald.changed);
	pthread_mutex_unlock(&waitsets.lock);
	return NULL;
}

int herald_start(void)
{
	sigset_t all, old;
	int rc;

	/* The one that is ending must be gone. */
	while (herald.runs && herald.quit)
		pthread_cond_wait(&herald.changed, &waitsets.lock);
	if (!herald.runs) {
		herald.quit = false;
		/* Signals are the application's. */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		rc = -pthread_create(&herald.thread, NULL, herald_thread, NULL);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		if (rc < 0)
			return dhow_fail(rc, "cannot start a thread: %s", strerror(-rc));
		pthread_detach(herald.thread);
		herald.runs = true;
	}
	herald.users++;
	return 0;
}

static void wake(struct segment *home)
{
	/* Unconditional: it may be about to sleep on a word that it has announced before. */
	wait_wake_all(bell_word(home), NULL);
}

void herald_stop(void)
{
	if (--herald.users)
		return;
	herald.quit = true;
	for (unsigned slot = 0; slot < SEGMENT_MAX; slot++)
		if (waitsets.segments[slot])
			wake(waitsets.segments[slot]);
	while (herald.runs)
		pthread_cond_wait(&herald.changed, &waitsets.lock);
}

void herald_drop(unsigned slot, struct segment *home)
{
	while (herald.runs && herald.known[slot]) {
		wake(home);
		pthread_cond_wait(&herald.changed, &waitsets.lock);
	}
}

void herald_forget(void)
{
	herald.users = 0;
	herald.runs = herald.quit = false;
	memset(herald.known, 0, sizeof(herald.known));
	pthread_cond_init(&herald.changed, NULL);
}
