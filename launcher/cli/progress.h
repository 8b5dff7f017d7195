/* SPDX-License-Identifier: MIT */
/* progress.h - one line on the terminal while a run comes up; it is erased afterwards. */
#ifndef LAUNCH_PROGRESS_H
#define LAUNCH_PROGRESS_H

#include <stdint.h>

struct launch_progress {
	int enabled;
	int terminal;		/* else each state is a line of its own, and stays */
	int shown;
	uint32_t nodes, tasks;	/* that there will be */
	uint32_t shown_nodes, shown_tasks;
	uint64_t from_ns;	/* not before: a run that is up at once needs no line */
};

/* @forced: also where stderr is no terminal, and at once. */
void launch_progress_init(struct launch_progress *progress, int forced, int quiet, uint32_t nodes,
			  uint32_t tasks);
/* So many are up now. Return: ms until it wants to be called again, -1 never. */
int launch_progress_show(struct launch_progress *progress, uint32_t nodes, uint32_t tasks);
/* Before anything else is written to stderr, and at the end. */
void launch_progress_erase(struct launch_progress *progress);

#endif
