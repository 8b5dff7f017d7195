/* SPDX-License-Identifier: MIT */
/* streams.h - where the output of ranks goes: to us, to a file that we write, or to files of their
 * own that daemons write. */
#ifndef LAUNCH_STREAMS_H
#define LAUNCH_STREAMS_H

#include "base/err.h"
#include "cli/plan.h"
#include "job/run.h"

/* Index 0 is stdout, 1 stderr. */
struct launch_streams {
	int fd[2];			/* what comes to us is written to */
	int own[2];			/* and this one we opened */
	const char *name[2];		/* of it, for people; borrowed from the options */
	struct launch_output_policy policy[2];
	struct launch_extra *extras;	/* owned, as are their texts */
	size_t extra_count;
};

/* Decide, and open what we write ourselves. @tag: of the job, for %j. Return: 0; negative errno
 * with @reterr filled; launch_streams_close() in either case. */
int launch_streams_open(const struct launch_plan *plan, const char *tag,
			struct launch_streams *ret_streams, struct base_err *reterr);
void launch_streams_close(struct launch_streams *streams);

#endif
