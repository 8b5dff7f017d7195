/* SPDX-License-Identifier: MIT */
/* config_log.c - see config_log.h. */
#include "server/config_log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <jansson.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 64 * 1024 };

static const char file_name[] = "dragon_config.log", mark[] = "DRAGON_SERVER_CONFIG";

/* The interface that has the address of `tcp://ADDRESS:PORT`. */
static void find_interface(const char *endpoint, char ret_name[IF_NAMESIZE])
{
	struct ifaddrs *list, *at;
	char address[INET_ADDRSTRLEN];

	snprintf(ret_name, IF_NAMESIZE, "unknown");
	if (getifaddrs(&list) < 0)
		return;
	for (at = list; at; at = at->ifa_next) {
		if (!at->ifa_addr || at->ifa_addr->sa_family != AF_INET)
			continue;
		inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)at->ifa_addr)->sin_addr, address,
			  sizeof(address));
		if (strncmp(endpoint + strlen("tcp://"), address, strlen(address)) == 0 &&
		    endpoint[strlen("tcp://") + strlen(address)] == ':')
			snprintf(ret_name, IF_NAMESIZE, "%s", at->ifa_name);
	}
	freeifaddrs(list);
}

static int join(char ret_path[PATH_MAX], const char *folder, const char *ending)
{
	return snprintf(ret_path, PATH_MAX, "%s/%s%s", folder, file_name, ending) < PATH_MAX ?
	       0 : -ENAMETOOLONG;
}

int server_config_write(const char *folder, const char *endpoint, struct base_err *reterr)
{
	char path[PATH_MAX], made[PATH_MAX], name[IF_NAMESIZE], host[256] = "", ending[32];
	int fd, rc;
	FILE *file;

	snprintf(ending, sizeof(ending), ".%d", (int)getpid());
	rc = join(path, folder, "");
	if (rc == 0)
		rc = join(made, folder, ending);
	if (rc < 0)
		return base_err(reterr, rc, "the path of %s is too long", file_name);
	unlink(made);
	fd = open(made, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file) {
		rc = base_err(reterr, -errno, "cannot write %.180s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return rc;
	}
	find_interface(endpoint, name);
	gethostname(host, sizeof(host) - 1);
	fprintf(file, "-------- Dragon Configuration --------\nIPADDRESS: %s\nNETWORK: %s\n"
		"HOSTNAME: %s\n%s: {\"interface\": \"%s\", \"address\": \"%s\"}\n"
		"--------------------------------------\n", endpoint, name, host, mark, name,
		endpoint);
	if (fclose(file) != 0 || rename(made, path) < 0) {
		rc = base_err(reterr, -errno, "cannot write %.180s: %s", path, strerror(errno));
		unlink(made);
		return rc;
	}
	return 0;
}

/* The last line of the kind counts: earlier ones are of servers that were there before. */
static int find_address(FILE *file, char *ret_endpoint, size_t room)
{
	char line[4096];
	size_t seen = 0;
	int rc = -EBADMSG;

	while (seen < FILE_BYTES_MAX && fgets(line, sizeof(line), file)) {
		const char *at = strchr(line, ':');
		const char *address;
		json_t *body;

		seen += strlen(line);
		if (!at || strncmp(line, mark, strlen(mark)) != 0)
			continue;
		body = json_loads(at + 1, 0, NULL);
		address = json_string_value(json_object_get(body, "address"));
		if (address && strncmp(address, "tcp://", 6) == 0 && strlen(address) < room) {
			strcpy(ret_endpoint, address);
			rc = 0;
		}
		json_decref(body);
	}
	return rc;
}

int server_config_read(const char *folder, char *ret_endpoint, size_t room,
		       struct base_err *reterr)
{
	char path[PATH_MAX];
	FILE *file;
	int rc = join(path, folder, "");

	if (rc < 0)
		return base_err(reterr, rc, "the path of %s is too long", file_name);
	file = fopen(path, "re");
	if (!file)
		return base_err(reterr, -errno, "no server there: %.180s: %s", path,
				strerror(errno));
	rc = find_address(file, ret_endpoint, room);
	fclose(file);
	return rc < 0 ? base_err(reterr, rc, "%.180s has no line %s with an address", path, mark) :
	       0;
}

void server_config_remove(const char *folder, const char *endpoint)
{
	char path[PATH_MAX], found[256];

	if (join(path, folder, "") == 0 &&
	    server_config_read(folder, found, sizeof(found), NULL) == 0 &&
	    strcmp(found, endpoint) == 0)
		unlink(path);
}
