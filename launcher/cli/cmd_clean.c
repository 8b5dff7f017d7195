/* SPDX-License-Identifier: MIT */
/*
 * cmd_clean.c - `dhow clean`: end the processes of runs whose dlaunch is dead.
 *
 * A run cleans up after itself; this is for what is left when dlaunch and its daemons were all
 * killed at once. A process belongs to a dead run if its environment carries a run tag and an
 * owner (pid and start time) that does not exist any more.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "sweep/sweep.h"

enum { VALUE_BYTES = 64 };

/* 1 if the owner is a process that lives. Damaged text counts as alive: nothing is touched. */
static int owner_lives(const char *owner)
{
	unsigned long long start, now;
	int pid;

	if (sscanf(owner, "%d:%llu", &pid, &start) != 2 || pid <= 0)
		return 1;
	now = launch_sweep_start_time(pid);
	return now != 0 && now == start;
}

/* Which tag variable a process of a dead run carries. Return: NULL it is none. */
static const char *dead_run(pid_t pid, char tag[VALUE_BYTES], char owner[VALUE_BYTES])
{
	static const char *const names[] = { LAUNCH_ENV_RUN_TAG, LAUNCH_ENV_JOB_TAG,
					     LAUNCH_ENV_DAEMON_TAG };

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (launch_sweep_env(pid, names[i], tag, VALUE_BYTES) == 0 &&
		    launch_sweep_env(pid, LAUNCH_ENV_OWNER, owner, VALUE_BYTES) == 0 &&
		    !owner_lives(owner))
			return names[i];
	return NULL;
}

static void read_name(pid_t pid, char name[VALUE_BYTES])
{
	char path[32];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	snprintf(name, VALUE_BYTES, "?");
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(name, VALUE_BYTES, file))
		name[strcspn(name, "\n")] = 0;
	fclose(file);
	for (char *at = name; *at; at++)
		if ((unsigned char)*at < ' ')
			*at = '?';
}

static int clean_one(pid_t pid, int dry_run)
{
	char tag[VALUE_BYTES], owner[VALUE_BYTES], name[VALUE_BYTES];
	char tag_entry[2 * VALUE_BYTES], owner_entry[2 * VALUE_BYTES];
	const char *wanted[] = { tag_entry, owner_entry, NULL };
	const char *variable = dead_run(pid, tag, owner);

	if (!variable)
		return 0;
	read_name(pid, name);
	printf("%s pid %d (%s) of run %.8s, whose dlaunch (pid %.*s) is dead\n",
	       dry_run ? "would end" : "ending", (int)pid, name, tag, (int)strcspn(owner, ":"),
	       owner);
	snprintf(tag_entry, sizeof(tag_entry), "%s=%s", variable, tag);
	snprintf(owner_entry, sizeof(owner_entry), "%s=%s", LAUNCH_ENV_OWNER, owner);
	return dry_run ? 1 : launch_sweep_one(pid, wanted);
}

int launch_cmd_clean(int argc, char **argv)
{
	int dry_run = argc == 2 && strcmp(argv[1], "--dry-run") == 0, ended = 0;
	struct dirent *entry;
	DIR *dir;

	if (argc > 2 || (argc == 2 && !dry_run)) {
		fprintf(stderr, "dhow: clean: unknown option \"%s\"; there is --dry-run\n",
			argv[argc - 1]);
		return 2;
	}
	dir = opendir("/proc");
	if (!dir) {
		fputs("dhow: clean: cannot read /proc\n", stderr);
		return 1;
	}
	while ((entry = readdir(dir)) != NULL) {
		pid_t pid = isdigit((unsigned char)*entry->d_name) ? atoi(entry->d_name) : 0;

		if (pid > 1 && pid != getpid())
			ended += clean_one(pid, dry_run);
	}
	closedir(dir);
	printf("%d process%s %s\n", ended, ended == 1 ? "" : "es",
	       dry_run ? "would be ended" : "ended");
	return 0;
}
