/* SPDX-License-Identifier: MIT */
/* link_internal.h - what link.c (sockets) and frames.c (what goes through them) share. */
#ifndef LAUNCH_LINK_INTERNAL_H
#define LAUNCH_LINK_INTERNAL_H

#include <zmq.h>

#include "proto/link.h"
#include "proto/monitor.h"
#include "proto/zap.h"

enum { LINK_ROUTE_BYTES = 5 };

struct launch_link {
	void *own_context, *socket;
	int serves;			/* it is an upper end */
	uint32_t self;			/* of a lower end */
	struct launch_zap *zap;		/* of an upper end with a context of its own */
	uint32_t first;
	struct launch_tree tree;
	struct launch_monitor *monitor;	/* of one with a context of its own */
	uint64_t broken_ns, probe_ns;	/* 0 = nothing to probe */
	uint64_t cut_ns;		/* of a lower end: 0 = it is connected */
	char endpoint[256];
	/* a batch that came up and was not read to its end */
	int has_batch;
	zmq_msg_t batch;
	uint32_t batch_node;
	size_t batch_at;
};

static inline void link_route(uint8_t route[LINK_ROUTE_BYTES], uint32_t node)
{
	route[0] = 'n';
	for (unsigned i = 0; i < 4; i++)
		route[1 + i] = (uint8_t)(node >> (8 * i));
}

#endif
