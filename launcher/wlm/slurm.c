/* SPDX-License-Identifier: MIT */
/*
 * slurm.c - nodes of a Slurm allocation: one srun starts the daemons of all of them.
 *
 * One step, because what a step gets (the VNI and services of Slingshot) lasts as long as it and
 * is only valid inside. --overlap, because the step must not wait for CPUs that are all allocated
 * already, possibly to the script that called us.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spawn.h"
#include "wlm/wlm.h"

/* Newer name first; the older ones are still set. */
static const char *variable(const char *name, const char *older)
{
	const char *text = getenv(name);

	if (!text || !*text)
		text = getenv(older);
	return text && *text ? text : NULL;
}

static const char *nodelist(void)
{
	return variable("SLURM_JOB_NODELIST", "SLURM_NODELIST");
}

static int detect(const struct launch_wlm_wishes *wishes, char *ret_reason, size_t room)
{
	const char *job = variable("SLURM_JOB_ID", "SLURM_JOBID");
	char path[PATH_MAX];

	if (!job || !nodelist())
		snprintf(ret_reason, room, "SLURM_JOB_ID or SLURM_JOB_NODELIST is not set: no "
			 "allocation (salloc, sbatch)");
	else if (wishes->hosts || wishes->hostfile)
		snprintf(ret_reason, room, "--hosts and --hostfile are for ssh");
	else if (base_spawn_find("srun", getenv("PATH"), NULL, path) < 0)
		snprintf(ret_reason, room, "job %.40s, but there is no srun in PATH", job);
	else {
		snprintf(ret_reason, room, "job %.40s on %.80s", job, nodelist());
		return 1;
	}
	return 0;
}

/* For a form of list that we do not know. It reads SLURM_JOB_NODELIST by itself. */
static int ask_scontrol(struct launch_hosts *hosts, struct base_err *reterr)
{
	FILE *answer = popen("exec scontrol show hostnames 2>/dev/null", "re");
	char line[LAUNCH_HOST_BYTES];
	int rc = 0;

	while (answer && rc == 0 && fgets(line, sizeof(line), answer))
		rc = launch_hosts_add(hosts, line, strcspn(line, "\n"), 0, 0);
	if (!answer || pclose(answer) != 0 || rc < 0 || !hosts->count)
		return base_err(reterr, rc < 0 ? rc : -EINVAL, "SLURM_JOB_NODELIST \"%.100s\" is "
				"not understood, nor does scontrol expand it", nodelist());
	return 0;
}

/* What cannot be read is not known: the number of nodes alone decides what runs. */
static void add_counts(struct launch_hosts *hosts)
{
	const char *tasks = variable("SLURM_TASKS_PER_NODE", "SLURM_STEP_TASKS_PER_NODE");
	const char *cpus = getenv("SLURM_JOB_CPUS_PER_NODE");
	const char *asked = getenv("SLURM_NTASKS_PER_NODE");
	uint32_t *counts = calloc(hosts->count, sizeof(*counts));
	int limited = asked || variable("SLURM_NTASKS", "SLURM_NPROCS");

	/* Without a number of tasks Slurm writes one a node, or the CPUs: no wish of the user. */
	if (limited && counts && tasks && launch_hosts_counts(tasks, counts, hosts->count) == 0)
		for (uint32_t i = 0; i < hosts->count; i++)
			hosts->host[i].slots = counts[i];
	if (counts && cpus && launch_hosts_counts(cpus, counts, hosts->count) == 0)
		for (uint32_t i = 0; i < hosts->count; i++)
			hosts->host[i].cpus = counts[i];
	if (counts && asked && launch_hosts_counts(asked, counts, 1) == 0)
		hosts->tasks_per_node = counts[0];
	free(counts);
}

static int hosts(const struct launch_wlm_wishes *wishes, uint32_t wanted,
		 struct launch_hosts *ret_hosts, struct base_err *reterr)
{
	int rc = launch_hosts_parse(ret_hosts, nodelist(), 0, reterr);

	(void)wishes;
	(void)wanted;
	if (rc == -EINVAL) {
		launch_hosts_fini(ret_hosts);
		rc = ask_scontrol(ret_hosts, reterr);
	}
	if (rc == 0)
		add_counts(ret_hosts);
	return rc;
}

/* Each of them overrides a variable that sites or users set. */
static int command(const struct launch_carry *carry, struct launch_words *ret_words,
		   struct base_err *reterr)
{
	(void)reterr;
	launch_words_add(ret_words, "srun");
	launch_words_add(ret_words, "--overlap");
	launch_words_add(ret_words, "--nodes=%u", carry->nodes);
	launch_words_add(ret_words, "--ntasks=%u", carry->nodes);
	launch_words_add(ret_words, "--ntasks-per-node=1");
	launch_words_join(ret_words, "--nodelist=", carry->hosts, carry->nodes);
	launch_words_add(ret_words, "--distribution=block");
	launch_words_add(ret_words, "--mpi=none");
	launch_words_add(ret_words, "--cpu-bind=none");
	launch_words_add(ret_words, "--kill-on-bad-exit=0");
	launch_words_add(ret_words, "--wait=0");
	launch_words_add(ret_words, "--input=all");
	launch_words_add(ret_words, "--unbuffered");
	launch_words_add(ret_words, "--export=ALL");
	launch_words_add(ret_words, "--chdir=/");
	launch_words_add(ret_words, "--job-name=dhowd");
	launch_words_add(ret_words, "%s", carry->dhowd);
	launch_words_add(ret_words, "--keeper");
	return 0;
}

const struct launch_wlm launch_wlm_slurm = {
	.name = "slurm",
	.detect = detect,
	.hosts = hosts,
	.command = command,
	.carrier = "srun",
	.noise = "srun: cluster configuration lacks support for cpu binding",
	.one_for_all = 1,
	.passes_environment = 1,
	.start_timeout_s = 60,
};
