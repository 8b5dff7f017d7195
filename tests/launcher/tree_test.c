/* SPDX-License-Identifier: MIT */
/* tree_test.c - every node has one way from the root; what is passed on arrives. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "proto/relay.h"

TestSuite(tree, .timeout = 200);

Test(tree, everybody_has_one_way)
{
	static const uint32_t sizes[] = { 1, 2, 7, 32, 33, 100, 1057 }, fanouts[] = { 1, 2, 3, 32 };

	for (unsigned s = 0; s < sizeof(sizes) / sizeof(*sizes); s++)
		for (unsigned f = 0; f < sizeof(fanouts) / sizeof(*fanouts); f++) {
			const struct launch_tree tree = { sizes[s], fanouts[f] };
			uint32_t seen = 0, of_root;

			cr_assert_eq(launch_tree_below(&tree, LAUNCH_TREE_ROOT), tree.nodes);
			for (uint32_t node = 0; node < tree.nodes; node++) {
				uint32_t parent = launch_tree_parent(&tree, node), count, first;

				cr_assert(parent == LAUNCH_TREE_ROOT || parent < node);
				first = launch_tree_children(&tree, parent, &count);
				cr_assert(node >= first && node < first + count);
				cr_assert_leq(count, tree.fanout);
				cr_assert_eq(launch_tree_hop(&tree, parent, node), node);
				cr_assert_neq(launch_tree_hop(&tree, LAUNCH_TREE_ROOT, node),
					      LAUNCH_TREE_ROOT);
				cr_assert_eq(launch_tree_hop(&tree, node, node), LAUNCH_TREE_ROOT);
				launch_tree_children(&tree, node, &count);
				seen += count;
			}
			launch_tree_children(&tree, LAUNCH_TREE_ROOT, &of_root);
			cr_assert_eq(seen + of_root, tree.nodes);
			cr_assert_eq(launch_tree_hop(&tree, LAUNCH_TREE_ROOT, tree.nodes),
				     LAUNCH_TREE_ROOT, "no such node");
		}
}

/* A root and three daemons in a line, in this process: 0 below the root, 1 below 0, 2 below 1. */
enum { NODES = 3, WAIT_MS = 60000 };
static const struct launch_tree line = { NODES, 1 };
static struct launch_keys *keys[NODES + 1];	/* the last one is the root's */
static struct launch_link *root;
static struct launch_relay *relays[NODES];

static struct launch_link *serve(uint32_t first, uint32_t count, const struct launch_keys *pair)
{
	uint8_t allowed[NODES][LAUNCH_KEY_BYTES];
	struct launch_link_spec spec = { .address = "127.0.0.1", .keys = pair, .first = first,
					 .count = count, .tree = line };
	struct launch_link *link;

	for (uint32_t i = 0; i < count; i++)
		memcpy(allowed[i], keys[first + i]->public, LAUNCH_KEY_BYTES);
	spec.allowed = (const uint8_t (*)[LAUNCH_KEY_BYTES])allowed;
	cr_assert_eq(launch_link_serve(&spec, &link, NULL), 0);
	return link;
}

static struct launch_link *connect_to(const char *endpoint, uint32_t node, uint32_t to)
{
	struct launch_link *link;

	cr_assert_eq(launch_link_connect(NULL, endpoint, node, keys[node], keys[to]->public, &link,
					 NULL), 0);
	return link;
}

static void open_line(void)
{
	cr_assert_eq(launch_keys_init(NULL), 0);
	for (int i = 0; i <= NODES; i++)
		cr_assert_eq(launch_keys_create(&keys[i]), 0);
	root = serve(0, NODES, keys[NODES]);
	for (uint32_t i = 0; i < NODES; i++) {
		relays[i] = launch_relay_open(&line, i, connect_to(launch_link_endpoint(root), i,
								   NODES));
		cr_assert(relays[i]);
		if (i + 1 < NODES)
			launch_relay_serve(relays[i], serve(i + 1, 1, keys[i]));
		if (i)
			launch_relay_join(relays[i],
					  connect_to(launch_relay_endpoint(relays[i - 1]), i,
						     i - 1));
	}
}

static void close_line(void)
{
	for (int i = 0; i < NODES; i++)
		launch_relay_close(relays[i], 0);
	launch_link_close(root, 0);
	for (int i = 0; i <= NODES; i++)
		launch_keys_free(keys[i]);
}

/* Step all relays until one has a message (*ret_at is its node, NODES the root) or time is up. */
static int step_until(uint32_t *ret_at, uint32_t *ret_from, struct launch_frame *frame,
		      struct launch_message *message)
{
	uint64_t limit_ns = base_now_ns() + WAIT_MS * BASE_MS;
	int moved;

	while (base_now_ns() < limit_ns) {
		for (uint32_t i = 0; i < NODES; i++) {
			*ret_at = i;
			if (launch_relay_recv(relays[i], frame, message, &moved) == 0)
				return 0;
			cr_assert_eq(launch_relay_flush(relays[i]), 0);
		}
		*ret_at = NODES;
		if (launch_link_recv(root, ret_from, frame, message) == 0)
			return 0;
		zmq_poll(NULL, 0, 1);
	}
	return -ETIMEDOUT;
}

static void say_up(uint32_t node, const struct launch_message *message)
{
	struct launch_message got;
	struct launch_frame frame;
	uint32_t at, from;

	cr_assert_eq(launch_relay_send(relays[node], message), 0);
	cr_assert_eq(step_until(&at, &from, &frame, &got), 0, "node %u", node);
	cr_expect_eq(at, NODES);
	cr_expect_eq(from, node);
	cr_expect_eq(got.type, message->type);
	launch_frame_fini(&frame);
}

TestSuite(relay, .timeout = 200, .init = open_line, .fini = close_line);

Test(relay, up_and_down_by_way_of_others)
{
	struct launch_message message = { .type = LAUNCH_DONE }, got;
	const uint32_t nodes[] = { 0, 2 };
	struct launch_frame frame;
	uint32_t at, from, seen = 0;

	message.run.run = 5;
	for (uint32_t i = 0; i < NODES; i++)
		say_up(i, &message);
	message.type = LAUNCH_FINISH;
	cr_assert_eq(launch_frame_make(&message, &frame), 0);
	cr_assert_eq(launch_spread(root, &line, LAUNCH_TREE_ROOT, &frame, nodes, 2, NULL, NULL), 0);
	launch_frame_fini(&frame);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(step_until(&at, &from, &frame, &got), 0);
		cr_expect_eq(got.run.run, 5);
		seen |= 1u << at;
		launch_frame_fini(&frame);
	}
	cr_expect_eq(seen, 1u << 0 | 1u << 2, "not node 1, which only passed it on");
}

Test(relay, fences_are_joined_on_their_way)
{
	struct launch_message message = { .type = LAUNCH_FENCE }, got;
	struct launch_frame frame;
	uint32_t at, from;

	for (uint32_t i = 0; i < NODES; i++)
		launch_relay_join_fences(relays[i], 5, NODES - i);
	message.fence.run = 5;
	message.fence.count = 1;
	strcpy(message.fence.key, "all");
	for (uint32_t i = 0; i < NODES; i++) {
		message.fence.data = (const char *[]){ "a", "bb", "ccc" }[i];
		message.fence.bytes = i + 1;
		cr_assert_eq(launch_relay_send(relays[i], &message), 0);
	}
	cr_assert_eq(step_until(&at, &from, &frame, &got), 0);
	cr_expect_eq(at, NODES);
	cr_expect_eq(got.type, LAUNCH_FENCE);
	cr_expect_eq(from, 0);
	cr_expect_eq(got.fence.count, 3, "one message for all");
	cr_expect_eq(got.fence.bytes, 6);
	launch_frame_fini(&frame);
}

/* What is too large for one frame goes up in parts, and the root hears of no node twice: what came
 * from below was here first, so that this node has its own word still to say. */
Test(relay, large_fences_name_each_node_once)
{
	enum { BYTES = LAUNCH_FRAME_BYTES_MAX / 8 * 3 };
	struct launch_message message = { .type = LAUNCH_FENCE }, got;
	struct launch_frame frame;
	uint32_t at, from, count = 0, seen = 0;
	size_t bytes = 0;
	int moved;

	for (uint32_t i = 0; i < NODES; i++)
		launch_relay_join_fences(relays[i], 5, NODES - i);
	message.fence.run = 5;
	message.fence.count = 1;
	strcpy(message.fence.key, "all");
	message.fence.data = calloc(1, BYTES);
	message.fence.bytes = BYTES;
	cr_assert(message.fence.data);
	for (uint32_t i = NODES; i-- > 0;) {
		uint64_t limit_ns = base_now_ns() + WAIT_MS * BASE_MS;

		cr_assert_eq(launch_relay_send(relays[i], &message), 0);
		cr_assert_eq(launch_relay_flush(relays[i]), 0);
		for (moved = i == 0; !moved && base_now_ns() < limit_ns; zmq_poll(NULL, 0, 1))
			cr_assert_eq(launch_relay_recv(relays[i - 1], &frame, &got, &moved),
				     -EAGAIN);
		cr_assert(moved, "node %u was not heard", i);
	}
	free((void *)(uintptr_t)message.fence.data);
	while (count < NODES) {
		cr_assert_eq(step_until(&at, &from, &frame, &got), 0, "%u of all", count);
		cr_assert_eq(at, NODES);
		cr_assert_lt(from, NODES);
		cr_expect_eq(seen & 1u << from, 0, "node %u twice", from);
		seen |= 1u << from;
		count += got.fence.count;
		bytes += got.fence.bytes;
		launch_frame_fini(&frame);
	}
	cr_expect_eq(count, NODES);
	cr_expect_eq(bytes, (size_t)NODES * BYTES);
}

Test(relay, leaving_is_waited_for)
{
	const struct launch_message left = { .type = LAUNCH_LEFT };

	cr_expect_eq(launch_relay_waits_for(relays[0]), 2);
	say_up(2, &left);
	cr_expect_eq(launch_relay_waits_for(relays[0]), 1);
	cr_expect_eq(launch_relay_waits_for(relays[1]), 0);
	launch_relay_gone(relays[0], 1);
	cr_expect_eq(launch_relay_waits_for(relays[0]), 0);
	cr_expect_eq(launch_relay_waits_for(relays[2]), 0);
}

/* By a node's first link, which may still be in its handshake: nothing came by it yet. */
static void say_down(uint32_t node, const struct launch_message *message)
{
	uint64_t limit_ns = base_now_ns() + WAIT_MS * BASE_MS;
	int rc;

	while ((rc = launch_link_send(root, node, message)) == -EHOSTUNREACH &&
	       base_now_ns() < limit_ns)
		zmq_poll(NULL, 0, 1);
	cr_assert_eq(rc, 0, "node %u: %d", node, rc);
}

/* When the parent is dead the root speaks by the first link, and is answered there. */
Test(relay, the_first_link_is_the_way_out)
{
	const struct launch_message leave = { .type = LAUNCH_LEAVE };
	const struct launch_message left = { .type = LAUNCH_LEFT };
	struct launch_message got;
	struct launch_frame frame;
	uint32_t at, from;
	int moved;

	say_up(2, &left);
	launch_relay_close(relays[1], 0);
	relays[1] = launch_relay_open(&line, 1, connect_to(launch_link_endpoint(root), 1, NODES));
	say_down(2, &leave);
	cr_assert_eq(step_until(&at, &from, &frame, &got), 0);
	cr_expect_eq(at, 2);
	launch_frame_fini(&frame);
	cr_expect_eq(launch_relay_recv(relays[2], &frame, &got, &moved), -EAGAIN);
	say_up(2, &left);
}
