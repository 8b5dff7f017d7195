/* SPDX-License-Identifier: MIT */
/*
 * pbs.c - nodes of a PBS job, in two rows: PALS, whose one mpiexec starts all daemons (and which
 * alone gives them a VNI of Slingshot), and pbsdsh, one for each node.
 *
 * Neither brings a stdin to all nodes, so the start message is in a file (see boot_file.h), and the
 * daemons hear of our end by their control link.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spawn.h"
#include "wlm/wlm.h"

enum { AT_ONCE = 32 };

/* Return: 1 this is a PBS job, and nobody asked for something else. */
static int in_job(const struct launch_wlm_wishes *wishes, char *ret_reason, size_t room)
{
	const char *job = getenv("PBS_JOBID"), *file = getenv("PBS_NODEFILE");

	if (!job || !file)
		snprintf(ret_reason, room, "PBS_JOBID or PBS_NODEFILE is not set: no job (qsub)");
	else if (wishes->hosts || wishes->hostfile)
		snprintf(ret_reason, room, "--hosts and --hostfile are for ssh");
	else
		return 1;
	return 0;
}

/* The launcher of PALS: others are called mpiexec, too, so its folder must say so. */
static int find_pals(char ret_path[PATH_MAX])
{
	char found[PATH_MAX];

	if (base_spawn_find("palsrun", getenv("PATH"), NULL, ret_path) == 0)
		return 1;
	return base_spawn_find("mpiexec", getenv("PATH"), NULL, found) == 0 &&
	       realpath(found, ret_path) &&
	       (strstr(found, "/pals/") || strstr(ret_path, "/pals/"));
}

static int detect_pals(const struct launch_wlm_wishes *wishes, char *ret_reason, size_t room)
{
	char path[PATH_MAX];

	if (!in_job(wishes, ret_reason, room))
		return 0;
	if (!find_pals(path)) {
		snprintf(ret_reason, room, "PBS job %.40s, but no palsrun or mpiexec of PALS in "
			 "PATH", getenv("PBS_JOBID"));
		return 0;
	}
	snprintf(ret_reason, room, "PBS job %.40s, by %.80s", getenv("PBS_JOBID"), path);
	return 1;
}

static int detect_pbsdsh(const struct launch_wlm_wishes *wishes, char *ret_reason, size_t room)
{
	char path[PATH_MAX];

	if (!in_job(wishes, ret_reason, room))
		return 0;
	if (base_spawn_find("pbsdsh", getenv("PATH"), NULL, path) < 0) {
		snprintf(ret_reason, room, "PBS job %.40s, but no pbsdsh in PATH",
			 getenv("PBS_JOBID"));
		return 0;
	}
	snprintf(ret_reason, room, "PBS job %.40s, by %.80s", getenv("PBS_JOBID"), path);
	return 1;
}

/* One line for each task: nodes are the different ones, in the order of the file. */
static int hosts(const struct launch_wlm_wishes *wishes, uint32_t wanted,
		 struct launch_hosts *ret_hosts, struct base_err *reterr)
{
	int rc = launch_hosts_read(ret_hosts, getenv("PBS_NODEFILE"), reterr);

	(void)wishes;
	(void)wanted;
	if (rc == 0 && !ret_hosts->count)
		rc = base_err(reterr, -EIO, "PBS_NODEFILE \"%.150s\" names no node",
			      getenv("PBS_NODEFILE"));
	if (rc == 0)
		launch_hosts_agree(ret_hosts);
	return rc == -EINVAL ? -EIO : rc;
}

static int command_pals(const struct launch_carry *carry, struct launch_words *ret_words,
			struct base_err *reterr)
{
	char path[PATH_MAX];

	if (!find_pals(path))
		return base_err(reterr, -ENOENT, "mpiexec of PALS is not there any more");
	launch_words_add(ret_words, "%s", path);
	launch_words_add(ret_words, "--np");
	launch_words_add(ret_words, "%u", carry->nodes);
	launch_words_add(ret_words, "--ppn");
	launch_words_add(ret_words, "1");
	launch_words_add(ret_words, "--cpu-bind");
	launch_words_add(ret_words, "none");
	launch_words_add(ret_words, "--hosts");
	launch_words_join(ret_words, "", carry->hosts, carry->nodes);
	launch_words_add(ret_words, "--line-buffer");
	launch_words_add(ret_words, "%s", carry->dhowd);
	launch_words_add(ret_words, "--keeper");
	launch_words_add(ret_words, "--boot-file=%s", carry->boot_file);
	return 0;
}

/* pbsdsh counts lines of the node file, not nodes. Return: first line of @name, from 0; -1. */
static long find_line(const char *name)
{
	FILE *file = fopen(getenv("PBS_NODEFILE"), "re");
	char line[LAUNCH_HOST_BYTES];
	long number = 0, found = -1;

	for (; file && found < 0 && fgets(line, sizeof(line), file); number++) {
		line[strcspn(line, " \t\r\n")] = 0;
		if (strcmp(line, name) == 0)
			found = number;
	}
	if (file)
		fclose(file);
	return found;
}

static int command_pbsdsh(const struct launch_carry *carry, struct launch_words *ret_words,
			  struct base_err *reterr)
{
	const char *name = carry->hosts[carry->first].name;
	long line = find_line(name);

	if (line < 0)
		return base_err(reterr, -ENOENT, "node \"%.100s\" is not in PBS_NODEFILE any more",
				name);
	launch_words_add(ret_words, "pbsdsh");
	launch_words_add(ret_words, "-n");
	launch_words_add(ret_words, "%ld", line);
	launch_words_add(ret_words, "--");
	launch_words_add(ret_words, "/usr/bin/env");
	launch_words_add(ret_words, "%s", carry->tag);
	launch_words_add(ret_words, "%s", carry->owner);
	launch_words_add(ret_words, "%s", carry->dhowd);
	launch_words_add(ret_words, "--keeper");
	launch_words_add(ret_words, "--node=%u", carry->first);
	launch_words_add(ret_words, "--boot-file=%s", carry->boot_file);
	return 0;
}

const struct launch_wlm launch_wlm_pals = {
	.name = "pals",
	.detect = detect_pals,
	.hosts = hosts,
	.command = command_pals,
	.carrier = "mpiexec",
	.one_for_all = 1,
	.passes_environment = 1,
	.boot_by_file = 1,
	.start_timeout_s = 60,
};

const struct launch_wlm launch_wlm_pbs = {
	.name = "pbs",
	.detect = detect_pbsdsh,
	.hosts = hosts,
	.command = command_pbsdsh,
	.carrier = "pbsdsh",
	.at_once = AT_ONCE,
	.boot_by_file = 1,
	.start_timeout_s = 60,
};
