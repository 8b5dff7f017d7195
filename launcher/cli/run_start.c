/* SPDX-License-Identifier: MIT */
/* run_start.c - keys, control socket, daemons, and the start of the ranks when all are up. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cli/run.h"
#include "sweep/sweep.h"

enum { OWNER_BYTES = 64 };

static int open_signals(struct run *run, struct base_err *reterr)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGCHLD };
	sigset_t mask;

	sigemptyset(&mask);
	signal(SIGCHLD, SIG_DFL);	/* ignored by some parents: we must be able to reap */
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		struct sigaction now;

		/* nohup, or a shell's background job: what is ignored stays so. A signalfd would
		 * hear it all the same. */
		if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaddset(&mask, numbers[i]);
	}
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	run->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (run->signals < 0)
		return base_err(reterr, -errno, "no signalfd: %s", strerror(errno));
	run->foreign_children = launch_sweep_count_children() > 0;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return 0;
}

/* Each daemon its own pair; the server lets in exactly these. */
static int make_keys(struct run *run, struct launch_boot *boots, struct base_err *reterr)
{
	uint32_t nodes = run->plan->nodes;
	uint8_t (*allowed)[LAUNCH_KEY_BYTES] = calloc(nodes, sizeof(*allowed));
	int rc = allowed ? launch_keys_create(&run->server_keys) : -ENOMEM;

	for (uint32_t i = 0; rc == 0 && i < nodes; i++) {
		struct launch_keys *keys = NULL;

		rc = launch_keys_create(&keys);
		if (rc == 0) {
			boots[i].keys = *keys;
			memcpy(allowed[i], keys->public, LAUNCH_KEY_BYTES);
		}
		launch_keys_free(keys);
	}
	if (rc < 0)
		base_err(reterr, rc, "no locked memory for keys (see ulimit -l)");
	else
		rc = launch_link_serve(run->plan->source->listen_address, run->server_keys,
				       (const uint8_t (*)[LAUNCH_KEY_BYTES])allowed, nodes,
				       &run->link, reterr);
	free(allowed);
	return rc;
}

static void fill_boots(struct run *run, struct launch_boot *boots)
{
	const struct launch_plan *plan = run->plan;
	uint8_t secret[LAUNCH_SECRET_BYTES];

	launch_keys_random(secret, sizeof(secret));
	for (uint32_t i = 0; i < plan->nodes; i++) {
		struct launch_boot *boot = &boots[i];

		boot->job = run->job;
		boot->node = i;
		boot->nodes = plan->nodes;
		boot->verbose = (uint32_t)plan->options->verbose;
		boot->pool_bytes = plan->options->pool_bytes;
		memcpy(boot->server, run->server_keys->public, sizeof(boot->server));
		memcpy(boot->secret, secret, sizeof(boot->secret));
		memcpy(boot->tag, run->tag, sizeof(boot->tag));
		snprintf(boot->endpoint, sizeof(boot->endpoint), "%s",
			 launch_link_endpoint(run->link));
		snprintf(boot->agent, sizeof(boot->agent), "%s", plan->selection.agent);
		plan->source->bind_address(i, boot->bind, sizeof(boot->bind));
		snprintf(boot->fabric, sizeof(boot->fabric), "%s", plan->selection.fabric);
		snprintf(boot->provider, sizeof(boot->provider), "%s", plan->selection.provider);
		snprintf(boot->nic, sizeof(boot->nic), "%s", plan->selection.nic);
		snprintf(boot->security, sizeof(boot->security), "%s", plan->options->security);
	}
	launch_keys_wipe(secret, sizeof(secret));
}

static void print_owner(char owner[OWNER_BYTES])
{
	snprintf(owner, OWNER_BYTES, "%s=%d:%llu", LAUNCH_ENV_OWNER, (int)getpid(),
		 launch_sweep_start_time(getpid()));
}

static int is_entry(const char *entry, const char *name)
{
	return strncmp(entry, name, strlen(name)) == 0 && entry[strlen(name)] == '=';
}

static int start_daemons(struct run *run, const struct launch_boot *boots,
			 struct base_err *reterr)
{
	char owner[OWNER_BYTES], tag[OWNER_BYTES];
	size_t count = 0, kept = 0;
	char **env;
	int rc = 0;

	while (environ[count])
		count++;
	env = calloc(count + 3, sizeof(*env));
	if (!env)
		return base_err(reterr, -ENOMEM, "no memory for the environment");
	print_owner(owner);
	snprintf(tag, sizeof(tag), "%s=%s", LAUNCH_ENV_DAEMON_TAG, run->tag);
	for (size_t i = 0; i < count; i++)
		if (!is_entry(environ[i], LAUNCH_ENV_OWNER) &&
		    !is_entry(environ[i], LAUNCH_ENV_DAEMON_TAG))
			env[kept++] = environ[i];
	env[kept++] = owner;
	env[kept++] = tag;
	for (uint32_t i = 0; rc == 0 && i < run->plan->nodes; i++) {
		struct launch_started started;

		rc = run->plan->source->start(run->plan->dhowd, &boots[i], env, &started, reterr);
		if (rc < 0)
			break;
		run->nodes[i].pid = started.pid;
		run->nodes[i].lifeline = started.lifeline;
		launch_run_say(run, "node %u: daemon is pid %d", i, (int)started.pid);
	}
	free(env);
	return rc;
}

int launch_run_open(struct run *run, struct base_err *reterr)
{
	uint32_t nodes = run->plan->nodes;
	struct launch_boot *boots = NULL;
	int rc;

	run->nodes = calloc(nodes, sizeof(*run->nodes));
	run->ranks = calloc(run->plan->ntasks, sizeof(*run->ranks));
	if (!run->nodes || !run->ranks)
		return base_err(reterr, -ENOMEM, "no memory for %u tasks", run->plan->ntasks);
	for (uint32_t i = 0; i < nodes; i++)
		run->nodes[i].lifeline = -1;
	run->start_limit_ns = base_now_ns() +
			      (uint64_t)run->options->start_timeout_s * 1000 * BASE_MS;
	if ((rc = launch_keys_init(reterr)) < 0 || (rc = launch_link_check(reterr)) < 0 ||
	    (rc = open_signals(run, reterr)) < 0)
		return rc;
	launch_keys_tag(run->tag);
	do
		launch_keys_random(&run->job, sizeof(run->job));
	while (!run->job);
	boots = launch_keys_alloc(nodes * sizeof(*boots));
	if (!boots)
		return base_err(reterr, -ENOMEM, "no locked memory for keys (see ulimit -l)");
	rc = make_keys(run, boots, reterr);
	if (rc == 0) {
		fill_boots(run, boots);
		rc = start_daemons(run, boots, reterr);
	}
	launch_keys_free(boots);
	return rc;
}

static void send_peers(struct run *run)
{
	struct launch_message message = { .type = LAUNCH_PEERS };
	struct launch_writer list = { 0 };

	for (uint32_t i = 0; i < run->plan->nodes; i++)
		launch_peers_add(&list, &run->nodes[i].peer);
	message.peers.count = run->plan->nodes;
	message.peers.entries = list.data;
	message.peers.end = list.data + list.used;
	if (list.failed)
		launch_run_stop(run, RUN_FAILED, "no memory for the table of peers");
	else
		launch_run_send_all(run, &message);
	launch_writer_fini(&list);
}

/* The environment of the tasks: the user's, and who owns them (for `dhow clean`). */
static int pack_environment(const struct launch_plan *plan, struct launch_writer *writer,
			    struct launch_strings *ret_strings)
{
	char owner[OWNER_BYTES];
	size_t count = 0, kept = 0;
	char **env;
	int rc;

	while (plan->env[count])
		count++;
	env = calloc(count + 2, sizeof(*env));
	if (!env)
		return -ENOMEM;
	print_owner(owner);
	for (size_t i = 0; i < count; i++)
		if (!is_entry(plan->env[i], LAUNCH_ENV_OWNER))
			env[kept++] = plan->env[i];
	env[kept++] = owner;
	rc = launch_strings_pack(env, writer, ret_strings);
	free(env);
	return rc;
}

static mode_t read_umask(void)
{
	mode_t mask = umask(077);

	umask(mask);
	return mask;
}

void launch_run_start_ranks(struct run *run)
{
	const struct launch_plan *plan = run->plan;
	struct launch_message message = { .type = LAUNCH_START };
	struct launch_writer argv = { 0 }, env = { 0 };
	int rc = launch_strings_pack(plan->options->argv, &argv, &message.start.argv);

	if (plan->nodes > 1)
		send_peers(run);
	if (rc == 0)
		rc = pack_environment(plan, &env, &message.start.env);
	message.start.size = plan->ntasks;
	message.start.nodes = plan->nodes;
	message.start.umask = read_umask();
	snprintf(message.start.wdir, sizeof(message.start.wdir), "%s", plan->wdir);
	run->state = run->state == RUN_STARTING ? RUN_RUNNING : run->state;
	for (uint32_t node = 0; rc == 0 && node < plan->nodes; node++) {
		struct launch_writer ranks = { 0 };

		for (uint32_t i = 0; i < plan->ntasks; i++)
			if (plan->map[i].node == node)
				launch_put_u32(&ranks, plan->map[i].rank);
		message.start.ranks = ranks.data;
		message.start.count = message.start.local_size = (uint32_t)(ranks.used / 4);
		rc = ranks.failed ? ranks.failed : launch_link_send(run->link, node, &message);
		launch_writer_fini(&ranks);
	}
	launch_writer_fini(&argv);
	launch_writer_fini(&env);
	if (rc < 0)
		launch_run_stop(run, RUN_FAILED, "cannot send the start to all nodes: %s%s",
				strerror(-rc), rc == -E2BIG ? " (arguments or environment)" : "");
	if (run->options->timeout_s)
		run->run_limit_ns = base_now_ns() +
				    (uint64_t)run->options->timeout_s * 1000 * BASE_MS;
}

void launch_run_start_timeout(struct run *run)
{
	static const char *const missing[] = { [NODE_STARTED] = "its daemon does not answer",
					       [NODE_GREETED] = "its agent is not up" };

	for (uint32_t i = 0; i < run->plan->nodes; i++)
		if (run->nodes[i].state < NODE_READY)
			launch_run_stop(run, RUN_FAILED, "node %u did not come up within %u s: %s",
					i, run->options->start_timeout_s,
					missing[run->nodes[i].state]);
}
