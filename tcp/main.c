/* SPDX-License-Identifier: MIT */
/*
 * main.c - dhow-tcp: the agent of a node, with TCP for its fabric.
 *
 * The daemon starts it and gives it the job's secret over a socket: nothing secret is in
 * the arguments or the environment. Exit: 0 done, 1 failed, 2 wrong usage.
 */
#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef DHOW_HAVE_JSON
#include <jansson.h>
#endif

#include "agent/agent.h"
#include "base/log.h"
#include "tcp/fabrics.h"

#ifndef DHOW_VERSION
#define DHOW_VERSION "0.1.0"
#endif

enum { EXIT_USAGE = 2 };

struct settings {
	const char *fabric;
	const char *bind;
	const char *security;
	const char *uring;
	bool list, json;
};

static const struct argp_option settings_options[] = {
	{ "fabric", 'f', "NAME", 0, "auto, uring or epoll; auto: the first that can run here", 0 },
	{ "bind", 'b', "ADDRESS", 0, "numeric address to listen at [127.0.0.1]", 0 },
	{ "security", 's', "LEVEL", 0, "of links: mac, integrity or encrypt [mac]", 0 },
	{ "uring", 'u', "NAME=on|off,...", OPTION_HIDDEN,
	  "what of io_uring is used; --list prints the names and what is standard", 0 },
	{ "list", 'l', NULL, 0, "print the fabrics, and why one cannot be used", 0 },
	{ "json", 'j', NULL, 0, "with --list: for programs", 0 },
	{ NULL, 0, NULL, 0, NULL, 0 },
};

static error_t settings_parse(int key, char *argument, struct argp_state *state)
{
	struct settings *settings = state->input;

	switch (key) {
	case 'f':
		settings->fabric = argument;
		return 0;
	case 'b':
		settings->bind = argument;
		return 0;
	case 's':
		settings->security = argument;
		return 0;
	case 'u':
		settings->uring = argument;
		return 0;
	case 'l':
		settings->list = true;
		return 0;
	case 'j':
		settings->json = true;
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
	struct tcp_feature features[TCP_FEATURES_MAX];
	int count;

	for (const struct tcp_fabric *fabric = tcp_fabrics; fabric->name; fabric++) {
		char why[160] = "";
		int rc = tcp_fabric_probe(fabric, options, why, sizeof(why));

		printf("%-8s %s\n", fabric->name, rc == 0 ? "usable" : why);
	}
	count = tcp_uring_features(features);
	for (int i = 0; i < count; i++)
		printf("  uring %-10s %-3s  %s: %s%s\n", features[i].name,
		       features[i].standard ? "on" : "off", features[i].what,
		       features[i].usable ? "usable" : "not here: ", features[i].why);
	return 0;
}

#ifdef DHOW_HAVE_JSON
static json_t *features_json(void)
{
	struct tcp_feature features[TCP_FEATURES_MAX];
	int count = tcp_uring_features(features);
	json_t *list = json_array();

	for (int i = 0; i < count; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b, s:b, s:s}", "name",
						      features[i].name, "what", features[i].what,
						      "since", features[i].since, "standard",
						      features[i].standard, "usable",
						      features[i].usable, "why",
						      features[i].why));
	return list;
}

/* As dhow-hsta does. */
static int list_json(const struct fabric_options *options)
{
	json_t *fabrics = json_array(), *report;
	int rc;

	for (const struct tcp_fabric *fabric = tcp_fabrics; fabric->name; fabric++) {
		char why[160] = "";
		int usable = tcp_fabric_probe(fabric, options, why, sizeof(why)) == 0;

		json_t *row = json_pack("{s:s, s:b, s:s}", "name", fabric->name, "usable", usable,
					"why", why);

		if (usable && strcmp(fabric->name, "uring") == 0)
			json_object_set_new(row, "features", features_json());
		json_array_append_new(fabrics, row);
	}
	report = json_pack("{s:s, s:s, s:o}", "agent", "dhow-tcp", "version", DHOW_VERSION,
			   "fabrics", fabrics);
	rc = report ? json_dumpf(report, stdout, JSON_INDENT(1)) : -1;
	putchar('\n');
	json_decref(report);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
#else
static int list_json(const struct fabric_options *options)
{
	(void)options;
	base_log_error("--json: built without jansson");
	return EXIT_FAILURE;
}
#endif

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = settings_options,
		.parser = settings_parse,
		.doc = "Agent of a node: moves messages to other nodes over TCP. "
		       "Started by dhowd.\v"
		       "DHOW_TCP_FABRIC in the environment is the default of --fabric, "
		       "DHOW_SECURITY of --security, DHOW_URING of --uring, DHOW_LOG the level of "
		       "messages (error, warn, info, debug).",
	};
	const char *wanted = getenv("DHOW_TCP_FABRIC");
	struct settings settings = { .fabric = wanted && *wanted ? wanted : "auto",
				     .security = getenv("DHOW_SECURITY"),
				     .uring = getenv("DHOW_URING") };
	struct fabric_options options = { 0 };
	const struct fabric_ops *fabric;
	char why[256];

	argp_program_version = "dhow-tcp " DHOW_VERSION;
	argp_err_exit_status = EXIT_USAGE;
	base_log_init("dhow-tcp");
	argp_parse(&argp, argc, argv, 0, NULL, &settings);
	options.bind = settings.bind;
	options.tuning = settings.uring;
	if (tcp_tuning_check(options.tuning, why, sizeof(why)) < 0) {
		base_log_error("--uring: %s", why);
		return EXIT_USAGE;
	}
	if (settings.list)
		return settings.json ? list_json(&options) : list(&options);
	fabric = tcp_fabric_choose(settings.fabric, &options, why, sizeof(why));
	if (!fabric) {
		base_log_error("%s", why);
		return EXIT_USAGE;
	}
	return agent_run(fabric, &options, settings.security) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
