/* SPDX-License-Identifier: MIT */
/* bounce.c - see bounce.h. */
#include "agent/bounce.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/core.h"

static int get_own(struct agent *agent, size_t bytes, struct agent_bounce *bounce)
{
	void *own = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (own == MAP_FAILED)
		return -EAGAIN;
	if (agent->ops->memory_add(agent->fabric, own, bytes, &bounce->memory)) {
		munmap(own, bytes);
		return -EAGAIN;
	}
	bounce->own = bounce->data = own;
	return 0;
}

int agent_bounce_get(struct agent *agent, size_t bytes, struct agent_bounce *ret_bounce)
{
	struct agent_bounce bounce = { .bytes = bytes };
	int rc = dhow_message_alloc(NULL, bytes, DHOW_TRY, &bounce.block);

	if (rc == 0)
		bounce.data = bounce.block.data;
	else
		rc = get_own(agent, bytes, &bounce);
	if (rc)
		return rc;
	*ret_bounce = bounce;
	return 0;
}

void agent_bounce_put(struct agent *agent, struct agent_bounce *bounce)
{
	if (!bounce->data)
		return;
	if (bounce->own) {
		agent->ops->memory_del(bounce->memory);
		munmap(bounce->own, bounce->bytes);
	} else {
		dhow_message_free(&bounce->block);
	}
	memset(bounce, 0, sizeof(*bounce));
}

struct fabric_memory *agent_bounce_memory(const struct agent *agent,
					  const struct agent_bounce *bounce, size_t *ret_offset)
{
	if (bounce->own) {
		*ret_offset = 0;
		return bounce->memory;
	}
	*ret_offset = (size_t)((const char *)bounce->data - agent->base);
	return agent->memory;
}
