/* SPDX-License-Identifier: MIT */
/* sweep.c - see sweep.h. */
#include "sweep/sweep.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ENVIRON_BYTES_MAX = 4 << 20, STAT_BYTES = 1024 };

/* The whole environment with a zero behind it; the caller frees it. Return: NULL with errno: ESRCH
 * its memory is gone, others: it is gone, or not ours. */
static char *read_environ(pid_t pid, size_t *ret_bytes)
{
	size_t room = 1 << 16, used = 0;
	char path[32], *text;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	text = fstat(fd, &st) == 0 && st.st_uid == geteuid() ? malloc(room) : NULL;
	errno = EACCES;
	while (text) {
		ssize_t n = read(fd, text + used, room - used - 1);

		if (n <= 0)
			break;
		used += (size_t)n;
		if (used + 1 == room) {
			char *larger = room < ENVIRON_BYTES_MAX ? realloc(text, room * 2) : NULL;

			if (!larger)
				break;
			text = larger;
			room *= 2;
		}
	}
	close(fd);
	if (text)
		text[used] = 0;
	*ret_bytes = used;
	return text;
}

static int has_entry(const char *text, size_t bytes, const char *wanted)
{
	for (const char *at = text; at < text + bytes; at += strlen(at) + 1)
		if (strcmp(at, wanted) == 0)
			return 1;
	return 0;
}

static int matches(pid_t pid, const char *const *wanted)
{
	size_t bytes;
	char *text = read_environ(pid, &bytes);
	int all = text != NULL;

	for (; all && *wanted; wanted++)
		all = has_entry(text, bytes, *wanted);
	free(text);
	return all;
}

enum { FIELD_START_TIME = 22, FIELD_ENV_END = 51 };	/* of /proc/PID/stat, see proc(5) */

/* What follows the name in /proc/PID/stat, from the space before field 3 on. Return: NULL gone. */
static const char *read_stat(pid_t pid, char *text, size_t room)
{
	char path[32], *after;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	n = read(fd, text, room - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	after = strrchr(text, ')');
	return after && after[1] == ' ' ? after + 1 : NULL;
}

/* Return: 0 also if there is no such process. */
static unsigned long long read_field(pid_t pid, int number)
{
	char text[STAT_BYTES];
	const char *at = read_stat(pid, text, sizeof(text));

	for (int i = 3; at && i < number; i++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at + 1, NULL, 10) : 0;
}

/* Z and X processes keep no memory and no descriptor: nothing of them is left to end. */
static int is_running(pid_t pid)
{
	char text[STAT_BYTES];
	const char *after = read_stat(pid, text, sizeof(text));

	return after && after[1] != 'Z' && after[1] != 'X';
}

int launch_sweep_one(pid_t pid, const char *const *wanted)
{
	int hit, fd = -1;

#ifdef SYS_pidfd_open
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0 && errno != ENOSYS)
		return 0;
#endif
	hit = matches(pid, wanted);
	if (hit && fd < 0)
		hit = kill(pid, SIGKILL) == 0;
#ifdef SYS_pidfd_send_signal
	else if (hit)
		hit = syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
#endif
	if (fd >= 0)
		close(fd);
	return hit;
}

/* Whom one call has signalled: it is seen in /proc until its memory is gone. */
struct killed {
	pid_t *pids;
	size_t count, room;
};

static void remember(struct killed *killed, pid_t pid)
{
	for (size_t i = 0; i < killed->count; i++)
		if (killed->pids[i] == pid)
			return;
	if (killed->count >= killed->room) {
		size_t room = killed->room ? 2 * killed->room : 64;
		pid_t *larger = realloc(killed->pids, room * sizeof(*larger));

		if (!larger)
			return;		/* only the number suffers */
		killed->pids = larger;
		killed->room = room;
	}
	killed->pids[killed->count++] = pid;
}

/* Return: how many were found. */
static int sweep_round(const char *const *wanted, pid_t spare, struct killed *killed)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	int hits = 0;

	while (dir && (entry = readdir(dir)) != NULL) {
		pid_t pid = isdigit((unsigned char)*entry->d_name) ? atoi(entry->d_name) : 0;

		if (pid <= 1 || pid == getpid() || pid == spare)
			continue;
		if (!matches(pid, wanted) || !is_running(pid) || !launch_sweep_one(pid, wanted))
			continue;
		remember(killed, pid);
		hits++;
	}
	if (dir)
		closedir(dir);
	return hits;
}

int launch_sweep_tag(const char *const *wanted, pid_t spare)
{
	struct killed killed = { .pids = NULL };

	for (int round = 0; round < LAUNCH_SWEEP_ROUNDS_MAX; round++) {
		if (!sweep_round(wanted, spare, &killed))
			break;
		usleep(2000);
	}
	free(killed.pids);
	return (int)killed.count;
}

int launch_sweep_each_child(int (*one)(void *arg, pid_t pid), void *arg)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int count = 0;

	while (dir && (entry = readdir(dir)) != NULL) {
		char path[300];
		FILE *file;
		int pid;

		snprintf(path, sizeof(path), "/proc/self/task/%s/children", entry->d_name);
		file = isdigit((unsigned char)*entry->d_name) ? fopen(path, "re") : NULL;
		while (file && fscanf(file, "%d", &pid) == 1)
			if (is_running(pid))
				count += one(arg, pid);
		if (file)
			fclose(file);
	}
	if (dir)
		closedir(dir);
	return count;
}

/* A child that was not reaped keeps its pid, so a plain kill() hits no other. */
static int kill_one(void *arg, pid_t pid)
{
	(void)arg;
	kill(pid, SIGKILL);
	return 1;
}

static int count_one(void *arg, pid_t pid)
{
	(void)arg;
	(void)pid;
	return 1;
}

int launch_sweep_children(void)
{
	return launch_sweep_each_child(kill_one, NULL);
}

int launch_sweep_count_children(void)
{
	return launch_sweep_each_child(count_one, NULL);
}

unsigned long long launch_sweep_start_time(pid_t pid)
{
	return read_field(pid, FIELD_START_TIME);
}

int launch_sweep_env(pid_t pid, const char *name, char *ret_value, size_t room)
{
	size_t bytes, name_bytes = strlen(name);
	char *text = read_environ(pid, &bytes);
	int rc = text ? -ENOENT : errno == ESRCH ? -ENODATA : -EACCES;

	/* One that was started with an empty environment has a place for it all the same. */
	if (text && !bytes && !read_field(pid, FIELD_ENV_END))
		rc = -ENODATA;
	for (char *at = text; rc == -ENOENT && at < text + bytes; at += strlen(at) + 1) {
		if (strncmp(at, name, name_bytes) != 0 || at[name_bytes] != '=')
			continue;
		snprintf(ret_value, room, "%s", at + name_bytes + 1);
		rc = 0;
	}
	free(text);
	return rc;
}
