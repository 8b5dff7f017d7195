/* SPDX-License-Identifier: MIT */
/* cmd_info.c - `dhow info`: what this machine has of what Dhow uses, found by trying it. */
#include <errno.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zmq.h>

#include <dhow/dhow.h>

#include "cli/cmd.h"
#include "cli/fabrics.h"
#include "cli/select.h"

/* System calls that the C library of an old build host does not know. */
enum { CALL_PIDFD_OPEN = 434, CALL_CLOSE_RANGE = 436, CALL_FUTEX_WAITV = 449, CALL_IO_URING = 425 };

/* A nonsense call: ENOSYS is a kernel without it, EPERM one that forbids it. */
static int probe_io_uring(void)
{
	return syscall(CALL_IO_URING, 0, NULL) < 0 && errno != ENOSYS && errno != EPERM;
}

static int probe_pidfd(void)
{
	int fd = (int)syscall(CALL_PIDFD_OPEN, getpid(), 0);

	return fd >= 0 && close(fd) == 0;
}

static int probe_futex_waitv(void)
{
	return syscall(CALL_FUTEX_WAITV, NULL, 0, 0, NULL, 0) < 0 && errno != ENOSYS &&
	       errno != EPERM;
}

static int probe_memfd(void)
{
	int fd = memfd_create("dhow-info", MFD_CLOEXEC);

	return fd >= 0 && close(fd) == 0;
}

static int probe_close_range(void)
{
	return syscall(CALL_CLOSE_RANGE, ~0u - 1, ~0u, 0) == 0;
}

static int has_agent(const char *name)
{
	char path[PATH_MAX];

	return launch_program_find(name, path) == 0;
}

static int probe_tcp(void)
{
	return has_agent("dhow-tcp");
}

static int probe_hsta(void)
{
	return has_agent("dhow-hsta");
}

static const struct {
	const char *group, *name;
	int (*probe)(void);
	const char *without;
} features[] = {
	{ "kernel", "memfd", probe_memfd, "no segments: Dhow does not work" },
	{ "kernel", "pidfd", probe_pidfd, "deaths are seen by other means" },
	{ "kernel", "close_range", probe_close_range, "starting a process is slower" },
	{ "kernel", "futex_waitv", probe_futex_waitv, "waiting for many channels is slower" },
	{ "kernel", "io_uring", probe_io_uring, "the tcp agent uses epoll" },
	{ "agents", "tcp", probe_tcp, "one node only" },
	{ "agents", "hsta", probe_hsta, "no Slingshot or InfiniBand" },
};

static int count_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

static int print_json(const struct utsname *system)
{
	json_t *report = json_pack("{s:s,s:s,s:s,s:i,s:{},s:{},s:o,s:o}", "version", DHOW_VERSION,
				   "release", system->release, "machine", system->machine, "cpus",
				   count_cpus(), "kernel", "agents", "fabrics",
				   launch_fabrics_list(), "chosen", launch_fabrics_chosen());
	int rc;

	for (unsigned i = 0; report && i < sizeof(features) / sizeof(*features); i++)
		json_object_set_new(json_object_get(report, features[i].group), features[i].name,
				    json_boolean(features[i].probe()));
	rc = report ? json_dumpf(report, stdout, JSON_INDENT(1)) : -1;
	putchar('\n');
	json_decref(report);
	return rc < 0 ? 1 : 0;
}

static const char help[] =
	"Usage: dhow info [--json]\n\n"
	"This machine as Dhow sees it: kernel, transports and what is missing for them.\n\n"
	"  --json     for programs\n";

int launch_cmd_info(int argc, char **argv)
{
	struct utsname system;
	json_t *list, *chosen;
	int major, minor, patch;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(help, stdout);
		return 0;
	}
	if (argc > 2 || (argc == 2 && strcmp(argv[1], "--json") != 0)) {
		fprintf(stderr, "dhow: info: unknown option \"%s\"; there is --json\n",
			argv[argc - 1]);
		return 2;
	}
	uname(&system);
	if (argc == 2)
		return print_json(&system);
	zmq_version(&major, &minor, &patch);
	printf("dhow         %s\n", DHOW_VERSION);
	printf("kernel       %s %s, %d CPUs may be used\n", system.release, system.machine,
	       count_cpus());
	printf("libzmq       %d.%d.%d %s CURVE\n", major, minor, patch,
	       zmq_has("curve") ? "with" : "without");
	for (unsigned i = 0; i < sizeof(features) / sizeof(*features); i++) {
		int there = features[i].probe();

		printf("%-12s %-3s%s%s\n", features[i].name, there ? "yes" : "no",
		       there ? "" : "  ", there ? "" : features[i].without);
	}
	fflush(stdout);
	list = launch_fabrics_list();
	chosen = launch_fabrics_chosen();
	launch_fabrics_print(list, chosen);
	json_decref(list);
	json_decref(chosen);
	return 0;
}
