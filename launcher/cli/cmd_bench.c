/* SPDX-License-Identifier: MIT */
/* cmd_bench.c - `dhow bench`: becomes the program that runs the benchmarks. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/program.h"

int launch_cmd_bench(int argc, char **argv)
{
	char path[PATH_MAX];

	(void)argc;
	if (launch_program_find("bench/suite", path)) {
		fputs("dhow: bench: the benchmarks are not here (bench/suite, libexec/dhow/bench)\n"
		      "try: build with -DDHOW_BENCH=ON and jansson, and install again\n", stderr);
		return 1;
	}
	argv[0] = (char *)(uintptr_t)"dhow bench";	/* what its --help calls it */
	execv(path, argv);
	fprintf(stderr, "dhow: bench: cannot execute '%s': %s\n", path, strerror(errno));
	return 1;
}
