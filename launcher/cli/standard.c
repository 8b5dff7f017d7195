/* SPDX-License-Identifier: MIT */
/* standard.c - see standard.h. */
#include "cli/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *program;
static int failed_code;

static void check_stdout(void)
{
	int failed = ferror(stdout);

	errno = 0;
	if (fflush(stdout) == 0 && !failed)
		return;
	fprintf(stderr, "%s: cannot write to stdout: %s\n", program,
		errno ? strerror(errno) : "output was lost");
	_exit(failed_code);
}

int launch_standard_open(const char *name, int code)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -errno;
	close(fd);
	signal(SIGXFSZ, SIG_IGN);
	program = name;
	failed_code = code;
	return atexit(check_stdout) ? -ENOMEM : 0;
}
