/* SPDX-License-Identifier: MIT */
/* pmi.c - see pmi.h. */
#include "pmi/pmi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "pmi/environment.h"
#include "pmi/pals.h"
#include "pmi/pmi1.h"
#include "pmi/pmi1_port.h"
#include "pmi/pmix.h"
#include "pmi/source.h"

enum { EVENTS = 32 };

struct launch_pmi {
	int epoll;
	uint32_t node;
	char *directory;
	char host[LAUNCH_PMI_HOST_BYTES];
	struct launch_pmix *pmix;	/* NULL until it is wanted */
	int pmix_rc;			/* why it cannot be had */
	struct base_err pmix_err;
	struct base_list runs;
};

struct launch_pmi_run {
	struct base_list entry;
	struct launch_pmi *pmi;
	struct launch_pmi_layout *layout;
	const struct launch_pmi_hooks *hooks;
	unsigned serve;
	struct launch_environment *environment;
	struct launch_pmi1 *pmi1;
	struct launch_pmi1_port *port;
	struct launch_pmix_run *pmix;
	struct launch_pals *pals;
	struct launch_pmi1_hooks pmi1_hooks;
	struct launch_pmix_hooks pmix_hooks;
	int failed;
	int64_t early;		/* rank that had a bad end before it said anything; -1 none */
	int early_code;
};

int launch_pmi_open(const char *directory, uint32_t node, const char *host,
		    struct launch_pmi **ret_pmi, struct base_err *reterr)
{
	struct launch_pmi *pmi = calloc(1, sizeof(*pmi));

	if (pmi)
		pmi->directory = strdup(directory);
	if (!pmi || !pmi->directory) {
		free(pmi);
		return base_err(reterr, -ENOMEM, "no memory for MPI");
	}
	base_list_init(&pmi->runs);
	pmi->node = node;
	snprintf(pmi->host, sizeof(pmi->host), "%s", host);
	pmi->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (pmi->epoll < 0) {
		int rc = -errno;

		free(pmi->directory);
		free(pmi);
		return base_err(reterr, rc, "no descriptor for MPI: %s", strerror(-rc));
	}
	*ret_pmi = pmi;
	return 0;
}

void launch_pmi_close(struct launch_pmi *pmi)
{
	if (!pmi)
		return;
	base_list_for(entry, &pmi->runs)
		launch_pmi_run_close(base_list_entry(entry, struct launch_pmi_run, entry));
	launch_pmix_close(pmi->pmix);
	close(pmi->epoll);
	free(pmi->directory);
	free(pmi);
}

int launch_pmi_fd(const struct launch_pmi *pmi)
{
	return pmi->epoll;
}

static void end_run(struct launch_pmi_run *run, uint32_t rank, uint32_t code, const char *text)
{
	if (run->failed++)
		return;
	/* An exit status has 8 bits, and a run that was aborted has not succeeded. */
	code &= 0xff;
	run->hooks->abort(run->hooks->arg, rank, code ? code : 1, text);
}

/* A rank that ended badly before MPI_Init is waited for by those who have got there. */
static void check_early(struct launch_pmi_run *run)
{
	char text[128];

	if (run->early < 0 || run->failed || !run->pmix || !launch_pmix_inside(run->pmix))
		return;
	snprintf(text, sizeof(text), "rank %d ended with exit code %d before MPI_Init, in which "
		 "others wait for it", (int)run->early, run->early_code);
	end_run(run, (uint32_t)run->early, (uint32_t)run->early_code, text);
}

void launch_pmi_step(struct launch_pmi *pmi)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(pmi->epoll, events, EVENTS, 0);

	for (int i = 0; i < count; i++) {
		struct launch_pmi_source *source = events[i].data.ptr;

		source->ready(source->arg);
	}
	base_list_for(entry, &pmi->runs)
		check_early(base_list_entry(entry, struct launch_pmi_run, entry));
}

static void pmi1_fence(void *arg, const char *key, const void *data, uint32_t bytes)
{
	struct launch_pmi_run *run = arg;

	run->hooks->fence(run->hooks->arg, key, run->layout->node_count, data, bytes);
}

static void any_abort(void *arg, uint32_t rank, uint32_t code, const char *text)
{
	end_run(arg, rank, code, text);
}

static void pmix_fence(void *arg, const char *key, uint32_t nodes, const void *data,
		       uint32_t bytes)
{
	struct launch_pmi_run *run = arg;

	run->hooks->fence(run->hooks->arg, key, nodes, data, bytes);
}

static void pmix_modex(void *arg, uint64_t ticket, uint32_t rank)
{
	struct launch_pmi_run *run = arg;

	run->hooks->modex(run->hooks->arg, ticket, rank);
}

static void pmix_modex_answer(void *arg, uint32_t to, uint64_t ticket, int rc, const void *data,
			      uint32_t bytes)
{
	struct launch_pmi_run *run = arg;

	run->hooks->modex_answer(run->hooks->arg, to, ticket, rc, data, bytes);
}

static int open_pmi1(struct launch_pmi_run *run, const struct launch_pmi_spec *spec,
		     struct base_err *reterr)
{
	int rc = launch_pmi1_open(run->layout, spec->tag, run->pmi->epoll, &run->pmi1_hooks,
				  &run->pmi1, reterr);

	if (rc == 0 && run->serve & LAUNCH_MPI_PORT)
		rc = launch_pmi1_port_open(run->pmi1, run->pmi->epoll,
					   launch_pmi_layout_local_size(run->layout), &run->port,
					   reterr);
	return rc;
}

/* The library is tried once. */
static int open_pmix(struct launch_pmi_run *run, const struct launch_pmi_spec *spec,
		     struct base_err *reterr)
{
	struct launch_pmi *pmi = run->pmi;

	if (!pmi->pmix && !pmi->pmix_rc) {
		pmi->pmix_rc = launch_pmix_open(pmi->directory, pmi->node, pmi->host, pmi->epoll,
						&pmi->pmix, &pmi->pmix_err);
		if (pmi->pmix_rc < 0)
			base_log_info("node %u: PMIx is not served: %s", pmi->node,
				      pmi->pmix_err.text);
	}
	if (!pmi->pmix)
		return base_err(reterr, pmi->pmix_rc, "PMIx cannot be served: %.200s",
				pmi->pmix_err.text);
	return launch_pmix_run_open(pmi->pmix, run->layout, spec->tag, spec->directory,
				    &run->pmix_hooks, &run->pmix, reterr);
}

static int open_pals(struct launch_pmi_run *run, const struct launch_pmi_spec *spec,
		     struct base_err *reterr)
{
	struct launch_pals_spec pals = { .layout = run->layout,
					 .directory = spec->directory,
					 .apid = spec->tag,
					 .cpus = spec->cpus,
					 .secret = spec->secret };

	return launch_pals_open(&pals, &run->pals, reterr);
}

/* In this order. */
static const struct {
	unsigned bit;
	int (*open)(struct launch_pmi_run *run, const struct launch_pmi_spec *spec,
		    struct base_err *reterr);
} kinds[] = {
	{ LAUNCH_MPI_PMI1, open_pmi1 },
	{ LAUNCH_MPI_PMIX, open_pmix },
	{ LAUNCH_MPI_PALS, open_pals },
};

static int open_kinds(struct launch_pmi_run *run, const struct launch_pmi_spec *spec,
		      struct base_err *reterr)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		int rc = run->serve & kinds[i].bit ? kinds[i].open(run, spec, reterr) : 0;

		if (rc < 0 && run->serve & LAUNCH_MPI_MUST)
			return rc;
		if (rc < 0 && kinds[i].bit != LAUNCH_MPI_PMIX)
			base_log_warn("node %u: %s", run->pmi->node, reterr->text);
	}
	return 0;
}

static unsigned when_of(const struct launch_pmi_run *run, const struct launch_pmi_spec *spec)
{
	unsigned when = spec->slurm;

	if (run->serve)
		when |= LAUNCH_ENVIRONMENT_MPI;
	if (run->serve & LAUNCH_MPI_PMI1)
		when |= LAUNCH_ENVIRONMENT_PMI1;
	/* Also without libpmix: Open MPI then fails, which is better than N times rank 0 of 1. */
	if (run->serve & LAUNCH_MPI_PMIX)
		when |= LAUNCH_ENVIRONMENT_PMIX | (spec->crowd ? LAUNCH_ENVIRONMENT_CROWD : 0);
	return when;
}

int launch_pmi_run_open(struct launch_pmi *pmi, const struct launch_pmi_spec *spec,
			const struct launch_pmi_hooks *hooks, struct launch_pmi_run **ret_run,
			struct base_err *reterr)
{
	struct launch_pmi_run *run = calloc(1, sizeof(*run));
	struct base_err err;
	int rc;

	if (!run) {
		launch_pmi_layout_free(spec->layout);
		return base_err(reterr, -ENOMEM, "no memory for MPI");
	}
	run->pmi = pmi;
	run->layout = spec->layout;
	run->hooks = hooks;
	run->serve = spec->serve;
	run->early = -1;
	run->pmi1_hooks = (struct launch_pmi1_hooks){ run, pmi1_fence, any_abort };
	run->pmix_hooks = (struct launch_pmix_hooks){ run, pmix_fence, pmix_modex,
						      pmix_modex_answer, any_abort };
	base_list_add_tail(&pmi->runs, &run->entry);
	run->environment = launch_environment_new(run->layout, spec->directory, when_of(run, spec));
	rc = run->environment ? open_kinds(run, spec, &err) :
				base_err(&err, -ENOMEM, "no memory for MPI");
	if (rc < 0) {
		launch_pmi_run_close(run);
		return base_err(reterr, rc, "%s", err.text);
	}
	*ret_run = run;
	return 0;
}

void launch_pmi_run_close(struct launch_pmi_run *run)
{
	if (!run)
		return;
	base_list_del(&run->entry);
	launch_pmi1_port_close(run->port);
	launch_pmi1_close(run->pmi1);
	launch_pmix_run_close(run->pmix);
	launch_pals_close(run->pals);
	launch_environment_free(run->environment);
	launch_pmi_layout_free(run->layout);
	free(run);
}

static int add_number(int (*add)(void *arg, const char *entry), void *arg, const char *name,
		      uint32_t number)
{
	char entry[64];

	snprintf(entry, sizeof(entry), "%s=%u", name, number);
	return add(arg, entry);
}

static int add_pmi1(struct launch_pmi_run *run, uint32_t local,
		    int (*add)(void *arg, const char *entry), void *arg, int *ret_fd)
{
	char entry[64];
	int rc;

	if (run->port) {
		snprintf(entry, sizeof(entry), "PMI_PORT=127.0.0.1:%u",
			 launch_pmi1_port_number(run->port));
		rc = add(arg, entry);
		return rc ? rc : add_number(add, arg, "PMI_ID",
					    launch_pmi1_port_id(run->port, local));
	}
	rc = add_number(add, arg, "PMI_FD", LAUNCH_PMI_FD);
	return rc ? rc : launch_pmi1_connect(run->pmi1, local, ret_fd);
}

int launch_pmi_task(struct launch_pmi_run *run, uint32_t local,
		    int (*add)(void *arg, const char *entry), void *arg, int *ret_fd)
{
	int rc = launch_environment_task(run->environment, local, add, arg);

	*ret_fd = -1;
	if (rc == 0 && run->pmix)
		rc = launch_pmix_task(run->pmix, local, add, arg);
	if (rc == 0 && run->pals)
		rc = launch_pals_task(run->pals, local, add, arg);
	if (rc == 0 && run->pmi1)
		rc = add_pmi1(run, local, add, arg, ret_fd);
	return rc;
}

void launch_pmi_task_ended(struct launch_pmi_run *run, uint32_t local, int code, int signal)
{
	enum launch_pmi1_progress pmi1 = LAUNCH_PMI1_SILENT;
	enum launch_pmix_progress pmix = LAUNCH_PMIX_SILENT;
	uint32_t rank = launch_pmi_layout_rank(run->layout, local);
	char text[160], how[64];

	if (signal)
		snprintf(how, sizeof(how), "was killed by signal %d (%.30s)", signal,
			 strsignal(signal));
	else
		snprintf(how, sizeof(how), "ended with exit code %d", code);
	code = signal ? 128 + signal : code;
	if (run->pmi1)
		pmi1 = launch_pmi1_ended(run->pmi1, local, code);
	if (run->pmix)
		pmix = launch_pmix_ended(run->pmix, local);
	if (pmi1 == LAUNCH_PMI1_INSIDE || pmix == LAUNCH_PMIX_INSIDE) {
		snprintf(text, sizeof(text), "rank %u %s between MPI_Init and MPI_Finalize", rank,
			 how);
		end_run(run, rank, (uint32_t)code, text);
	} else if (code && pmi1 == LAUNCH_PMI1_SILENT && pmix == LAUNCH_PMIX_SILENT &&
		   run->early < 0) {
		run->early = rank;
		run->early_code = code;
		check_early(run);
	}
}

void launch_pmi_fenced(struct launch_pmi_run *run, const char *key, int rc, const void *data,
		       uint32_t bytes)
{
	if (run->pmi1 && launch_pmi1_is_mine(key))
		launch_pmi1_fenced(run->pmi1, rc, data, bytes);
	else if (run->pmix)
		launch_pmix_fenced(run->pmix, key, rc, data, bytes);
}

void launch_pmi_modex_request(struct launch_pmi_run *run, uint32_t origin, uint64_t ticket,
			      uint32_t rank)
{
	if (run->pmix)
		launch_pmix_modex_request(run->pmix, origin, ticket, rank);
	else
		run->hooks->modex_answer(run->hooks->arg, origin, ticket, -ENOENT, NULL, 0);
}

void launch_pmi_modex_answer(struct launch_pmi_run *run, uint64_t ticket, int rc,
			     const void *data, uint32_t bytes)
{
	if (run->pmix)
		launch_pmix_modex_answer(run->pmix, ticket, rc, data, bytes);
}
