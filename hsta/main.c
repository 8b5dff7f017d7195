/* SPDX-License-Identifier: MIT */
/*
 * main.c - dhow-hsta: the agent of a node, with an RDMA network for its fabric.
 *
 * The daemon starts it and gives it the job's secret over a socket: nothing secret is in
 * the arguments or the environment. Exit: 0 done, 1 failed, 2 wrong usage.
 */
#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/log.h"
#include "hsta/fabrics.h"
#include "hsta/list.h"

#ifndef DHOW_VERSION
#define DHOW_VERSION "0.1.0"
#endif

enum { EXIT_USAGE = 2 };

struct settings {
	const char *fabric;
	const char *security;
	struct fabric_options options;
	bool list, check, json;
};

static const struct argp_option settings_options[] = {
	{ "fabric", 'f', "NAME", 0, "auto, ofi or ucx; auto: the first that can run here", 0 },
	{ "provider", 'p', "NAME", 0, "of libfabric (cxi, tcp;ofi_rxm) or transports of UCX", 0 },
	{ "nic", 'n', "DEVICE", 0, "the NIC [the nearest one to this process]", 0 },
	{ "auth", 'a', "SERVICE:VNI", 0, "of Slingshot [of SLINGSHOT_SVC_IDS, SLINGSHOT_VNIS]", 0 },
	{ "traffic", 't', "CLASS", 0,
	  "low_latency, dedicated_access, bulk_data, best_effort [what SLINGSHOT_TCS allows]", 0 },
	{ "bind", 'b', "ADDRESS", 0, "numeric address, for providers that use IP [127.0.0.1]", 0 },
	{ "security", 's', "LEVEL", 0, "of links: mac, integrity or encrypt [mac]", 0 },
	{ "list", 'l', NULL, 0, "print the fabrics, and why one cannot be used", 0 },
	{ "json", 'j', NULL, 0, "with --list: all providers and devices, for programs", 0 },
	{ "check", 'c', NULL, 0, "print the fabric it would run, and run nothing", 0 },
	{ NULL, 0, NULL, 0, NULL, 0 },
};

static error_t settings_parse(int key, char *argument, struct argp_state *state)
{
	struct settings *settings = state->input;

	switch (key) {
	case 'f':
		settings->fabric = argument;
		return 0;
	case 'p':
		settings->options.provider = argument;
		return 0;
	case 'n':
		settings->options.device = argument;
		return 0;
	case 'a':
		settings->options.auth = argument;
		return 0;
	case 't':
		settings->options.traffic = argument;
		return 0;
	case 'b':
		settings->options.bind = argument;
		return 0;
	case 's':
		settings->security = argument;
		return 0;
	case 'l':
		settings->list = true;
		return 0;
	case 'j':
		settings->json = true;
		return 0;
	case 'c':
		settings->check = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", argument);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int list(const struct fabric_options *options)
{
	for (const struct hsta_fabric *fabric = hsta_fabrics; fabric->name; fabric++) {
		struct fabric_options tried = *options;
		char why[512] = "";
		int rc = hsta_fabric_probe(fabric, &tried, why, sizeof(why));

		printf("%-8s %s%s\n", fabric->name, rc == 0 ? "usable: " : "", why);
	}
	return 0;
}

/* For dlaunch: its name and, on a second line, what it uses; or why none can run. */
static int check(struct settings *settings)
{
	const struct fabric_ops *fabric;
	char why[512] = "";

	fabric = hsta_fabric_choose(settings->fabric, &settings->options, why, sizeof(why));
	if (fabric)
		printf("%s\n", fabric->name);
	printf("%s\n", why);
	return fabric ? EXIT_SUCCESS : EXIT_USAGE;
}

/* An empty variable is as good as none. */
static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = settings_options,
		.parser = settings_parse,
		.doc = "Agent of a node: moves messages to other nodes over libfabric or UCX. "
		       "Started by dhowd.\v"
		       "DHOW_HSTA_FABRIC, DHOW_HSTA_PROVIDER and DHOW_HSTA_NIC in the environment "
		       "are the defaults of --fabric, --provider and --nic, DHOW_SECURITY of "
		       "--security, DHOW_LOG the level of messages (error, warn, info, debug).",
	};
	const char *wanted = variable("DHOW_HSTA_FABRIC");
	struct settings settings = {
		.fabric = wanted ? wanted : "auto",
		.security = variable("DHOW_SECURITY"),
		.options = { .provider = variable("DHOW_HSTA_PROVIDER"),
			     .device = variable("DHOW_HSTA_NIC") },
	};
	const struct fabric_ops *fabric;
	char why[512];

	argp_program_version = "dhow-hsta " DHOW_VERSION;
	argp_err_exit_status = EXIT_USAGE;
	base_log_init("dhow-hsta");
	argp_parse(&argp, argc, argv, 0, NULL, &settings);
	hsta_environment();
	if (settings.list)
		return settings.json ? hsta_list_json(&settings.options) : list(&settings.options);
	if (settings.check)
		return check(&settings);
	fabric = hsta_fabric_choose(settings.fabric, &settings.options, why, sizeof(why));
	if (!fabric) {
		base_log_error("%s", why);
		return EXIT_USAGE;
	}
	return agent_run(fabric, &settings.options, settings.security) < 0 ? EXIT_FAILURE :
									     EXIT_SUCCESS;
}
