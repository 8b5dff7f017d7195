/* SPDX-License-Identifier: MIT */
/* pmix_none.c - in place of the server of PMIx where Dhow was built without its headers. */
#include <errno.h>
#include <stddef.h>

#include "pmi/pmix.h"

int launch_pmix_open(const char *directory, uint32_t node, const char *host, int epoll,
		     struct launch_pmix **ret_pmix, struct base_err *reterr)
{
	(void)directory, (void)node, (void)host, (void)epoll, (void)ret_pmix;
	return base_err(reterr, -ENOSYS, "Dhow was built without PMIx (libpmix-dev)");
}

/* The rest is never called, as there is nothing to call it with. */
void launch_pmix_close(struct launch_pmix *pmix)
{
	(void)pmix;
}

int launch_pmix_run_open(struct launch_pmix *pmix, const struct launch_pmi_layout *layout,
			 const char *name, const char *directory,
			 const struct launch_pmix_hooks *hooks, struct launch_pmix_run **ret_run,
			 struct base_err *reterr)
{
	(void)pmix, (void)layout, (void)name, (void)directory, (void)hooks, (void)ret_run;
	return base_err(reterr, -ENOSYS, "Dhow was built without PMIx");
}

void launch_pmix_run_close(struct launch_pmix_run *run)
{
	(void)run;
}

int launch_pmix_task(const struct launch_pmix_run *run, uint32_t local,
		     int (*add)(void *arg, const char *entry), void *arg)
{
	(void)run, (void)local, (void)add, (void)arg;
	return 0;
}

enum launch_pmix_progress launch_pmix_ended(struct launch_pmix_run *run, uint32_t local)
{
	(void)run, (void)local;
	return LAUNCH_PMIX_SILENT;
}

uint32_t launch_pmix_inside(const struct launch_pmix_run *run)
{
	(void)run;
	return 0;
}

void launch_pmix_fenced(struct launch_pmix_run *run, const char *key, int rc, const void *data,
			uint32_t bytes)
{
	(void)run, (void)key, (void)rc, (void)data, (void)bytes;
}

void launch_pmix_modex_request(struct launch_pmix_run *run, uint32_t origin, uint64_t ticket,
			       uint32_t rank)
{
	(void)run, (void)origin, (void)ticket, (void)rank;
}

void launch_pmix_modex_answer(struct launch_pmix_run *run, uint64_t ticket, int rc,
			      const void *data, uint32_t bytes)
{
	(void)run, (void)ticket, (void)rc, (void)data, (void)bytes;
}
