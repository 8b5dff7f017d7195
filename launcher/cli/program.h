/* SPDX-License-Identifier: MIT */
/* program.h - where our own programs are. */
#ifndef LAUNCH_PROGRAM_H
#define LAUNCH_PROGRAM_H

#include <limits.h>

/* A program of ours: beside this one, then in ../libexec/dhow; in the folder above, where a build
 * has its benchmarks; and from libexec/dhow/bin, in bin. @ret_path: PATH_MAX bytes.
 * Return: 0; -ENOENT. */
int launch_program_find(const char *name, char *ret_path);

#endif
