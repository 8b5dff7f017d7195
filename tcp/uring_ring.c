/* SPDX-License-Identifier: MIT */
/*
 * uring_ring.c - see uring_ring.h.
 *
 * What must be there is of Linux 5.11; all else is tried, newest first. The library is
 * asked for its version at build time, the kernel for its features at run time.
 */
#include "tcp/uring_ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ENTRIES = 256, COMPLETIONS = 4096 };

/* Deferred task work means no interrupts of our thread: completions are made when we look. */
static const unsigned setups[] = {
#if defined(IORING_SETUP_DEFER_TASKRUN) && defined(IORING_SETUP_SINGLE_ISSUER)
	IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_TASKRUN_FLAG,
#endif
#ifdef IORING_SETUP_COOP_TASKRUN
	IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
#endif
	0,
};

static const int needed[] = { IORING_OP_SENDMSG, IORING_OP_RECVMSG,  IORING_OP_ACCEPT,
			      IORING_OP_CONNECT, IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL };

static bool has_operations(struct io_uring *io)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(io);
	bool all = probe != NULL;

	for (size_t i = 0; all && i < sizeof(needed) / sizeof(needed[0]); i++)
		all = io_uring_opcode_supported(probe, needed[i]);
	io_uring_free_probe(probe);
	return all;
}

static void buffers_open(struct uring_ring *ring)
{
	struct io_uring_buf_reg reg;
	long page = sysconf(_SC_PAGESIZE);
	size_t bytes = URING_BUFFERS * sizeof(struct io_uring_buf);
	void *map;

	bytes = (bytes + (size_t)page - 1) / (size_t)page * (size_t)page;
	ring->memory = aligned_alloc(64, (size_t)URING_BUFFERS * URING_BUFFER_STRIDE);
	if (!ring->memory)
		return;
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (map == MAP_FAILED)
		goto err_free;
	memset(&reg, 0, sizeof(reg));
	reg.ring_addr = (uint64_t)(uintptr_t)map;
	reg.ring_entries = URING_BUFFERS;
	reg.bgid = URING_GROUP;
	if (io_uring_register_buf_ring(&ring->io, &reg, 0) < 0) /* before Linux 5.19 */
		goto err_unmap;
	ring->buffers = map;
	ring->buffers_bytes = bytes;
	io_uring_buf_ring_init(ring->buffers);
	for (unsigned i = 0; i < URING_BUFFERS; i++)
		uring_ring_recycle(ring, i);
	return;
err_unmap:
	munmap(map, bytes);
err_free:
	free(ring->memory);
	ring->memory = NULL;
}

int uring_ring_open(struct uring_ring *ring, char *why, size_t why_bytes)
{
	const unsigned features = IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL;
	struct io_uring_params params;
	int rc = -ENOSYS;

	memset(ring, 0, sizeof(*ring));
	for (size_t i = 0; i < sizeof(setups) / sizeof(setups[0]); i++) {
		memset(&params, 0, sizeof(params));
		params.flags = setups[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
		params.cq_entries = COMPLETIONS;
		rc = io_uring_queue_init_params(ENTRIES, &ring->io, &params);
		if (rc != -EINVAL)
			break;
	}
	if (rc < 0) {
		snprintf(why, why_bytes, "io_uring_setup: %s%s", strerror(-rc),
			 rc == -EPERM ? ", forbidden by the kernel or a sandbox" : "");
		return rc;
	}
	if ((params.features & features) != features || !has_operations(&ring->io)) {
		snprintf(why, why_bytes, "the kernel's io_uring is too old, 5.11 is needed");
		io_uring_queue_exit(&ring->io);
		return -ENOSYS;
	}
	/* Saves looking up the descriptor at each entry; 5.18. */
	(void)io_uring_register_ring_fd(&ring->io);
	buffers_open(ring);
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

struct io_uring_sqe *uring_ring_sqe(struct uring_ring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->io);

	if (!sqe) {
		io_uring_submit(&ring->io);
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
		if (cqe->user_data == user_data)
			return true;
	}
	return false;
}
