/* SPDX-License-Identifier: MIT */
/* options_test.c - numbers, sizes and the command line of dlaunch. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "cli/options.h"

TestSuite(options, .timeout = 200);

static void parse(char **argv, struct launch_options *ret_options)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	unsetenv("DHOW_TRANSPORT");
	launch_options_parse(argc, argv, ret_options);
}

#define WORDS(...) ((char *[]){ (char[]){ "dlaunch" }, __VA_ARGS__, NULL })
#define W(text) ((char[]){ text })

Test(options, numbers_are_digits_and_nothing_else)
{
	static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "1x", "0x1", "1.0", "abc" };
	uint64_t value = 77;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_eq(launch_parse_number(bad[i], 0, 100, &value), -EINVAL, "%s", bad[i]);
	cr_expect_eq(launch_parse_number("101", 0, 100, &value), -ERANGE);
	cr_expect_eq(launch_parse_number("0", 1, 100, &value), -ERANGE);
	cr_expect_eq(launch_parse_number("99999999999999999999", 0, UINT64_MAX, &value), -ERANGE);
	cr_expect_eq(value, 77);
	cr_expect_eq(launch_parse_number("100", 0, 100, &value), 0);
	cr_expect_eq(value, 100);
}

Test(options, sizes_have_one_unit)
{
	uint64_t bytes = 0;

	cr_expect_eq(launch_parse_bytes("64M", &bytes), 0);
	cr_expect_eq(bytes, UINT64_C(64) << 20);
	cr_expect_eq(launch_parse_bytes("512", &bytes), 0);
	cr_expect_eq(bytes, 512);
	cr_expect_eq(launch_parse_bytes("2T", &bytes), 0);
	cr_expect_eq(launch_parse_bytes("64MB", &bytes), -EINVAL);
	cr_expect_eq(launch_parse_bytes("M", &bytes), -EINVAL);
	cr_expect_eq(launch_parse_bytes("", &bytes), -EINVAL);
	cr_expect_eq(launch_parse_bytes("64X", &bytes), -EINVAL);
	cr_expect_eq(launch_parse_bytes("99999999T", &bytes), -ERANGE);
}

Test(options, the_program_ends_our_options)
{
	struct launch_options options;

	parse(WORDS(W("-n"), W("4"), W("-N3"), W("app"), W("-n"), W("9")), &options);
	cr_expect_eq(options.segment[0].shape.nodes, 4);
	cr_expect_eq(options.segment[0].shape.tasks_per_node, 3);
	cr_expect_str_eq(options.segment[0].argv[0], "app");
	cr_expect_str_eq(options.segment[0].argv[1], "-n");
	cr_expect_str_eq(options.segment[0].argv[2], "9");
	cr_expect_null(options.segment[0].argv[3]);
	launch_options_fini(&options);
}

Test(options, two_dashes_end_them_too)
{
	struct launch_options options;

	parse(WORDS(W("-l"), W("--"), W("-app")), &options);
	cr_expect_eq(options.label, 1);
	cr_expect_str_eq(options.segment[0].argv[0], "-app");
	launch_options_fini(&options);
}

Test(options, aliases_and_repeated_env)
{
	struct launch_options options;

	parse(WORDS(W("--ppn=2"), W("--np"), W("2"), W("--env"), W("A=1"), W("--env=B=2"),
		    W("app")), &options);
	cr_expect_eq(options.segment[0].shape.tasks_per_node, 2);
	cr_expect_eq(options.segment[0].shape.tasks, 2);
	cr_expect_eq(options.segment[0].env.count, 2);
	cr_expect_str_eq(options.segment[0].env.edit[1].text, "B=2");
	launch_options_fini(&options);
}

Test(options, a_bad_number_is_wrong_usage, .exit_code = 2)
{
	struct launch_options options;

	parse(WORDS(W("-n"), W("0"), W("app")), &options);
}

Test(options, no_program_is_wrong_usage, .exit_code = 2)
{
	struct launch_options options;

	parse(WORDS(W("-v")), &options);
}
