/* SPDX-License-Identifier: MIT */
/* pmi1_line.c - see pmi1_line.h. */
#include "pmi/pmi1_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[LAUNCH_PMI1_COMMANDS] = {
	[LAUNCH_PMI1_UNKNOWN] = "",
	[LAUNCH_PMI1_INIT] = "init",
	[LAUNCH_PMI1_INITACK] = "initack",
	[LAUNCH_PMI1_GET_MAXES] = "get_maxes",
	[LAUNCH_PMI1_GET_APPNUM] = "get_appnum",
	[LAUNCH_PMI1_GET_MY_KVSNAME] = "get_my_kvsname",
	[LAUNCH_PMI1_GET_UNIVERSE_SIZE] = "get_universe_size",
	[LAUNCH_PMI1_PUT] = "put",
	[LAUNCH_PMI1_GET] = "get",
	[LAUNCH_PMI1_BARRIER_IN] = "barrier_in",
	[LAUNCH_PMI1_PUBLISH_NAME] = "publish_name",
	[LAUNCH_PMI1_UNPUBLISH_NAME] = "unpublish_name",
	[LAUNCH_PMI1_LOOKUP_NAME] = "lookup_name",
	[LAUNCH_PMI1_SPAWN] = "spawn",
	[LAUNCH_PMI1_FINALIZE] = "finalize",
	[LAUNCH_PMI1_ABORT] = "abort",
};

const char *launch_pmi1_command_name(enum launch_pmi1_command command)
{
	return names[command];
}

enum launch_pmi1_command launch_pmi1_command(const char *line)
{
	size_t bytes;

	if (strncmp(line, "mcmd=", 5) == 0)
		line++;
	if (strncmp(line, "cmd=", 4) != 0)
		return LAUNCH_PMI1_UNKNOWN;
	line += 4;
	bytes = strcspn(line, " ");
	for (int i = LAUNCH_PMI1_UNKNOWN + 1; i < LAUNCH_PMI1_COMMANDS; i++)
		if (strlen(names[i]) == bytes && memcmp(line, names[i], bytes) == 0)
			return (enum launch_pmi1_command)i;
	return LAUNCH_PMI1_UNKNOWN;
}

/* Where the value of @name begins; NULL: it is not there. */
static const char *find(const char *line, const char *name)
{
	size_t bytes = strlen(name);

	while (line) {
		line += strspn(line, " ");
		if (strncmp(line, name, bytes) == 0 && line[bytes] == '=')
			return line + bytes + 1;
		line = strchr(line, ' ');
	}
	return NULL;
}

static int copy(const char *from, size_t bytes, char *ret_value, size_t room)
{
	if (bytes >= room)
		return -E2BIG;
	memcpy(ret_value, from, bytes);
	ret_value[bytes] = 0;
	return 0;
}

int launch_pmi1_word(const char *line, const char *name, char *ret_value, size_t room)
{
	const char *at = find(line, name);

	return at ? copy(at, strcspn(at, " "), ret_value, room) : -ENOENT;
}

int launch_pmi1_rest(const char *line, const char *name, char *ret_value, size_t room)
{
	const char *at = find(line, name);

	return at ? copy(at, strlen(at), ret_value, room) : -ENOENT;
}

int launch_pmi1_number(const char *line, const char *name, long *ret_value)
{
	char text[24], *end;
	int rc = launch_pmi1_word(line, name, text, sizeof(text));

	if (rc == -ENOENT)
		return rc;
	errno = 0;
	*ret_value = rc == 0 ? strtol(text, &end, 10) : 0;
	return rc < 0 || errno || end == text || *end ? -EINVAL : 0;
}
