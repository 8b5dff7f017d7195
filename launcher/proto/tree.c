/* SPDX-License-Identifier: MIT */
/* tree.c - see tree.h. With the root as number 0 and node N as N + 1 it is the tree of a heap. */
#include "proto/tree.h"

#include <stdlib.h>

uint32_t launch_tree_choose_fanout(void)
{
	const char *text = getenv("DHOW_TREE_FANOUT");
	long value = text ? strtol(text, NULL, 10) : 0;

	return value >= 1 && value <= LAUNCH_TREE_FANOUT_MAX ? (uint32_t)value :
							       LAUNCH_TREE_FANOUT;
}

uint32_t launch_tree_parent(const struct launch_tree *tree, uint32_t node)
{
	return node < tree->fanout ? LAUNCH_TREE_ROOT : node / tree->fanout - 1;
}

uint32_t launch_tree_children(const struct launch_tree *tree, uint32_t node, uint32_t *ret_count)
{
	/* LAUNCH_TREE_ROOT + 1 is 0, as it should. */
	uint64_t first = (uint64_t)(uint32_t)(node + 1) * tree->fanout;
	uint64_t left = first < tree->nodes ? tree->nodes - first : 0;

	*ret_count = left < tree->fanout ? (uint32_t)left : tree->fanout;
	return (uint32_t)first;
}

uint32_t launch_tree_hop(const struct launch_tree *tree, uint32_t node, uint32_t to)
{
	uint32_t parent;

	if (to >= tree->nodes)
		return LAUNCH_TREE_ROOT;
	while ((parent = launch_tree_parent(tree, to)) != node) {
		/* Parents have smaller numbers, so nothing above can be below @node. */
		if (parent == LAUNCH_TREE_ROOT || (node != LAUNCH_TREE_ROOT && parent < node))
			return LAUNCH_TREE_ROOT;
		to = parent;
	}
	return to;
}

uint32_t launch_tree_below(const struct launch_tree *tree, uint32_t node)
{
	uint32_t count, first = launch_tree_children(tree, node, &count), below = count;

	for (uint32_t i = 0; i < count; i++)
		below += launch_tree_below(tree, first + i);
	return below;
}
