/* SPDX-License-Identifier: MIT */
/*
 * channels_trials.h - what bench/channels measures of channels; the table is in channels.c.
 */
#ifndef BENCH_CHANNELS_TRIALS_H
#define BENCH_CHANNELS_TRIALS_H

#include <dhow/dhow.h>

#include "harness.h"
#include "raw.h"

enum { TRIAL_BYTES_MAX = 1 << 20 };

struct trial_context {
	struct raw_area *area;
	struct dhow_channel *ping, *pong;	/* side 0 to 1, side 1 to 0 */
	unsigned char data[TRIAL_BYTES_MAX];
};

/* run->context is a struct trial_context, row->mode an enum dhow_wait_mode.
 * What a value is: see the functions of the same names in raw.h. */
bench_trial trial_oneway;	/* dhow_send(), dhow_recv() */
bench_trial trial_handover;	/* a block goes back and forth, nobody touches its data */
bench_trial trial_lend;		/* a block is written, sent, read where it lies */
bench_trial trial_wake;
bench_trial trial_rate, trial_rate_many;	/* one message a call, 32 a call */
bench_trial trial_copy;
bench_trial trial_pair;
bench_trial trial_create;
bench_trial trial_call;		/* ns of a call into the library that does nothing */

#endif
