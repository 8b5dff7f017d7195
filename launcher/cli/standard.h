/* SPDX-License-Identifier: MIT */
/* standard.h - stdin, stdout and stderr as a parent may have left them: closed, full, limited. */
#ifndef LAUNCH_STANDARD_H
#define LAUNCH_STANDARD_H

/* Open those that are closed, else the next file would take their place. And when the program exits
 * while stdout does not take what was printed, say so and exit with @code. A file that has reached
 * its limit (ulimit -f) is an error of write() and no signal. Call it first and once.
 * @name: of the program, a literal. Return: 0 or negative errno. */
int launch_standard_open(const char *name, int code);

#endif
