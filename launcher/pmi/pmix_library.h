/* SPDX-License-Identifier: MIT */
/* pmix_library.h - the functions of libpmix that we call, found at run time. */
#ifndef LAUNCH_PMIX_LIBRARY_H
#define LAUNCH_PMIX_LIBRARY_H

#include <pmix_common.h>
#include <pmix_server.h>

#include "base/err.h"

/* Another library than the one that the loader finds. */
#define LAUNCH_ENV_LIBPMIX "DHOW_LIBPMIX"

/* Return type, name behind PMIx_, parameters. */
#define LAUNCH_PMIX_FUNCTIONS(X)                                                                \
	X(const char *, Get_version, (void))                                                    \
	X(const char *, Error_string, (pmix_status_t))                                          \
	X(pmix_status_t, server_init, (pmix_server_module_t *, pmix_info_t *, size_t))          \
	X(pmix_status_t, server_register_nspace,                                                \
	  (const pmix_nspace_t, int, pmix_info_t *, size_t, pmix_op_cbfunc_t, void *))          \
	X(void, server_deregister_nspace, (const pmix_nspace_t, pmix_op_cbfunc_t, void *))      \
	X(pmix_status_t, server_register_client,                                                \
	  (const pmix_proc_t *, uid_t, gid_t, void *, pmix_op_cbfunc_t, void *))                \
	X(pmix_status_t, server_setup_fork, (const pmix_proc_t *, char ***))                    \
	X(pmix_status_t, server_dmodex_request,                                                 \
	  (const pmix_proc_t *, pmix_dmodex_response_fn_t, void *))                             \
	X(pmix_status_t, generate_regex, (const char *, char **))                               \
	X(pmix_status_t, generate_ppn, (const char *, char **))                                 \
	X(void *, Info_list_start, (void))                                                      \
	X(pmix_status_t, Info_list_add, (void *, const char *, const void *, pmix_data_type_t)) \
	X(pmix_status_t, Info_list_convert, (void *, pmix_data_array_t *))                      \
	X(void, Info_list_release, (void *))

struct launch_pmix_library {
	void *handle;
#define X(type, name, parameters) type(*name) parameters;
	LAUNCH_PMIX_FUNCTIONS(X)
#undef X
};

/* Return: 0; -ENOENT with @reterr filled. The library is never unloaded. */
int launch_pmix_library_load(struct launch_pmix_library *ret_library, struct base_err *reterr);

#endif
