/* SPDX-License-Identifier: MIT */
/*
 * injector.h - a bad network: a process that carries packets between TUN devices, and loses,
 * repeats, reorders, delays, damages and resets some. It needs no netem in the kernel.
 */
#ifndef FIRE_INJECTOR_H
#define FIRE_INJECTOR_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include "space.h"

/* Shared between the injector and who steers it; a store takes effect with the next packet. */
struct injector {
	/* written by the case; parts in a million, of packets */
	_Atomic uint32_t loss, repeat, reorder, damage, reset;
	_Atomic uint32_t delay_us, jitter_us;
	_Atomic uint32_t cut[SPACES_MAX];	/* of a sender: bit i = nothing reaches i */
	/* written by the injector */
	_Atomic uint64_t packets, bytes, lost, cut_off, repeated, reordered, damaged, resets;
	_Atomic uint64_t overrun;
};

/* Run for ever, with one TUN descriptor for each of @count namespaces. */
void injector_run(struct injector *injector, const int *tuns, unsigned count, uint64_t seed)
	__attribute__((noreturn));

/* Nothing passes from @from to @to, or all does again. */
void injector_cut(struct injector *injector, unsigned from, unsigned to, int cut);

/* What was injected, in one line without its end. */
void injector_print(const struct injector *injector, FILE *to);

#endif
