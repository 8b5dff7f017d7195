/* SPDX-License-Identifier: MIT */
/* signals.h - signals that a process hears by a descriptor. */
#ifndef BASE_SIGNALS_H
#define BASE_SIGNALS_H

#include <stddef.h>

#include "base/err.h"

/**
 * base_signals_open - hear @numbers by a descriptor from now on, instead of being ended by them.
 *
 * What is ignored stays so (nohup, a shell's background job), but for SIGCHLD, which some parents
 * ignore. SIGPIPE is ignored. For the main thread, before there are others.
 *
 * Return: a signalfd, close-on-exec and non-blocking; negative errno with @reterr filled.
 */
int base_signals_open(const int *numbers, size_t count, struct base_err *reterr);

#endif
