/* SPDX-License-Identifier: MIT */
/* pmix_jobinfo.h - all that libpmix is told of a run before its ranks may ask. */
#ifndef LAUNCH_PMIX_JOBINFO_H
#define LAUNCH_PMIX_JOBINFO_H

#include "pmi/layout.h"
#include "pmi/pmix_library.h"

struct launch_pmix_jobinfo {
	pmix_info_t *infos;	/* @count of them are for register_nspace(); more lie behind */
	size_t count;
	/* owned */
	pmix_data_array_t *arrays, maps;
	char **peers;		/* of each node */
	uint32_t node_count;
};

/* @layout, @name and @directory are borrowed until launch_pmix_jobinfo_fini(). Return: 0; -ENOMEM;
 * -EIO libpmix does not want it. */
int launch_pmix_jobinfo_fill(const struct launch_pmix_library *library,
			     const struct launch_pmi_layout *layout, const char *name,
			     const char *directory, struct launch_pmix_jobinfo *ret_jobinfo);
void launch_pmix_jobinfo_fini(struct launch_pmix_jobinfo *jobinfo);

#endif
