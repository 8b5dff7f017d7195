/* SPDX-License-Identifier: MIT */
/* backing.c - see backing.h. A memfd has no name, so nothing is left when its users die. */
#include "src/backing.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21u << 26)
#endif

enum { HUGE_BYTES = 2 << 20, NODES_MAX = 1024, LONG_BITS = 8 * sizeof(long) };

/* The number in a file of one line; @fallback if there is none ("max"). */
static uint64_t number_in(const char *path, uint64_t fallback)
{
	FILE *file = fopen(path, "re");
	unsigned long long number;

	if (!file)
		return fallback;
	if (fscanf(file, "%llu", &number) == 1)
		fallback = number;
	fclose(file);
	return fallback;
}

static uint64_t machine_available(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kib;
	char line[128];
	uint64_t bytes = UINT64_MAX;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			bytes = (uint64_t)kib << 10;
	if (file)
		fclose(file);
	return bytes;
}

/* Where the two kinds of control groups keep what. */
static const struct hierarchy {
	const char *line;	/* begins so in /proc/self/cgroup, after the number; path follows */
	const char *mount, *limit, *used;
	const char *cache[2];	/* in memory.stat: used, but given up when memory is wanted */
} hierarchies[] = {
	{ "::", "/sys/fs/cgroup", "memory.max", "memory.current",
	  { "inactive_file", "active_file" } },
	{ ":memory:", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
	  { "total_inactive_file", "total_active_file" } },
};
enum { HIERARCHIES = sizeof(hierarchies) / sizeof(hierarchies[0]) };

/* Path of our group, "" without. */
static void own_group(const struct hierarchy *kind, char path[PATH_MAX])
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX];

	path[0] = '\0';
	while (file && fgets(line, sizeof(line), file)) {
		const char *rest = strchr(line, ':');

		if (!rest || strncmp(rest, kind->line, strlen(kind->line)) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(path, PATH_MAX, "%s", rest + strlen(kind->line));
	}
	if (file)
		fclose(file);
}

static uint64_t cache_in(const struct hierarchy *kind, const char *directory)
{
	char path[2 * PATH_MAX], name[64];
	unsigned long long number;
	uint64_t bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/memory.stat", directory);
	file = fopen(path, "re");
	while (file && fscanf(file, "%63s %llu", name, &number) == 2)
		if (strcmp(name, kind->cache[0]) == 0 || strcmp(name, kind->cache[1]) == 0)
			bytes += number;
	if (file)
		fclose(file);
	return bytes;
}

static uint64_t left_in(const struct hierarchy *kind, const char *group)
{
	char directory[PATH_MAX + 32], path[2 * PATH_MAX];
	uint64_t limit, used, cache;

	snprintf(directory, sizeof(directory), "%s%s", kind->mount, group);
	snprintf(path, sizeof(path), "%s/%s", directory, kind->limit);
	limit = number_in(path, UINT64_MAX);
	if (limit >= UINT64_MAX / 4)	/* none, or the kernel's word for none */
		return UINT64_MAX;
	snprintf(path, sizeof(path), "%s/%s", directory, kind->used);
	used = number_in(path, 0);
	cache = cache_in(kind, directory);
	used -= cache < used ? cache : used;
	return used < limit ? limit - used : 0;
}

/* The tightest limit of our group and those above it. */
static uint64_t group_available(const struct hierarchy *kind)
{
	uint64_t least = UINT64_MAX;
	char path[PATH_MAX];

	own_group(kind, path);
	for (;;) {
		char *slash = strrchr(path, '/');
		uint64_t left = left_in(kind, path);

		least = left < least ? left : least;
		if (!slash)
			return least;
		*slash = '\0';
	}
}

uint64_t backing_available(void)
{
	uint64_t least = machine_available();

	for (unsigned i = 0; i < HIERARCHIES; i++) {
		uint64_t left = group_available(&hierarchies[i]);

		least = left < least ? left : least;
	}
	return least;
}

/* fallocate() of a memfd does not fail when memory is short: the kernel would kill some
 * process instead. So refuse before what would take more than seven eighths of the rest. */
static int check_memory(uint64_t bytes, struct base_err *err)
{
	uint64_t available = backing_available();

	if (bytes <= available - available / 8)
		return 0;
	return base_err(err, -ENOMEM,
			"a pool needs %llu MiB of shared memory, this machine or its control group "
			"has %llu MiB left; try a smaller pool (dlaunch --pool)",
			(unsigned long long)(bytes >> 20), (unsigned long long)(available >> 20));
}

static int check_node(int node, struct base_err *err)
{
	char path[64];

	if (node < 0)
		return 0;
	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d", node);
	if (node < NODES_MAX && access(path, F_OK) == 0)
		return 0;
	return base_err(err, -EINVAL, "NUMA node %d: this machine has none of that number", node);
}

/* Before any page is there: the policy of a shared mapping stays with the file. */
static void prefer_node(int fd, uint64_t bytes, int node)
{
	unsigned long mask[NODES_MAX / LONG_BITS] = { 0 };
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	mask[(unsigned)node / LONG_BITS] = 1ul << ((unsigned)node % LONG_BITS);
	if (at == MAP_FAILED ||
	    syscall(SYS_mbind, at, bytes, MPOL_PREFERRED, mask, (unsigned long)NODES_MAX, 0) < 0)
		base_log_warn("pool: NUMA node %d cannot be asked for: %s", node, strerror(errno));
	if (at != MAP_FAILED)
		munmap(at, bytes);
}

/* Commit all pages: what does not fit must fail now and not by SIGBUS later. */
static int commit(int fd, uint64_t bytes)
{
	int rc;

	do
		rc = fallocate(fd, 0, 0, (off_t)bytes) < 0 ? -errno : 0;
	while (rc == -EINTR);
	return rc;
}

/* A file of @bytes, of which @first_bytes are committed, with @flags of memfd_create(). */
static int make(unsigned flags, uint64_t bytes, uint64_t first_bytes, int node, int *ret_fd)
{
	int fd = memfd_create("dhow", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags), rc;

	if (fd < 0)
		return -errno;
	rc = ftruncate(fd, (off_t)bytes) < 0 ? -errno : 0;
	if (rc == 0 && node >= 0)
		prefer_node(fd, bytes, node);
	if (rc == 0)
		rc = commit(fd, first_bytes);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	/* Nobody may shrink it under the others: that would be a SIGBUS for them. */
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	*ret_fd = fd;
	return 0;
}

static int make_huge(const struct backing_options *options, int *ret_fd, uint64_t *ret_bytes)
{
	static const char free_pages[] =
		"/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
	uint64_t pages = (options->bytes + HUGE_BYTES - 1) / HUGE_BYTES;
	uint64_t left = number_in(free_pages, 0);
	int rc = -ENOMEM;

	if (pages <= left)
		rc = make(MFD_HUGETLB | MFD_HUGE_2MB, pages * HUGE_BYTES, pages * HUGE_BYTES,
			  options->numa_node, ret_fd);
	if (rc < 0)
		base_log_warn("pool: %llu huge pages of 2 MiB wanted, %llu free: ordinary pages "
			      "are used (vm.nr_hugepages reserves some)",
			      (unsigned long long)pages, (unsigned long long)left);
	else
		*ret_bytes = pages * HUGE_BYTES;
	return rc;
}

static int cannot(int rc, uint64_t bytes, struct base_err *err)
{
	return base_err(err, rc == -ENOSPC || rc == -EFBIG ? -ENOMEM : rc,
			"a pool needs %llu MiB of shared memory: %s; try a smaller pool "
			"(dlaunch --pool)", (unsigned long long)(bytes >> 20), strerror(-rc));
}

int backing_create(const struct backing_options *options, int *ret_fd, uint64_t *ret_bytes,
		   struct base_err *err)
{
	uint64_t first = options->first_bytes ? options->first_bytes : options->bytes;
	int rc = check_node(options->numa_node, err);

	if (rc < 0)
		return rc;
	/* Huge pages are reserved memory, which counts as used already. */
	if (options->wants_huge && make_huge(options, ret_fd, ret_bytes) == 0)
		return 0;
	rc = check_memory(options->bytes, err);
	if (rc < 0)
		return rc;
	*ret_bytes = options->bytes;
	rc = make(0, options->bytes, first, options->numa_node, ret_fd);
	return rc == 0 ? 0 : cannot(rc, options->bytes, err);
}

int backing_commit(int fd, uint64_t bytes, struct base_err *err)
{
	int rc = check_memory(bytes, err);

	if (rc < 0)
		return rc;
	rc = commit(fd, bytes);
	return rc == 0 ? 0 : cannot(rc, bytes, err);
}

uint64_t backing_page_bytes(int fd)
{
	struct statfs status;

	return fstatfs(fd, &status) == 0 && status.f_bsize > 0 ? (uint64_t)status.f_bsize : 4096;
}

int backing_numa_node(const void *at)
{
	int node = -1;

	if (syscall(SYS_get_mempolicy, &node, NULL, 0ul, at, MPOL_F_NODE | MPOL_F_ADDR) < 0)
		return -1;
	return node;
}
