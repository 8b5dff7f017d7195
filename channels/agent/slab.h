/* SPDX-License-Identifier: MIT */
/* slab.h - small buffers that are kept for reuse, so that the data path calls no malloc(). */
#ifndef AGENT_SLAB_H
#define AGENT_SLAB_H

#include <stddef.h>
#include <stdint.h>

enum {
	AGENT_SLAB_CLASSES = 14,	/* 64 bytes to 512 KiB */
	AGENT_SLAB_KEPT_BYTES = 1 << 21,	/* kept free in each class */
};

struct agent_slab {
	struct agent_slab_buffer *free[AGENT_SLAB_CLASSES];
	size_t kept[AGENT_SLAB_CLASSES];
	size_t live;			/* buffers given out */
};

/* A zeroed head is not promised. NULL: no memory, or larger than the largest class. */
void *agent_slab_get(struct agent_slab *slab, size_t bytes);
void agent_slab_put(struct agent_slab *slab, void *buffer);	/* NULL allowed */
void agent_slab_fini(struct agent_slab *slab);

#endif
