/* SPDX-License-Identifier: MIT */
/*
 * bell.h - how a process hears of many channels while it sleeps on one word.
 *
 * Each attached process has a bell in the segment: a wait word, and a bit per channel that
 * says "something changed here since you last looked". Who changes a watched channel sets the
 * bit, and only if it was not set moves the bell and wakes; so a watcher that is behind costs
 * the others two loads a message and no system call. A channel knows its watchers by a
 * bitmap of processes; the bit WAIT_BELLS in its wait words says that the bitmap is worth a
 * look. Bit LAYOUT_GATEWAY stands for the answers to the process's requests.
 *
 * The watcher clears a bit and then looks at the channel, never the other way round. What is
 * made of it in the process is told in waitset.h.
 */
#ifndef CHANNELS_BELL_H
#define CHANNELS_BELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct segment;

/* Slow path of wait_notify(): tell the watchers of @word, which had the value @seen. */
void bell_ring(struct segment *segment, _Atomic uint32_t *word, uint32_t seen);

/* From now on channel @index rings this process's bell when one of @events may be true, and
 * when it is destroyed. Look at it after this call, it tells changes only. */
void bell_watch(struct segment *segment, uint32_t index, unsigned events);
/* Process @process watches it no more. */
void bell_unwatch(struct segment *segment, uint32_t index, unsigned process);

/* This process's wait word, and its bits of channels @group * 64 and on. */
_Atomic uint32_t *bell_word(struct segment *segment);
uint64_t bell_rung(struct segment *segment, unsigned group);
/* Clear a bit; then look. */
void bell_clear(struct segment *segment, uint32_t index);

#endif
