/* SPDX-License-Identifier: MIT */
/*
 * seed.h - faults to prove the tests by: SEEDED(n) is true in a build with -DDHOW_SEED_FAULT=n.
 *
 * In every other build it is the constant 0 and leaves no code. tests/stress/seeds.sh builds
 * each fault and demands that a test finds it; the list of faults is there.
 */
#ifndef CHANNELS_SEED_H
#define CHANNELS_SEED_H

#ifdef DHOW_SEED_FAULT
#define SEEDED(n) (DHOW_SEED_FAULT == (n))
#else
#define SEEDED(n) 0
#endif

#endif
