/* SPDX-License-Identifier: MIT */
/* message.c - blocks as messages in hand. */
#include <dhow/message.h>

#include <errno.h>

#include "src/channel.h"
#include "src/context.h"
#include "src/heap.h"
#include "src/liveness.h"

int dhow_message_alloc(struct dhow_pool *pool, size_t bytes, uint64_t deadline_ns,
		       struct dhow_message *ret_message)
{
	struct segment *segment = pool ? &pool->segment : context_node();
	uint32_t block;
	int rc;

	if (!segment)
		return -ENOTCONN;
	rc = liveness_check(segment);
	if (rc < 0)
		return dhow_fail(rc, "%s", dhow_strerror(rc));
	rc = channel_block(segment, bytes ? bytes : 1, deadline_ns, &block);
	if (rc < 0)
		return rc;
	*ret_message = (struct dhow_message){ .data = heap_data(segment, block),
					      .bytes = bytes,
					      .segment_ = segment,
					      .block_ = block };
	return 0;
}

void dhow_message_free(struct dhow_message *message)
{
	if (message->block_)
		context_free_block(message->segment_, message->block_);
	*message = (struct dhow_message){ .header = message->header };
}
