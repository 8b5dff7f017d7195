/* SPDX-License-Identifier: MIT */
/*
 * dragon_cleanup.c - end the command servers that SmartSim has started for this user, and all that
 * runs on them: `smart teardown --dragon` runs it. The original kills every Python of the user; we
 * know our own by a tag in the environment.
 */
#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "sweep/sweep.h"

enum { TAG_BYTES = 64, TAGS_MAX = 256, GRACE_MS = 8000, ROUND_US = 50000 };

/* Tag of a process, if it is a server of this user (others cannot be read). Return: 1 or 0. */
static int read_tag(pid_t pid, char tag[TAG_BYTES])
{
	return launch_sweep_env(pid, LAUNCH_ENV_SERVER_TAG, tag, TAG_BYTES) == 0;
}

/* What is done with each tagged process. */
typedef void visit(pid_t pid, const char *tag, void *arg);

static void for_each(visit *what, void *arg)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	char tag[TAG_BYTES];

	while (dir && (entry = readdir(dir)) != NULL) {
		pid_t pid = isdigit((unsigned char)*entry->d_name) ? atoi(entry->d_name) : 0;

		if (pid > 1 && pid != getpid() && read_tag(pid, tag))
			what(pid, tag, arg);
	}
	if (dir)
		closedir(dir);
}

struct tags {
	unsigned count;
	char tag[TAGS_MAX][TAG_BYTES];
};

/* The server leads a session of its own; the daemons do not, and end with it. */
static void ask_to_end(pid_t pid, const char *tag, void *arg)
{
	struct tags *tags = arg;

	if (getsid(pid) != pid || tags->count == TAGS_MAX)
		return;
	printf("ending the server with pid %d\n", (int)pid);
	snprintf(tags->tag[tags->count++], TAG_BYTES, "%s", tag);
	kill(pid, SIGTERM);
}

static void count(pid_t pid, const char *tag, void *arg)
{
	(void)pid, (void)tag;
	++*(unsigned *)arg;
}

static void collect(pid_t pid, const char *tag, void *arg)
{
	struct tags *tags = arg;

	(void)pid;
	for (unsigned i = 0; i < tags->count; i++)
		if (strcmp(tags->tag[i], tag) == 0)
			return;
	if (tags->count < TAGS_MAX)
		snprintf(tags->tag[tags->count++], TAG_BYTES, "%s", tag);
}

int main(void)
{
	static struct tags tags;
	uint64_t end_ns = base_now_ns() + GRACE_MS * BASE_MS;
	unsigned left;

	for_each(ask_to_end, &tags);
	do {
		left = 0;
		usleep(ROUND_US);
		for_each(count, &left);
	} while (left && base_now_ns() < end_ns);
	tags.count = 0;
	for_each(collect, &tags);
	for (unsigned i = 0; i < tags.count; i++) {
		char entry[2 * TAG_BYTES];
		const char *wanted[] = { entry, NULL };

		snprintf(entry, sizeof(entry), "%s=%s", LAUNCH_ENV_SERVER_TAG, tags.tag[i]);
		printf("%d processes had to be killed\n", launch_sweep_tag(wanted, 0));
	}
	return 0;
}
