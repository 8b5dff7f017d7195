/* SPDX-License-Identifier: MIT */
/* interface.c - see interface.h. */
#include "cli/interface.h"

#include <ifaddrs.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/spawn.h"

enum { FAILED = 1, WORDS_MAX = 12 };

/* Of the range for tests of devices (RFC 2544), which nobody routes. */
#define ADDRESS "198.18.77.1/32"

int launch_interface_find(char *ret_name, size_t room)
{
	static const char *const beginnings[] = { "hsn", "ipogif", "ib" };
	struct ifaddrs *list;
	int found = 0;

	if (getifaddrs(&list) < 0)
		return 0;
	for (struct ifaddrs *at = list; at && !found; at = at->ifa_next)
		for (int i = 0; i < 3 && !found; i++)
			if (at->ifa_addr && at->ifa_addr->sa_family == AF_INET &&
			    strncmp(at->ifa_name, beginnings[i], strlen(beginnings[i])) == 0) {
				snprintf(ret_name, room, "%s", at->ifa_name);
				found = 1;
			}
	freeifaddrs(list);
	return found;
}

/* `ip` with the words of @line. Return: its exit code. */
static int ip(const char *line, int quiet)
{
	char text[128], path[PATH_MAX], *words[WORDS_MAX] = { 0 };
	struct base_spawn spec = { .path = path, .argv = words, .envp = environ,
				   .stdio = { -1, -1, -1 } };
	struct base_err err;
	int count = 0, status;
	pid_t pid;

	snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok(text, " "); word && count < WORDS_MAX - 1;
	     word = strtok(NULL, " "))
		words[count++] = word;
	if (base_spawn_find("ip", "/usr/sbin:/sbin:/usr/bin:/bin", NULL, path) < 0) {
		fputs("dhow: smartsim: the program ip (iproute2) is not installed\n", stderr);
		return FAILED;
	}
	if (!quiet)
		printf("%s\n", line);
	else
		spec.stdio[2] = STDOUT_FILENO;	/* dummy devices may be missing: then a bridge */
	if (base_spawn(&spec, &pid, &err) < 0 || waitpid(pid, &status, 0) < 0)
		return FAILED;
	return WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}

int launch_interface_make(void)
{
	char name[64];

	if (launch_interface_find(name, sizeof(name))) {
		printf("there is %s: nothing to do\n", name);
		return 0;
	}
	if (ip("ip link add hsn0 type dummy", 1) && ip("ip link add hsn0 type bridge", 0)) {
		fputs("dhow: smartsim: cannot make a network interface\ntry: as root, or in a "
		      "network of its own: unshare -rn\n", stderr);
		return FAILED;
	}
	if (ip("ip addr add " ADDRESS " dev hsn0", 0) || ip("ip link set hsn0 up", 0))
		return FAILED;
	puts("to undo it: ip link del hsn0");
	return 0;
}
