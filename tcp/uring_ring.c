/* SPDX-License-Identifier: MIT */
/*
 * uring_ring.c - see uring_ring.h.
 *
 * What must be there is of Linux 5.11; all else is tried. The library is asked for its
 * version at build time, the kernel for its features at run time.
 */
#include "tcp/uring_ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	ENTRIES = 256,
	COMPLETIONS = 4096,
	SQPOLL_IDLE_MS = 2,	  /* then the kernel's thread sleeps */
	TAKEN_TRIES = 100000,	  /* of 10 us, until it took what we submitted */
	MEMORY_BYTES_MAX = 1 << 30, /* the kernel's limit for one registered range */
};

/* Flags that go together, from the newest kernel to the oldest. */
struct setup {
	unsigned flags;
	enum uring_feature is; /* URING_FEATURES: nothing in particular */
};
static const struct setup setups[] = {
	{ IORING_SETUP_SQPOLL, URING_SQPOLL },
#if defined(IORING_SETUP_DEFER_TASKRUN) && defined(IORING_SETUP_SINGLE_ISSUER)
	{ IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_TASKRUN_FLAG,
	  URING_DEFER },
#endif
#ifdef IORING_SETUP_COOP_TASKRUN
	{ IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, URING_FEATURES },
#endif
	{ 0, URING_FEATURES },
};

static const int needed[] = { IORING_OP_SENDMSG, IORING_OP_RECVMSG,  IORING_OP_ACCEPT,
			      IORING_OP_CONNECT, IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL };

static void lacks(struct uring_ring *ring, enum uring_feature feature, const char *why)
{
	ring->on[feature] = false;
	snprintf(ring->why_not[feature], sizeof(ring->why_not[feature]), "%s", why);
}

static void lacks_errno(struct uring_ring *ring, enum uring_feature feature, int rc)
{
	char text[64];

	snprintf(text, sizeof(text), "%.40s%s", strerror(-rc),
		 rc == -EINVAL ? ", before its Linux" : "");
	lacks(ring, feature, text);
}

static bool has_operations(struct uring_ring *ring)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&ring->io);
	bool all = probe != NULL;

	for (size_t i = 0; all && i < sizeof(needed) / sizeof(needed[0]); i++)
		all = io_uring_opcode_supported(probe, needed[i]);
#ifdef IORING_RECVSEND_FIXED_BUF
	if (all && ring->on[URING_ZC] && !io_uring_opcode_supported(probe, IORING_OP_SENDMSG_ZC))
		lacks(ring, URING_ZC, "not in this kernel");
#else
	if (ring->on[URING_ZC])
		lacks(ring, URING_ZC, "built with a liburing before 2.3");
#endif
	io_uring_free_probe(probe);
	return all;
}

static void buffers_open(struct uring_ring *ring)
{
	struct io_uring_buf_reg reg;
	long page = sysconf(_SC_PAGESIZE);
	size_t bytes = URING_BUFFERS * sizeof(struct io_uring_buf);
	void *map;
	int rc;

	bytes = (bytes + (size_t)page - 1) / (size_t)page * (size_t)page;
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (map == MAP_FAILED) {
		lacks_errno(ring, URING_MULTISHOT, -errno);
		return;
	}
	memset(&reg, 0, sizeof(reg));
	reg.ring_addr = (uint64_t)(uintptr_t)map;
	reg.ring_entries = URING_BUFFERS;
	reg.bgid = URING_GROUP;
	ring->memory = aligned_alloc(64, (size_t)URING_BUFFERS * URING_BUFFER_STRIDE);
	rc = ring->memory ? io_uring_register_buf_ring(&ring->io, &reg, 0) : -ENOMEM;
	if (rc < 0) {
		lacks_errno(ring, URING_MULTISHOT, rc);
		munmap(map, bytes);
		free(ring->memory);
		ring->memory = NULL;
		return;
	}
	ring->buffers = map;
	ring->buffers_bytes = bytes;
	io_uring_buf_ring_init(ring->buffers);
	for (unsigned i = 0; i < URING_BUFFERS; i++)
		uring_ring_recycle(ring, i);
}

static void files_open(struct uring_ring *ring)
{
	struct rlimit limit = { .rlim_cur = URING_FILES_MAX };
	unsigned count;
	int rc;

	/* The kernel allows no more than we may open. */
	getrlimit(RLIMIT_NOFILE, &limit);
	count = limit.rlim_cur < URING_FILES_MAX ? (unsigned)limit.rlim_cur : URING_FILES_MAX;
	rc = io_uring_register_files_sparse(&ring->io, count);
	if (rc < 0) {
		lacks_errno(ring, URING_FILES, rc);
		return;
	}
	for (unsigned i = count; i > 0; i--)
		ring->files[ring->files_free++] = (uint16_t)i;
}

static void memories_open(struct uring_ring *ring)
{
	int rc = io_uring_register_buffers_sparse(&ring->io, URING_MEMORIES_MAX);

	if (rc < 0)
		lacks_errno(ring, URING_FIXED, rc);
}

/* Return: of the first setup that the kernel takes, or the last error. */
static int setup_open(struct uring_ring *ring, struct io_uring_params *params)
{
	int rc = -ENOSYS;

	for (size_t i = 0; i < sizeof(setups) / sizeof(setups[0]); i++) {
		enum uring_feature is = setups[i].is;

		if (is != URING_FEATURES && !ring->on[is])
			continue;
		memset(params, 0, sizeof(*params));
		params->flags = setups[i].flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
		params->cq_entries = COMPLETIONS;
		params->sq_thread_idle = SQPOLL_IDLE_MS;
		rc = io_uring_queue_init_params(ENTRIES, &ring->io, params);
		if (rc == 0 && is == URING_SQPOLL && ring->on[URING_DEFER])
			lacks(ring, URING_DEFER, "does not go with sqpoll");
		if (rc == 0 || (is == URING_FEATURES && rc != -EINVAL))
			break;
		if (is != URING_FEATURES)
			lacks_errno(ring, is, rc);
	}
	return rc;
}

int uring_ring_open(struct uring_ring *ring, const struct uring_options *options, char *why,
		    size_t why_bytes)
{
	const unsigned features = IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL;
	struct io_uring_params params;
	int rc;

	memset(ring, 0, sizeof(*ring));
	memcpy(ring->on, options->on, sizeof(ring->on));
	rc = setup_open(ring, &params);
	if (rc < 0) {
		snprintf(why, why_bytes, "io_uring_setup: %s%s", strerror(-rc),
			 rc == -EPERM ? ", forbidden by the kernel or a sandbox" : "");
		return rc;
	}
	if ((params.features & features) != features || !has_operations(ring)) {
		snprintf(why, why_bytes, "the kernel's io_uring is too old, 5.11 is needed");
		io_uring_queue_exit(&ring->io);
		return -ENOSYS;
	}
	/* Saves looking up the descriptor at each entry; 5.18. */
	(void)io_uring_register_ring_fd(&ring->io);
	if (ring->on[URING_MULTISHOT])
		buffers_open(ring);
	if (ring->on[URING_FILES])
		files_open(ring);
	if (ring->on[URING_FIXED])
		memories_open(ring);
	return 0;
}

void uring_ring_close(struct uring_ring *ring)
{
	if (ring->buffers)
		(void)io_uring_unregister_buf_ring(&ring->io, URING_GROUP);
	io_uring_queue_exit(&ring->io);
	if (ring->buffers)
		munmap(ring->buffers, ring->buffers_bytes);
	free(ring->memory);
}

int uring_ring_submit(struct uring_ring *ring)
{
	int rc;

	ring->calls++;
	rc = io_uring_submit(&ring->io);
	if (!ring->on[URING_SQPOLL])
		return rc;
	for (int i = 0; io_uring_sq_ready(&ring->io) > 0; i++) {
		if (i == TAKEN_TRIES)
			return -ETIMEDOUT;
		usleep(10);
	}
	return rc;
}

int uring_ring_turn(struct uring_ring *ring)
{
	unsigned ready = io_uring_sq_ready(&ring->io);

	if (ring->on[URING_SQPOLL]) {
		/* A call only if the kernel's thread sleeps. */
		ring->calls += ready && *ring->io.sq.kflags & IORING_SQ_NEED_WAKEUP;
		return ready ? io_uring_submit(&ring->io) : 0;
	}
	if (!ready)
		return 0;
	ring->calls++;
	return io_uring_submit_and_get_events(&ring->io);
}

int uring_ring_sleep(struct uring_ring *ring, struct __kernel_timespec *limit)
{
	struct io_uring_cqe *cqe;

	ring->calls++;
	return io_uring_submit_and_wait_timeout(&ring->io, &cqe, 1, limit, NULL);
}

struct io_uring_sqe *uring_ring_sqe(struct uring_ring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->io);

	if (!sqe) {
		uring_ring_submit(ring);
		sqe = io_uring_get_sqe(&ring->io);
	}
	return sqe;
}

void uring_ring_recycle(struct uring_ring *ring, unsigned id)
{
	io_uring_buf_ring_add(ring->buffers, ring->memory + (size_t)id * URING_BUFFER_STRIDE,
			      URING_BUFFER_BYTES, (unsigned short)id,
			      io_uring_buf_ring_mask(URING_BUFFERS), 0);
	io_uring_buf_ring_advance(ring->buffers, 1);
}

bool uring_ring_holds(struct uring_ring *ring, uint64_t user_data)
{
	struct io_uring_cqe *cqe;
	unsigned head;

	io_uring_for_each_cqe(&ring->io, head, cqe) {
		if (cqe->user_data == user_data && !(cqe->flags & IORING_CQE_F_MORE))
			return true;
	}
	return false;
}

unsigned uring_ring_file_add(struct uring_ring *ring, int fd)
{
	unsigned file;

	if (!ring->on[URING_FILES] || ring->files_free == 0)
		return 0;
	file = ring->files[--ring->files_free];
	ring->calls++;
	if (io_uring_register_files_update(&ring->io, file - 1, &fd, 1) == 1)
		return file;
	ring->files_free++;
	return 0;
}

void uring_ring_file_del(struct uring_ring *ring, unsigned file)
{
	const int none = -1;

	if (!file)
		return;
	ring->calls++;
	/* If it fails, the place is lost, but never given to two. */
	if (io_uring_register_files_update(&ring->io, file - 1, &none, 1) == 1)
		ring->files[ring->files_free++] = (uint16_t)file;
}

static bool memory_set(struct uring_ring *ring, unsigned index, void *base, size_t bytes)
{
	const struct iovec range = { base, bytes };
	__u64 tag = 0;

	return io_uring_register_buffers_update_tag(&ring->io, index, &range, &tag, 1) == 1;
}

unsigned uring_ring_memory_add(struct uring_ring *ring, void *base, size_t bytes)
{
	unsigned index = 0;

	if (!ring->on[URING_FIXED] || bytes > MEMORY_BYTES_MAX)
		return 0;
	while (index < URING_MEMORIES_MAX && ring->memories[index])
		index++;
	if (index == URING_MEMORIES_MAX || !memory_set(ring, index, base, bytes))
		return 0;
	ring->memories[index] = true;
	return index + 1;
}

void uring_ring_memory_del(struct uring_ring *ring, unsigned memory)
{
	if (memory && memory_set(ring, memory - 1, NULL, 0))
		ring->memories[memory - 1] = false;
}
