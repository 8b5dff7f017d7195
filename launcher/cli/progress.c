/* SPDX-License-Identifier: MIT */
/* progress.c - see progress.h. */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { PATIENCE_MS = 300 };

void launch_progress_init(struct launch_progress *progress, int forced, int quiet, uint32_t nodes,
			  uint32_t tasks)
{
	memset(progress, 0, sizeof(*progress));
	progress->terminal = isatty(STDERR_FILENO);
	progress->enabled = !quiet && (forced || progress->terminal);
	progress->nodes = nodes;
	progress->tasks = tasks;
	progress->from_ns = base_now_ns() + (forced ? 0 : PATIENCE_MS * BASE_MS);
}

int launch_progress_show(struct launch_progress *progress, uint32_t nodes, uint32_t tasks)
{
	if (!progress->enabled)
		return -1;
	if (base_now_ns() < progress->from_ns && tasks < progress->tasks)
		return base_poll_ms(progress->from_ns);
	if (progress->terminal && tasks >= progress->tasks) {
		launch_progress_erase(progress);
		progress->enabled = 0;
		return -1;
	}
	if (progress->shown && nodes == progress->shown_nodes && tasks == progress->shown_tasks)
		return -1;
	fprintf(stderr, "%sdlaunch: nodes %u/%u, tasks %u/%u%s",
		progress->terminal ? "\r\033[K" : "", nodes, progress->nodes, tasks,
		progress->tasks, progress->terminal ? "" : "\n");
	fflush(stderr);
	progress->shown = 1;
	progress->shown_nodes = nodes;
	progress->shown_tasks = tasks;
	return -1;
}

void launch_progress_erase(struct launch_progress *progress)
{
	if (progress->shown && progress->terminal)
		fputs("\r\033[K", stderr);
	if (progress->terminal)
		progress->shown = 0;
}
