/* SPDX-License-Identifier: MIT */
/*
 * local.c - local nodes: this machine plays several, each with a daemon, an agent, a loopback
 * address and segments of its own.
 */
#include <stdio.h>

#include "wlm/wlm.h"

enum { LOCAL_NODES_MAX = 64 };

static int detect(const struct launch_wlm_wishes *wishes, char *ret_reason, size_t room)
{
	(void)wishes;
	snprintf(ret_reason, room, "this machine plays up to %d nodes", LOCAL_NODES_MAX);
	return 1;
}

/* As many as are wanted, but never more than there can be. */
static int hosts(const struct launch_wlm_wishes *wishes, uint32_t wanted,
		 struct launch_hosts *ret_hosts, struct base_err *reterr)
{
	uint32_t count = !wanted ? 1 : wanted < LOCAL_NODES_MAX ? wanted : LOCAL_NODES_MAX;
	char name[16];
	int rc = 0;

	(void)wishes;
	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		int bytes = snprintf(name, sizeof(name), "local%u", i);

		rc = launch_hosts_add(ret_hosts, name, (size_t)bytes, 0, 0);
	}
	return rc < 0 ? base_err(reterr, rc, "no memory for %u nodes", count) : 0;
}

static int command(const struct launch_carry *carry, struct launch_words *ret_words,
		   struct base_err *reterr)
{
	(void)reterr;
	launch_words_add(ret_words, "%s", carry->dhowd);
	launch_words_add(ret_words, "--node=%u", carry->first);
	return 0;
}

const struct launch_wlm launch_wlm_local = {
	.name = "local",
	.detect = detect,
	.hosts = hosts,
	.command = command,
	.carrier = "dhowd",
	.same_machine = 1,
	.passes_environment = 1,
	.start_timeout_s = 10,
};
