/* SPDX-License-Identifier: MIT */
/* environment.c - see environment.h. */
#include "pmi/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ALWAYS = 0,
	MPI = LAUNCH_ENVIRONMENT_MPI,
	PMI1 = LAUNCH_ENVIRONMENT_PMI1,
	PMIX = LAUNCH_ENVIRONMENT_PMIX,
	SLURM = LAUNCH_ENVIRONMENT_SLURM,
	CROWD = LAUNCH_ENVIRONMENT_CROWD,
	ENTRY_BYTES = 128,
};

/* A name that ends with `*` is a prefix. The first row that matches decides. */
struct rule {
	const char *name;
	int foreign;
	unsigned when;
};

/*
 * Settings that users make are kept: PMIX_MCA_*, most of OMPI_MCA_*, I_MPI_*, MPICH_*, FI_*,
 * and the PMI_* that tune Cray's PMI.
 */
static const struct rule foreign[] = {
	{ "PMIX_MCA_*", 0, ALWAYS },
	{ "PMIX_*", 1, ALWAYS },
	{ "PMI_FD", 1, ALWAYS },
	{ "PMI_PORT", 1, ALWAYS },
	{ "PMI_ID", 1, ALWAYS },
	{ "PMI_RANK", 1, ALWAYS },
	{ "PMI_SIZE", 1, ALWAYS },
	{ "PMI_LOCAL_RANK", 1, ALWAYS },
	{ "PMI_LOCAL_SIZE", 1, ALWAYS },
	{ "PMI_UNIVERSE_SIZE", 1, ALWAYS },
	{ "PMI_APPNUM", 1, ALWAYS },
	{ "PMI_SPAWNED", 1, ALWAYS },
	{ "PMI_JOBID", 1, ALWAYS },
	{ "PMI_DOMAIN", 1, ALWAYS },
	{ "PMI_KVS*", 1, ALWAYS },
	{ "PMI_CONTROL_*", 1, ALWAYS },
	{ "PMI_SHARED_SECRET", 1, ALWAYS },
	{ "PMI_process_mapping", 1, ALWAYS },
	{ "PMI2_*", 1, ALWAYS },
	{ "PALS_*", 1, ALWAYS },
	{ "HYDI_*", 1, ALWAYS },
	{ "HYDRA_*", 1, ALWAYS },
	{ "MPI_LOCALRANKID", 1, ALWAYS },
	{ "MPI_LOCALNRANKS", 1, ALWAYS },
	{ "MPIR_CVAR_PMI_VERSION", 1, MPI },
	{ "I_MPI_PMI_LIBRARY", 1, MPI },	/* of the workload manager, which is not asked */
	{ "I_MPI_HYDRA_*", 1, ALWAYS },
	{ "MV2_COMM_WORLD_*", 1, ALWAYS },
	{ "OMPI_COMM_WORLD_*", 1, ALWAYS },
	{ "OMPI_UNIVERSE_SIZE", 1, ALWAYS },
	{ "OMPI_APP_CTX_NUM_PROCS", 1, ALWAYS },
	{ "OMPI_ARGV", 1, ALWAYS },
	{ "OMPI_COMMAND", 1, ALWAYS },
	{ "OMPI_FILE_LOCATION", 1, ALWAYS },
	{ "OMPI_FIRST_RANKS", 1, ALWAYS },
	{ "OMPI_NUM_APP_CTX", 1, ALWAYS },
	{ "OMPI_MCA_ess", 1, ALWAYS },
	{ "OMPI_MCA_ess_*", 1, ALWAYS },
	{ "OMPI_MCA_orte_local_daemon_uri", 1, ALWAYS },
	{ "OMPI_MCA_orte_hnp_uri", 1, ALWAYS },
	{ "OMPI_MCA_orte_ess_*", 1, ALWAYS },
	{ "OMPI_MCA_orte_jobid", 1, ALWAYS },
	{ "OMPI_MCA_orte_launch", 1, ALWAYS },
	{ "OMPI_MCA_orte_node_regex", 1, ALWAYS },
	{ "OMPI_MCA_orte_num_nodes", 1, ALWAYS },
	{ "OMPI_MCA_orte_num_restarts", 1, ALWAYS },
	{ "OMPI_MCA_orte_app_num", 1, ALWAYS },
	{ "OMPI_MCA_orte_peer_*", 1, ALWAYS },
	{ "OMPI_MCA_orte_bound_at_launch", 1, ALWAYS },
	{ "OMPI_MCA_orte_top_session_dir", 1, ALWAYS },
	{ "OMPI_MCA_orte_jobfam_session_dir", 1, ALWAYS },
	{ "OMPI_MCA_orte_precondition_transports", 1, ALWAYS },
	{ "OMPI_MCA_initial_wdir", 1, ALWAYS },
	{ "PRTE_LAUNCHED", 1, ALWAYS },
	/* of the daemon's step, or of a batch script: not of the task */
	{ "SLURM_PROCID", 1, SLURM },
	{ "SLURM_LOCALID", 1, SLURM },
	{ "SLURM_NODEID", 1, SLURM },
	{ "SLURM_NTASKS", 1, SLURM },
	{ "SLURM_NPROCS", 1, SLURM },
	{ "SLURM_NTASKS_PER_NODE", 1, SLURM },
	{ "SLURM_TASKS_PER_NODE", 1, SLURM },
	{ "SLURM_GTIDS", 1, SLURM },
	{ "SLURM_TASK_PID", 1, SLURM },
	{ "SLURM_STEP_NUM_TASKS", 1, SLURM },
	{ "SLURM_STEP_NUM_NODES", 1, SLURM },
	{ "SLURM_STEP_TASKS_PER_NODE", 1, SLURM },
	{ "SLURM_STEP_LAUNCHER_PORT", 1, SLURM },
	{ "SLURM_SRUN_COMM_*", 1, SLURM },
	{ "SLURM_PMIX*", 1, SLURM },
	{ "SLURM_PMI2_*", 1, SLURM },
	{ "SLURM_CPU_BIND*", 1, SLURM },
	{ "SLURM_DISTRIBUTION", 1, SLURM },
};

/*
 * What the node's own step of the workload manager was given: CXI services and devices differ from
 * node to node, and the front end has other ones or none.
 */
static const char *const of_node[] = {
	"SLINGSHOT_*",
	"FI_CXI_COLL_*",
	"FI_CXI_HWCOLL_*",
	"SLURM_STEP_ID",
	"SLURM_STEPID",
	"SLURM_STEP_NODELIST",
	"SLURM_LAUNCH_NODE_IPADDR",
	"SLURM_TOPOLOGY_ADDR*",
	"SLURM_CPUS_ON_NODE",
	"SLURMD_NODENAME",
};

enum fact { TEXT, RANK, SIZE, LOCAL, LOCAL_SIZE, NODE, NODES, APP, COUNTS, PEERS, DIRECTORY };

struct variable {
	const char *name;
	enum fact fact;
	unsigned when;		/* one of these bits */
	const char *text;	/* of TEXT */
};

static const struct variable variables[] = {
	{ "PMI_RANK", RANK, PMI1, NULL },
	{ "PMI_SIZE", SIZE, PMI1, NULL },
	{ "PMI_LOCAL_RANK", LOCAL, PMI1, NULL },
	{ "PMI_LOCAL_SIZE", LOCAL_SIZE, PMI1, NULL },
	{ "PMI_UNIVERSE_SIZE", SIZE, PMI1, NULL },
	{ "PMI_APPNUM", APP, PMI1, NULL },
	{ "PMI_SPAWNED", TEXT, PMI1, "0" },
	/* MPICH 5 gives up when it finds two kinds of PMI and is not told which to take. */
	{ "MPIR_CVAR_PMI_VERSION", TEXT, PMI1, "1" },
	{ "MPI_LOCALRANKID", LOCAL, MPI, NULL },
	{ "MPI_LOCALNRANKS", LOCAL_SIZE, MPI, NULL },
	/* Open MPI 4 runs as a singleton, without a word, unless it finds the sign of a daemon. */
	{ "OMPI_MCA_orte_local_daemon_uri", TEXT, PMIX, "0.0;tcp://127.0.0.1:1" },
	/* Open MPI names its shared memory by host and local rank: the same on local nodes. */
	{ "OMPI_MCA_btl_vader_backing_directory", DIRECTORY, CROWD, NULL },
	{ "OMPI_MCA_btl_sm_backing_directory", DIRECTORY, CROWD, NULL },
	/* scripts read these */
	{ "OMPI_COMM_WORLD_RANK", RANK, PMIX, NULL },
	{ "OMPI_COMM_WORLD_SIZE", SIZE, PMIX, NULL },
	{ "OMPI_COMM_WORLD_LOCAL_RANK", LOCAL, PMIX, NULL },
	{ "OMPI_COMM_WORLD_LOCAL_SIZE", LOCAL_SIZE, PMIX, NULL },
	{ "OMPI_COMM_WORLD_NODE_RANK", LOCAL, PMIX, NULL },
	{ "OMPI_UNIVERSE_SIZE", SIZE, PMIX, NULL },
	{ "SLURM_PROCID", RANK, SLURM, NULL },
	{ "SLURM_LOCALID", LOCAL, SLURM, NULL },
	{ "SLURM_NODEID", NODE, SLURM, NULL },
	{ "SLURM_NTASKS", SIZE, SLURM, NULL },
	{ "SLURM_NPROCS", SIZE, SLURM, NULL },
	{ "SLURM_TASKS_PER_NODE", COUNTS, SLURM, NULL },
	{ "SLURM_GTIDS", PEERS, SLURM, NULL },
	{ "SLURM_STEP_NUM_TASKS", SIZE, SLURM, NULL },
	{ "SLURM_STEP_NUM_NODES", NODES, SLURM, NULL },
	{ "SLURM_STEP_TASKS_PER_NODE", COUNTS, SLURM, NULL },
};
enum { VARIABLES = sizeof(variables) / sizeof(*variables) };

struct launch_environment {
	const struct launch_pmi_layout *layout;
	unsigned when;
	char *fixed[VARIABLES];		/* whole entries that all tasks share; NULL others */
};

static int matches(const char *entry, const char *name)
{
	size_t bytes = strlen(name);

	if (name[bytes - 1] == '*')
		return strncmp(entry, name, bytes - 1) == 0;
	return strncmp(entry, name, bytes) == 0 && entry[bytes] == '=';
}

unsigned launch_environment_detect(const char *const *env)
{
	for (; *env; env++)
		if (matches(*env, "SLURM_JOB_ID") || matches(*env, "SLURM_JOBID"))
			return SLURM;
	return 0;
}

int launch_environment_is_foreign(const char *entry, unsigned when)
{
	/* Nearly all entries of an environment begin otherwise. */
	if (!strchr("PMIOSH", *entry))
		return 0;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
		if (matches(entry, foreign[i].name))
			return foreign[i].foreign &&
			       (!foreign[i].when || foreign[i].when & when);
	return 0;
}

int launch_environment_is_of_node(const char *entry)
{
	for (size_t i = 0; i < sizeof(of_node) / sizeof(*of_node); i++)
		if (matches(entry, of_node[i]))
			return 1;
	return 0;
}

/* Return: 0, -1 no memory. */
static int fix(struct launch_environment *environment, const char *directory, unsigned i)
{
	const struct launch_pmi_layout *layout = environment->layout;
	const struct variable *variable = &variables[i];
	char **entry = &environment->fixed[i], *text;
	int rc;

	if (variable->fact == TEXT || variable->fact == DIRECTORY)
		return asprintf(entry, "%s=%s", variable->name,
				variable->fact == TEXT ? variable->text : directory);
	if (variable->fact != COUNTS && variable->fact != PEERS)
		return 0;
	text = variable->fact == COUNTS ?
		       launch_pmi_layout_counts(layout) :
		       launch_pmi_layout_peers(layout, (uint32_t)layout->here);
	if (!text)
		return -1;
	rc = asprintf(entry, "%s=%s", variable->name, text);
	free(text);
	return rc;
}

struct launch_environment *launch_environment_new(const struct launch_pmi_layout *layout,
						  const char *directory, unsigned when)
{
	struct launch_environment *environment = calloc(1, sizeof(*environment));

	if (!environment)
		return NULL;
	environment->layout = layout;
	environment->when = when;
	for (unsigned i = 0; i < VARIABLES; i++)
		if (variables[i].when & when && fix(environment, directory, i) < 0) {
			environment->fixed[i] = NULL;
			launch_environment_free(environment);
			return NULL;
		}
	return environment;
}

void launch_environment_free(struct launch_environment *environment)
{
	if (!environment)
		return;
	for (unsigned i = 0; i < VARIABLES; i++)
		free(environment->fixed[i]);
	free(environment);
}

static uint32_t number_of(const struct launch_pmi_layout *layout, enum fact fact, uint32_t local)
{
	uint32_t rank = launch_pmi_layout_rank(layout, local);

	switch (fact) {
	case RANK:
		return rank;
	case SIZE:
		return layout->size;
	case LOCAL:
		return local;
	case LOCAL_SIZE:
		return launch_pmi_layout_local_size(layout);
	case NODE:
		return (uint32_t)layout->here;
	case NODES:
		return layout->node_count;
	default:
		return layout->ranks[rank].app;
	}
}

int launch_environment_task(const struct launch_environment *environment, uint32_t local,
			    int (*add)(void *arg, const char *entry), void *arg)
{
	char entry[ENTRY_BYTES];
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < VARIABLES; i++) {
		if (!(variables[i].when & environment->when))
			continue;
		if (environment->fixed[i]) {
			rc = add(arg, environment->fixed[i]);
			continue;
		}
		snprintf(entry, sizeof(entry), "%s=%u", variables[i].name,
			 number_of(environment->layout, variables[i].fact, local));
		rc = add(arg, entry);
	}
	return rc;
}
