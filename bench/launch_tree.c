/* SPDX-License-Identifier: MIT */
/* launch_tree.c - see launch_tree.h. */
#include "launch_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "proto/relay.h"
#include "proto/zap.h"

enum {
	SOCKETS_MAX = 16384,
	EVENTS = 256,
	WAIT_MS = 60000,
	FENCE_BYTES = 64,
	LINES = 16,
	LINE_BYTES = 64,
	RUN = 1,
};

/* One root and its nodes. */
struct forest {
	struct launch_tree tree;
	void *context;
	struct launch_zap *zap;
	struct launch_keys *root_keys, **keys;
	struct launch_link *root;
	struct launch_relay **relays;
	uint32_t *all;
	int epoll;
	/* what has come */
	uint32_t joined, fenced, lines;
	uint32_t given;
	size_t fence_bytes;
	unsigned fence_number;
	uint64_t root_ns;	/* spent by the root itself */
};

/* The two that the rows of one size use. */
static struct forest *tree, *star;

static int relay_moves(struct forest *forest, uint32_t node);

static int watch(struct forest *forest, int fd, uint32_t node)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = node };

	return epoll_ctl(forest->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int make_keys(struct forest *forest)
{
	uint32_t nodes = forest->tree.nodes;
	uint8_t secret[LAUNCH_SECRET_BYTES] = { 1 };
	uint8_t (*allowed)[LAUNCH_KEY_BYTES] = calloc(nodes, sizeof(*allowed));
	int rc = allowed ? 0 : -ENOMEM;

	/* Plain memory: 1,000 locked pages are more than most limits. */
	forest->keys = calloc(nodes, sizeof(*forest->keys));
	for (uint32_t i = 0; rc == 0 && i < nodes; i++) {
		forest->keys[i] = calloc(1, sizeof(**forest->keys));
		launch_keys_derive(secret, i, forest->keys[i]);
		memcpy(allowed[i], forest->keys[i]->public, LAUNCH_KEY_BYTES);
	}
	if (rc == 0)
		rc = launch_keys_create(&forest->root_keys);
	if (rc == 0)
		rc = launch_zap_start(forest->context, "node",
				      (const uint8_t (*)[LAUNCH_KEY_BYTES])allowed, nodes,
				      &forest->zap, NULL);
	free(allowed);
	return rc;
}

static int serve(struct forest *forest, const struct launch_keys *keys,
		 struct launch_link **ret_link)
{
	const struct launch_link_spec spec = { .context = forest->context,
					       .address = "127.0.0.1",
					       .keys = keys,
					       .tree = forest->tree };

	return launch_link_serve(&spec, ret_link, NULL);
}

static int open_node(struct forest *forest, uint32_t node)
{
	struct launch_message hello = { .type = LAUNCH_HELLO };
	struct launch_link *link;
	uint32_t count;
	int fds[3], rc;

	rc = launch_link_connect(forest->context, launch_link_endpoint(forest->root), node,
				 forest->keys[node], forest->root_keys->public, &link, NULL);
	if (rc < 0)
		return rc;
	forest->relays[node] = launch_relay_open(&forest->tree, node, link);
	launch_tree_children(&forest->tree, node, &count);
	if (count) {
		rc = serve(forest, forest->keys[node], &link);
		if (rc < 0)
			return rc;
		launch_relay_serve(forest->relays[node], link);
		launch_relay_join_fences(forest->relays[node], RUN,
					 launch_tree_below(&forest->tree, node) + 1);
	}
	launch_relay_fds(forest->relays[node], fds);
	for (int i = 0; rc == 0 && i < 3; i++)
		if (fds[i] >= 0)
			rc = watch(forest, fds[i], node);
	hello.hello.node = node;
	if (rc == 0)
		rc = launch_relay_send(forest->relays[node], &hello);
	return rc ? rc : relay_moves(forest, node);
}

static int join_parent(struct forest *forest, uint32_t node)
{
	const struct launch_message joined = { .type = LAUNCH_JOINED };
	uint32_t parent = launch_tree_parent(&forest->tree, node);
	struct launch_link *link;
	int fds[3], rc;

	rc = launch_link_connect(forest->context, launch_relay_endpoint(forest->relays[parent]),
				 node, forest->keys[node], forest->keys[parent]->public, &link,
				 NULL);
	if (rc < 0)
		return rc;
	launch_relay_join(forest->relays[node], link);
	launch_relay_fds(forest->relays[node], fds);
	rc = watch(forest, fds[1], node);
	return rc ? rc : launch_relay_send(forest->relays[node], &joined);
}

/* All that a node has heard, and what it says to that, until nothing moves. */
static int relay_moves(struct forest *forest, uint32_t node)
{
	struct launch_relay *relay = forest->relays[node];
	struct launch_message message;
	struct launch_frame frame;
	int moved = 1, rc = 0;

	while (rc == 0 && moved) {
		moved = 0;
		rc = launch_relay_flush(relay);
		while (rc == 0 &&
		       (rc = launch_relay_recv(relay, &frame, &message, &moved)) == 0) {
			if (message.type == LAUNCH_PARENT)
				rc = join_parent(forest, node);
			else if (message.type == LAUNCH_FENCED)
				forest->fenced++;
			launch_frame_fini(&frame);
		}
		rc = rc == -EAGAIN ? 0 : rc;
	}
	return rc;
}

static int answer_fence(struct forest *forest, const struct launch_message *fence)
{
	struct launch_message message = { .type = LAUNCH_FENCED };
	static char blob[4096 * FENCE_BYTES];
	struct launch_frame frame;
	int rc;

	forest->given += fence->fence.count;
	forest->fence_bytes += fence->fence.bytes;
	if (forest->given < forest->tree.nodes)
		return 0;
	message.fenced.run = RUN;
	memcpy(message.fenced.key, fence->fence.key, sizeof(message.fenced.key));
	message.fenced.data = blob;
	message.fenced.bytes = (uint32_t)forest->fence_bytes;
	rc = launch_frame_make(&message, &frame);
	if (rc < 0)
		return rc;
	rc = launch_spread(forest->root, &forest->tree, LAUNCH_TREE_ROOT, &frame, forest->all,
			   forest->tree.nodes, NULL, NULL);
	launch_frame_fini(&frame);
	return rc;
}

static int root_hears_all(struct forest *forest)
{
	struct launch_message message, parent = { .type = LAUNCH_PARENT };
	struct launch_frame frame;
	uint32_t node;
	int rc;

	while ((rc = launch_link_recv(forest->root, &node, &frame, &message)) == 0) {
		if (message.type == LAUNCH_HELLO &&
		    launch_tree_parent(&forest->tree, node) != LAUNCH_TREE_ROOT)
			rc = launch_link_send(forest->root, node, &parent);
		else if (message.type == LAUNCH_HELLO || message.type == LAUNCH_JOINED)
			forest->joined++;
		else if (message.type == LAUNCH_FENCE)
			rc = answer_fence(forest, &message);
		else if (message.type == LAUNCH_OUTPUT)
			forest->lines++;
		launch_frame_fini(&frame);
		if (rc < 0)
			return rc;
	}
	return rc == -EAGAIN ? 0 : rc;
}

static int root_hears(struct forest *forest)
{
	uint64_t begin_ns = base_now_ns();
	int rc = root_hears_all(forest);

	forest->root_ns += base_now_ns() - begin_ns;
	return rc;
}

static int step_until(struct forest *forest, const uint32_t *what, uint32_t wanted)
{
	uint64_t limit_ns = base_now_ns() + WAIT_MS * BASE_MS;
	struct epoll_event events[EVENTS];
	int rc = root_hears(forest);

	while (rc == 0 && *what < wanted) {
		int count = epoll_wait(forest->epoll, events, EVENTS, 100);

		for (int i = 0; rc == 0 && i < count; i++)
			if (events[i].data.u32 != LAUNCH_TREE_ROOT)
				rc = relay_moves(forest, events[i].data.u32);
		if (rc == 0)
			rc = root_hears(forest);
		if (base_now_ns() > limit_ns)
			rc = -ETIMEDOUT;
	}
	return rc;
}

static void close_forest(struct forest *forest)
{
	if (!forest)
		return;
	for (uint32_t i = 0; forest->relays && i < forest->tree.nodes; i++)
		launch_relay_close(forest->relays[i], 0);
	launch_link_close(forest->root, 0);
	launch_zap_stop(forest->zap);
	if (forest->context)
		zmq_ctx_term(forest->context);
	for (uint32_t i = 0; forest->keys && i < forest->tree.nodes; i++)
		free(forest->keys[i]);
	launch_keys_free(forest->root_keys);
	close(forest->epoll);
	free(forest->keys);
	free(forest->relays);
	free(forest->all);
	free(forest);
}

static int open_forest(uint32_t nodes, uint32_t fanout, struct forest **ret_forest)
{
	struct forest *forest = calloc(1, sizeof(*forest));
	struct rlimit limit;
	int rc = launch_keys_init(NULL);

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (!forest || rc < 0)
		return -ENOMEM;
	forest->tree = (struct launch_tree){ nodes, fanout };
	forest->context = zmq_ctx_new();
	zmq_ctx_set(forest->context, ZMQ_MAX_SOCKETS, SOCKETS_MAX);
	forest->relays = calloc(nodes, sizeof(*forest->relays));
	forest->all = calloc(nodes, sizeof(*forest->all));
	forest->epoll = epoll_create1(EPOLL_CLOEXEC);
	rc = forest->relays && forest->all ? make_keys(forest) : -ENOMEM;
	if (rc == 0)
		rc = serve(forest, forest->root_keys, &forest->root);
	if (rc == 0)
		rc = watch(forest, launch_link_fd(forest->root), LAUNCH_TREE_ROOT);
	for (uint32_t i = 0; rc == 0 && i < nodes; i++) {
		forest->all[i] = i;
		rc = open_node(forest, i);
	}
	if (rc == 0)
		rc = step_until(forest, &forest->joined, nodes);
	if (rc < 0)
		close_forest(forest);
	else
		*ret_forest = forest;
	return rc;
}

/* The forest of this row's size; another one is closed first. */
static int need(struct forest **forest, uint32_t nodes, uint32_t fanout)
{
	if (*forest && (*forest)->tree.nodes == nodes)
		return 0;
	close_forest(*forest);
	*forest = NULL;
	return open_forest(nodes, fanout, forest);
}

void launch_tree_close(void)
{
	close_forest(tree);
	close_forest(star);
	tree = star = NULL;
}

static int setup(struct bench_run *run, uint32_t fanout)
{
	uint32_t nodes = (uint32_t)run->row->bytes;
	int rc = 0;

	launch_tree_close();	/* descriptors are few */
	/* One of them is a value, whatever the batch: it takes long enough. */
	for (uint64_t i = 0; rc == 0 && i < run->values_count; i++) {
		uint64_t begin_ns = base_now_ns();
		struct forest *forest;

		rc = open_forest(nodes, fanout, &forest);
		run->values[i] = (double)(base_now_ns() - begin_ns) / 1e3 / nodes;
		if (rc == 0)
			close_forest(forest);
	}
	return rc;
}

static int fence_once(struct forest *forest)
{
	struct launch_message message = { .type = LAUNCH_FENCE };
	static const char bytes[FENCE_BYTES];
	int rc = 0;

	forest->fenced = forest->given = 0;
	forest->fence_bytes = 0;
	message.fence.run = RUN;
	message.fence.count = 1;
	message.fence.data = bytes;
	message.fence.bytes = sizeof(bytes);
	snprintf(message.fence.key, sizeof(message.fence.key), "%u", forest->fence_number++);
	for (uint32_t i = 0; rc == 0 && i < forest->tree.nodes; i++) {
		rc = launch_relay_send(forest->relays[i], &message);
		if (rc == 0)
			rc = relay_moves(forest, i);
	}
	return rc ? rc : step_until(forest, &forest->fenced, forest->tree.nodes);
}

static int stdio_once(struct forest *forest)
{
	struct launch_message message = { .type = LAUNCH_OUTPUT };
	static const char line[LINE_BYTES];
	int rc = 0;

	forest->lines = 0;
	message.output.run = RUN;
	message.output.stream = LAUNCH_STDOUT;
	message.output.data = line;
	message.output.bytes = sizeof(line);
	for (uint32_t i = 0; rc == 0 && i < forest->tree.nodes; i++) {
		message.output.rank = i;
		for (int k = 0; rc == 0 && k < LINES; k++)
			rc = launch_relay_send(forest->relays[i], &message);
		if (rc == 0)
			rc = relay_moves(forest, i);
	}
	return rc ? rc : step_until(forest, &forest->lines, forest->tree.nodes * LINES);
}

/* @root: only what the root itself spends. */
static int time_all(struct bench_run *run, struct forest **forest, uint32_t fanout,
		    int (*once)(struct forest *forest), bool root)
{
	uint32_t nodes = (uint32_t)run->row->bytes;
	int rc = need(forest, nodes, fanout);

	for (uint64_t i = 0; rc == 0 && i < run->values_count; i++) {
		uint64_t begin_ns = base_now_ns(), root_ns = (*forest)->root_ns, spent_ns;

		for (uint64_t k = 0; rc == 0 && k < run->batch; k++)
			rc = once(*forest);
		spent_ns = root ? (*forest)->root_ns - root_ns : base_now_ns() - begin_ns;
		run->values[i] = (double)spent_ns / 1e3 / (double)run->batch / nodes;
	}
	return rc;
}

static uint32_t all_of(const struct bench_run *run)
{
	return (uint32_t)run->row->bytes;
}

int tree_setup(struct bench_run *run)
{
	return setup(run, LAUNCH_TREE_FANOUT);
}

int star_setup(struct bench_run *run)
{
	return setup(run, all_of(run));
}

#define TRIALS(what, root)                                                                    \
	int tree_##what(struct bench_run *run)                                                \
	{                                                                                     \
		return time_all(run, &tree, LAUNCH_TREE_FANOUT, what##_once, root);           \
	}                                                                                     \
	int star_##what(struct bench_run *run)                                                \
	{                                                                                     \
		return time_all(run, &star, all_of(run), what##_once, root);                  \
	}

#define root_fence_once fence_once
#define root_stdio_once stdio_once

TRIALS(fence, false)
TRIALS(stdio, false)
TRIALS(root_fence, true)
TRIALS(root_stdio, true)
