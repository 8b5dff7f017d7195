/* SPDX-License-Identifier: MIT */
/* relay.c - see relay.h. */
#include "proto/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"

enum { ROOT, PARENT, BELOW, LINKS, FENCES_MAX = 1024 };

/* Contributions of this node and those below, until all are here. */
struct fence {
	struct base_list entry;
	uint32_t run, count;
	uint32_t from;		/* who gave first: what is joined goes up in its name */
	int through;		/* too large for one frame: the others go up as they are */
	char key[LAUNCH_FENCE_KEY_BYTES];
	struct launch_writer data;
};

/* A run whose fences are joined. */
struct joined_run {
	struct base_list entry;
	uint32_t run, nodes;
};

struct launch_relay {
	struct launch_tree tree;
	uint32_t self;
	struct launch_link *links[LINKS];
	struct launch_link *up;		/* one of them */
	struct launch_writer batch;
	struct base_list runs, fences;
	uint32_t fence_count;
	uint32_t left_count, below_count;
	uint8_t left[];			/* by node: LAUNCH_LEFT came, or it is gone */
};

struct launch_relay *launch_relay_open(const struct launch_tree *tree, uint32_t self,
				       struct launch_link *root)
{
	struct launch_relay *relay = calloc(1, sizeof(*relay) + tree->nodes);

	if (!relay) {
		launch_link_close(root, 0);
		return NULL;
	}
	relay->tree = *tree;
	relay->self = self;
	relay->links[ROOT] = relay->up = root;
	relay->below_count = launch_tree_below(tree, self);
	base_list_init(&relay->runs);
	base_list_init(&relay->fences);
	return relay;
}

void launch_relay_serve(struct launch_relay *relay, struct launch_link *below)
{
	relay->links[BELOW] = below;
}

const char *launch_relay_endpoint(const struct launch_relay *relay)
{
	return relay->links[BELOW] ? launch_link_endpoint(relay->links[BELOW]) : "";
}

void launch_relay_join(struct launch_relay *relay, struct launch_link *parent)
{
	launch_relay_flush(relay);	/* what was said before goes the old way */
	launch_link_close(relay->links[PARENT], 0);
	relay->links[PARENT] = relay->up = parent;
}

static struct fence *fence_of(struct base_list *entry)
{
	return base_list_entry(entry, struct fence, entry);
}

static struct joined_run *run_of(struct base_list *entry)
{
	return base_list_entry(entry, struct joined_run, entry);
}

static void drop_fence(struct launch_relay *relay, struct fence *fence)
{
	base_list_del(&fence->entry);
	relay->fence_count--;
	launch_writer_fini(&fence->data);
	free(fence);
}

static void drop_run(struct launch_relay *relay, struct joined_run *run)
{
	base_list_for(entry, &relay->fences)
		if (fence_of(entry)->run == run->run)
			drop_fence(relay, fence_of(entry));
	base_list_del(&run->entry);
	free(run);
}

void launch_relay_close(struct launch_relay *relay, int linger_ms)
{
	if (!relay)
		return;
	launch_relay_flush(relay);
	base_list_for(entry, &relay->runs)
		drop_run(relay, run_of(entry));
	for (int i = 0; i < LINKS; i++)
		launch_link_close(relay->links[i], linger_ms);
	launch_writer_fini(&relay->batch);
	free(relay);
}

void launch_relay_fds(const struct launch_relay *relay, int ret_fds[LINKS])
{
	for (int i = 0; i < LINKS; i++)
		ret_fds[i] = relay->links[i] ? launch_link_fd(relay->links[i]) : -1;
}

struct launch_link *launch_relay_root(const struct launch_relay *relay)
{
	return relay->links[ROOT];
}

int launch_relay_flush(struct launch_relay *relay)
{
	return launch_link_send_batch(relay->up, &relay->batch);
}

static int add(struct launch_relay *relay, uint32_t from, const void *frame, size_t bytes)
{
	int rc = 0;

	if (relay->batch.used + bytes > LAUNCH_BATCH_BYTES)
		rc = launch_relay_flush(relay);
	launch_batch_add(&relay->batch, from, frame, bytes);
	return rc ? rc : relay->batch.failed;
}

static int say(struct launch_relay *relay, uint32_t from, const struct launch_message *message)
{
	struct launch_writer writer = { 0 };
	int rc = launch_message_encode(message, &writer);

	if (rc == 0)
		rc = add(relay, from, writer.data, writer.used);
	launch_writer_fini(&writer);
	return rc;
}

static struct joined_run *find_run(struct launch_relay *relay, uint32_t run)
{
	base_list_for(entry, &relay->runs)
		if (run_of(entry)->run == run)
			return run_of(entry);
	return NULL;
}

int launch_relay_join_fences(struct launch_relay *relay, uint32_t number, uint32_t nodes)
{
	struct joined_run *run = find_run(relay, number);

	if (run)
		drop_run(relay, run);
	if (nodes < 2)		/* nothing to join */
		return 0;
	run = calloc(1, sizeof(*run));
	if (!run)
		return -ENOMEM;
	run->run = number;
	run->nodes = nodes;
	base_list_add_tail(&relay->runs, &run->entry);
	return 0;
}

static struct fence *find_fence(struct launch_relay *relay, uint32_t from,
				const struct launch_message *message)
{
	struct fence *fence;

	base_list_for(entry, &relay->fences)
		if (fence_of(entry)->run == message->fence.run &&
		    strcmp(fence_of(entry)->key, message->fence.key) == 0)
			return fence_of(entry);
	fence = relay->fence_count < FENCES_MAX ? calloc(1, sizeof(*fence)) : NULL;
	if (!fence)
		return NULL;
	fence->run = message->fence.run;
	fence->from = from;
	memcpy(fence->key, message->fence.key, sizeof(fence->key));
	base_list_add_tail(&relay->fences, &fence->entry);
	relay->fence_count++;
	return fence;
}

/* Not in our own name: we may give later, and the root takes each node's word once. */
static int send_fence(struct launch_relay *relay, const struct fence *fence)
{
	struct launch_message message = { .type = LAUNCH_FENCE };

	message.fence.run = fence->run;
	message.fence.count = fence->count;
	memcpy(message.fence.key, fence->key, sizeof(fence->key));
	message.fence.data = fence->data.data;
	message.fence.bytes = (uint32_t)fence->data.used;
	return say(relay, fence->from, &message);
}

/* Return: 1 it was taken; 0 it must go up as it is; negative errno. */
static int join_fence(struct launch_relay *relay, uint32_t from,
		      const struct launch_message *message)
{
	struct joined_run *run = find_run(relay, message->fence.run);
	struct fence *fence = NULL;
	int rc = 0, through;

	if (!message->fence.nodes && run)
		fence = find_fence(relay, from, message);
	if (!fence)
		return 0;
	if (!fence->through &&
	    fence->data.used + message->fence.bytes > LAUNCH_FRAME_BYTES_MAX / 2) {
		fence->through = 1;
		rc = fence->count ? send_fence(relay, fence) : 0;
	}
	through = fence->through;
	fence->count += message->fence.count;
	if (!through)
		launch_put_raw(&fence->data, message->fence.data, message->fence.bytes);
	if (rc == 0)
		rc = fence->data.failed;
	if (fence->count >= run->nodes) {
		if (rc == 0 && !through)
			rc = send_fence(relay, fence);
		drop_fence(relay, fence);
	}
	return rc < 0 ? rc : !through;
}

int launch_relay_send(struct launch_relay *relay, const struct launch_message *message)
{
	int rc = message->type == LAUNCH_FENCE ? join_fence(relay, relay->self, message) : 0;

	return rc ? rc < 0 ? rc : 0 : say(relay, relay->self, message);
}

static void count_left(struct launch_relay *relay, uint32_t node)
{
	if (relay->left[node])
		return;
	relay->left[node] = 1;
	relay->left_count++;
}

void launch_relay_gone(struct launch_relay *relay, uint32_t node)
{
	uint32_t count, first;

	if (launch_tree_hop(&relay->tree, relay->self, node) == LAUNCH_TREE_ROOT)
		return;
	count_left(relay, node);
	first = launch_tree_children(&relay->tree, node, &count);
	for (uint32_t i = 0; i < count; i++)
		launch_relay_gone(relay, first + i);
}

uint32_t launch_relay_waits_for(const struct launch_relay *relay)
{
	return relay->below_count - relay->left_count;
}

/* From a node below to the root. Only fences are looked into. */
static int pass_up(struct launch_relay *relay, uint32_t from, const struct launch_frame *frame)
{
	unsigned type = launch_frame_type(frame->data, frame->bytes);
	struct launch_message message;
	int rc = 0;

	if (type == LAUNCH_LEFT)
		count_left(relay, from);
	if (type == LAUNCH_FENCE &&
	    launch_message_decode(frame->data, frame->bytes, &message) == 0)
		rc = join_fence(relay, from, &message);
	return rc ? rc < 0 ? rc : 0 : add(relay, from, frame->data, frame->bytes);
}

static void spread_to(struct launch_link *below, uint32_t child,
		      const struct launch_frame *frame, const uint32_t *nodes, uint32_t count,
		      launch_spread_failed *failed, void *arg)
{
	int rc = launch_link_send_frame(below, child, frame, nodes, count);

	if (rc < 0 && failed)
		failed(arg, child, rc);
}

int launch_spread(struct launch_link *below, const struct launch_tree *tree, uint32_t self,
		  const struct launch_frame *frame, const uint32_t *nodes, uint32_t count,
		  launch_spread_failed *failed, void *arg)
{
	uint32_t child_count, first = launch_tree_children(tree, self, &child_count), *same_way;

	if (count == 1) {
		spread_to(below, launch_tree_hop(tree, self, *nodes), frame, nodes, 1, failed, arg);
		return 0;
	}
	same_way = malloc((count + 1) * sizeof(*same_way));
	if (!same_way)
		return -ENOMEM;
	for (uint32_t child = first; child < first + child_count; child++) {
		uint32_t found = 0;

		for (uint32_t i = 0; i < count; i++)
			if (launch_tree_hop(tree, self, nodes[i]) == child)
				same_way[found++] = nodes[i];
		if (found)
			spread_to(below, child, frame, same_way, found, failed, arg);
	}
	free(same_way);
	return 0;
}

/* A frame that came down. Return: 1 it is for this node. */
static int pass_down(struct launch_relay *relay, const struct launch_frame *frame)
{
	uint32_t *nodes, count = 0;
	int mine = frame->to_count == 0;

	if (mine)
		return 1;
	nodes = malloc(frame->to_count * sizeof(*nodes));
	for (uint32_t i = 0; nodes && i < frame->to_count; i++) {
		uint32_t node = launch_frame_to(frame, i);

		if (node == relay->self)
			mine = 1;
		else
			nodes[count++] = node;
	}
	/* A child that is not there (any more) is the root's to find out. */
	if (count && relay->links[BELOW])
		launch_spread(relay->links[BELOW], &relay->tree, relay->self, frame, nodes, count,
			      NULL, NULL);
	free(nodes);
	return mine;
}

static int drain_below(struct launch_relay *relay, int *ret_moved)
{
	struct launch_frame frame;
	uint32_t from;
	int rc;

	while ((rc = launch_link_recv_frame(relay->links[BELOW], &from, &frame)) != -EAGAIN) {
		if (rc == -EBADMSG)
			continue;	/* of a child that is broken: the root will miss it */
		if (rc < 0)
			return rc;
		*ret_moved = 1;
		rc = pass_up(relay, from, &frame);
		launch_frame_fini(&frame);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int launch_relay_recv(struct launch_relay *relay, struct launch_frame *ret_frame,
		      struct launch_message *ret_message, int *ret_moved)
{
	uint32_t nobody;
	int rc = relay->links[BELOW] ? drain_below(relay, ret_moved) : 0;

	for (int i = ROOT; rc == 0 && i <= PARENT; i++) {
		while (relay->links[i] &&
		       (rc = launch_link_recv_frame(relay->links[i], &nobody, ret_frame)) == 0) {
			*ret_moved = 1;
			if (pass_down(relay, ret_frame))
				break;
			launch_frame_fini(ret_frame);
		}
		if (rc == -EAGAIN) {
			rc = 0;
			continue;
		}
		if (rc < 0 || !relay->links[i])
			continue;
		rc = launch_message_decode(ret_frame->data, ret_frame->bytes, ret_message);
		if (rc < 0)
			launch_frame_fini(ret_frame);
		/* The root has lost the way by the parent. */
		else if (ret_message->type == LAUNCH_LEAVE && i == ROOT)
			relay->up = relay->links[ROOT];
		return rc;
	}
	return rc ? rc : -EAGAIN;
}
