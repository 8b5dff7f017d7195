/* SPDX-License-Identifier: MIT */
/*
 * tracer.h - run a child under ptrace, one instruction at a time or up to a breakpoint.
 */
#ifndef STRESS_TRACER_H
#define STRESS_TRACER_H

#include <stdbool.h>
#include <sys/types.h>

#include "scene.h"

/* Fork victim @number of @scene; it stops before the first instruction of @operation, having
 * entered the segment, and sleeps when it has returned. Dies with this process. */
pid_t tracer_start(struct scene *scene, const struct operation *operation, unsigned number);
/* One instruction. False: it ended. */
bool tracer_step(pid_t pid);
/* Address of the next instruction. 0: unknown on this processor. */
unsigned long tracer_at(pid_t pid);
/* Run until the instruction at @address is about to be executed for the @hit-th time. False:
 * that does not happen, or no breakpoint can be set there. */
bool tracer_run_to(pid_t pid, unsigned long address, unsigned hit);
/* Let it run on without us; wait at most 10 s until @finished is set. False: it was not. */
bool tracer_let_finish(pid_t pid, const _Atomic int *finished);
void tracer_kill(pid_t pid);

/* From now on, a survivor that does not come back within 20 s ends the program with a message
 * that has @what and @point in it. NULL: no longer. */
void tracer_watch(const char *what, unsigned long point);

/* One processor for tracer and victims: a step is a switch and not a wake-up across cores. */
void tracer_share_a_core(void);
/* Is ptrace() allowed here? Prints why not. */
bool tracer_works(void);

#endif
