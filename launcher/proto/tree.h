/* SPDX-License-Identifier: MIT */
/*
 * tree.h - who speaks to whom: the owner of a job is the root of a tree of its daemons, so that no
 * one sends to more than a few. Pure functions of numbers.
 *
 * The nodes 0 to fanout-1 are below the root, and then, in the order of numbers, the next ones
 * below node 0, 1 and so on.
 */
#ifndef LAUNCH_TREE_H
#define LAUNCH_TREE_H

#include <stdint.h>

#define LAUNCH_TREE_ROOT UINT32_MAX

enum { LAUNCH_TREE_FANOUT = 32, LAUNCH_TREE_FANOUT_MAX = 4096 };

struct launch_tree {
	uint32_t nodes, fanout;
};

/* DHOW_TREE_FANOUT, which tests set, or LAUNCH_TREE_FANOUT. */
uint32_t launch_tree_choose_fanout(void);

/* Return: LAUNCH_TREE_ROOT for the first ones. */
uint32_t launch_tree_parent(const struct launch_tree *tree, uint32_t node);
/* Children of @node (or the root): *ret_count from the returned one on. */
uint32_t launch_tree_children(const struct launch_tree *tree, uint32_t node, uint32_t *ret_count);
/* The child of @node by way of which @to is reached. Return: LAUNCH_TREE_ROOT it is not below. */
uint32_t launch_tree_hop(const struct launch_tree *tree, uint32_t node, uint32_t to);
/* How many nodes are below @node. */
uint32_t launch_tree_below(const struct launch_tree *tree, uint32_t node);

#endif
