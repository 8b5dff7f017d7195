/* SPDX-License-Identifier: MIT */
/*
 * waitset.h (internal) - the sets of a process and what the bells tell them.
 *
 * A member is *hot* while it may have an event: since it was added, since the bell's bit of
 * its channel was seen, until a look finds nothing. A hot member's bit is left set, which
 * keeps its senders quiet; it is cleared only before the look that lets the member go cold.
 * The bits are the process's and not a set's, so whoever sees one makes the members
 * of all sets hot (watch.seen remembers that) before anybody clears it.
 *
 * One lock guards all of it: looks are short and never block.
 */
#ifndef CHANNELS_WAITSET_H
#define CHANNELS_WAITSET_H

#include <pthread.h>

#include <dhow/waitset.h>

#include "base/list.h"
#include "src/channel.h"
#include "src/remote.h"

struct member {
	struct base_list all;		/* in set->members */
	struct base_list hot;		/* in set->hot, or points to itself */
	struct base_list same;		/* in watch->members[], or in waitsets.remotes */
	struct dhow_waitset *set;
	struct dhow_channel *channel;
	unsigned events;
	uint64_t user;
	struct remote_watch remote;
};

struct watch {			/* of one segment, by this process */
	struct base_list members[LAYOUT_CHANNELS];
	uint64_t seen[LAYOUT_CHANNELS / 64];	/* bits of the bell that made members hot */
	unsigned count;		/* members, and sets for the node's segment */
};

struct dhow_waitset {
	struct base_list node;		/* in waitsets.sets */
	struct base_list members, hot;
	struct segment *home;		/* the node's segment; its bell is always listened to */
	unsigned counts[SEGMENT_MAX];	/* members by the slot of their segment */
	struct wait_habit habit;
	uint64_t scanned_ns;		/* when all members were last made hot */
	unsigned fork_count;		/* tells the sets of a parent process */
	int fd;				/* eventfd, -1 none */
	bool readable;
};

extern struct waitsets {
	pthread_mutex_t lock;		/* guards all below and all sets; rank 20 */
	struct base_list sets, remotes;
	struct segment *segments[SEGMENT_MAX];	/* with a watch, by slot */
	unsigned fork_count;
	uint64_t scan_ns;		/* between scans; tests put it out of the way */
} waitsets;

/* All with the lock held. */
/* Make the members hot whose bits are set. */
void waitset_collect(struct segment *segment);
/* Make all members hot from time to time, in case a bit was never set. */
void waitset_scan(struct dhow_waitset *set);
/* Is there an event to report? */
bool waitset_has_event(struct dhow_waitset *set);
void waitset_set_readable(struct dhow_waitset *set, bool readable);
/* Wake who sleeps on the process's bell: there is something that no bit tells. */
void waitset_wake(struct segment *segment);

/* The handle is closed: remove it from all sets. Takes the lock. */
void waitset_forget(struct dhow_channel *channel);

/* ---- herald.c: the thread behind descriptors ---- */

/* A set got a descriptor / lost it. With the lock held; the second may give it up meanwhile. */
int herald_start(void);
void herald_stop(void);
/* The process watches nothing in the segment of this slot any more: wait until the thread
 * knows. With the lock held, which is given up meanwhile. */
void herald_drop(unsigned slot, struct segment *home);
/* A forked child has no such thread. */
void herald_forget(void);

#endif
