/* SPDX-License-Identifier: MIT */
/* option_table.h - all options of dlaunch as rows: name, text of --help, where the value goes. */
#ifndef LAUNCH_OPTION_TABLE_H
#define LAUNCH_OPTION_TABLE_H

#include <argp.h>
#include <stddef.h>

#include "cli/options.h"

enum launch_option_kind {
	LAUNCH_OPTION_NONE,	/* a heading or an alias */
	LAUNCH_OPTION_FLAG,	/* int = 1 */
	LAUNCH_OPTION_TEXT,	/* const char * */
	LAUNCH_OPTION_NUMBER,	/* uint32_t, 1 to @max */
	LAUNCH_OPTION_WISH,	/* struct launch_wish */
	LAUNCH_OPTION_CALL,	/* @call takes it */
};

struct launch_option_row {
	struct argp_option argp;	/* key: a letter, or 0; an alias has that of its option */
	enum launch_option_kind kind;
	int in_segment;			/* each program has its own */
	size_t offset;			/* in launch_segment or launch_options */
	uint32_t max;
	/* @option is how people know it; ends the process if @text is wrong. */
	void (*call)(struct launch_options *options, struct launch_segment *segment,
		     const char *option, char *text);
};

extern const struct launch_option_row launch_option_rows[];
extern const size_t launch_option_row_count;

#endif
