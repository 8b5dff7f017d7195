/* SPDX-License-Identifier: MIT */
/*
 * scene.h - what the kill tests share: a small segment with one channel, the operations in
 * which a victim dies, and what must hold for the survivor afterwards.
 *
 * The operations call the library that ships; nothing of its algorithms is repeated here.
 * A message is known by its number (header.user); its bytes follow from the number and its
 * size stands in the tag, so that whoever receives it can tell whether it is whole.
 */
#ifndef STRESS_SCENE_H
#define STRESS_SCENE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "src/channel.h"
#include "src/context.h"
#include "src/heap.h"

enum {
	SCENE_CAPACITY = 8,
	SCENE_POOL_BYTES = 64 * 1024,	/* the smallest */
	SCENE_SMALL = 64,		/* travels in the slot */
	SCENE_LARGE = 1500,		/* travels in a block */
	SCENE_VICTIMS = 2,
	SCENE_BATCH = 3,		/* messages that one call can move */
	SCENE_SENT_BY = 100,		/* number of the first message that victim 0 sends */
};

/* What a victim's calls have returned so far; shared, so that it outlives the victim. */
struct account {
	_Atomic int started, finished;
	_Atomic int sent;		/* how many of its messages were acknowledged */
	_Atomic int got[SCENE_BATCH];	/* 1 + number of each message that it was given */
	_Atomic int ended;		/* its commit, or its destroy, has returned */
	_Atomic int given_back;		/* the cancel of that message has begun */
	_Atomic int damaged;		/* what it was given was not whole */
};

struct scene {
	struct dhow_pool pool;		/* its segment, as the survivor has entered it */
	struct dhow_channel *channel;
	struct heap_stats calm;		/* of the pool when the channel is empty */
	struct account *accounts;	/* SCENE_VICTIMS of them, shared */
};

/* How often a message may be given to somebody when a receiver dies. */
enum takes { TAKES_NONE, TAKES_AT_MOST_ONCE, TAKES_AT_LEAST_ONCE };

struct operation {
	const char *name;
	void (*run)(struct scene *scene, struct account *mine, unsigned victim);
	void (*prepare)(struct scene *scene);	/* before the first point; NULL = nothing */
	enum takes takes;
	unsigned batch;		/* messages that it takes at once; 0 = 1 */
	bool head_small;	/* the message at the head travels in the slot */
	bool enters;		/* the operation itself enters the segment */
	bool makes;		/* a channel, and destroys it */
	bool same_when_full;	/* the fill level makes no difference: tried at one only */
	unsigned stride;	/* long scans: each n-th instruction will do; 0 = 1 */
};

/* Number of the @index-th message that victim @victim sends. */
static inline unsigned scene_sent_by(unsigned victim, unsigned index)
{
	return SCENE_SENT_BY + victim * SCENE_BATCH + index;
}

extern const struct operation scene_operations[];
extern const unsigned scene_operations_count;
/* Clears up after whoever is dead; run by a victim who dies in it. */
extern const struct operation scene_sweep, scene_attach_anew;

/* Both end the program with a message when they cannot. */
void scene_make(struct scene *scene);
void scene_fini(struct scene *scene);
/* Put @count messages into the empty channel. */
void scene_fill(struct scene *scene, unsigned count, bool head_small);
void scene_forget(struct scene *scene);	/* clear the accounts */

/* In a forked child: become a process of its own in the segment. */
void scene_become_victim(struct scene *scene, const struct operation *operation);

/* Who died, and in what. */
struct deaths {
	const struct operation *operations[SCENE_VICTIMS];	/* NULL: there was no such victim */
	unsigned before;		/* messages in the channel */
	bool head_small;
};

/**
 * scene_check - sweep, drain, use the channel and count its memory, as a survivor.
 * @segment: entered by the survivor; a copy of the scene's or the scene's own.
 * Return: NULL; or what is wrong.
 */
const char *scene_check(const struct scene *scene, struct segment *segment,
			const struct deaths *deaths);

/* Ends the program with a message. */
_Noreturn void scene_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
