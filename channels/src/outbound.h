/* SPDX-License-Identifier: MIT */
/*
 * outbound.h - how much of a pool waits for other nodes.
 *
 * Two nodes whose pools are full of what they send to each other would wait for ever, since what
 * comes in needs a block, too. So senders claim room for the block of a message before they take
 * it from the pool, and the agent gives the room back with the block; all claims together are at
 * most half of the pool, or one block. A sender that dies in between leaves its claim: the agent
 * forgets all claims when a stream has ended and it holds no message.
 *
 * Nothing here waits. A count alone: no other memory is published by it.
 */
#ifndef CHANNELS_OUTBOUND_H
#define CHANNELS_OUTBOUND_H

#include <stdbool.h>
#include <stdint.h>

struct segment;

/* @bytes: of the whole block, heap_rounded() or heap_bytes(). False: there is no room now. */
bool outbound_claim(struct segment *segment, uint64_t bytes);
void outbound_release(struct segment *segment, uint64_t bytes);
void outbound_forget(struct segment *segment);

#endif
