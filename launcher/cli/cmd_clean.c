/* SPDX-License-Identifier: MIT */
/*
 * cmd_clean.c - `dhow clean`: end the processes of runs whose dlaunch is dead.
 *
 * A run cleans up after itself; this is for what is left when dlaunch and its daemons were all
 * killed at once. A process belongs to a dead run if its environment carries a run tag and an
 * owner that does not exist any more. Where that cannot be told, on another node of the run, the
 * daemon of the job decides: while it is there, the run is.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "sweep/owner.h"
#include "sweep/sweep.h"

enum { VALUE_BYTES = 64 };

static const char daemon_name[] = "dhowd";
static const char help[] =
	"Usage: dhow clean [--dry-run]\n\n"
	"End what is left of runs whose dlaunch and daemons are all dead. Processes are found by\n"
	"the tag of their run only, and each is named.\n\n"
	"  --dry-run  end nothing\n";

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

/* Is there a daemon of the job whose tag @tag is, or begins with? */
static int daemon_lives(const char *tag)
{
	char found[VALUE_BYTES], name[VALUE_BYTES];
	size_t job_bytes = strcspn(tag, ".");
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	int lives = dir == NULL;

	while (!lives && (entry = readdir(dir)) != NULL) {
		pid_t pid = isdigit((unsigned char)*entry->d_name) ? atoi(entry->d_name) : 0;

		if (pid <= 1 ||
		    launch_sweep_env(pid, LAUNCH_ENV_DAEMON_TAG, found, sizeof(found)) < 0 ||
		    strlen(found) != job_bytes || strncmp(found, tag, job_bytes) != 0)
			continue;
		read_name(pid, name);
		lives = strcmp(name, daemon_name) == 0;
	}
	if (dir)
		closedir(dir);
	return lives;
}

static int is_dead(const char *owner, const char *tag)
{
	enum launch_owner_state state = launch_owner_look(owner);

	return state == LAUNCH_OWNER_DEAD ||
	       (state == LAUNCH_OWNER_ELSEWHERE && !daemon_lives(tag));
}

/* Which tag variable a process of a dead run carries. Return: NULL it is none. */
static const char *dead_run(pid_t pid, char tag[VALUE_BYTES], char owner[VALUE_BYTES])
{
	static const char *const names[] = { LAUNCH_ENV_RUN_TAG, LAUNCH_ENV_JOB_TAG,
					     LAUNCH_ENV_DAEMON_TAG };

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (launch_sweep_env(pid, names[i], tag, VALUE_BYTES) == 0 &&
		    launch_sweep_env(pid, LAUNCH_ENV_OWNER, owner, VALUE_BYTES) == 0 &&
		    is_dead(owner, tag))
			return names[i];
	return NULL;
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
	printf("%s pid %d (%s) of run %.8s, whose dlaunch (pid %d%s\n",
	       dry_run ? "would end" : "ending", (int)pid, name, tag, launch_owner_pid(owner),
	       launch_owner_look(owner) == LAUNCH_OWNER_DEAD ?
		       ") is dead" : " elsewhere) has no daemon here");
	snprintf(tag_entry, sizeof(tag_entry), "%s=%s", variable, tag);
	snprintf(owner_entry, sizeof(owner_entry), "%s=%s", LAUNCH_ENV_OWNER, owner);
	return dry_run ? 1 : launch_sweep_one(pid, wanted);
}

int launch_cmd_clean(int argc, char **argv)
{
	int dry_run = argc == 2 && strcmp(argv[1], "--dry-run") == 0, ended = 0;
	struct dirent *entry;
	DIR *dir;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(help, stdout);
		return 0;
	}
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
