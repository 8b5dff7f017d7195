/* SPDX-License-Identifier: MIT */
/* pmix_library.c - see pmix_library.h. */
#include "pmi/pmix_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

/* libpmix 3, 4 and 5 have the same name. */
static const char library_name[] = "libpmix.so.2";

int launch_pmix_library_load(struct launch_pmix_library *ret_library, struct base_err *reterr)
{
	const char *name = getenv(LAUNCH_ENV_LIBPMIX);
	void *handle = dlopen(name && *name ? name : library_name, RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		return base_err(reterr, -ENOENT, "%s", dlerror());
	ret_library->handle = handle;
#define X(type, function, parameters)                                                          \
	*(void **)&ret_library->function = dlsym(handle, "PMIx_" #function);                   \
	if (!ret_library->function) {                                                          \
		dlclose(handle);                                                               \
		return base_err(reterr, -ENOENT, "%s has no PMIx_%s: 4.0 or newer is needed",  \
				name && *name ? name : library_name, #function);               \
	}
	LAUNCH_PMIX_FUNCTIONS(X)
#undef X
	return 0;
}
