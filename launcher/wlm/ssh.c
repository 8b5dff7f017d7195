/* SPDX-License-Identifier: MIT */
/*
 * ssh.c - hosts that were named, or those of a PBS job without another way: one ssh for each.
 *
 * No environment is passed (sites forbid it): what daemons need is in the start message. The end
 * of ssh does not end what it started, but closes its stdin, which does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wlm/wlm.h"

enum { AT_ONCE = 32, CONNECT_TIMEOUT_S = 10 };

static const char *host_file(const struct launch_wlm_wishes *wishes)
{
	return wishes->hostfile ? wishes->hostfile : getenv("PBS_NODEFILE");
}

static int detect(const struct launch_wlm_wishes *wishes, char *ret_reason, size_t room)
{
	if (wishes->hosts)
		snprintf(ret_reason, room, "--hosts %.100s", wishes->hosts);
	else if (wishes->hostfile)
		snprintf(ret_reason, room, "--hostfile %.100s", wishes->hostfile);
	else if (host_file(wishes))
		snprintf(ret_reason, room, "PBS_NODEFILE=%.100s", host_file(wishes));
	else {
		snprintf(ret_reason, room, "no --hosts, no --hostfile, and PBS_NODEFILE is not "
			 "set");
		return 0;
	}
	return 1;
}

static int hosts(const struct launch_wlm_wishes *wishes, uint32_t wanted,
		 struct launch_hosts *ret_hosts, struct base_err *reterr)
{
	int rc;

	(void)wanted;
	if (wishes->hosts && wishes->hostfile)
		return base_err(reterr, -EINVAL, "--hosts and --hostfile: only one can be given");
	rc = wishes->hosts ? launch_hosts_parse(ret_hosts, wishes->hosts, 1, reterr) :
	     launch_hosts_read(ret_hosts, host_file(wishes), reterr);
	if (rc == 0 && !ret_hosts->count)
		rc = base_err(reterr, -EINVAL, "%s \"%.100s\": there is no host in it",
			      wishes->hosts ? "--hosts" : "--hostfile",
			      wishes->hosts ? wishes->hosts : host_file(wishes));
	if (rc == 0)
		launch_hosts_agree(ret_hosts);
	/* A file that cannot be read is the user's mistake, too. */
	return rc == -ENOENT || rc == -EACCES || rc == -EISDIR ? -EINVAL : rc;
}

static int is_ssh(const char *program)
{
	const char *base = strrchr(program, '/');

	return strcmp(base ? base + 1 : program, "ssh") == 0;
}

/* For any shell at the other side. */
static void add_remote(const struct launch_carry *carry, struct launch_words *words)
{
	launch_words_add(words, "exec env %s %s '%s' --keeper --node=%u", carry->tag, carry->owner,
			 carry->dhowd, carry->first);
}

static int command(const struct launch_carry *carry, struct launch_words *ret_words,
		   struct base_err *reterr)
{
	const char *ssh = carry->wishes->ssh ? carry->wishes->ssh : "ssh";

	if (strpbrk(carry->dhowd, "'\\\n!"))
		return base_err(reterr, -EINVAL, "path of dhowd \"%.150s\": not with ' \\ or !",
				carry->dhowd);
	launch_words_split(ret_words, ssh);
	if (!ret_words->count)
		return base_err(reterr, -EINVAL, "--ssh-command is empty");
	if (is_ssh(ret_words->word[0])) {
		launch_words_add(ret_words, "-oBatchMode=yes");
		launch_words_add(ret_words, "-oConnectTimeout=%d", CONNECT_TIMEOUT_S);
		launch_words_add(ret_words, "-oLogLevel=ERROR");
		launch_words_add(ret_words, "-Tax");
	}
	launch_words_add(ret_words, "%s", carry->hosts[carry->first].name);
	add_remote(carry, ret_words);
	return 0;
}

const struct launch_wlm launch_wlm_ssh = {
	.name = "ssh",
	.detect = detect,
	.hosts = hosts,
	.command = command,
	.carrier = "ssh",
	.at_once = AT_ONCE,
	.start_timeout_s = 60,
};
