/* SPDX-License-Identifier: MIT */
/* gateway_object.c - what the agent does with semaphores and barriers of its node. */
#include <errno.h>

#include "src/barrier.h"
#include "src/gateway.h"
#include "src/semaphore.h"

bool gateway_fits(struct dhow_channel *channel, enum gateway_op op)
{
	static const enum channel_kind needed[GATEWAY_OPS] = {
		[GATEWAY_RELEASE] = KIND_SEMAPHORE,	  [GATEWAY_VALUE] = KIND_SEMAPHORE,
		[GATEWAY_BARRIER_WAIT] = KIND_BARRIER,	  [GATEWAY_BARRIER_RESET] = KIND_BARRIER,
		[GATEWAY_BARRIER_STATE] = KIND_BARRIER,
	};
	enum channel_kind kind = channel_kind(channel);

	if (op >= GATEWAY_OPS)
		return false;
	if (needed[op])
		return kind == needed[op];
	return op == GATEWAY_PROBE || kind != KIND_BARRIER;
}

int gateway_object(struct dhow_channel *channel, enum gateway_op op, uint32_t argument,
		   uint32_t *ret_value)
{
	switch (op) {
	case GATEWAY_PROBE:
		return argument == channel_kind(channel) ? 0 : -EPROTOTYPE;
	case GATEWAY_RELEASE:
		return semaphore_release(channel, argument);
	case GATEWAY_VALUE:
		*ret_value = semaphore_value(channel);
		return 0;
	case GATEWAY_BARRIER_RESET:
		return barrier_reset(channel);
	case GATEWAY_BARRIER_STATE:
		*ret_value = barrier_pack(channel);
		return 0;
	default:
		return -EINVAL;
	}
}

int gateway_put_back(struct dhow_channel *channel, struct dhow_message *message)
{
	/* A held unit may lie where the ring would write; a release finds another place. */
	if (channel_kind(channel) == KIND_SEMAPHORE)
		return semaphore_release(channel, 1);
	return dhow_send_message(channel, message, DHOW_ACCEPTED, DHOW_TRY);
}
