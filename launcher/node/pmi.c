/* SPDX-License-Identifier: MIT */
/* pmi.c - see pmi.h. */
#include "node/pmi.h"

#include <errno.h>
#include <sodium.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "pmi/environment.h"
#include "pmi/pmi.h"
#include "proto/mpi.h"
#include "sweep/rundir.h"

/* Of the node: made for the first run that is served, and kept. */
struct daemon_mpi {
	struct daemon_watch watch;
	struct launch_rundir rundir;
	struct launch_pmi *pmi;
};

/* Of a run. */
struct run_mpi {
	struct daemon_run *run;
	struct launch_pmi_hooks hooks;
	struct launch_pmi_run *pmi;
	char directory[PATH_MAX];	/* empty: none */
	const char **of_node;		/* entries of our own environment, NULL at the end */
};

extern char **environ;

static unsigned slurm_of(char *const *env)
{
	return launch_environment_detect((const char *const *)env) |
	       launch_environment_detect((const char *const *)environ);
}

/* Checked by the owner of the run, too, who can say it better. */
static int serve_of(const struct daemon_run *run)
{
	return launch_mpi_parse(launch_daemon_run_setting(run, 0, LAUNCH_SETTING_MPI));
}

unsigned launch_daemon_pmi_when(const struct daemon_run *run, char *const *env)
{
	return slurm_of(env) | (serve_of(run) > 0 ? LAUNCH_ENVIRONMENT_MPI : 0);
}

static void say_fence(void *arg, const char *key, uint32_t nodes, const void *data,
		      uint32_t bytes)
{
	struct run_mpi *mpi = arg;
	struct launch_message message = { .type = LAUNCH_FENCE };

	message.fence.run = mpi->run->id;
	message.fence.nodes = nodes;
	message.fence.count = 1;
	snprintf(message.fence.key, sizeof(message.fence.key), "%s", key);
	message.fence.bytes = bytes;
	message.fence.data = data;
	launch_daemon_send(mpi->run->daemon, &message);
}

static void say_modex(void *arg, uint64_t ticket, uint32_t rank)
{
	struct run_mpi *mpi = arg;
	struct launch_message message = { .type = LAUNCH_MODEX };

	message.modex.run = mpi->run->id;
	message.modex.origin = mpi->run->daemon->boot->node;
	message.modex.ticket = ticket;
	message.modex.rank = rank;
	launch_daemon_send(mpi->run->daemon, &message);
}

static void say_modex_answer(void *arg, uint32_t to, uint64_t ticket, int rc, const void *data,
			     uint32_t bytes)
{
	struct run_mpi *mpi = arg;
	struct launch_message message = { .type = LAUNCH_MODEX_ANSWER };

	message.modex_answer.run = mpi->run->id;
	message.modex_answer.to = to;
	message.modex_answer.ticket = ticket;
	message.modex_answer.rc = rc;
	message.modex_answer.bytes = bytes;
	message.modex_answer.data = data;
	launch_daemon_send(mpi->run->daemon, &message);
}

/* When ranks are being ended, they die in the midst of MPI: that is no news. */
static void say_abort(void *arg, uint32_t rank, uint32_t code, const char *text)
{
	struct run_mpi *mpi = arg;
	struct launch_message message = { .type = LAUNCH_ABORT };

	if (mpi->run->state >= DAEMON_RUN_STOPPING)
		return;
	message.abort.run = mpi->run->id;
	message.abort.rank = rank;
	message.abort.code = code;
	snprintf(message.abort.text, sizeof(message.abort.text), "%s", text);
	launch_daemon_send(mpi->run->daemon, &message);
}

static void pmi_ready(void *arg, uint32_t events)
{
	struct daemon *daemon = arg;

	(void)events;
	launch_pmi_step(daemon->mpi->pmi);
}

/* What the node is called where MPI libraries compare names. */
static void name_of_node(void *arg, uint32_t number, char ret_name[LAUNCH_PMI_HOST_BYTES])
{
	const struct launch_boot *boot = arg;
	const char *name = boot->names;

	for (uint32_t i = 0; name && i < number; i++) {
		name += strlen(name) + 1;
		if (name >= boot->names + boot->names_bytes)
			name = NULL;
	}
	if (name && boot->names_bytes)
		snprintf(ret_name, LAUNCH_PMI_HOST_BYTES, "%s", name);
	else
		snprintf(ret_name, LAUNCH_PMI_HOST_BYTES, "node%u", number);
}

static int open_node(struct daemon *daemon, struct base_err *reterr)
{
	struct daemon_mpi *mpi = calloc(1, sizeof(*mpi));
	char name[LAUNCH_TAG_BYTES + 16], host[LAUNCH_PMI_HOST_BYTES];
	int rc;

	if (!mpi)
		return base_err(reterr, -ENOMEM, "no memory for MPI");
	mpi->watch = (struct daemon_watch){ pmi_ready, daemon };
	mpi->rundir.lock = -1;
	daemon->mpi = mpi;
	snprintf(name, sizeof(name), "%.16s.%u", daemon->boot->tag, daemon->boot->node);
	name_of_node(daemon->boot, daemon->boot->node, host);
	rc = launch_rundir_open(name, &mpi->rundir, reterr);
	if (rc == 0)
		rc = launch_pmi_open(mpi->rundir.path, daemon->boot->node, host, &mpi->pmi,
				     reterr);
	if (rc == 0)
		rc = launch_daemon_watch(daemon, launch_pmi_fd(mpi->pmi), EPOLLIN, &mpi->watch,
					 reterr);
	if (rc < 0)
		launch_daemon_mpi_close(daemon);
	return rc;
}

void launch_daemon_mpi_close(struct daemon *daemon)
{
	struct daemon_mpi *mpi = daemon->mpi;

	daemon->mpi = NULL;
	if (!mpi)
		return;
	launch_pmi_close(mpi->pmi);
	launch_rundir_close(&mpi->rundir);
	free(mpi);
}

void launch_daemon_mpi_abandon(struct daemon *daemon)
{
	if (daemon->mpi)
		launch_rundir_close(&daemon->mpi->rundir);
}

static struct launch_pmi_layout *make_layout(const struct daemon_run *run)
{
	struct launch_boot *boot = run->daemon->boot;
	struct launch_pmi_layout *layout = launch_pmi_layout_new(run->start->size);
	struct launch_start_range range;
	const uint8_t *at = NULL;
	int rc = layout ? 0 : -ENOMEM;

	while (rc == 0 && launch_range_next(run->start, &at, &range))
		rc = launch_pmi_layout_add(layout, range.count, range.node, range.app);
	if (rc == 0)
		rc = launch_pmi_layout_seal(layout, boot->node, name_of_node, boot);
	if (rc < 0) {
		launch_pmi_layout_free(layout);
		return NULL;
	}
	return layout;
}

/* Ranks of one run on all nodes have it, and nobody who does not know the tag. */
static uint64_t secret_of(const char *tag)
{
	static const uint8_t purpose[crypto_generichash_KEYBYTES_MIN] = "secret for pals";
	uint64_t secret;

	crypto_generichash((uint8_t *)&secret, sizeof(secret), (const uint8_t *)tag, strlen(tag),
			   purpose, sizeof(purpose));
	return secret;
}

static int collect_of_node(struct run_mpi *mpi)
{
	size_t count = 0;

	for (char **at = environ; *at; at++)
		count += launch_environment_is_of_node(*at) != 0;
	mpi->of_node = calloc(count + 1, sizeof(*mpi->of_node));
	if (!mpi->of_node)
		return -ENOMEM;
	count = 0;
	for (char **at = environ; *at; at++)
		if (launch_environment_is_of_node(*at))
			mpi->of_node[count++] = *at;
	return 0;
}

static int make_directory(struct run_mpi *mpi, struct base_err *reterr)
{
	const struct daemon_run *run = mpi->run;

	snprintf(mpi->directory, sizeof(mpi->directory), "%s/run%u", run->daemon->mpi->rundir.path,
		 run->id);
	if (mkdir(mpi->directory, 0700) == 0)
		return 0;
	base_err(reterr, -errno, "cannot make directory %.150s: %s", mpi->directory,
		 strerror(errno));
	*mpi->directory = 0;
	return -EIO;
}

static int open_run(struct run_mpi *mpi, int serve, struct base_err *reterr)
{
	struct daemon_run *run = mpi->run;
	const char *cpus = launch_daemon_run_setting(run, 0, "cpus-per-task");
	struct launch_pmi_spec spec = { .tag = run->tag,
					.directory = mpi->directory,
					.serve = (unsigned)serve,
					.slurm = slurm_of(launch_daemon_birth_env(run)),
					.crowd = run->daemon->boot->bind_rule ==
						 LAUNCH_BIND_LOCAL,
					.cpus = cpus ? (uint32_t)strtoul(cpus, NULL, 10) : 0,
					.secret = secret_of(run->tag) };
	int rc = 0;

	if (!run->daemon->mpi)
		rc = open_node(run->daemon, reterr);
	if (rc == 0 && serve)
		rc = make_directory(mpi, reterr);
	if (rc == 0 && !(spec.layout = make_layout(run)))
		rc = base_err(reterr, -ENOMEM, "no memory for MPI");
	if (rc == 0)
		rc = launch_pmi_run_open(run->daemon->mpi->pmi, &spec, &mpi->hooks, &mpi->pmi,
					 reterr);
	return rc;
}

int launch_daemon_pmi_open(struct daemon_run *run, struct base_err *reterr)
{
	struct run_mpi *mpi = calloc(1, sizeof(*mpi));
	int serve = serve_of(run);

	run->pmi = mpi;
	if (!mpi || collect_of_node(mpi) < 0)
		return base_err(reterr, -ENOMEM, "no memory for MPI");
	mpi->run = run;
	mpi->hooks = (struct launch_pmi_hooks){ mpi, say_fence, say_modex, say_modex_answer,
						say_abort };
	if (serve < 0)
		return base_err(reterr, -EINVAL, "what is served to MPI is one of %s",
				LAUNCH_MPI_CHOICES);
	/* Nothing to serve and no Slurm whose variables are to be told anew: nothing to do. */
	if (run->task_count == 0 || (!serve && !slurm_of(launch_daemon_birth_env(run))))
		return 0;
	return open_run(mpi, serve, reterr);
}

static int add_entry(void *arg, const char *entry)
{
	return launch_daemon_birth_add(arg, entry);
}

int launch_daemon_pmi_task(struct daemon_task *task, struct daemon_birth *birth,
			   struct base_spawn *spec, struct base_err *reterr)
{
	struct run_mpi *mpi = task->run->pmi;
	int fd = -1, rc = 0;

	for (const char **at = mpi->of_node; rc == 0 && *at; at++)
		rc = launch_daemon_birth_add(birth, *at);
	if (rc == 0 && mpi->pmi)
		rc = launch_pmi_task(mpi->pmi, (uint32_t)(task - task->run->tasks), add_entry,
				     birth, &fd);
	if (fd >= 0)
		spec->fds[spec->fd_count++] = (struct base_spawn_fd){ fd, LAUNCH_PMI_FD };
	return rc < 0 ? base_err(reterr, rc, "cannot make rank %u ready for MPI: %s", task->rank,
				 strerror(-rc)) : 0;
}

void launch_daemon_pmi_task_ended(struct daemon_task *task, int status)
{
	struct run_mpi *mpi = task->run->pmi;

	if (mpi && mpi->pmi)
		launch_pmi_task_ended(mpi->pmi, (uint32_t)(task - task->run->tasks),
				      WIFEXITED(status) ? WEXITSTATUS(status) : 0,
				      WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

void launch_daemon_pmi_fenced(struct daemon_run *run, const struct launch_message *message)
{
	struct run_mpi *mpi = run->pmi;

	if (mpi && mpi->pmi)
		launch_pmi_fenced(mpi->pmi, message->fenced.key, message->fenced.rc,
				  message->fenced.data, message->fenced.bytes);
}

void launch_daemon_pmi_modex(struct daemon_run *run, const struct launch_message *message)
{
	struct run_mpi *mpi = run->pmi;

	if (mpi && mpi->pmi)
		launch_pmi_modex_request(mpi->pmi, message->modex.origin, message->modex.ticket,
					 message->modex.rank);
}

void launch_daemon_pmi_modex_answer(struct daemon_run *run, const struct launch_message *message)
{
	struct run_mpi *mpi = run->pmi;

	if (mpi && mpi->pmi)
		launch_pmi_modex_answer(mpi->pmi, message->modex_answer.ticket,
					message->modex_answer.rc, message->modex_answer.data,
					message->modex_answer.bytes);
}

void launch_daemon_pmi_close(struct daemon_run *run)
{
	struct run_mpi *mpi = run->pmi;

	run->pmi = NULL;
	if (!mpi)
		return;
	launch_pmi_run_close(mpi->pmi);
	if (*mpi->directory)
		launch_rundir_remove(mpi->directory);
	free(mpi->of_node);
	free(mpi);
}
