/* SPDX-License-Identifier: MIT */
/* program.c - see program.h. */
#include "cli/program.h"

#include "base/spawn.h"

int launch_program_find(const char *name, char *ret_path)
{
	static const char *const places[] = { "", "../libexec/dhow/", "../",
					      "../../../bin/", NULL };

	return base_spawn_beside(name, places, ret_path);
}
