/* SPDX-License-Identifier: MIT */
/* programs.c - see programs.h. */
#include "programs.h"

#include "base/spawn.h"

int bench_program_find(const char *name, char *ret_path)
{
	/* From build/bench: build/bin. From libexec/dhow/bench: bin, and libexec/dhow for the
	 * agents. The last one is for who says that there is none. */
	static const char *const places[] = { "", "../bin/", "../../../bin/", "../", "../bin/",
					      NULL };

	return base_spawn_beside(name, places, ret_path);
}
