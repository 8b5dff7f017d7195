/* SPDX-License-Identifier: MIT */
/*
 * launch.c - starting programs: runs of /bin/true on a job whose daemons are up and by dlaunch from
 * nothing, against a loop of posix_spawn() with 32 in flight; and what the tree of daemons costs.
 */
#include "launch_tree.h"
#include "launch_trials.h"

#define UP(name, tasks)                                                                       \
	{                                                                                     \
		name, "4nodes-true", tasks, "ms", 1, 0, false, trial_launch, raw_spawn, 0         \
	}

#define TREE(what, nodes)                                                                     \
	{                                                                                     \
		"tree", #what, nodes, "us", 1, 0, false, tree_##what, star_##what, 0          \
	}

static const struct bench_case cases[] = {
	UP("launch", 1),
	UP("launch", 12),
	UP("launch", 64),
	UP("launch", 256),
	{ "cold", "4nodes-true", 12, "ms", 1, 0, false, trial_cold, raw_spawn, 0 },
	UP("warm", 12),
	{ "step", "1node-true", 1, "ms", 1, 0, false, trial_step, raw_spawn, 0 },
	{ "cold", "4nodes-true", 256, "ms", 1, 0, false, trial_cold, raw_spawn, 0 },
	TREE(setup, 16),
	TREE(setup, 128),
	TREE(setup, 1000),
	TREE(fence, 16),
	TREE(stdio, 16),
	TREE(root_fence, 16),
	TREE(root_stdio, 16),
	TREE(fence, 128),
	TREE(stdio, 128),
	TREE(root_fence, 128),
	TREE(root_stdio, 128),
	TREE(fence, 1000),
	TREE(stdio, 1000),
	TREE(root_fence, 1000),
	TREE(root_stdio, 1000),
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static const char doc[] =
	"Starting programs by daemons against posix_spawn(), on this machine.\v"
	"A row's size is its number of tasks, its figures are ms from the start of a run to its "
	"end (step: until the task runs); the baseline keeps 32 in flight. Rows of the tree of "
	"daemons: us for each of so many nodes, all in this process, against a star.";

static void close_all(void)
{
	trial_launch_close();
	launch_tree_close();
}

int main(int argc, char **argv)
{
	const struct bench_alone alone = { "launch", doc, cases, CASES, NULL, close_all };

	return bench_alone(argc, argv, &alone);
}
