/* SPDX-License-Identifier: MIT */
/* select_test.c - which transport: who names it, who beats whom, what the kernel shows. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/select.h"

static const char *const variables[] = { "DHOW_TRANSPORT", "SMARTSIM_DRAGON_TRANSPORT",
					 "DHOW_FABRIC", "DHOW_PROVIDER", "DHOW_NIC" };

static void forget(void)
{
	for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
		unsetenv(variables[i]);
}

TestSuite(select, .timeout = 200, .init = forget);

static const struct launch_wish none;
#define OPTION(text) ((struct launch_wish){ text, "option", 1 })
#define VARIABLE(text) ((struct launch_wish){ text, "variable", 0 })

/* Nothing is needed, so nobody is asked. */
static int choose(struct launch_wish transport, struct launch_wish fabric,
		  struct launch_wish provider, struct launch_selection *ret)
{
	struct launch_wishes wishes = { .transport = transport, .fabric = fabric,
					.provider = provider };
	struct base_err err;

	return launch_select(&wishes, "/nonexistent", 0, ret, &err);
}

Test(select, who_names_a_part_has_named_the_transport)
{
	struct launch_selection got;

	cr_assert_eq(choose(none, none, none, &got), 0);
	cr_expect_str_eq(got.transport, "tcp");
	cr_assert_eq(choose(none, VARIABLE("ucx"), none, &got), 0);
	cr_expect_str_eq(got.transport, "hsta");
	cr_expect_str_eq(got.fabric, "ucx");
	cr_assert_eq(choose(none, none, VARIABLE("cxi"), &got), 0);
	cr_expect_str_eq(got.transport, "hsta");
	cr_assert_eq(choose(VARIABLE("auto"), VARIABLE("auto"), VARIABLE("cxi"), &got), 0);
	cr_expect_str_eq(got.fabric, "");
}

Test(select, an_option_beats_a_variable_of_the_other_transport)
{
	struct launch_selection got;

	cr_assert_eq(choose(VARIABLE("tcp"), VARIABLE("uring"), none, &got), 0);
	cr_expect_str_eq(got.fabric, "uring");
	cr_expect_eq(choose(VARIABLE("tcp"), VARIABLE("ofi"), none, &got), 2);
	cr_expect_eq(choose(OPTION("tcp"), OPTION("ofi"), none, &got), 2);
	cr_expect_eq(choose(VARIABLE("hsta"), none, VARIABLE("cxi"), &got), 0);
	cr_expect_eq(choose(VARIABLE("tcp"), none, VARIABLE("cxi"), &got), 2);
}

Test(select, names_are_checked_before_anything_else)
{
	struct launch_selection got;
	char text[200];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	cr_expect_eq(choose(OPTION("pigeon"), none, none, &got), 2);
	cr_expect_eq(choose(none, OPTION("pigeon"), none, &got), 2);
	cr_expect_eq(choose(none, none, OPTION(text), &got), 2);
	cr_expect_eq(choose(none, none, OPTION(""), &got), 2);
}

Test(select, variables_are_asked_in_their_order)
{
	struct launch_wishes wishes = { .fabric = OPTION("epoll") };

	setenv("SMARTSIM_DRAGON_TRANSPORT", "hsta", 1);
	setenv("DHOW_FABRIC", "uring", 1);
	setenv("DHOW_NIC", "", 1);
	launch_wishes_environment(&wishes);
	cr_expect_str_eq(wishes.transport.value, "hsta");
	cr_expect_str_eq(wishes.transport.origin, "SMARTSIM_DRAGON_TRANSPORT");
	cr_expect_str_eq(wishes.fabric.value, "epoll");
	cr_expect_null(wishes.nic.value);
	setenv("DHOW_TRANSPORT", "tcp", 1);
	wishes.transport = none;
	launch_wishes_environment(&wishes);
	cr_expect_str_eq(wishes.transport.value, "tcp");
}

Test(select, devices_of_the_kernel_are_found)
{
	char sys[] = "/tmp/dhow-select-XXXXXX", path[256], text[128];
	static const char *const parts[] = { "/class", "/class/infiniband",
					     "/class/infiniband/mlx5_0" };

	cr_assert_not_null(mkdtemp(sys));
	cr_expect_eq(launch_rdma_find(sys, text, sizeof(text)), -ENODEV);
	for (int i = 0; i < 3; i++) {
		if (i == 2)
			cr_expect_eq(launch_rdma_find(sys, text, sizeof(text)), -ENODEV);
		snprintf(path, sizeof(path), "%s%s", sys, parts[i]);
		mkdir(path, 0700);
	}
	cr_expect_eq(launch_rdma_find(sys, text, sizeof(text)), 0);
	cr_expect_str_eq(text, "mlx5_0 (class infiniband)");
	for (int i = 2; i >= 0; i--) {
		snprintf(path, sizeof(path), "%s%s", sys, parts[i]);
		rmdir(path);
	}
	rmdir(sys);
}
