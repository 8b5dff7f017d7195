/* SPDX-License-Identifier: MIT */
/*
 * pmi1_line.h - one line of PMI-1: `cmd=put kvsname=K key=A value=B`.
 *
 * A line is a string without its end of line. Pure functions; nothing in a line is trusted.
 */
#ifndef LAUNCH_PMI1_LINE_H
#define LAUNCH_PMI1_LINE_H

#include <stddef.h>

enum { LAUNCH_PMI1_LINE_BYTES = 2048 };

/* What a client can say. */
enum launch_pmi1_command {
	LAUNCH_PMI1_UNKNOWN,
	LAUNCH_PMI1_INIT,
	LAUNCH_PMI1_INITACK,
	LAUNCH_PMI1_GET_MAXES,
	LAUNCH_PMI1_GET_APPNUM,
	LAUNCH_PMI1_GET_MY_KVSNAME,
	LAUNCH_PMI1_GET_UNIVERSE_SIZE,
	LAUNCH_PMI1_PUT,
	LAUNCH_PMI1_GET,
	LAUNCH_PMI1_BARRIER_IN,
	LAUNCH_PMI1_PUBLISH_NAME,
	LAUNCH_PMI1_UNPUBLISH_NAME,
	LAUNCH_PMI1_LOOKUP_NAME,
	LAUNCH_PMI1_SPAWN,		/* lines of arguments follow, up to `endcmd` */
	LAUNCH_PMI1_FINALIZE,
	LAUNCH_PMI1_ABORT,
	LAUNCH_PMI1_COMMANDS
};

enum launch_pmi1_command launch_pmi1_command(const char *line);
/* For messages to people. */
const char *launch_pmi1_command_name(enum launch_pmi1_command command);

/* Value of `name=`, which ends at a space. Return: 0; -ENOENT; -E2BIG it does not fit. */
int launch_pmi1_word(const char *line, const char *name, char *ret_value, size_t room);
/* The same, but the value goes on to the end of the line. */
int launch_pmi1_rest(const char *line, const char *name, char *ret_value, size_t room);
/* The same for a whole number. Return: 0; -ENOENT; -EINVAL. */
int launch_pmi1_number(const char *line, const char *name, long *ret_value);

#endif
