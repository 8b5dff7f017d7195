/* SPDX-License-Identifier: MIT */
/* transport_agent.c - see transport_agent.h. */
#include "transport_agent.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* "123 (dhow-tcp) S 45 ..." */
static int is_agent_of(const char *pid, pid_t parent, char *ret_transport, size_t room)
{
	char path[PATH_MAX], line[256], name[8];
	int of = 0, count = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fgets(line, sizeof(line), file))
		count = sscanf(line, "%*d (dhow-%7[^)]) %*c %d", name, &of);
	fclose(file);
	if (count != 2 || of != parent || (strcmp(name, "tcp") && strcmp(name, "hsta")))
		return 0;
	snprintf(ret_transport, room, "%s", name);
	return 1;
}

static void read_options(struct bench_agent *agent)
{
	const struct {
		const char *name;
		char *value;
		size_t room;
	} options[] = {
		{ "--fabric", agent->fabric, sizeof(agent->fabric) },
		{ "--provider", agent->provider, sizeof(agent->provider) },
		{ "--nic", agent->nic, sizeof(agent->nic) },
		{ "--bind", agent->bind, sizeof(agent->bind) },
	};
	char path[PATH_MAX], words[1024];
	size_t bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)agent->pid);
	file = fopen(path, "re");
	if (file) {
		bytes = fread(words, 1, sizeof(words) - 1, file);
		fclose(file);
	}
	words[bytes] = 0;
	for (char *word = words; word < words + bytes; word += strlen(word) + 1) {
		const char *value = word + strlen(word) + 1;

		for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
			if (!strcmp(word, options[i].name) && value < words + bytes)
				snprintf(options[i].value, options[i].room, "%s", value);
	}
}

/* The TCP agent chooses itself when not told; its ring is a descriptor. */
static const char *fabric_of_tcp(pid_t pid)
{
	char path[64], target[64];
	const char *fabric = "epoll";
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)) != NULL) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		target[n > 0 ? n : 0] = 0;
		if (strstr(target, "[io_uring]"))
			fabric = "uring";
	}
	if (dir)
		closedir(dir);
	return fabric;
}

/* The first thing that it tells who asks, as `dhow ps --links` does. NULL: nothing. */
static json_t *status_of(pid_t pid)
{
	const struct timeval limit = { .tv_sec = 1 };
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int length = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "dhow-agent-%d-%d",
			      (int)geteuid(), (int)pid);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	json_t *status = NULL;
	char text[1024];
	ssize_t bytes;

	if (fd < 0)
		return NULL;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	length += (int)offsetof(struct sockaddr_un, sun_path) + 1;
	if (connect(fd, (struct sockaddr *)&name, (socklen_t)length) == 0) {
		bytes = recv(fd, text, sizeof(text), 0);
		status = bytes > 0 ? json_loadb(text, (size_t)bytes, 0, NULL) : NULL;
	}
	close(fd);
	return status;
}

uint64_t bench_agent_calls(const struct bench_agent *agent)
{
	json_t *status = status_of(agent->pid);
	json_int_t calls = json_integer_value(json_object_get(status, "calls"));

	json_decref(status);
	return calls > 0 ? (uint64_t)calls : 0;
}

static void read_security(struct bench_agent *agent)
{
	json_t *status = status_of(agent->pid);
	const char *level = json_string_value(json_object_get(status, "security"));

	snprintf(agent->security, sizeof(agent->security), "%s", level ? level : "");
	json_decref(status);
}

int bench_agent_find(struct bench_agent *ret_agent)
{
	struct bench_agent *agent = ret_agent;
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	if (!dir)
		return -errno;
	memset(agent, 0, sizeof(*agent));
	while (!agent->pid && (entry = readdir(dir)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    is_agent_of(entry->d_name, getppid(), agent->transport,
				sizeof(agent->transport)))
			agent->pid = (pid_t)atoi(entry->d_name);
	closedir(dir);
	if (!agent->pid)
		return -ESRCH;
	read_options(agent);
	if (!strcmp(agent->transport, "tcp"))
		snprintf(agent->fabric, sizeof(agent->fabric), "%s", fabric_of_tcp(agent->pid));
	read_security(agent);
	snprintf(agent->label, sizeof(agent->label), "%s%s%s%s%s", agent->fabric,
		 *agent->provider ? "-" : "", agent->provider, *agent->security ? "-" : "",
		 agent->security);
	return 0;
}

uint64_t bench_agent_cpu_ns(const struct bench_agent *agent)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(agent->pid, &clock) || clock_gettime(clock, &used))
		return 0;
	return (uint64_t)used.tv_sec * UINT64_C(1000000000) + (uint64_t)used.tv_nsec;
}
