/* SPDX-License-Identifier: MIT */
/*
 * recover.h - finish or undo the steps of a dead process.
 *
 * Idempotent and lock-free: any number of processes may run it for the same dead one at the
 * same time, and each may be killed in it. Also run by a process for itself when it leaves.
 */
#ifndef CHANNELS_RECOVER_H
#define CHANNELS_RECOVER_H

#include "src/segment.h"

void recover(struct segment *segment, uint32_t dead);

#endif
