/* SPDX-License-Identifier: MIT */
/* pattern.h - names of output files: %t rank, %n node, %h host, %j job tag. */
#ifndef LAUNCH_PATTERN_H
#define LAUNCH_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Who writes into a file. */
enum launch_pattern_scope { LAUNCH_FILE_OF_ALL, LAUNCH_FILE_OF_NODE, LAUNCH_FILE_OF_RANK };

struct launch_pattern_values {
	uint32_t rank, node;
	const char *host, *tag;
};

/* Return: an enum launch_pattern_scope; -EINVAL with @reterr filled. @option is for people. */
int launch_pattern_scope(const char *option, const char *pattern, struct base_err *reterr);

/**
 * launch_pattern_expand - the name of one file.
 * @pattern: %t and %r are the rank, %n the node, %h its host, %j the tag, %% a percent sign; a
 * number between pads with zeros: %4t.
 *
 * Return: 0; -EINVAL another letter; -ENAMETOOLONG.
 */
int launch_pattern_expand(const char *pattern, const struct launch_pattern_values *values,
			  char *ret_path, size_t room);

#endif
