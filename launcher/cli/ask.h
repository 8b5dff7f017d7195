/* SPDX-License-Identifier: MIT */
/* ask.h - run a program of ours for what it prints: the libraries it knows are not linked here. */
#ifndef LAUNCH_ASK_H
#define LAUNCH_ASK_H

#include <stddef.h>

/**
 * launch_ask - run @program and read what it writes to stdout; its stderr is dropped.
 * @argv: ends with NULL; argv[0] included.
 * @timeout_ms: it is killed when it takes longer.
 * @ret_text: what it wrote, cut to @room, with a 0 at the end.
 *
 * Return: its exit code; -ETIMEDOUT; -EPROTO ended by a signal; other negative errno.
 */
int launch_ask(const char *program, char *const *argv, int timeout_ms, char *ret_text,
	       size_t room);

#endif
