/* SPDX-License-Identifier: MIT */
/* program.c - see program.h. */
#include "cli/program.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int launch_program_find(const char *name, char *ret_path)
{
	static const char *const places[] = { "", "../libexec/dhow/", "../", "../../../bin/" };
	char self[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return -ENOENT;
	self[n] = 0;
	slash = strrchr(self, '/');
	if (slash)
		*slash = 0;
	for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++) {
		int used = snprintf(ret_path, PATH_MAX, "%s/%s%s", self, places[i], name);

		if (used < PATH_MAX && access(ret_path, X_OK) == 0)
			return 0;
	}
	ret_path[0] = 0;
	return -ENOENT;
}
