/* SPDX-License-Identifier: MIT */
/*
 * links.c - asks agents by the abstract sockets that they listen at, "@dhow-agent-UID-PID".
 *
 * The kernel says who is at the other end: a socket whose process is of another user than its
 * name says is not believed.
 */
#include "cli/links.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	ANSWER_BYTES = 16 * 1024, AGENTS_MAX = 1024, LINKS_MAX = 1 << 16,
	WAIT_MS = 1000,		/* for all agents that do not answer */
};

struct place {
	int uid, pid;
};

static int by_pid(const void *a, const void *b)
{
	return ((const struct place *)a)->pid - ((const struct place *)b)->pid;
}

/* Those that listen. Return: how many. */
static size_t find(struct place *places)
{
	FILE *file = fopen("/proc/net/unix", "re");
	char line[256];
	size_t count = 0;

	while (file && count < AGENTS_MAX && fgets(line, sizeof(line), file)) {
		const char *name = strstr(line, " @dhow-agent-");
		struct place place;
		size_t i = 0;

		if (!name || sscanf(name, " @dhow-agent-%d-%d", &place.uid, &place.pid) != 2 ||
		    (geteuid() != 0 && (uid_t)place.uid != geteuid()))
			continue;
		while (i < count && places[i].pid != place.pid)
			i++;	/* a connection has its name, too */
		if (i == count)
			places[count++] = place;
	}
	if (file)
		fclose(file);
	qsort(places, count, sizeof(*places), by_pid);
	return count;
}

/* Return: a descriptor; negative errno. */
static int call(const struct place *place)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int bytes = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "dhow-agent-%d-%d",
			     place->uid, place->pid);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), rc = 0;
	struct ucred who = { 0 };
	socklen_t who_bytes = sizeof(who);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&name,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)bytes)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_bytes) < 0)
		rc = -errno;
	else if (who.uid != (uid_t)place->uid || who.pid != place->pid)
		rc = -EPERM;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* Its next packet. Return: bytes; 0 that was all; -1 nothing came in time, or it is gone. */
static ssize_t hear(int fd, char answer[ANSWER_BYTES], uint64_t deadline_ns)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };
	ssize_t bytes;

	do
		bytes = recv(fd, answer, ANSWER_BYTES, 0);
	while (bytes < 0 && (errno == EINTR ||
			     (errno == EAGAIN && poll(&one, 1, base_poll_ms(deadline_ns)) > 0)));
	return bytes;
}

/* Read what it tells. Return: an object, with "error" if it did not tell all. */
static json_t *listen_to(int fd, const struct place *place, uint64_t deadline_ns)
{
	static char answer[ANSWER_BYTES];
	json_t *agent = NULL, *links = json_array();
	ssize_t bytes = 0;

	for (int i = 0; i <= LINKS_MAX && (bytes = hear(fd, answer, deadline_ns)) > 0; i++) {
		json_t *object = json_loadb(answer, (size_t)bytes, 0, NULL);

		if (i == 0)
			agent = object;
		else
			json_array_append_new(links, object);
	}
	if (!json_is_object(agent)) {
		json_decref(agent);
		agent = json_pack("{s:i}", "pid", place->pid);
	}
	if (bytes < 0 || !json_object_get(agent, "fabric"))
		json_object_set_new(agent, "error", json_string("it does not answer"));
	json_object_set_new(agent, "links", links);
	return agent;
}

json_t *launch_links_list(void)
{
	static struct place places[AGENTS_MAX];
	static int fds[AGENTS_MAX];
	size_t count = find(places);
	uint64_t deadline_ns = base_now_ns() + WAIT_MS * BASE_MS;
	json_t *list = json_array();

	/* First all are asked: who is slow keeps the others from nothing. */
	for (size_t i = 0; i < count; i++)
		fds[i] = call(&places[i]);
	for (size_t i = 0; i < count; i++) {
		if (fds[i] == -ECONNREFUSED)
			continue;	/* it has ended meanwhile */
		if (fds[i] < 0) {
			json_array_append_new(list, json_pack("{s:i, s:s, s:[]}", "pid",
							      places[i].pid, "error",
							      strerror(-fds[i]), "links"));
			continue;
		}
		json_array_append_new(list, listen_to(fds[i], &places[i], deadline_ns));
		close(fds[i]);
	}
	return list;
}

static long long number(const json_t *object, const char *name)
{
	return (long long)json_integer_value(json_object_get(object, name));
}

static const char *text(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value ? value : "?";
}

static void print_link(const json_t *link)
{
	printf("  %5lld %-10s %11lld %11lld %9lld %9lld %9.1f %9.1f %7lld %5lld/%-5lld %8.1f\n",
	       number(link, "peer"), text(link, "state"), number(link, "messages_sent"),
	       number(link, "messages_received"), number(link, "frames_sent"),
	       number(link, "frames_received"), (double)number(link, "bytes_sent") / 1e6,
	       (double)number(link, "bytes_received") / 1e6, number(link, "retransmits"),
	       number(link, "credits"), number(link, "credits_max"),
	       (double)number(link, "rtt_min_ns") / 1e3);
}

static void print_node(const json_t *agent)
{
	const json_t *channels = json_object_get(agent, "channels");
	const json_t *pool = json_object_get(agent, "pool");

	if (!channels || !pool)
		return;
	printf("  %lld channels open, %lld messages wait, at most %lld in one; ",
	       number(channels, "open"), number(channels, "waiting"), number(channels, "longest"));
	printf("%.1f MB of a pool of %.1f MB wait for other nodes\n",
	       (double)number(pool, "outbound") / 1e6, (double)number(pool, "bytes") / 1e6);
}

void launch_links_print(const json_t *agents)
{
	json_t *agent, *link;
	size_t i, j;

	if (!json_array_size(agents))
		printf("no agent of this user runs here\n");
	json_array_foreach(agents, i, agent) {
		if (json_object_get(agent, "error")) {
			printf("agent %lld: %s\n", number(agent, "pid"), text(agent, "error"));
			continue;
		}
		printf("agent %lld: job %llx, node %lld of %lld, %s, security %s\n",
		       number(agent, "pid"), (unsigned long long)number(agent, "job"),
		       number(agent, "node"), number(agent, "nodes"), text(agent, "fabric"),
		       text(agent, "security"));
		print_node(agent);
		if (!json_array_size(json_object_get(agent, "links")))
			continue;
		printf("  %5s %-10s %11s %11s %9s %9s %9s %9s %7s %-11s %8s\n", "peer", "state",
		       "messages out", "in", "frames out", "in", "MB out", "in", "resent",
		       "credits", "rtt us");
		json_array_foreach(json_object_get(agent, "links"), j, link)
			print_link(link);
	}
}
