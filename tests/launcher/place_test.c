/* SPDX-License-Identifier: MIT */
/* place_test.c - the map of ranks to nodes. */
#include <criterion/criterion.h>
#include <errno.h>

#include "place/place.h"

TestSuite(place, .timeout = 10);

Test(place, twelve_tasks_on_four_nodes)
{
	struct launch_place map[12];

	cr_assert_eq(launch_place_block(4, 3, map), 12);
	for (uint32_t i = 0; i < 12; i++) {
		cr_expect_eq(map[i].rank, i);
		cr_expect_eq(map[i].node, i / 3);
		cr_expect_eq(map[i].local_rank, i % 3);
	}
}

Test(place, without_a_map_it_counts)
{
	cr_expect_eq(launch_place_block(1, 1, NULL), 1);
	cr_expect_eq(launch_place_block(64, 16, NULL), 1024);
}

Test(place, numbers_out_of_range_are_refused)
{
	cr_expect_eq(launch_place_block(0, 1, NULL), -EINVAL);
	cr_expect_eq(launch_place_block(1, 0, NULL), -EINVAL);
	cr_expect_eq(launch_place_block(LAUNCH_NODES_MAX + 1, 1, NULL), -EINVAL);
	cr_expect_eq(launch_place_block(1, LAUNCH_TASKS_PER_NODE_MAX + 1, NULL), -EINVAL);
	cr_expect_eq(launch_place_block(4096, 4096, NULL), -E2BIG);
}
