/* SPDX-License-Identifier: MIT */
/*
 * dhowd.c - the daemon of a node: what happens before its loop. Started by dlaunch only, which
 * writes the keys and the rest into its stdin; see proto/boot.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dhow/dhow.h>

#include "base/fd.h"
#include "base/log.h"
#include "keys/keys.h"
#include "node/daemon.h"
#include "node/identity.h"
#include "node/keeper.h"
#include "proto/boot_file.h"

enum { BOOT_TIMEOUT_MS = 10000 };

/* The life line goes out of the way of the numbers that children get. */
static int take_lifeline(struct base_err *reterr)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), null;

	if (fd < 0)
		return base_err(reterr, -errno, "no life line on stdin: %s", strerror(errno));
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		return base_err(reterr, -errno, "cannot open /dev/null: %s", strerror(errno));
	close(null);
	return fd;
}

static void set_limits(struct rlimit *ret_core, struct rlimit *ret_files)
{
	struct rlimit limit;

	getrlimit(RLIMIT_CORE, ret_core);
	getrlimit(RLIMIT_NOFILE, ret_files);
	limit = *ret_core;
	limit.rlim_cur = 0;	/* a core would hold keys */
	setrlimit(RLIMIT_CORE, &limit);
	limit = *ret_files;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* dlaunch alone calls us; there is no option that a person would want. */
static const char *find_option(int argc, char **argv, const char *name)
{
	size_t bytes = strlen(name);

	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], name, bytes) == 0)
			return argv[i] + bytes;
	return NULL;
}

int main(int argc, char **argv)
{
	struct rlimit core, files;
	struct launch_boot *boot;
	struct base_err err;
	const char *file;
	int lifeline, code, rc;

	umask(077);
	base_log_init("dhowd");
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		printf("dhowd %s\n", DHOW_VERSION);
		return 0;
	}
	base_fd_cloexec_from(3);
	if (find_option(argc, argv, LAUNCH_KEEPER_OPTION))
		return launch_keeper_run(argc, argv);
	set_limits(&core, &files);
	boot = NULL;
	if (launch_keys_init(&err) < 0 || launch_link_check(&err) < 0)
		goto err_report;
	boot = launch_keys_alloc(sizeof(*boot));
	if (!boot) {
		base_err(&err, -ENOMEM, "no locked memory for keys (see ulimit -l)");
		goto err_report;
	}
	file = find_option(argc, argv, "--boot-file=");
	rc = file ? launch_boot_file_read(file, BOOT_TIMEOUT_MS, boot, &err) :
		    launch_boot_read(STDIN_FILENO, BOOT_TIMEOUT_MS, boot, &err);
	boot->file = file;
	if (rc < 0 || launch_identity_find(boot, find_option(argc, argv, "--node="), &err) < 0)
		goto err_report;
	if (boot->verbose && !base_log_enabled(BASE_LOG_INFO))
		base_log_set_level(BASE_LOG_INFO);
	lifeline = take_lifeline(&err);
	if (lifeline < 0)
		goto err_report;
	if (file) {
		close(lifeline);
		lifeline = -1;
	} else {
		base_fd_set_nonblocking(lifeline, 1);
	}
	code = launch_daemon_run(boot, lifeline, &core, &files);
	launch_boot_free(boot);
	return code;
err_report:
	base_log_error("%s", err.text);
	launch_boot_free(boot);
	return 125;
}
