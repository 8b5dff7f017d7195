/* SPDX-License-Identifier: MIT */
/* policy.c - see policy.h. */
#include "bind/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	enum launch_bind_kind kind;
	int has_list;
} kinds[] = {
	{ "none", LAUNCH_BIND_NONE, 0 },     { "no", LAUNCH_BIND_NONE, 0 },
	{ "core", LAUNCH_BIND_CORE, 0 },     { "cores", LAUNCH_BIND_CORE, 0 },
	{ "socket", LAUNCH_BIND_SOCKET, 0 }, { "sockets", LAUNCH_BIND_SOCKET, 0 },
	{ "numa", LAUNCH_BIND_NUMA, 0 },     { "ldoms", LAUNCH_BIND_NUMA, 0 },
	{ "rank", LAUNCH_BIND_RANK, 0 },     { "threads", LAUNCH_BIND_RANK, 0 },
	{ "map", LAUNCH_BIND_MAP, 1 },	     { "map_cpu", LAUNCH_BIND_MAP, 1 },
	{ "mask", LAUNCH_BIND_MASK, 1 },     { "mask_cpu", LAUNCH_BIND_MASK, 1 },
};

/* Hexadecimal digits with 0x before them or not, not all 0, and no processor beyond the last. */
static int is_mask(const char *item, size_t bytes)
{
	size_t digits = bytes;

	if (bytes > 2 && item[0] == '0' && (item[1] == 'x' || item[1] == 'X')) {
		item += 2;
		digits -= 2;
	}
	return digits > 0 && digits <= LAUNCH_BIND_CPUS_MAX / 4 &&
	       strspn(item, "0123456789abcdefABCDEF") >= digits && strspn(item, "0") < digits;
}

static int is_number(const char *item, size_t bytes)
{
	return bytes > 0 && bytes <= 4 && strspn(item, "0123456789") >= bytes &&
	       atoi(item) < LAUNCH_BIND_CPUS_MAX;
}

static int check_list(const struct launch_bind_policy *policy, struct base_err *reterr)
{
	const char *at = policy->list;

	for (;;) {
		size_t bytes = strcspn(at, ",");

		if (policy->kind == LAUNCH_BIND_MAP && !is_number(at, bytes))
			return base_err(reterr, -EINVAL, "--cpu-bind map: \"%.*s\" is no number "
					"of a processor (0 to %d)", (int)bytes, at,
					LAUNCH_BIND_CPUS_MAX - 1);
		if (policy->kind == LAUNCH_BIND_MASK && !is_mask(at, bytes))
			return base_err(reterr, -EINVAL, "--cpu-bind mask: \"%.*s\" is no mask of "
					"processors like 0x3", bytes < 99 ? (int)bytes : 99, at);
		if (!at[bytes])
			return 0;
		at += bytes + 1;
	}
}

static const char *skip_verbose(const char *text, int *ret_verbose)
{
	static const char *const words[] = { "verbose", "v", "quiet", "q" };

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t bytes = strlen(words[i]);

		if (strncmp(text, words[i], bytes) != 0 || (text[bytes] && text[bytes] != ','))
			continue;
		*ret_verbose = i < 2;
		return text + bytes + (text[bytes] == ',');
	}
	return text;
}

int launch_bind_parse(const char *text, struct launch_bind_policy *ret_policy,
		      struct base_err *reterr)
{
	int verbose = 0;
	const char *name = skip_verbose(text, &verbose);
	size_t bytes = strcspn(name, ":");

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strlen(kinds[i].name) != bytes || strncmp(name, kinds[i].name, bytes) != 0)
			continue;
		if (kinds[i].has_list != (name[bytes] == ':'))
			break;
		*ret_policy = (struct launch_bind_policy){
			kinds[i].kind, verbose, kinds[i].has_list ? name + bytes + 1 : NULL };
		return kinds[i].has_list ? check_list(ret_policy, reterr) : 0;
	}
	return base_err(reterr, -EINVAL, "--cpu-bind \"%.80s\": there are " LAUNCH_BIND_WORDS,
			text);
}

void launch_bind_item(const struct launch_bind_policy *policy, uint32_t index, char *ret_item,
		      unsigned room)
{
	const char *at = policy->list;
	uint32_t count = 1;

	for (const char *c = at; *c; c++)
		count += *c == ',';
	for (index %= count; index; index--)
		at += strcspn(at, ",") + 1;
	snprintf(ret_item, room, "%.*s", (int)strcspn(at, ","), at);
}
