/* SPDX-License-Identifier: MIT */
/* points.h - the places of an operation at which to stop: address and how many times reached. */
#ifndef STRESS_POINTS_H
#define STRESS_POINTS_H

#include "scene.h"

enum { POINTS_MAX = 8192 };

struct point {
	unsigned long address;
	unsigned hit;		/* stop when it is reached for the hit-th time */
	bool holds;		/* a slot is in the process's hands then */
};

/* The distinct addresses of @operation, each for its first and its last time, in a channel of
 * @before messages, after the death of a process in the middle of @dead_in (NULL: nobody is
 * dead). Return: how many. */
unsigned points_of(const struct operation *operation, unsigned before,
		   const struct operation *dead_in, struct point points[POINTS_MAX]);
/* Are there breakpoints for this processor? Prints if not. */
bool points_work(void);

#endif
