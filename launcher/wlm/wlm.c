/* SPDX-License-Identifier: MIT */
/* wlm.c - the table of node sources, and what all rows have in common. */
#include "wlm/wlm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In the order in which they are asked. */
static const struct launch_wlm *const sources[] = {
	&launch_wlm_slurm,
	&launch_wlm_pals,
	&launch_wlm_pbs,
	&launch_wlm_ssh,
	&launch_wlm_local,	/* always there, so it is the last */
};
enum { SOURCES = sizeof(sources) / sizeof(*sources) };

/* What agents and the libraries under them read, where a daemon does not get our environment. */
static const char *const passed[] = { "DHOW_", "FI_", "UCX_", "LD_LIBRARY_PATH=" };
/* The daemon sets these itself. */
static const char *const own[] = { "DHOW_NODE", "DHOW_RUN_", "DHOW_JOB_", "DHOW_DAEMON_",
				   "DHOW_RANK=", "DHOW_SIZE=", "DHOW_LOCAL_" };

const struct launch_wlm *launch_wlm_row(size_t index)
{
	return index < SOURCES ? sources[index] : NULL;
}

static const struct launch_wlm *find_named(const struct launch_wlm_wishes *wishes,
					   struct base_err *reterr)
{
	char reason[LAUNCH_REASON_BYTES] = "", names[128] = "";
	size_t used = 0;

	for (size_t i = 0; i < SOURCES; i++) {
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
					 i ? ", " : "", sources[i]->name);
		if (strcmp(wishes->wlm, sources[i]->name) != 0)
			continue;
		if (sources[i]->detect(wishes, reason, sizeof(reason)))
			return sources[i];
		base_err(reterr, -ENODEV, "--wlm %s cannot be used here: %s", wishes->wlm, reason);
		return NULL;
	}
	base_err(reterr, -EINVAL, "--wlm \"%.40s\": there are %s", wishes->wlm, names);
	return NULL;
}

const struct launch_wlm *launch_wlm_find(const struct launch_wlm_wishes *wishes,
					 struct base_err *reterr)
{
	char reason[LAUNCH_REASON_BYTES];

	if (wishes->wlm)
		return find_named(wishes, reterr);
	for (size_t i = 0; i < SOURCES; i++)
		if (sources[i]->detect(wishes, reason, sizeof(reason)))
			return sources[i];
	base_err(reterr, -ENODEV, "there is nothing to get nodes from");
	return NULL;
}

int launch_wlm_hosts(const struct launch_wlm *source, const struct launch_wlm_wishes *wishes,
		     uint32_t wanted, struct launch_hosts *ret_hosts, struct base_err *reterr)
{
	int rc;

	*ret_hosts = (struct launch_hosts){ 0 };
	rc = source->hosts(wishes, wanted, ret_hosts, reterr);
	if (rc == 0 && (wishes->nodelist || wishes->exclude))
		rc = launch_hosts_filter(ret_hosts, wishes->nodelist, wishes->exclude, reterr);
	if (rc < 0)
		launch_hosts_fini(ret_hosts);
	return rc;
}

/* Toward a node that is not this one: its own name may mean the loopback here. */
static int find_way(const struct launch_hosts *hosts, char ret_address[LAUNCH_ADDRESS_BYTES],
		    struct base_err *reterr)
{
	char host[LAUNCH_HOST_BYTES] = "";
	long self;
	int rc;

	gethostname(host, sizeof(host) - 1);
	self = launch_hosts_find(hosts, host);
	rc = launch_address_toward(hosts->host[self == 0 && hosts->count > 1].name, ret_address,
				   reterr);
	if (rc == 0 && strncmp(ret_address, "127.", 4) == 0 && hosts->count > 1)
		return base_err(reterr, -EHOSTUNREACH, "node \"%.60s\" is known here by a loopback "
				"address only\ntry: --bind-address with a network interface or "
				"address of this machine that the nodes reach",
				hosts->host[self == 0].name);
	return rc;
}

int launch_wlm_address(const struct launch_wlm *source, const struct launch_wlm_wishes *wishes,
		       const struct launch_hosts *hosts, char ret_address[LAUNCH_ADDRESS_BYTES],
		       struct base_err *reterr)
{
	struct in_addr numeric;

	if (source->same_machine) {
		snprintf(ret_address, LAUNCH_ADDRESS_BYTES, "127.0.0.1");
		return 0;
	}
	if (!wishes->address)
		return find_way(hosts, ret_address, reterr);
	if (inet_pton(AF_INET, wishes->address, &numeric) != 1)
		return launch_address_of_device(wishes->address, ret_address, reterr);
	snprintf(ret_address, LAUNCH_ADDRESS_BYTES, "%s", wishes->address);
	return 0;
}

/* Append @text and a zero. */
static int append(char **list, uint32_t *bytes, const char *text)
{
	size_t more = strlen(text) + 1;
	char *larger = realloc(*list, *bytes + more);

	if (!larger)
		return -ENOMEM;
	memcpy(larger + *bytes, text, more);
	*list = larger;
	*bytes += (uint32_t)more;
	return 0;
}

static int begins_with_any(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(text, list[i], strlen(list[i])) == 0)
			return 1;
	return 0;
}

/* Where dhowd is elsewhere, its agent is beside it. */
static void move_agent(struct launch_boot *boot, const char *dhowd)
{
	const char *slash = strrchr(dhowd, '/'), *name = strrchr(boot->agent, '/');
	char moved[LAUNCH_BOOT_PATH_BYTES];

	if (!slash || !name)
		return;
	if (snprintf(moved, sizeof(moved), "%.*s%s", (int)(slash - dhowd), dhowd, name) <
	    (int)sizeof(moved))
		memcpy(boot->agent, moved, sizeof(moved));
}

void launch_wlm_print(const struct launch_wlm_wishes *wishes, const struct launch_wlm *used)
{
	char reason[LAUNCH_REASON_BYTES];

	for (size_t i = 0; i < SOURCES; i++) {
		int fits = sources[i]->detect(wishes, reason, sizeof(reason));

		fprintf(stderr, "dlaunch: nodes from %-5s %s: %s\n", sources[i]->name,
			sources[i] == used ? "yes" : fits ? "no, others come first" : "no", reason);
	}
}

int launch_wlm_fill_boot(const struct launch_wlm *source, const struct launch_wlm_wishes *wishes,
			 const struct launch_host *hosts, uint32_t nodes,
			 struct launch_boot *boot)
{
	struct in_addr numeric;
	int rc = 0;

	if (!source->same_machine && wishes->dhowd)
		move_agent(boot, wishes->dhowd);
	boot->bind_rule = source->same_machine ? LAUNCH_BIND_LOCAL : LAUNCH_BIND_ROUTE;
	if (!source->same_machine && wishes->address &&
	    inet_pton(AF_INET, wishes->address, &numeric) != 1) {
		boot->bind_rule = LAUNCH_BIND_DEVICE;
		snprintf(boot->device, sizeof(boot->device), "%s", wishes->address);
	}
	for (uint32_t i = 0; rc == 0 && i < nodes && !source->same_machine; i++)
		rc = append(&boot->names, &boot->names_bytes, hosts[i].name);
	for (char **at = environ; rc == 0 && *at && !source->passes_environment; at++)
		if (begins_with_any(*at, passed, sizeof(passed) / sizeof(*passed)) &&
		    !begins_with_any(*at, own, sizeof(own) / sizeof(*own)))
			rc = append(&boot->environment, &boot->environment_bytes, *at);
	return rc;
}
