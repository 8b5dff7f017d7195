/* SPDX-License-Identifier: MIT */
/* start.c - keys, control socket, daemons, and how the nodes learn of each other. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "job/internal.h"
#include "sweep/sweep.h"

enum {
	MISSING_TOLD = 3,	/* nodes that are named when they do not come up */
	FILES_MIN = 600,	/* of us and of daemons; what a child gets waits above 512 */
};

static void copy_text(char *to, size_t room, const char *from)
{
	snprintf(to, room, "%s", from ? from : "");
}

/* Each daemon its own pair, derived from the secret; the server lets in exactly these. */
static int make_link(struct launch_job *job, struct base_err *reterr)
{
	uint32_t nodes = job->spec->nodes;
	uint8_t (*allowed)[LAUNCH_KEY_BYTES] = calloc(nodes, sizeof(*allowed));
	struct launch_keys *keys = launch_keys_alloc(sizeof(*keys));
	char address[LAUNCH_ADDRESS_BYTES];
	int rc = allowed && keys ? launch_keys_create(&job->server_keys) : -ENOMEM;

	if (rc < 0)
		base_err(reterr, rc, "no locked memory for keys (see ulimit -l)");
	else
		rc = launch_wlm_address(job->spec->source, job->spec->wishes, job->spec->hosts,
					address, reterr);
	for (uint32_t i = 0; rc == 0 && i < nodes; i++) {
		launch_keys_derive(job->boot->secret, i, keys);
		memcpy(allowed[i], keys->public, LAUNCH_KEY_BYTES);
	}
	if (rc == 0)
		rc = launch_link_serve(&(struct launch_link_spec){
			.address = address,
			.keys = job->server_keys,
			.allowed = (const uint8_t (*)[LAUNCH_KEY_BYTES])allowed,
			.count = nodes,
			.tree = job->tree,
		}, &job->link, reterr);
	launch_keys_free(keys);
	free(allowed);
	return rc;
}

static int fill_boot(struct launch_job *job, struct base_err *reterr)
{
	const struct launch_job_spec *spec = job->spec;
	struct launch_boot *boot = job->boot;
	int rc;

	boot->job = job->id;
	boot->nodes = spec->nodes;
	boot->fanout = job->tree.fanout;
	boot->verbose = (uint32_t)spec->verbose;
	boot->pool_bytes = spec->pool_bytes;
	memcpy(boot->server, job->server_keys->public, sizeof(boot->server));
	memcpy(boot->tag, job->tag, sizeof(boot->tag));
	copy_text(boot->endpoint, sizeof(boot->endpoint), launch_link_endpoint(job->link));
	copy_text(boot->agent, sizeof(boot->agent), spec->agent);
	copy_text(boot->fabric, sizeof(boot->fabric), spec->fabric);
	copy_text(boot->provider, sizeof(boot->provider), spec->provider);
	copy_text(boot->nic, sizeof(boot->nic), spec->nic);
	copy_text(boot->security, sizeof(boot->security), spec->security);
	rc = launch_wlm_fill_boot(spec->source, spec->wishes, spec->hosts->host, spec->nodes, boot);
	return rc < 0 ? base_err(reterr, rc, "no memory for the start message") : 0;
}

static int is_entry(const char *entry, const char *name)
{
	return strncmp(entry, name, strlen(name)) == 0 && entry[strlen(name)] == '=';
}

static int make_environment(struct launch_job *job)
{
	char owner[LAUNCH_OWNER_BYTES];
	size_t count = 0, kept = 0;
	char **env;

	while (environ[count])
		count++;
	env = calloc(count + 3, sizeof(*env));
	if (!env)
		return -ENOMEM;
	launch_owner_print(owner);
	snprintf(job->owner_entry, sizeof(job->owner_entry), "%s=%s", LAUNCH_ENV_OWNER, owner);
	snprintf(job->tag_entry, sizeof(job->tag_entry), "%s=%s", LAUNCH_ENV_DAEMON_TAG, job->tag);
	for (size_t i = 0; i < count; i++)
		if (!is_entry(environ[i], LAUNCH_ENV_OWNER) &&
		    !is_entry(environ[i], LAUNCH_ENV_DAEMON_TAG))
			env[kept++] = environ[i];
	env[kept++] = job->owner_entry;
	env[kept++] = job->tag_entry;
	job->carrier_env = env;
	return 0;
}

static void hear_lost(void *arg, uint32_t node, const char *text)
{
	job_node_lost(arg, node, text);
}

static void hear_line(void *arg, const char *line)
{
	struct launch_job *job = arg;

	if (job->hooks.line)
		job->hooks.line(job->hooks.arg, line);
}

static void hear_say(void *arg, const char *text)
{
	job_say(arg, "%s", text);
}

static int start_daemons(struct launch_job *job, struct base_err *reterr)
{
	const struct launch_carriers_hooks hooks = { job, hear_lost, hear_line, hear_say };
	struct launch_carriers_spec spec = {
		.source = job->spec->source,
		.wishes = job->spec->wishes,
		.hosts = job->spec->hosts->host,
		.nodes = job->spec->nodes,
		.dhowd = job->spec->dhowd,
		.boot = job->boot,
		.tag = job->tag_entry,
		.owner = job->owner_entry,
	};

	if (make_environment(job) < 0)
		return base_err(reterr, -ENOMEM, "no memory for the environment");
	spec.envp = job->carrier_env;
	return launch_carriers_open(&spec, &hooks, &job->carriers, reterr);
}

/* Lines of carriers, and the end of connections. */
static int open_wakes(struct launch_job *job, struct base_err *reterr)
{
	struct epoll_event event = { .events = EPOLLIN };
	int broken = launch_link_broken_fd(job->link), lines = launch_carriers_fd(job->carriers);

	job->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (job->epoll < 0 || epoll_ctl(job->epoll, EPOLL_CTL_ADD, broken, &event) < 0 ||
	    epoll_ctl(job->epoll, EPOLL_CTL_ADD, lines, &event) < 0)
		return base_err(reterr, -errno, "no epoll: %s", strerror(errno));
	return 0;
}

static int open_nodes(struct launch_job *job, struct base_err *reterr)
{
	job->nodes = calloc(job->spec->nodes, sizeof(*job->nodes));
	if (!job->nodes)
		return base_err(reterr, -ENOMEM, "no memory for %u nodes", job->spec->nodes);
	signal(SIGCHLD, SIG_DFL);	/* ignored by some parents: we must be able to reap */
	job->foreign_children = launch_sweep_count_children() > 0;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return 0;
}

/* Libraries abort when they get no descriptor: better a word now. */
static int check_files(struct base_err *reterr)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= FILES_MIN)
		return 0;
	return base_err(reterr, -EMFILE, "%llu open files are too few, %d are needed (ulimit -n "
			"1024)", (unsigned long long)limit.rlim_cur, FILES_MIN);
}

int job_start(struct launch_job *job, struct base_err *reterr)
{
	int rc;

	if ((rc = check_files(reterr)) < 0 || (rc = launch_keys_init(reterr)) < 0 ||
	    (rc = launch_link_check(reterr)) < 0 || (rc = open_nodes(job, reterr)) < 0)
		return rc;
	launch_keys_tag(job->tag);
	do
		launch_keys_random(&job->id, sizeof(job->id));
	while (!job->id);
	job->boot = launch_keys_alloc(sizeof(*job->boot));
	if (!job->boot)
		return base_err(reterr, -ENOMEM, "no locked memory for keys (see ulimit -l)");
	launch_keys_random(job->boot->secret, sizeof(job->boot->secret));
	rc = make_link(job, reterr);
	if (rc == 0)
		rc = fill_boot(job, reterr);
	if (rc == 0)
		rc = start_daemons(job, reterr);
	return rc < 0 ? rc : open_wakes(job, reterr);
}

void job_introduce(struct launch_job *job)
{
	struct launch_message message = { .type = LAUNCH_PEERS };
	struct launch_writer list = { 0 };

	if (job->spec->nodes == 1)
		return;
	for (uint32_t i = 0; i < job->spec->nodes; i++)
		launch_peers_add(&list, &job->nodes[i].peer);
	message.peers.count = job->spec->nodes;
	message.peers.entries = list.data;
	message.peers.end = list.data + list.used;
	if (list.failed)
		job_failed(job, LAUNCH_JOB_FAILED, "no memory for the table of peers");
	else
		job_send_all(job, &message);
	launch_writer_fini(&list);
}

/* `node 3 (nid0012): why`; local nodes have no names that say more. */
static size_t describe_missing(const struct launch_job *job, uint32_t node, const char *when,
			       char *text, size_t room)
{
	char why[LAUNCH_CARRIER_TEXT_BYTES] = "its agent is not up", name[64] = "";

	if (job->nodes[node].state == JOB_NODE_STARTED)
		launch_carriers_describe(job->carriers, node, why, sizeof(why));
	if (!job->spec->source->same_machine)
		snprintf(name, sizeof(name), " (%.50s)", job->spec->hosts->host[node].name);
	return (size_t)snprintf(text, room, "node %u%s%s: %s", node, name, when, why);
}

void job_start_timeout(struct launch_job *job)
{
	char text[1024], when[64];
	uint32_t missing = 0;
	size_t used = 0;

	snprintf(when, sizeof(when), " did not come up within %u s",
		 job->spec->start_timeout_ms / 1000);
	for (uint32_t i = 0; i < job->spec->nodes; i++) {
		if (job->nodes[i].state >= JOB_NODE_READY)
			continue;
		if (missing++ >= MISSING_TOLD || used >= sizeof(text))
			continue;
		used += (size_t)snprintf(text + used, sizeof(text) - used, used ? "; " : "");
		used += describe_missing(job, i, used ? "" : when, text + used,
					 sizeof(text) - used);
	}
	if (!missing)
		return;
	if (job->spec->nodes > 1 && used < sizeof(text))
		snprintf(text + used, sizeof(text) - used, "; nodes %u/%u are up",
			 job->spec->nodes - missing, job->spec->nodes);
	job_failed(job, LAUNCH_JOB_FAILED, "%s", text);
}
