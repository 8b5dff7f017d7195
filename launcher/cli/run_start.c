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
static int make_link(struct run *run, struct base_err *reterr)
{
	uint32_t nodes = run->plan->nodes;
	uint8_t (*allowed)[LAUNCH_KEY_BYTES] = calloc(nodes, sizeof(*allowed));
	struct launch_keys *keys = launch_keys_alloc(sizeof(*keys));
	char address[LAUNCH_ADDRESS_BYTES];
	int rc = allowed && keys ? launch_keys_create(&run->server_keys) : -ENOMEM;

	if (rc < 0)
		base_err(reterr, rc, "no locked memory for keys (see ulimit -l)");
	else
		rc = launch_wlm_address(run->plan->source, &run->options->sources,
					&run->plan->hosts, address, reterr);
	for (uint32_t i = 0; rc == 0 && i < nodes; i++) {
		launch_keys_derive(run->boot->secret, i, keys);
		memcpy(allowed[i], keys->public, LAUNCH_KEY_BYTES);
	}
	if (rc == 0)
		rc = launch_link_serve(address, run->server_keys,
				       (const uint8_t (*)[LAUNCH_KEY_BYTES])allowed, nodes,
				       &run->link, reterr);
	launch_keys_free(keys);
	free(allowed);
	return rc;
}

static int fill_boot(struct run *run)
{
	const struct launch_plan *plan = run->plan;
	struct launch_boot *boot = run->boot;

	boot->job = run->job;
	boot->nodes = plan->nodes;
	boot->verbose = (uint32_t)plan->options->verbose;
	boot->pool_bytes = plan->options->pool_bytes;
	memcpy(boot->server, run->server_keys->public, sizeof(boot->server));
	memcpy(boot->tag, run->tag, sizeof(boot->tag));
	snprintf(boot->endpoint, sizeof(boot->endpoint), "%s", launch_link_endpoint(run->link));
	snprintf(boot->agent, sizeof(boot->agent), "%s", plan->selection.agent);
	snprintf(boot->fabric, sizeof(boot->fabric), "%s", plan->selection.fabric);
	snprintf(boot->provider, sizeof(boot->provider), "%s", plan->selection.provider);
	snprintf(boot->nic, sizeof(boot->nic), "%s", plan->selection.nic);
	snprintf(boot->security, sizeof(boot->security), "%s", plan->options->security);
	return launch_wlm_fill_boot(plan->source, &plan->options->sources, plan->hosts.host,
				    plan->nodes, boot);
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

static void hear_lost(void *arg, uint32_t node, const char *text)
{
	launch_run_node_died(arg, node, text);
}

static void hear_line(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "%s\n", line);
}

static void hear_say(void *arg, const char *text)
{
	launch_run_say(arg, "%s", text);
}

static int start_daemons(struct run *run, struct base_err *reterr)
{
	const struct launch_carriers_hooks hooks = { run, hear_lost, hear_line, hear_say };
	struct launch_carriers_spec spec = {
		.source = run->plan->source,
		.wishes = &run->options->sources,
		.hosts = run->plan->hosts.host,
		.nodes = run->plan->nodes,
		.dhowd = run->plan->dhowd,
		.boot = run->boot,
		.tag = run->tag_entry,
		.owner = run->owner_entry,
	};
	size_t count = 0, kept = 0;
	char **env;

	while (environ[count])
		count++;
	env = calloc(count + 3, sizeof(*env));
	if (!env)
		return base_err(reterr, -ENOMEM, "no memory for the environment");
	print_owner(run->owner_entry);
	snprintf(run->tag_entry, sizeof(run->tag_entry), "%s=%s", LAUNCH_ENV_DAEMON_TAG, run->tag);
	for (size_t i = 0; i < count; i++)
		if (!is_entry(environ[i], LAUNCH_ENV_OWNER) &&
		    !is_entry(environ[i], LAUNCH_ENV_DAEMON_TAG))
			env[kept++] = environ[i];
	env[kept++] = run->owner_entry;
	env[kept++] = run->tag_entry;
	spec.envp = run->carrier_env = env;
	return launch_carriers_open(&spec, &hooks, &run->carriers, reterr);
}

int launch_run_open(struct run *run, struct base_err *reterr)
{
	uint32_t nodes = run->plan->nodes;
	int rc;

	run->nodes = calloc(nodes, sizeof(*run->nodes));
	run->ranks = calloc(run->plan->ntasks, sizeof(*run->ranks));
	if (!run->nodes || !run->ranks)
		return base_err(reterr, -ENOMEM, "no memory for %u tasks", run->plan->ntasks);
	run->start_limit_ns = base_now_ns() +
			      (uint64_t)run->options->start_timeout_s * 1000 * BASE_MS;
	if ((rc = launch_keys_init(reterr)) < 0 || (rc = launch_link_check(reterr)) < 0 ||
	    (rc = open_signals(run, reterr)) < 0)
		return rc;
	launch_keys_tag(run->tag);
	do
		launch_keys_random(&run->job, sizeof(run->job));
	while (!run->job);
	run->boot = launch_keys_alloc(sizeof(*run->boot));
	if (!run->boot)
		return base_err(reterr, -ENOMEM, "no locked memory for keys (see ulimit -l)");
	launch_keys_random(run->boot->secret, sizeof(run->boot->secret));
	rc = make_link(run, reterr);
	if (rc == 0 && (rc = fill_boot(run)) < 0)
		base_err(reterr, rc, "no memory for the start message");
	if (rc == 0)
		rc = start_daemons(run, reterr);
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
	char text[LAUNCH_CARRIER_TEXT_BYTES] = "its agent is not up";

	for (uint32_t i = 0; i < run->plan->nodes; i++) {
		if (run->nodes[i].state >= NODE_READY)
			continue;
		if (run->nodes[i].state == NODE_STARTED)
			launch_carriers_describe(run->carriers, i, text, sizeof(text));
		launch_run_stop(run, RUN_FAILED, "node %u did not come up within %u s: %s", i,
				run->options->start_timeout_s, text);
	}
}
