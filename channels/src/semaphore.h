/* SPDX-License-Identifier: MIT */
/* semaphore.h (internal) - what the agent does with a semaphore of its node. */
#ifndef CHANNELS_SEMAPHORE_H
#define CHANNELS_SEMAPHORE_H

#include <dhow/semaphore.h>

#include "src/channel.h"

/* -EOVERFLOW, -EPIPE. */
int semaphore_release(struct dhow_channel *channel, uint32_t count);
uint32_t semaphore_value(struct dhow_channel *channel);

#endif
