/* SPDX-License-Identifier: MIT */
/* programs.h - where the programs are that a benchmark starts. */
#ifndef BENCH_PROGRAMS_H
#define BENCH_PROGRAMS_H

#include <limits.h>

/* A program of the build or of the installation that this one is part of: dlaunch, dhowd, dhow,
 * an agent, or another benchmark. @ret_path: PATH_MAX bytes. Return: 0; -ENOENT, @ret_path is
 * then where the build has its programs. */
int bench_program_find(const char *name, char *ret_path);

#endif
