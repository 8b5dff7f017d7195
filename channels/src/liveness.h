/* SPDX-License-Identifier: MIT */
/*
 * liveness.h - who is attached to a segment, and whether the kernel says he is dead.
 *
 * A process enters with a robust mutex held by the library's own thread, and each thread
 * that uses the segment holds one too. The kernel marks the mutex when its holder ends, 50 us
 * after a SIGKILL even with gigabytes resident. A process counts as dead only when all of its
 * mutexes are marked: the end of one thread does not prove that another has written its
 * last word (docs/adr/0002).
 */
#ifndef CHANNELS_LIVENESS_H
#define CHANNELS_LIVENESS_H

#include <stdbool.h>

#include "src/segment.h"

void liveness_format(struct segment *segment);

/* Enter as a process; must be called by the thread whose life is the process's.
 * Sets segment->me. Return: 0; -ENFILE. */
int liveness_enter(struct segment *segment, uint32_t rank);
/* Leave, from the same thread. */
void liveness_leave(struct segment *segment);

/* Is the process with this owner id certainly dead? An id of an entry used anew is. */
bool liveness_dead(const struct segment *segment, uint32_t owner);

/* Does a thread of this process still hold its mutex? */
bool liveness_has_threads(const struct segment *segment, uint32_t owner);

/* Recover each dead process of the segment. Return: how many there were. */
unsigned liveness_sweep(struct segment *segment);
/* Are there entries of process @pid still held? */
bool liveness_holds(const struct segment *segment, int pid);

/* This thread uses @segment: make sure that it is known. 0; -ENFILE; -ENOTCONN (forked). */
extern _Thread_local uint64_t liveness_known __attribute__((tls_model("initial-exec")));
int liveness_register_thread(struct segment *segment);
/* This thread is about to sleep on @word of @segment (NULL: no more). */
void liveness_sleeps(struct segment *segment, const _Atomic uint32_t *word);
/* How many threads alive sleep on it. */
unsigned liveness_asleep(const struct segment *segment, const _Atomic uint32_t *word);
/* The segment is unmapped: forget it in this thread; other threads must not use it. */
void liveness_forget(struct segment *segment);

static inline int liveness_check(struct segment *segment)
{
	if (__builtin_expect(liveness_known >> segment->slot & 1, 1))
		return 0;
	return liveness_register_thread(segment);
}

#endif
