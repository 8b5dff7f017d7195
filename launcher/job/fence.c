/* SPDX-License-Identifier: MIT */
/* fence.c - what nodes of a run give to a fence, joined and given to each of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "job/internal.h"

struct run_fence {
	struct base_list entry;
	char key[LAUNCH_FENCE_KEY_BYTES];
	uint32_t needed, count;
	int failed;			/* 0 or negative errno */
	struct launch_writer data;
	uint8_t gave[];			/* by index of run->nodes */
};

static struct run_fence *fence_of(struct base_list *entry)
{
	return base_list_entry(entry, struct run_fence, entry);
}

static struct run_fence *find_fence(struct launch_run *run, const struct launch_message *message)
{
	struct run_fence *fence;

	base_list_for(entry, &run->fences)
		if (strcmp(fence_of(entry)->key, message->fence.key) == 0)
			return fence_of(entry);
	if (run->fence_count == JOB_FENCES_MAX)
		return NULL;
	fence = calloc(1, sizeof(*fence) + run->node_count);
	if (!fence)
		return NULL;
	memcpy(fence->key, message->fence.key, sizeof(fence->key));
	fence->needed = message->fence.nodes ? message->fence.nodes : run->node_count;
	base_list_add_tail(&run->fences, &fence->entry);
	run->fence_count++;
	return fence;
}

static void drop_fence(struct launch_run *run, struct run_fence *fence)
{
	base_list_del(&fence->entry);
	run->fence_count--;
	launch_writer_fini(&fence->data);
	free(fence);
}

static void complete(struct launch_run *run, struct run_fence *fence)
{
	struct launch_message message = { .type = LAUNCH_FENCED };

	message.fenced.run = run->id;
	message.fenced.rc = fence->failed;
	memcpy(message.fenced.key, fence->key, sizeof(fence->key));
	if (!fence->failed) {
		message.fenced.bytes = (uint32_t)fence->data.used;
		message.fenced.data = fence->data.data;
	}
	if (fence->needed == run->node_count)	/* on their way some were joined with others */
		run_send(run, &message);
	for (uint32_t i = 0; fence->needed < run->node_count && i < run->node_count; i++)
		if (fence->gave[i])
			job_send(run->job, run->nodes[i].node, &message);
	drop_fence(run, fence);
}

void run_hear_fence(struct launch_run *run, uint32_t node, const struct launch_message *message)
{
	struct run_fence *fence = find_fence(run, message);
	size_t index = (size_t)(run_node_find(run, node) - run->nodes);

	if (!fence) {
		run_failed(run, LAUNCH_JOB_FAILED, "too many fences at a time");
		return;
	}
	if (fence->gave[index]) {
		base_log_warn("node %u: gave twice to fence \"%s\", ignored", node, fence->key);
		return;
	}
	fence->gave[index] = 1;
	fence->count += message->fence.count;
	/* Its answer must fit into a frame. */
	if (fence->data.used + message->fence.bytes > LAUNCH_FRAME_BYTES_MAX - LAUNCH_PIECE_BYTES)
		fence->failed = -E2BIG;
	if (!fence->failed)
		launch_put_raw(&fence->data, message->fence.data, message->fence.bytes);
	if (fence->data.failed)
		fence->failed = fence->data.failed;
	if (fence->count >= fence->needed)
		complete(run, fence);
	else
		run_check_fences(run);
}

/* Return: a node all of whose ranks have ended; NULL none. */
static const struct run_node *find_empty(const struct launch_run *run)
{
	for (uint32_t i = 0; i < run->node_count; i++) {
		const struct run_node *node = &run->nodes[i];
		uint32_t rank = 0;

		while (!node->running && rank < run->size &&
		       (run->ranks[rank].node != node->node || run->ranks[rank].ended))
			rank++;
		if (!node->running && rank == run->size)
			return node;
	}
	return NULL;
}

void run_check_fences(struct launch_run *run)
{
	const struct run_node *empty;
	char text[LAUNCH_TEXT_BYTES];
	int is_for_all = 0;

	base_list_for(entry, &run->fences)
		is_for_all |= fence_of(entry)->needed == run->node_count;
	if (!is_for_all || !run->ranks_ended || run->state != RUN_RUNNING || run->failed)
		return;
	empty = find_empty(run);
	if (!empty)
		return;
	snprintf(text, sizeof(text), "all ranks of node %u have ended, and others wait for them in "
		 "MPI_Init or a barrier", empty->node);
	run_failed(run, empty->code ? empty->code : 1, text);
}

void run_drop_fences(struct launch_run *run)
{
	base_list_for(entry, &run->fences)
		drop_fence(run, fence_of(entry));
}
