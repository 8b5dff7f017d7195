/* SPDX-License-Identifier: MIT */
/*
 * barrier.h (internal) - the one word of a barrier.
 *
 *	63           32 31      18 17   16 15       0
 *	+--------------+----------+-------+----------+
 *	|  generation  |  resets  | cause | arrived  |
 *	+--------------+----------+-------+----------+
 *
 * Arriving, releasing, breaking and resetting are one compare-and-swap each, so nothing is
 * ever half done. A party remembers generation and resets of its arrival: with another
 * number of resets it was cancelled, else with another generation it was released. A reset
 * may so cancel a party that was released and did not look yet; what it never does is to
 * take a reset for a release.
 */
#ifndef CHANNELS_BARRIER_H
#define CHANNELS_BARRIER_H

#include <dhow/barrier.h>

#include "src/channel.h"
#include "src/gateway.h"

/* A process that had the entry at @index open is dead: if it is a barrier, break it. */
void barrier_recover(struct segment *segment, uint32_t index);

int barrier_reset(struct dhow_channel *channel);
/* The state in 32 bits, as it travels: parties 15 | waiting 15 | cause 2. */
uint32_t barrier_pack(struct dhow_channel *channel);

#endif
