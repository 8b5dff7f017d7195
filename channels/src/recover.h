/* SPDX-License-Identifier: MIT */
/*
 * recover.h - finish or undo the steps of a dead process.
 *
 * recover() is idempotent and lock-free: any number of processes may run it for the same dead
 * one at the same time, and each may be killed in it. One may even be so late that the dead
 * one's index belongs to a new process by then: so each step is a swap of a word that names
 * the dead process, a position or a generation. The marks of who holds a channel open name
 * only an index; they are cleared by who holds the entry's mutex, so that there is only one.
 * Both are also run by a process for itself when it leaves.
 */
#ifndef CHANNELS_RECOVER_H
#define CHANNELS_RECOVER_H

#include "src/segment.h"

void recover(struct segment *segment, uint32_t dead);
/* @process: index of the entry, whose mutex the caller holds. */
void recover_users(struct segment *segment, unsigned process);

#endif
