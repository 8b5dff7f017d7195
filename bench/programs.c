/* SPDX-License-Identifier: MIT */
/* programs.c - see programs.h. */
#include "programs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* From build/bench: build/bin. From libexec/dhow/bench: bin, and libexec/dhow for the agents. */
static const char *const places[] = { "", "../bin/", "../../../bin/", "../" };

int bench_program_find(const char *name, char *ret_path)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = 0;
	slash = strrchr(self, '/');
	if (slash)
		*slash = 0;
	for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++) {
		int used = snprintf(ret_path, PATH_MAX, "%s/%s%s", self, places[i], name);

		if (used < PATH_MAX && access(ret_path, X_OK) == 0)
			return 0;
	}
	if (snprintf(ret_path, PATH_MAX, "%s/../bin/%s", self, name) >= PATH_MAX)
		ret_path[0] = 0;
	return -ENOENT;
}
