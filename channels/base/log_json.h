/* SPDX-License-Identifier: MIT */
/*
 * log_json.h - a line of the log as a JSON object:
 * {"time":"2026-01-31T12:00:00.000123Z","level":"warn","program":"dhow-tcp","component":"agent",
 *  "host":"n1","pid":42,"message":"..."}. What is not UTF-8 becomes U+FFFD.
 */
#ifndef BASE_LOG_JSON_H
#define BASE_LOG_JSON_H

#include <stddef.h>

enum { BASE_LOG_JSON_BYTES = 8192 };	/* of a text of 1 KiB, each byte escaped */

struct base_log_fields {
	const char *program, *level, *component, *text;
	int component_length;
};

/* Return: bytes with the '\n' at the end; no '\0' follows. A text that is too long is cut. */
size_t base_log_json(char ret_line[BASE_LOG_JSON_BYTES], const struct base_log_fields *fields);

#endif
