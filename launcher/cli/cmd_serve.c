/* SPDX-License-Identifier: MIT */
/* cmd_serve.c - `dhow serve`: from options to a command server on nodes. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/cmd.h"
#include "cli/links.h"
#include "cli/serve_options.h"
#include "server/bootstrap.h"
#include "server/folder.h"
#include "server/serve.h"

enum { FAILED = 1, COOLING_LEAST_MS = 5000, NODE_FAILED = 125 };

/* All that is made from the options and must live as long as the server. */
struct plan {
	struct launch_serve_options options;
	struct launch_hosts hosts;
	uint32_t nodes;
	uint32_t *slots;
	struct launch_selection selection;
	char dhowd[PATH_MAX], folder[PATH_MAX], spool[PATH_MAX], address[64];
	struct server_keytree keys;
	struct launch_job_spec job;
};

/* Devices of NVIDIA by their files, of AMD by the kernel's list. */
static uint32_t count_gpus(void)
{
	DIR *dir = opendir("/dev");
	struct dirent *entry;
	uint32_t count = 0;

	while (dir && (entry = readdir(dir)) != NULL)
		if (strncmp(entry->d_name, "nvidia", 6) == 0 &&
		    isdigit((unsigned char)entry->d_name[6]))
			count++;
	if (dir)
		closedir(dir);
	for (int i = 0; i < 1024; i++) {
		char path[64], text[32] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/sys/class/kfd/kfd/topology/nodes/%d/gpu_id", i);
		file = fopen(path, "re");
		if (!file)
			break;
		count += fgets(text, sizeof(text), file) && strtoull(text, NULL, 10) > 0;
		fclose(file);
	}
	return count;
}

static uint32_t count_cpus(const struct launch_host *host)
{
	long here = sysconf(_SC_NPROCESSORS_CONF);

	return host->cpus ? host->cpus : here > 0 ? (uint32_t)here : 1;
}

/* On one machine it plays as many as asked for. */
static uint32_t wanted_nodes(const struct launch_serve_options *options,
			     const struct launch_wlm *source)
{
	return options->nodes || source != &launch_wlm_local ? options->nodes :
	       options->local_nodes;
}

static int find_nodes(struct plan *plan, const struct launch_wlm **ret_source,
		      struct base_err *reterr)
{
	const struct launch_wlm *source = launch_wlm_find(&plan->options.sources, reterr);
	uint32_t wanted;
	int rc;

	if (!source)
		return FAILED;
	*ret_source = source;
	wanted = wanted_nodes(&plan->options, source);
	rc = launch_wlm_hosts(source, &plan->options.sources, wanted, &plan->hosts, reterr);
	if (rc < 0)
		return rc == -EINVAL ? 2 : FAILED;
	plan->nodes = wanted ? wanted : plan->hosts.count;
	if (plan->nodes > plan->hosts.count || !plan->nodes) {
		base_err(reterr, -EINVAL, "--nodes %u: there are %u (%s)", plan->nodes,
			 plan->hosts.count, source->name);
		return 2;
	}
	plan->slots = calloc(plan->nodes, sizeof(*plan->slots));
	for (uint32_t i = 0; plan->slots && i < plan->nodes; i++)
		plan->slots[i] = plan->hosts.host[i].slots ? plan->hosts.host[i].slots :
				 count_cpus(&plan->hosts.host[i]);
	return plan->slots ? 0 : base_err(reterr, FAILED, "no memory for %u nodes", plan->nodes);
}

static int find_folder(struct plan *plan, struct base_err *reterr)
{
	const struct launch_serve_options *options = &plan->options;
	int rc = 0;

	if (options->folder || options->launcher) {
		const char *folder = options->folder ? options->folder : ".";

		if (options->folder)
			rc = server_folder_make(folder, reterr);
		if (rc == 0 && !realpath(folder, plan->folder))
			rc = base_err(reterr, -errno, "--dir \"%.150s\": %s", folder,
				      strerror(errno));
	} else {
		rc = server_folder_usual(plan->folder, reterr);
		if (rc == 0)
			rc = server_folder_make(plan->folder, reterr);
	}
	if (rc == 0 && snprintf(plan->spool, sizeof(plan->spool), "%s/output-%d", plan->folder,
				(int)getpid()) >= (int)sizeof(plan->spool))
		rc = base_err(reterr, -ENAMETOOLONG, "the folder's name is too long");
	return rc < 0 ? FAILED : 0;
}

static int find_keys(struct plan *plan, struct base_err *reterr)
{
	char root[PATH_MAX];
	int rc = server_keytree_root(root, reterr);

	if (rc == 0)
		rc = server_keytree_load(root, &plan->keys, reterr);
	if (rc == -ENOENT && !plan->options.launcher && access(root, F_OK) < 0) {
		fprintf(stderr, "dhow: serve: making keys in %s\n", root);
		rc = server_keytree_create(root, reterr);
		if (rc == 0)
			rc = server_keytree_load(root, &plan->keys, reterr);
	}
	return rc < 0 ? FAILED : 0;
}

static int find_address(struct plan *plan, struct base_err *reterr)
{
	if (plan->options.address) {
		snprintf(plan->address, sizeof(plan->address), "%s", plan->options.address);
		return 0;
	}
	snprintf(plan->address, sizeof(plan->address), "127.0.0.1");
	if (!plan->options.launcher)
		return 0;
	return server_bootstrap_address(plan->options.launcher, plan->address,
					sizeof(plan->address), reterr) < 0 ? FAILED : 0;
}

static int make_plan(struct plan *plan, struct base_err *reterr)
{
	const struct launch_serve_options *options = &plan->options;
	const struct launch_wlm *source = NULL;
	int code;

	if (launch_keys_init(reterr) < 0)
		return FAILED;
	code = find_nodes(plan, &source, reterr);
	if (!code)
		code = launch_select(&options->wishes, "/sys", plan->nodes > 1, &plan->selection,
				     reterr);
	if (!code)
		code = find_folder(plan, reterr);
	if (!code)
		code = find_address(plan, reterr);
	if (!code)
		code = find_keys(plan, reterr);
	if (!code && launch_program_find("dhowd", plan->dhowd) < 0)
		code = base_err(reterr, FAILED, "the daemon dhowd is not installed beside dhow");
	if (code)
		return code;
	plan->job = (struct launch_job_spec){
		.source = source,
		.wishes = &options->sources,
		.hosts = &plan->hosts,
		.nodes = plan->nodes,
		.dhowd = plan->dhowd,
		.agent = plan->nodes > 1 ? plan->selection.agent : "",
		.fabric = plan->selection.fabric,
		.provider = plan->selection.provider,
		.nic = plan->selection.nic,
		.security = options->security,
		.pool_bytes = options->pool_bytes,
		.start_timeout_ms = 1000 * (options->start_timeout_s ? options->start_timeout_s :
					    source->start_timeout_s),
		.verbose = options->verbose,
	};
	return 0;
}

/* SmartSim's telemetry still asks for statuses so long, as with the original; or as long as
 * DHOW_COOLDOWN says, in seconds. */
static uint32_t cooling_ms(const struct launch_serve_options *options)
{
	const char *flag = getenv("SMARTSIM_FLAG_TELEMETRY");
	const char *frequency = getenv("SMARTSIM_TELEMETRY_FREQUENCY");
	unsigned long seconds = frequency && *frequency ? strtoul(frequency, NULL, 10) : 5;

	if (!options->launcher)
		return 0;
	if (options->cooling_ms != UINT32_MAX)
		return options->cooling_ms;
	if (flag && strcmp(flag, "0") == 0)
		return COOLING_LEAST_MS;
	return COOLING_LEAST_MS + 2000 * (uint32_t)(seconds < 600 ? seconds : 600);
}

static int serve(struct plan *plan)
{
	const struct launch_serve_options *options = &plan->options;
	uint32_t cpus = 0;
	struct server_serve_spec spec;

	for (uint32_t i = 0; i < plan->nodes; i++)
		if (count_cpus(&plan->hosts.host[i]) > cpus)
			cpus = count_cpus(&plan->hosts.host[i]);
	spec = (struct server_serve_spec){
		.server = { .schedule = options->schedule,
			    .slots = plan->slots,
			    .hosts = plan->nodes,
			    .cpus = cpus,
			    .gpus = options->gpus == UINT32_MAX ? count_gpus() : options->gpus,
			    .grace_ms = options->grace_ms,
			    .pid = (int)getpid(),
			    .spool = plan->spool },
		.job = &plan->job,
		.keys = &plan->keys,
		.address = plan->address,
		.port = options->port,
		.launcher = options->launcher,
		.launcher_timeout_ms = options->launcher_timeout_ms,
		.folder = plan->folder,
		.metrics = options->metrics,
		.agents = launch_links_list,
		.front_fd = options->front_fd,
		.client = options->client,
		.client_start = options->client_start,
		.orphan_ms = options->orphan_ms,
		.cooling_ms = cooling_ms(options),
	};
	return server_serve(&spec);
}

int launch_cmd_serve(int argc, char **argv)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	struct base_err err;
	int code;

	if (!plan)
		return FAILED;
	launch_keys_hide();
	launch_serve_options_parse(argc, argv, &plan->options);
	if (plan->options.verbose)
		base_log_set_level(BASE_LOG_INFO);
	code = make_plan(plan, &err);
	if (code)
		fprintf(stderr, "dhow: serve: %s\n", err.text);
	else
		code = serve(plan);
	server_folder_clear(plan->spool);
	server_keytree_fini(&plan->keys);
	launch_hosts_fini(&plan->hosts);
	free(plan->slots);
	free(plan);
	return code;
}
