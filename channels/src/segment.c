/* SPDX-License-Identifier: MIT */
/* segment.c - see segment.h. */
#include "src/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/backing.h"
#include "src/heap.h"
#include "src/liveness.h"

enum { POOL_UNIT = 64 * 1024, NODE_FIRST_BYTES = 1 << 20 };
#define POOL_MAX (UINT64_C(1) << 40)

static uint64_t take(uint64_t *cursor, uint64_t bytes, uint64_t align)
{
	uint64_t at = (*cursor + align - 1) / align * align;

	*cursor = at + bytes;
	return at;
}

/* Fill the offsets of @shm for a pool of pool_bytes. */
static void plan(struct shm_segment *shm, const struct segment_options *options)
{
	uint64_t at = sizeof(*shm);

	shm->data_bytes = (options->pool_bytes + POOL_UNIT - 1) / POOL_UNIT * POOL_UNIT;
	heap_plan(shm->data_bytes, &shm->order_min, &shm->order_max);
	shm->processes = take(&at, sizeof(struct shm_process) * LAYOUT_PROCESSES, LAYOUT_PAIR);
	shm->threads = take(&at, sizeof(struct shm_thread) * LAYOUT_THREADS, LAYOUT_PAIR);
	shm->channels = take(&at, sizeof(struct shm_channel) * LAYOUT_CHANNELS, LAYOUT_PAIR);
	if (options->is_node) {
		shm->streams = take(&at, sizeof(struct shm_stream) * LAYOUT_STREAMS, LAYOUT_PAIR);
		shm->requests =
			take(&at, sizeof(struct shm_request) * LAYOUT_REQUESTS, LAYOUT_PAIR);
		shm->node_table = take(&at, sizeof(struct shm_node) * LAYOUT_NODES, LAYOUT_PAIR);
	}
	shm->tree = take(&at, heap_tree_bytes(shm->order_min, shm->order_max), LAYOUT_PAIR);
	shm->data = take(&at, shm->data_bytes, 4096);
	shm->total_bytes = (at + 4095) / 4096 * 4096;
}

static void format(struct segment *segment)
{
	liveness_format(segment);
	for (unsigned i = 0; i < LAYOUT_CHANNELS; i++)
		atomic_init(&segment->channels[i].word, WORD(0, CHANNEL_FREE, 0));
	heap_format(segment);
}

/* The header, before anyone may map the segment and check it. By a mapping: files of huge pages
 * cannot be written. */
static int write_header(int fd, const struct shm_segment *shm)
{
	void *base = mmap(NULL, shm->total_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	memcpy(base, shm, sizeof(*shm));
	munmap(base, shm->total_bytes);
	return 0;
}

int segment_create(const struct segment_options *options, int *ret_fd, struct base_err *err)
{
	struct shm_segment shm = { .magic = LAYOUT_MAGIC,
				   .version = LAYOUT_VERSION,
				   .segment = options->segment,
				   .job = options->job,
				   .node = options->node,
				   .nodes = options->nodes };
	struct backing_options backing = { .wants_huge = options->wants_huge,
					   .numa_node = options->numa_node - 1 };
	struct segment segment;
	int fd, rc;

	if (options->pool_bytes < POOL_UNIT || options->pool_bytes > POOL_MAX)
		return base_err(err, -EINVAL, "pool of %llu bytes: must be 64 KiB to 1 TiB",
				(unsigned long long)options->pool_bytes);
	if (options->nodes > LAYOUT_NODES)
		return base_err(err, -EINVAL, "%u nodes: at most %d", options->nodes, LAYOUT_NODES);
	plan(&shm, options);
	backing.bytes = shm.total_bytes;
	if (options->is_node && options->pool_bytes > NODE_FIRST_BYTES)
		backing.first_bytes = shm.data + NODE_FIRST_BYTES;
	rc = backing_create(&backing, &fd, &shm.total_bytes, err);
	if (rc < 0)
		return rc;
	rc = write_header(fd, &shm);
	if (rc < 0)
		rc = base_err(err, rc, "cannot write to shared memory: %s", strerror(-rc));
	else
		rc = segment_map(fd, &segment, err);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	format(&segment);
	segment.fd = -1;
	segment_unmap(&segment);
	*ret_fd = fd;
	return 0;
}

int segment_commit(struct segment *segment, int fd, struct base_err *err)
{
	int rc = segment->committed ? 0 : backing_commit(fd, segment->bytes, err);

	segment->committed = rc == 0;
	return rc;
}

static int inside(uint64_t offset, uint64_t bytes, uint64_t align, uint64_t total)
{
	return offset % align == 0 && offset <= total && bytes <= total - offset;
}

static int check(const struct shm_segment *shm, uint64_t bytes)
{
	unsigned min = shm->order_min, max = shm->order_max;
	int has_node = shm->streams != 0;

	return shm->magic == LAYOUT_MAGIC && shm->version == LAYOUT_VERSION &&
	       shm->total_bytes == bytes && min >= 9 && min <= max && max <= 40 &&
	       shm->nodes <= LAYOUT_NODES && shm->data_bytes <= UINT64_C(1) << max &&
	       inside(shm->processes, sizeof(struct shm_process) * LAYOUT_PROCESSES, LAYOUT_PAIR,
		      bytes) &&
	       inside(shm->threads, sizeof(struct shm_thread) * LAYOUT_THREADS, LAYOUT_PAIR,
		      bytes) &&
	       inside(shm->channels, sizeof(struct shm_channel) * LAYOUT_CHANNELS, LAYOUT_PAIR,
		      bytes) &&
	       (!has_node || (inside(shm->streams, sizeof(struct shm_stream) * LAYOUT_STREAMS,
				     LAYOUT_PAIR, bytes) &&
			      inside(shm->requests, sizeof(struct shm_request) * LAYOUT_REQUESTS,
				     LAYOUT_PAIR, bytes) &&
			      inside(shm->node_table, sizeof(struct shm_node) * LAYOUT_NODES,
				     LAYOUT_PAIR, bytes))) &&
	       max - min <= 31 &&
	       inside(shm->tree, heap_tree_bytes(min, max), LAYOUT_PAIR, bytes) &&
	       inside(shm->data, shm->data_bytes, 4096, bytes);
}

static void take_offsets(struct segment *segment)
{
	const struct shm_segment *shm = segment->shm;

	segment->id = shm->segment;
	segment->processes = (void *)(segment->base + shm->processes);
	segment->threads = (void *)(segment->base + shm->threads);
	segment->channels = (void *)(segment->base + shm->channels);
	if (shm->streams) {
		segment->streams = (void *)(segment->base + shm->streams);
		segment->requests = (void *)(segment->base + shm->requests);
		segment->nodes = (void *)(segment->base + shm->node_table);
	}
	segment->tree = (void *)(segment->base + shm->tree);
	segment->data = segment->base + shm->data;
	segment->data_bytes = shm->data_bytes;
	segment->order_min = shm->order_min;
	segment->order_max = shm->order_max;
	segment->nodes_count = shm->nodes;
}

int segment_map(int fd, struct segment *ret_segment, struct base_err *err)
{
	struct segment segment = { .fd = fd, .agent_bell = -1 };
	struct stat status;
	void *base;
	int seals;

	if (fstat(fd, &status) < 0)
		return base_err(err, -errno, "segment: %s", strerror(errno));
	if (status.st_size < (off_t)sizeof(struct shm_segment))
		return base_err(err, -EPROTO, "segment of %lld bytes is too small",
				(long long)status.st_size);
	/* Whoever could make it smaller could end all that have it mapped by SIGBUS. */
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return base_err(err, -EPROTO, "segment is no sealed memfd");
	segment.bytes = (uint64_t)status.st_size;
	base = mmap(NULL, segment.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return base_err(err, -errno, "map segment of %llu MiB: %s",
				(unsigned long long)(segment.bytes >> 20), strerror(errno));
	/* Helps where the system lets shared memory have huge pages by advice; else it does
	 * nothing. */
	madvise(base, segment.bytes, MADV_HUGEPAGE);
	segment.base = base;
	segment.shm = base;
	if (!check(segment.shm, segment.bytes)) {
		munmap(base, segment.bytes);
		return base_err(err, -EPROTO, "segment is damaged or of another version of dhow");
	}
	take_offsets(&segment);
	*ret_segment = segment;
	return 0;
}

void segment_unmap(struct segment *segment)
{
	if (!segment->base)
		return;
	munmap(segment->base, segment->bytes);
	free(segment->watch);
	segment->watch = NULL;
	if (segment->fd >= 0)
		close(segment->fd);
	segment->base = NULL;
	segment->fd = -1;
}
