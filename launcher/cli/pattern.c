/* SPDX-License-Identifier: MIT */
/* pattern.c - see pattern.h. */
#include "cli/pattern.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH_MAX = 10 };

/* *@at is behind a percent sign, and is moved behind its letter. Return: the letter, 0 bad. */
static int read_letter(const char **at, int *ret_width)
{
	int width = 0;

	while (isdigit((unsigned char)**at) && width <= WIDTH_MAX)
		width = width * 10 + *(*at)++ - '0';
	*ret_width = width;
	if (width > WIDTH_MAX || !**at || !strchr("trnhj%", **at))
		return 0;
	return *(*at)++;
}

int launch_pattern_scope(const char *option, const char *pattern, struct base_err *reterr)
{
	int scope = LAUNCH_FILE_OF_ALL, width;

	if (!*pattern || strlen(pattern) >= PATH_MAX)
		return base_err(reterr, -EINVAL, "%s: %s", option,
				*pattern ? "the name is too long" : "a name is needed");
	for (const char *at = strchr(pattern, '%'); at; at = strchr(at, '%')) {
		const char *start = at++;

		switch (read_letter(&at, &width)) {
		case 0:
			return base_err(reterr, -EINVAL, "%s \"%.120s\": there are %%t rank, %%n "
					"node, %%h host, %%j job and %%%%, not %.3s", option,
					pattern, start);
		case 't':
		case 'r':
			scope = LAUNCH_FILE_OF_RANK;
			break;
		case 'n':
		case 'h':
			if (scope == LAUNCH_FILE_OF_ALL)
				scope = LAUNCH_FILE_OF_NODE;
			break;
		}
	}
	return scope;
}

int launch_pattern_expand(const char *pattern, const struct launch_pattern_values *values,
			  char *ret_path, size_t room)
{
	size_t used = 0;
	int width, n;

	for (const char *at = pattern; *at;) {
		const char *start = at;
		char *to = ret_path + used;
		size_t left = room - used;

		if (*at != '%') {
			at += strcspn(at, "%");
			n = snprintf(to, left, "%.*s", (int)(at - start), start);
		} else {
			at++;
			switch (read_letter(&at, &width)) {
			case 't':
			case 'r':
				n = snprintf(to, left, "%0*u", width, values->rank);
				break;
			case 'n':
				n = snprintf(to, left, "%0*u", width, values->node);
				break;
			case 'h':
				n = snprintf(to, left, "%s", values->host);
				break;
			case 'j':
				n = snprintf(to, left, "%s", values->tag);
				break;
			case '%':
				n = snprintf(to, left, "%%");
				break;
			default:
				return -EINVAL;
			}
		}
		used += (size_t)n;
		if (used >= room)
			return -ENAMETOOLONG;
	}
	return 0;
}
