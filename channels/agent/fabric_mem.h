/* SPDX-License-Identifier: MIT */
/*
 * fabric_mem.h - knobs of `fabric_mem` for tests: what a real network does on a bad day.
 *
 * Addresses are names of fabrics in this process ("mem-1", ...). Fabrics may be driven by
 * different threads; each knob may be turned by any thread.
 */
#ifndef AGENT_FABRIC_MEM_H
#define AGENT_FABRIC_MEM_H

#include "agent/fabric.h"

/* Answer every @n-th frame(), bulk() and fetch() with FABRIC_AGAIN; 0 = never. */
void fabric_mem_refuse_every(struct fabric *fabric, unsigned n);

/* Deliver frames that come to @fabric in an arbitrary order within @window; 0 = in order. */
void fabric_mem_reorder(struct fabric *fabric, unsigned window);

/* Lose every @n-th frame that @fabric sends; 0 = none. */
void fabric_mem_lose_every(struct fabric *fabric, unsigned n);

/* See, and damage, what leaves @fabric: frames, headers of offers, and bulk data as it arrives
 * (the sender's memory stays as it is). Called under a lock: call no fabric. NULL: nobody. */
enum fabric_mem_what { FABRIC_MEM_FRAME, FABRIC_MEM_OFFER, FABRIC_MEM_BULK };
void fabric_mem_tap(struct fabric *fabric,
		    void (*tap)(enum fabric_mem_what what, void *data, size_t bytes));

/* Break the connection: both sides are told peer_down(); what was under way is lost. */
void fabric_mem_cut(struct fabric_peer *peer);

#endif
