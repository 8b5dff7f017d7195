/* SPDX-License-Identifier: MIT */
/* multi_prog.h - the file of --multi-prog: which ranks run which program, as srun reads it. */
#ifndef LAUNCH_MULTI_PROG_H
#define LAUNCH_MULTI_PROG_H

#include <stdint.h>

#include "base/err.h"

/* Zeroed is empty. */
struct launch_multi_prog {
	char ***argv;		/* of each program; owned, as is all below */
	uint32_t count;
	uint32_t *of_rank;	/* index of each rank's program */
};

/**
 * launch_multi_prog_read - read the programs of @size ranks.
 *
 * A line is `RANKS PROGRAM [ARGUMENT...]`; RANKS is like 0,4-7, or * for all that no other line
 * names. Quotes and backslashes are as in a shell; # begins a comment. In arguments %t is the
 * rank, and %o its place among the ranks of the line. @max programs that differ are allowed.
 * Return: 0; -EINVAL, -E2BIG, -ENOMEM or what fopen() said, with @reterr filled.
 */
int launch_multi_prog_read(const char *path, uint32_t size, uint32_t max,
			   struct launch_multi_prog *ret, struct base_err *reterr);
void launch_multi_prog_fini(struct launch_multi_prog *programs);

#endif
