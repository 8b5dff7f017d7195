/* SPDX-License-Identifier: MIT */
/* wlm.c - the table of node sources, in the order in which they are asked. */
#include "wlm/wlm.h"

#include <string.h>

static const struct launch_wlm *const sources[] = {
	&launch_wlm_local,	/* always there, so it is the last */
};

const struct launch_wlm *launch_wlm_find(const char *name)
{
	char reason[LAUNCH_BIND_BYTES];

	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++)
		if (name ? strcmp(name, sources[i]->name) == 0 :
			   sources[i]->detect(reason, sizeof(reason)))
			return sources[i];
	return NULL;
}
