/* SPDX-License-Identifier: MIT */
/* check.h - the examples end with one line when a call fails. */
#ifndef EXAMPLES_CHECK_H
#define EXAMPLES_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#include <dhow/dhow.h>

static inline void check(int rc, const char *what)
{
	if (rc == 0)
		return;
	fprintf(stderr, "rank %d: %s: %s: %s\n", dhow_rank(), what, dhow_strerror(rc),
		dhow_error_text());
	exit(1);
}

#endif
