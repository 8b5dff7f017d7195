/* SPDX-License-Identifier: MIT */
/* dlaunch.c - start a program on nodes: parse, plan, run. */
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "cli/options.h"
#include "cli/plan.h"
#include "cli/run.h"
#include "cli/standard.h"

int main(int argc, char **argv)
{
	struct launch_options options;
	struct launch_plan plan;
	struct base_err err;
	int code;

	if (launch_standard_open("dlaunch", RUN_FAILED) < 0)
		return RUN_FAILED;
	base_fd_cloexec_from(3);
	if (base_log_init("dlaunch") < 0)
		return 2;
	launch_options_parse(argc, argv, &options);
	code = launch_plan_make(&options, &plan, &err);
	if (code) {
		fprintf(stderr, "dlaunch: %s\n", err.text);
		launch_options_fini(&options);
		return code;
	}
	if (options.dry_run || options.verbose || (!options.quiet && isatty(STDERR_FILENO)))
		launch_plan_print(&plan, options.dry_run);
	if (options.dry_run && options.verbose)
		launch_wlm_print(&options.sources, plan.source);
	if (!options.dry_run)
		code = launch_run(&plan);
	launch_plan_fini(&plan);
	launch_options_fini(&options);
	return code;
}
