/* SPDX-License-Identifier: MIT */
/*
 * layout.h - which ranks of a run are where, as MPI libraries want to be told.
 *
 * Nodes are counted here by index: 0 is the one with the lowest number in the job that has ranks.
 * Filled once, then only read.
 */
#ifndef LAUNCH_PMI_LAYOUT_H
#define LAUNCH_PMI_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

enum {
	LAUNCH_PMI_HOST_BYTES = 64,
	LAUNCH_PMI_NOWHERE = -1,	/* @here of a layout: none of its ranks is on this node */
};

struct launch_pmi_rank {
	uint32_t node;		/* index */
	uint32_t local, app, app_rank;
};

struct launch_pmi_node {
	uint32_t number;	/* in the job */
	uint32_t count;		/* of ranks */
	uint32_t first;		/* its ranks are by_node[first ...] */
	char host[LAUNCH_PMI_HOST_BYTES];
};

struct launch_pmi_layout {
	uint32_t size, node_count, app_count, filled;
	int32_t here;		/* index of this node */
	struct launch_pmi_rank *ranks;
	struct launch_pmi_node *nodes;
	uint32_t *by_node;	/* rank numbers, node after node, in the order of local ranks */
};

/* For @size ranks, which are then added in their order. Return: NULL no memory, or 0 ranks. */
struct launch_pmi_layout *launch_pmi_layout_new(uint32_t size);
/* The next @count ranks run app @app on node @number of the job. Return: 0; -E2BIG; -ENOMEM. */
int launch_pmi_layout_add(struct launch_pmi_layout *layout, uint32_t count, uint32_t number,
			  uint32_t app);
/**
 * launch_pmi_layout_seal - all ranks were added.
 * @here: number in the job of this node.
 * @host: name of a node into @ret_name; NULL calls them node0, node1, ... by number.
 *
 * Return: 0; -EINVAL ranks are missing; -ENOMEM.
 */
int launch_pmi_layout_seal(struct launch_pmi_layout *layout, uint32_t here,
			   void (*host)(void *arg, uint32_t number,
					char ret_name[LAUNCH_PMI_HOST_BYTES]),
			   void *arg);
void launch_pmi_layout_free(struct launch_pmi_layout *layout);

/* How many ranks are on this node. */
uint32_t launch_pmi_layout_local_size(const struct launch_pmi_layout *layout);
/* Number of the @local-th rank of this node. */
uint32_t launch_pmi_layout_rank(const struct launch_pmi_layout *layout, uint32_t local);
/* How many ranks run @app. */
uint32_t launch_pmi_layout_app_size(const struct launch_pmi_layout *layout, uint32_t app);

/* Texts to be freed by the caller; NULL = no memory. */
/* Slurm's SLURM_TASKS_PER_NODE: `3(x4)`, `2(x3),1`. */
char *launch_pmi_layout_counts(const struct launch_pmi_layout *layout);
/* Ranks of node index @node: `0,1,2`. */
char *launch_pmi_layout_peers(const struct launch_pmi_layout *layout, uint32_t node);
/* Names of all nodes: `node0,node1`. */
char *launch_pmi_layout_hosts(const struct launch_pmi_layout *layout);
/* Ranks of all nodes: `0,1,2;3,4,5`. */
char *launch_pmi_layout_procs(const struct launch_pmi_layout *layout);
/* PMI_process_mapping: `(vector,(0,4,3))`. Readers go round the list until all ranks are placed. */
char *launch_pmi_layout_mapping(const struct launch_pmi_layout *layout);

#endif
