/* SPDX-License-Identifier: MIT */
/* memory.h - what the search and the memory of the model checker want from each other. */
#ifndef MODEL_MEMORY_H
#define MODEL_MEMORY_H

#include "mcx.h"

/* memory.c: forget all locations. */
void memory_reset(void);
/* The current thread knows all that thread @other has done. */
void memory_learn_from(int other);

/* mcx.c: the thread that runs, -1 none. */
int mcx_current(void);
/* Here another thread may go on, or this one be killed. */
void mcx_point(void);
/* One of @n; old: 0 is the newest value, and only so many others are allowed. */
unsigned mcx_choose(unsigned n);
unsigned mcx_choose_old(unsigned n);
void mcx_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The current thread sleeps until mcx_wake(), which returns how many it woke. */
void mcx_sleep(const void *at);
int mcx_wake(const void *at, int count);

#endif
