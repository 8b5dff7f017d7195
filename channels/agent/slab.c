/* SPDX-License-Identifier: MIT */
/* slab.c - free lists by power of two; the class stands in front of each buffer. */
#include "agent/slab.h"

#include <assert.h>
#include <stdlib.h>

struct agent_slab_buffer {
	struct agent_slab_buffer *next;
	size_t class;
	_Alignas(16) char data[];
};

static size_t class_bytes(size_t class)
{
	return (size_t)64 << class;
}

void *agent_slab_get(struct agent_slab *slab, size_t bytes)
{
	struct agent_slab_buffer *buffer;
	size_t class = 0;

	while (class < AGENT_SLAB_CLASSES && class_bytes(class) < bytes)
		class++;
	if (class == AGENT_SLAB_CLASSES)
		return NULL;
	buffer = slab->free[class];
	if (buffer) {
		slab->free[class] = buffer->next;
		slab->kept[class] -= class_bytes(class);
	} else {
		buffer = malloc(sizeof(*buffer) + class_bytes(class));
		if (!buffer)
			return NULL;
		buffer->class = class;
	}
	slab->live++;
	return buffer->data;
}

void agent_slab_put(struct agent_slab *slab, void *data)
{
	struct agent_slab_buffer *buffer;

	if (!data)
		return;
	buffer = (void *)((char *)data - offsetof(struct agent_slab_buffer, data));
	assert(buffer->class < AGENT_SLAB_CLASSES);
	assert(slab->live > 0);
	slab->live--;
	if (slab->kept[buffer->class] >= AGENT_SLAB_KEPT_BYTES) {
		free(buffer);
		return;
	}
	buffer->next = slab->free[buffer->class];
	slab->free[buffer->class] = buffer;
	slab->kept[buffer->class] += class_bytes(buffer->class);
}

void agent_slab_fini(struct agent_slab *slab)
{
	for (size_t class = 0; class < AGENT_SLAB_CLASSES; class++) {
		while (slab->free[class]) {
			struct agent_slab_buffer *buffer = slab->free[class];

			slab->free[class] = buffer->next;
			free(buffer);
		}
	}
}
