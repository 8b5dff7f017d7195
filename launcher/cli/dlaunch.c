/* SPDX-License-Identifier: MIT */
/* dlaunch.c - start a program on nodes: parse, plan, run. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "cli/options.h"
#include "cli/plan.h"
#include "cli/run.h"

/* A missing 0, 1 or 2 would be taken by the next open() and get somebody's output. */
static int hold_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd < 0 ? -1 : close(fd);
}

int main(int argc, char **argv)
{
	struct launch_options options;
	struct launch_plan plan;
	struct base_err err;
	int code;

	if (hold_standard_fds() < 0)
		return RUN_FAILED;
	base_fd_cloexec_from(3);
	base_log_init("dlaunch");
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
