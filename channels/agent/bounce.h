/* SPDX-License-Identifier: MIT */
/* bounce.h - memory for payloads that leave the node in another form than they lie in it. */
#ifndef AGENT_BOUNCE_H
#define AGENT_BOUNCE_H

#include <stddef.h>

#include <dhow/message.h>

#include "agent/fabric.h"

struct agent;

struct agent_bounce {
	struct dhow_message block;	/* of the node's pool; or else */
	void *own;			/* memory of the agent, and */
	struct fabric_memory *memory;	/* its registration */
	void *data;			/* NULL: there is no bounce */
	size_t bytes;
};

/*
 * agent_bounce_get - memory that the fabric can read.
 *
 * From the pool, or from the agent if the pool is full: waiting for the pool could wait for
 * ever, since it may be full of payloads that wait for this. A bounce stands for one payload
 * of the pool, so all of them together are never larger than the pool.
 *
 * Return: 0; -EAGAIN no memory now.
 */
int agent_bounce_get(struct agent *agent, size_t bytes, struct agent_bounce *ret_bounce);
void agent_bounce_put(struct agent *agent, struct agent_bounce *bounce);	/* none: nothing */
/* Where the fabric finds it. */
struct fabric_memory *agent_bounce_memory(const struct agent *agent,
					  const struct agent_bounce *bounce, size_t *ret_offset);

#endif
