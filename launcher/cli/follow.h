/* SPDX-License-Identifier: MIT */
/* follow.h - the output of a step, as it comes. */
#ifndef LAUNCH_FOLLOW_H
#define LAUNCH_FOLLOW_H

#include "server/client.h"

/* One of the two files of a step. */
struct launch_follow {
	const char *id;
	int is_error;		/* error_file, and our stderr */
	uint64_t offset;	/* of what was printed */
	int over;		/* all of it was printed, and nothing will come */
};

/* Print what has come. Return: bytes; negative errno with @reterr (-EREMOTEIO: no such file). */
int launch_follow_step(struct server_client *client, struct launch_follow *follow,
		       struct base_err *reterr);

#endif
