/* SPDX-License-Identifier: MIT */
/*
 * start.h - body of LAUNCH_START: all that a daemon must know of a run, the same for each node.
 */
#ifndef LAUNCH_START_H
#define LAUNCH_START_H

#include <stddef.h>
#include <stdint.h>

#include "proto/codec.h"

enum { LAUNCH_PATH_BYTES = 4096 };

/* @count strings, each with its zero, one behind the other. */
struct launch_strings {
	uint32_t count, bytes;
	const char *data;
};

/* Where stdout or stderr goes, where stdin comes from, and what one rank alone has. */
enum launch_output_to {
	LAUNCH_OUTPUT_FORWARD,	/* by LAUNCH_OUTPUT */
	LAUNCH_OUTPUT_FILE,	/* the daemon opens it to append, and creates it */
	LAUNCH_OUTPUT_NULL,
};
enum launch_input_from { LAUNCH_INPUT_NULL, LAUNCH_INPUT_RANK, LAUNCH_INPUT_ALL };
enum launch_extra_kind {
	LAUNCH_EXTRA_ENV = 1,	/* NAME=VALUE, wins over the app's */
	LAUNCH_EXTRA_CPUS,	/* hexadecimal mask, e.g. "0x3" or "0xff00,00000000" */
	LAUNCH_EXTRA_STDOUT,	/* path */
	LAUNCH_EXTRA_STDERR,
};

struct launch_start_app {
	struct launch_strings argv, env, settings;
	char wdir[LAUNCH_PATH_BYTES];
};
/* Ranks @first to @first + @count - 1 run app @app on node @node. */
struct launch_start_range {
	uint32_t first, count, node, app;
};
struct launch_start_extra {
	uint32_t rank;
	uint8_t kind;		/* enum launch_extra_kind */
	const char *text;	/* ends with a zero */
};

/* The lists are encoded (see launch_start_*); ranges cover all ranks in their order. */
struct launch_start {
	uint32_t run, size, nodes;	/* ranks; nodes that have some */
	uint32_t umask, grace_ms, restartable;
	uint8_t input;			/* enum launch_input_from */
	uint32_t input_rank;
	struct {
		uint8_t to, truncate;	/* enum launch_output_to */
		char path[LAUNCH_PATH_BYTES];	/* empty: see extras */
	} output[2];
	struct launch_strings settings;
	struct { uint32_t count, bytes; const uint8_t *data; } apps, ranges, extras;
};

/* Build and read the lists. `next` returns 1 while there is one; *at begins as NULL. What a
 * decoded message holds was checked and is borrowed from its frame. */
void launch_app_add(struct launch_writer *list, const struct launch_start_app *app);
int launch_app_next(const struct launch_start *start, const uint8_t **at,
		    struct launch_start_app *ret_app);
void launch_range_add(struct launch_writer *list, const struct launch_start_range *range);
int launch_range_next(const struct launch_start *start, const uint8_t **at,
		      struct launch_start_range *ret_range);
void launch_extra_add(struct launch_writer *list, const struct launch_start_extra *extra);
int launch_extra_next(const struct launch_start *start, const uint8_t **at,
		      struct launch_start_extra *ret_extra);

/* Flatten a NULL-ended array; @writer holds the bytes. Return: 0; -ENOMEM; -E2BIG. */
int launch_strings_pack(char *const *array, struct launch_writer *writer,
			struct launch_strings *ret_strings);
/* A NULL-ended array in one allocation, with room for @extra more. Return: NULL no memory. */
char **launch_strings_unpack(const struct launch_strings *strings, unsigned extra);

#endif
