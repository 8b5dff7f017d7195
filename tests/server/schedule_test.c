/* SPDX-License-Identifier: MIT */
/* schedule_test.c - who gets which hosts. */
#include <criterion/criterion.h>

#include "server/schedule.h"

TestSuite(schedule, .timeout = 200);

static const uint32_t slots[] = { 4, 4, 4, 4 };

Test(schedule, names)
{
	cr_expect_eq(server_schedule_find("original"), SERVER_SCHEDULE_ORIGINAL);
	cr_expect_eq(server_schedule_find("pack"), SERVER_SCHEDULE_PACK);
	cr_expect_eq(server_schedule_find("fair"), SERVER_SCHEDULES);
	cr_expect_str_eq(server_schedule_name(SERVER_SCHEDULE_BACKFILL), "backfill");
}

Test(schedule, whole_hosts_in_the_order_in_which_they_became_free)
{
	struct server_hosts *hosts = server_hosts_create(SERVER_SCHEDULE_ORIGINAL, slots, 4);
	uint32_t a[4], b[4];

	cr_assert(server_hosts_take(hosts, 1, 100, a));
	cr_expect_eq(a[0], 0);
	cr_assert(server_hosts_take(hosts, 2, 1, b));
	cr_expect_eq(b[0], 1);
	cr_expect_eq(b[1], 2);
	cr_expect_not(server_hosts_take(hosts, 2, 1, b + 2), "one host is left");
	server_hosts_give(hosts, a, 1, 100);
	cr_assert(server_hosts_take(hosts, 2, 1, a));
	cr_expect_eq(a[0], 3, "it waited longer");
	cr_expect_eq(a[1], 0);
	cr_expect(server_hosts_full(hosts));
	server_hosts_free(hosts);
}

Test(schedule, a_dead_host_is_not_given_out)
{
	struct server_hosts *hosts = server_hosts_create(SERVER_SCHEDULE_ORIGINAL, slots, 3);
	uint32_t a[4], b[4];

	cr_assert(server_hosts_take(hosts, 1, 1, a));
	server_hosts_die(hosts, 1);
	server_hosts_die(hosts, 0);
	server_hosts_die(hosts, 0);
	cr_expect_eq(server_hosts_count(hosts), 1);
	cr_expect_not(server_hosts_take(hosts, 2, 1, b));
	cr_assert(server_hosts_take(hosts, 1, 1, b));
	cr_expect_eq(b[0], 2);
	server_hosts_give(hosts, a, 1, 1);
	server_hosts_give(hosts, b, 1, 1);
	cr_assert(server_hosts_take(hosts, 1, 1, b));
	cr_expect_eq(b[0], 2);
	cr_expect_not(server_hosts_take(hosts, 1, 1, b));
	server_hosts_free(hosts);
}

Test(schedule, packed_steps_share_the_fullest_host)
{
	struct server_hosts *hosts = server_hosts_create(SERVER_SCHEDULE_PACK, slots, 4);
	uint32_t a[4], b[4], c[4], d[4];

	cr_assert(server_hosts_take(hosts, 1, 2, a));
	cr_assert(server_hosts_take(hosts, 1, 1, b));
	cr_expect_eq(b[0], a[0]);
	cr_assert(server_hosts_take(hosts, 1, 2, c), "it does not fit there any more");
	cr_expect_neq(c[0], a[0]);
	cr_assert(server_hosts_take(hosts, 2, 9, d), "more tasks than slots: whole hosts");
	cr_expect_not(server_hosts_take(hosts, 3, 1, d));
	cr_assert(server_hosts_take(hosts, 2, 1, b + 1));
	cr_expect_neq(b[1], b[2]);
	cr_expect_not(server_hosts_take(hosts, 1, 2, d + 2));
	server_hosts_give(hosts, a, 1, 2);
	cr_expect(server_hosts_take(hosts, 1, 2, a));
	server_hosts_free(hosts);
}

Test(schedule, only_backfill_limits_overtaking)
{
	struct server_hosts *original = server_hosts_create(SERVER_SCHEDULE_ORIGINAL, slots, 4);
	struct server_hosts *backfill = server_hosts_create(SERVER_SCHEDULE_BACKFILL, slots, 4);

	cr_expect(server_schedule_may_pass(original, 1000000));
	cr_expect(server_schedule_may_pass(backfill, SERVER_PASSED_MAX - 1));
	cr_expect_not(server_schedule_may_pass(backfill, SERVER_PASSED_MAX));
	server_hosts_free(original);
	server_hosts_free(backfill);
}
