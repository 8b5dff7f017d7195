/* SPDX-License-Identifier: MIT */
/* backing_test.c - the memory behind a segment, within a control group that is too small. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/backing.h"

enum { LIMIT_MIB = 64 };

static const struct {
	const char *directory, *limit;
} places[] = {
	{ "/sys/fs/cgroup/dhow-test-backing", "memory.max" },
	{ "/sys/fs/cgroup/memory/dhow-test-backing", "memory.limit_in_bytes" },
};

static int write_file(const char *directory, const char *name, long number)
{
	char path[128];
	FILE *file;
	int rc;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "r+e");	/* it must be there: no ordinary directory */
	if (!file)
		return -errno;
	fprintf(file, "%ld\n", number);
	rc = fclose(file) == 0 ? 0 : -errno;
	return rc;
}

/* A group with a limit; -1: we may not make one. */
static int make_group(void)
{
	for (int i = 0; i < 2; i++) {
		if (mkdir(places[i].directory, 0700) < 0 && errno != EEXIST)
			continue;
		if (write_file(places[i].directory, places[i].limit, LIMIT_MIB << 20) == 0)
			return i;
		rmdir(places[i].directory);
	}
	return -1;
}

/* In the child: exit code 0 if the limit was respected and said. */
static int limited(int place)
{
	const struct backing_options options = { .bytes = 2 * LIMIT_MIB << 20, .numa_node = -1 };
	struct base_err err = { "" };
	uint64_t bytes;
	int fd;

	if (write_file(places[place].directory, "cgroup.procs", getpid()) < 0)
		return 2;
	if (backing_create(&options, &fd, &bytes, &err) != -ENOMEM)
		return 3;
	return strstr(err.text, "control group") ? 0 : 4;
}

Test(backing, a_control_group_that_is_too_small_is_an_error_now, .timeout = 200)
{
	int place = make_group(), status = 0;
	pid_t child;

	if (place < 0) {
		printf("skipped: no control group with a memory limit can be made here\n");
		return;
	}
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(limited(place));
	}
	waitpid(child, &status, 0);
	rmdir(places[place].directory);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x", status);
}

Test(backing, all_of_it_is_there, .timeout = 200)
{
	const struct backing_options options = { .bytes = 1 << 20, .numa_node = -1 };
	struct base_err err = { "" };
	struct stat status;
	uint64_t bytes;
	int fd;

	cr_assert_eq(backing_create(&options, &fd, &bytes, &err), 0, "%s", err.text);
	cr_assert_eq(bytes, options.bytes);
	cr_assert_eq(fstat(fd, &status), 0);
	cr_assert_eq((uint64_t)status.st_blocks * 512, bytes);
	cr_assert_lt(ftruncate(fd, 4096), 0, "its size is sealed");
	close(fd);
}

static long committed_kib(int fd)
{
	struct stat status;

	cr_assert_eq(fstat(fd, &status), 0);
	return (long)status.st_blocks / 2;
}

Test(backing, the_first_part_now_and_the_rest_later, .timeout = 200)
{
	const struct backing_options options = { .bytes = 8 << 20, .first_bytes = 1 << 20,
						 .numa_node = -1 };
	struct base_err err = { "" };
	uint64_t bytes;
	int fd;

	cr_assert_eq(backing_create(&options, &fd, &bytes, &err), 0, "%s", err.text);
	cr_expect_eq(bytes, 8 << 20);
	cr_expect_geq(committed_kib(fd), 1 << 10);
	cr_expect_lt(committed_kib(fd), 8 << 10);
	cr_expect_eq(backing_commit(fd, bytes, &err), 0, "%s", err.text);
	cr_expect_eq(committed_kib(fd), 8 << 10);
	cr_expect_eq(backing_commit(fd, bytes, &err), 0, "nothing to do");
	cr_expect_eq(backing_commit(fd, UINT64_MAX / 2, &err), -ENOMEM);
	close(fd);
}
