/* SPDX-License-Identifier: MIT */
/* body.h - what the files of message.h share: a pair of functions for each body. */
#ifndef LAUNCH_BODY_H
#define LAUNCH_BODY_H

#include "proto/message.h"

#define LAUNCH_BODY(name) \
	void launch_put_##name(struct launch_writer *w, const struct launch_message *m); \
	void launch_get_##name(struct launch_reader *r, struct launch_message *m)

/* message_run.c */
LAUNCH_BODY(entries);
LAUNCH_BODY(output);
LAUNCH_BODY(input);
LAUNCH_BODY(taken);
LAUNCH_BODY(run);
LAUNCH_BODY(stop);
LAUNCH_BODY(signal);
LAUNCH_BODY(restart);

/* message_start.c */
LAUNCH_BODY(start);

/* message_fence.c */
LAUNCH_BODY(fence);
LAUNCH_BODY(fenced);
LAUNCH_BODY(modex);
LAUNCH_BODY(modex_answer);
LAUNCH_BODY(abort);

#undef LAUNCH_BODY

/* Number of a run, never 0. */
uint32_t launch_get_run_id(struct launch_reader *reader);

#endif
