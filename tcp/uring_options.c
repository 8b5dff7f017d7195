/* SPDX-License-Identifier: MIT */
/* uring_options.c - see uring_options.h. */
#include "tcp/uring_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const struct uring_feature_row uring_features[URING_FEATURES] = {
	[URING_DEFER] = { "defer", "completions are made when the agent looks", "6.1", true },
	[URING_MULTISHOT] = { "multishot", "one receive for many arrivals", "6.0", true },
	[URING_FILES] = { "files", "registered sockets", "5.19", false },
	[URING_ZC] = { "zc", "zero-copy send of bulk data", "6.1", false },
	[URING_FIXED] = { "fixed", "registered memory for bulk data", "5.19", false },
	[URING_SQPOLL] = { "sqpoll", "a kernel thread that submits", "5.11", false },
};

static int find(const char *word, size_t bytes)
{
	for (int i = 0; i < URING_FEATURES; i++)
		if (strlen(uring_features[i].name) == bytes &&
		    memcmp(uring_features[i].name, word, bytes) == 0)
			return i;
	return -1;
}

int uring_options_parse(const char *text, struct uring_options *ret_options, char *why,
			size_t why_bytes)
{
	for (int i = 0; i < URING_FEATURES; i++)
		ret_options->on[i] = uring_features[i].standard;
	while (text && *text) {
		size_t bytes = strcspn(text, ","), name = strcspn(text, "=,");
		int which = find(text, name);
		bool on = bytes == name + 3 && memcmp(text + name, "=on", 3) == 0;

		if (which < 0 || !(on || (bytes == name + 4 &&
					  memcmp(text + name, "=off", 4) == 0))) {
			int at = snprintf(why, why_bytes, "'%.*s' is no option of uring: NAME=on "
					  "or NAME=off, NAME one of", (int)bytes, text);

			for (int i = 0; i < URING_FEATURES && at < (int)why_bytes; i++)
				at += snprintf(why + at, why_bytes - (size_t)at, " %s",
					       uring_features[i].name);
			return -EINVAL;
		}
		ret_options->on[which] = on;
		text += bytes + (text[bytes] == ',');
	}
	return 0;
}
