/* SPDX-License-Identifier: MIT */
/* place_test.c - shapes, and the map of ranks to nodes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "place/place.h"

TestSuite(place, .timeout = 200);

static struct launch_shape shape(uint32_t nodes, uint32_t tasks_per_node, uint32_t tasks)
{
	return (struct launch_shape){ nodes, tasks_per_node, tasks, 0 };
}

/* Nodes of the ranks, one character each. Return: of launch_place(). */
static int place(const struct launch_place_spec *spec, char *ret_nodes)
{
	struct launch_place map[64];
	uint32_t locals[16] = { 0 };
	struct base_err err;
	int count = launch_place(spec, map, NULL, &err);

	for (int i = 0; i < count; i++) {
		cr_expect_eq(map[i].rank, (uint32_t)i);
		cr_expect_eq(map[i].local_rank, locals[map[i].node]++);
		ret_nodes[i] = (char)('0' + map[i].node);
	}
	ret_nodes[count > 0 ? count : 0] = 0;
	return count;
}

static int place_one(struct launch_shape one, uint32_t nodes, const uint32_t *slots,
		     enum launch_distribution distribution, char *ret_nodes)
{
	const struct launch_place_spec spec = { .apps = &one, .app_count = 1, .slots = slots,
						.nodes = nodes, .distribution = distribution };

	cr_assert_eq(launch_shape_decide(&one, nodes, 0, NULL), 0);
	return place(&spec, ret_nodes);
}

Test(place, what_was_not_said_follows)
{
	static const struct {
		struct launch_shape said, decided;
		uint32_t there, usual;
	} rows[] = {
		{ { 4, 3, 0, 0 }, { 4, 3, 12, 0 }, 4, 0 },
		{ { 4, 3, 12, 0 }, { 4, 3, 12, 0 }, 4, 0 },
		{ { 5, 0, 12, 0 }, { 5, 0, 12, 0 }, 8, 2 },
		{ { 0, 3, 12, 0 }, { 4, 3, 12, 0 }, 8, 0 },
		{ { 0, 5, 12, 0 }, { 3, 5, 12, 0 }, 8, 0 },
		{ { 0, 0, 12, 0 }, { 8, 0, 12, 0 }, 8, 0 },
		{ { 0, 0, 3, 0 }, { 3, 0, 3, 0 }, 8, 0 },
		{ { 0, 0, 0, 0 }, { 8, 1, 8, 0 }, 8, 0 },
		{ { 0, 0, 0, 0 }, { 8, 2, 16, 0 }, 8, 2 },
		{ { 0, 4, 0, 0 }, { 8, 4, 32, 0 }, 8, 2 },
		{ { 0, 1, 0, 2 }, { 6, 1, 6, 2 }, 8, 0 },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct launch_shape found = rows[i].said;

		cr_assert_eq(launch_shape_decide(&found, rows[i].there, rows[i].usual, NULL), 0,
			     "row %u", i);
		cr_expect_eq(memcmp(&found, &rows[i].decided, sizeof(found)), 0, "row %u", i);
	}
}

Test(place, shapes_that_do_not_fit_are_refused)
{
	struct base_err err;
	struct launch_shape bad = shape(4, 3, 11);

	cr_expect_eq(launch_shape_decide(&bad, 4, 0, &err), -EINVAL);
	cr_expect_str_eq(err.text, "--ntasks 11 does not agree with 4 nodes x 3 tasks = 12 tasks");
	bad = shape(4, 0, 3);
	cr_expect_eq(launch_shape_decide(&bad, 4, 0, &err), -EINVAL);
	cr_expect_str_eq(err.text, "--ntasks 3 leaves some of 4 nodes empty: --nodes 3");
	bad = shape(5, 1, 0);
	cr_expect_eq(launch_shape_decide(&bad, 4, 0, &err), -EINVAL);
	bad = shape(LAUNCH_NODES_MAX + 1, 1, 0);
	cr_expect_eq(launch_shape_decide(&bad, LAUNCH_NODES_MAX + 1, 0, &err), -EINVAL);
	bad = shape(1, LAUNCH_TASKS_PER_NODE_MAX + 1, 0);
	cr_expect_eq(launch_shape_decide(&bad, 1, 0, &err), -EINVAL);
	bad = shape(4096, 4096, 0);
	cr_expect_eq(launch_shape_decide(&bad, 4096, 0, &err), -E2BIG);
	bad = (struct launch_shape){ .first_node = 4 };
	cr_expect_eq(launch_shape_decide(&bad, 4, 0, &err), -EINVAL);
}

Test(place, blocks_and_turns)
{
	char nodes[65];

	cr_expect_eq(place_one(shape(4, 3, 0), 4, NULL, LAUNCH_BLOCK, nodes), 12);
	cr_expect_str_eq(nodes, "000111222333");
	cr_expect_eq(place_one(shape(4, 3, 0), 4, NULL, LAUNCH_CYCLIC, nodes), 12);
	cr_expect_str_eq(nodes, "012301230123");
	cr_expect_eq(place_one(shape(1, 1, 0), 1, NULL, LAUNCH_BLOCK, nodes), 1);
	cr_expect_str_eq(nodes, "0");
}

Test(place, an_uneven_total_goes_round)
{
	char nodes[65];

	place_one(shape(5, 0, 12), 5, NULL, LAUNCH_BLOCK, nodes);
	cr_expect_str_eq(nodes, "000111223344");
	place_one(shape(5, 0, 12), 5, NULL, LAUNCH_CYCLIC, nodes);
	cr_expect_str_eq(nodes, "012340123401");
	/* A number for each node was said, so the last one gets the rest. */
	place_one(shape(0, 5, 12), 8, NULL, LAUNCH_BLOCK, nodes);
	cr_expect_str_eq(nodes, "000001111122");
}

Test(place, slots_limit_each_node)
{
	static const uint32_t slots[] = { 5, 1, 3 };
	struct launch_shape one = shape(3, 0, 9);
	struct launch_place_spec spec = { .apps = &one, .app_count = 1, .slots = slots,
					  .nodes = 3 };
	struct launch_place map[16];
	struct base_err err;
	char nodes[65];

	place(&spec, nodes);
	cr_expect_str_eq(nodes, "000001222");
	spec.distribution = LAUNCH_CYCLIC;
	place(&spec, nodes);
	cr_expect_str_eq(nodes, "012020200");
	one.tasks = 10;
	cr_expect_eq(launch_place(&spec, map, NULL, &err), -ENOSPC);
	cr_expect_not_null(strstr(err.text, "only 9 free slots"));
	one = shape(3, 2, 6);
	cr_expect_eq(launch_place(&spec, map, NULL, &err), -ENOSPC);
	cr_expect_not_null(strstr(err.text, "2 tasks on node 1, which has 1 free slot:"));
	spec.overcommit = 1;
	cr_expect_eq(launch_place(&spec, map, NULL, &err), 6);
}

Test(place, programs_share_nodes_and_slots)
{
	static const uint32_t slots[] = { 3, 3 };
	struct launch_shape apps[] = { { 2, 2, 4, 0 }, { 1, 1, 1, 1 } };
	const struct launch_place_spec spec = { .apps = apps, .app_count = 2, .slots = slots,
						.nodes = 2 };
	struct launch_place map[8];
	uint32_t app[8];
	char nodes[65];

	cr_expect_eq(place(&spec, nodes), 5);
	cr_expect_str_eq(nodes, "00111");
	cr_assert_eq(launch_place(&spec, map, app, NULL), 5);
	for (int i = 0; i < 5; i++)
		cr_expect_eq(app[i], i == 4);
	apps[1].tasks_per_node = apps[1].tasks = 2;
	cr_expect_eq(launch_place(&spec, map, app, NULL), -ENOSPC);
	apps[1].first_node = 2;
	cr_expect_eq(launch_place(&spec, map, app, NULL), -EINVAL);
}
