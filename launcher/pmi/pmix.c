/* SPDX-License-Identifier: MIT */
/* pmix.c - see pmix.h. */
#include "pmi/pmix.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "pmi/pmix_internal.h"

/* What we set while libpmix starts, unless the user has set it. */
static const struct {
	const char *name, *value;
	int keep;
} start_settings[] = {
	/* Its clients are on this node. */
	{ "PMIX_MCA_ptl_base_if_include", "lo", 1 },
	/* It wants to know processors and memory; to look at devices, their names in the list of
	 * PCI and through plugins, takes hwloc 12 ms of 15. */
	{ "HWLOC_COMPONENTS", "-pci,-linuxio", 0 },
	{ "HWLOC_PLUGINS_PATH", "/nonexistent", 0 },
};
enum { START_SETTINGS = sizeof(start_settings) / sizeof(*start_settings) };

static struct launch_pmix *server;	/* libpmix has one, and its callbacks no argument */

struct launch_pmix *launch_pmix_server(void)
{
	return server;
}

/* When ranks are killed while they connect, libpmix tells its own stderr what it stumbled over,
 * which is no news. Return: the descriptor that it writes to, which stays open; -1 ours. */
static int mute(void)
{
	char number[16];
	int fd = base_log_enabled(BASE_LOG_DEBUG) ? -1 : open("/dev/null", O_WRONLY | O_CLOEXEC);

	snprintf(number, sizeof(number), "%d", fd);
	if (fd >= 0)
		setenv("PMIX_OUTPUT_STDERR_FD", number, 1);
	return fd;
}

static int start_library(struct launch_pmix *pmix, const char *directory, uint32_t node,
			 const char *host, struct base_err *reterr)
{
	int was_set[START_SETTINGS], null = mute(), rc;
	char name[32];
	pmix_info_t infos[4] = {
		{ .key = PMIX_SERVER_NSPACE, .value = { PMIX_STRING, { .string = name } } },
		{ .key = PMIX_SERVER_RANK, .value = { PMIX_PROC_RANK, { .rank = node } } },
		{ .key = PMIX_SERVER_TMPDIR,
		  .value = { PMIX_STRING, { .string = (char *)(uintptr_t)directory } } },
		{ .key = PMIX_HOSTNAME,
		  .value = { PMIX_STRING, { .string = (char *)(uintptr_t)host } } },
	};

	snprintf(name, sizeof(name), "dhowd-%d", (int)getpid());
	for (int i = 0; i < START_SETTINGS; i++) {
		was_set[i] = getenv(start_settings[i].name) != NULL;
		setenv(start_settings[i].name, start_settings[i].value, 0);
	}
	rc = pmix->library.server_init(launch_pmix_module(), infos, 4);
	for (int i = 0; i < START_SETTINGS; i++)
		if (!was_set[i] && !start_settings[i].keep)
			unsetenv(start_settings[i].name);
	if (null >= 0)
		unsetenv("PMIX_OUTPUT_STDERR_FD");
	if (rc != PMIX_SUCCESS)
		return base_err(reterr, -EIO, "libpmix does not start: %s",
				pmix->library.Error_string(rc));
	base_log_debug("PMIx is served by %.60s", pmix->library.Get_version());
	return 0;
}

int launch_pmix_open(const char *directory, uint32_t node, const char *host, int epoll,
		     struct launch_pmix **ret_pmix, struct base_err *reterr)
{
	struct launch_pmix *pmix;
	int rc;

	if (server)
		return base_err(reterr, -EBUSY, "PMIx is served already");
	pmix = calloc(1, sizeof(*pmix));
	if (!pmix)
		return base_err(reterr, -ENOMEM, "no memory for PMIx");
	base_list_init(&pmix->runs);
	pmix->epoll = epoll;
	rc = launch_pmix_queue_open(&pmix->queue, epoll);
	if (rc < 0)
		base_err(reterr, rc, "no queue for PMIx: %s", strerror(-rc));
	if (rc == 0)
		rc = launch_pmix_library_load(&pmix->library, reterr);
	server = pmix;		/* its thread may call back at once */
	if (rc == 0)
		rc = start_library(pmix, directory, node, host, reterr);
	if (rc < 0) {
		server = NULL;
		launch_pmix_queue_close(&pmix->queue);
		free(pmix);
		return rc;
	}
	*ret_pmix = pmix;
	return 0;
}

/* libpmix is not finalized: that can wait for ever where a client died while it connected, and the
 * process is about to end. Its thread may call back until then, so what that needs stays. */
void launch_pmix_close(struct launch_pmix *pmix)
{
	if (!pmix)
		return;
	base_list_for(entry, &pmix->runs)
		launch_pmix_run_close(base_list_entry(entry, struct launch_pmix_run, entry));
	launch_pmix_queue_shut(&pmix->queue);
}

/* Libraries answer when they have done what they were asked; several answers can be waited for. */
struct answers {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t wanted, users;
	pmix_status_t worst;
};

static struct answers *answers_new(void)
{
	struct answers *answers = calloc(1, sizeof(*answers));
	pthread_condattr_t clock;

	if (!answers)
		return NULL;
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_mutex_init(&answers->lock, NULL);
	pthread_cond_init(&answers->changed, &clock);
	pthread_condattr_destroy(&clock);
	answers->users = 1;
	return answers;
}

/* With its lock held. The last user frees it: an answer may come after we gave up. */
static void answers_leave(struct answers *answers)
{
	size_t left = --answers->users;

	pthread_mutex_unlock(&answers->lock);
	if (left)
		return;
	pthread_cond_destroy(&answers->changed);
	pthread_mutex_destroy(&answers->lock);
	free(answers);
}

static void answered(pmix_status_t status, void *arg)
{
	struct answers *answers = arg;

	pthread_mutex_lock(&answers->lock);
	answers->wanted--;
	if (status != PMIX_SUCCESS)
		answers->worst = status;
	pthread_cond_signal(&answers->changed);
	answers_leave(answers);
}

static void answers_expect(struct answers *answers)
{
	pthread_mutex_lock(&answers->lock);
	answers->wanted++;
	answers->users++;
	pthread_mutex_unlock(&answers->lock);
}

/* What the call itself said. */
static void answers_begun(struct answers *answers, pmix_status_t status)
{
	if (status != PMIX_SUCCESS)	/* then there will be no answer */
		answered(status == PMIX_OPERATION_SUCCEEDED ? PMIX_SUCCESS : status, answers);
}

/* Return: PMIX_SUCCESS, the worst answer, or PMIX_ERR_TIMEOUT; @answers is gone. */
static pmix_status_t answers_wait(struct answers *answers)
{
	struct timespec until;
	pmix_status_t status;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PMIX_ANSWER_S;
	pthread_mutex_lock(&answers->lock);
	while (answers->wanted && rc == 0)
		rc = pthread_cond_timedwait(&answers->changed, &answers->lock, &until);
	status = answers->wanted ? PMIX_ERR_TIMEOUT : answers->worst;
	answers_leave(answers);
	return status;
}

static void forget(pmix_status_t status, void *arg)
{
	(void)status;
	(void)arg;
}

static pmix_status_t register_run(struct launch_pmix_run *run, struct launch_pmix_jobinfo *jobinfo)
{
	const struct launch_pmix_library *library = &run->pmix->library;
	uint32_t local_size = launch_pmi_layout_local_size(run->layout);
	struct answers *answers = answers_new();
	pmix_proc_t proc = { .rank = 0 };

	if (!answers)
		return PMIX_ERR_NOMEM;
	memcpy(proc.nspace, run->name, sizeof(run->name));
	answers_expect(answers);
	answers_begun(answers, library->server_register_nspace(run->name, (int)local_size,
							       jobinfo->infos, jobinfo->count,
							       answered, answers));
	for (uint32_t i = 0; i < local_size; i++) {
		proc.rank = launch_pmi_layout_rank(run->layout, i);
		answers_expect(answers);
		answers_begun(answers, library->server_register_client(&proc, geteuid(), getegid(),
								       NULL, answered, answers));
	}
	return answers_wait(answers);
}

/* The variables of all ranks of a run differ in PMIX_RANK only. */
static pmix_status_t get_variables(struct launch_pmix_run *run)
{
	pmix_proc_t proc = { .rank = launch_pmi_layout_rank(run->layout, 0) };

	memcpy(proc.nspace, run->name, sizeof(run->name));
	return run->pmix->library.server_setup_fork(&proc, &run->variables);
}

int launch_pmix_run_open(struct launch_pmix *pmix, const struct launch_pmi_layout *layout,
			 const char *name, const char *directory,
			 const struct launch_pmix_hooks *hooks, struct launch_pmix_run **ret_run,
			 struct base_err *reterr)
{
	uint32_t local_size = launch_pmi_layout_local_size(layout);
	struct launch_pmix_run *run = calloc(1, sizeof(*run) + local_size);
	struct launch_pmix_jobinfo jobinfo;
	pmix_status_t status;
	int rc = -ENOMEM;

	if (run) {
		run->pmix = pmix;
		run->layout = layout;
		run->hooks = hooks;
		base_list_init(&run->operations);
		base_list_init(&run->groups);
		snprintf(run->name, sizeof(run->name), "%s", name);
		rc = launch_pmix_jobinfo_fill(&pmix->library, layout, run->name, directory,
					      &jobinfo);
	}
	if (rc < 0) {
		free(run);
		return base_err(reterr, rc, "cannot describe the run to libpmix: %s",
				strerror(-rc));
	}
	base_list_add_tail(&pmix->runs, &run->entry);
	status = register_run(run, &jobinfo);
	/* libpmix may still read it. */
	if (status != PMIX_ERR_TIMEOUT)
		launch_pmix_jobinfo_fini(&jobinfo);
	if (status == PMIX_SUCCESS)
		status = get_variables(run);
	if (status != PMIX_SUCCESS) {
		launch_pmix_run_close(run);
		return base_err(reterr, -EIO, "libpmix does not take the run: %s",
				pmix->library.Error_string(status));
	}
	*ret_run = run;
	return 0;
}

void launch_pmix_run_close(struct launch_pmix_run *run)
{
	if (!run)
		return;
	launch_pmix_operations_end(run);
	run->pmix->library.server_deregister_nspace(run->name, forget, NULL);
	base_list_del(&run->entry);
	for (char **at = run->variables; at && *at; at++)
		free(*at);
	free(run->variables);
	free(run);
}

int launch_pmix_task(const struct launch_pmix_run *run, uint32_t local,
		     int (*add)(void *arg, const char *entry), void *arg)
{
	char entry[32];
	int rc;

	snprintf(entry, sizeof(entry), "PMIX_RANK=%u", launch_pmi_layout_rank(run->layout, local));
	rc = add(arg, entry);
	for (char **at = run->variables; rc == 0 && *at; at++)
		if (strncmp(*at, "PMIX_RANK=", strlen("PMIX_RANK=")) != 0)
			rc = add(arg, *at);
	return rc;
}

enum launch_pmix_progress launch_pmix_ended(struct launch_pmix_run *run, uint32_t local)
{
	launch_pmix_queue_hear(&run->pmix->queue);
	return (enum launch_pmix_progress)run->progress[local];
}

uint32_t launch_pmix_inside(const struct launch_pmix_run *run)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < launch_pmi_layout_local_size(run->layout); i++)
		count += run->progress[i] == LAUNCH_PMIX_INSIDE;
	return count;
}
