/* SPDX-License-Identifier: MIT */
/* launch_tree.h - the tree of daemons without daemons: links and relays of row->bytes nodes, all in
 * this process, against a star (the baseline). Values are us for each node. */
#ifndef BENCH_LAUNCH_TREE_H
#define BENCH_LAUNCH_TREE_H

#include "harness.h"

/* All connect, say hello, and join their parents. */
int tree_setup(struct bench_run *run);
int star_setup(struct bench_run *run);
/* Each gives 64 bytes to a fence and gets those of all. */
int tree_fence(struct bench_run *run);
int star_fence(struct bench_run *run);
/* Each says 16 lines of 64 bytes, and the root has heard them all. */
int tree_stdio(struct bench_run *run);
int star_stdio(struct bench_run *run);

/* Of both, what the root itself spends, without ZeroMQ's thread. */
int tree_root_fence(struct bench_run *run);
int star_root_fence(struct bench_run *run);
int tree_root_stdio(struct bench_run *run);
int star_root_stdio(struct bench_run *run);

void launch_tree_close(void);

#endif
