/* SPDX-License-Identifier: MIT */
/* cmd_ps.c - `dhow ps`: the steps of a server; `--links`: the links of agents. */
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/links.h"
#include "cli/server_args.h"
#include "cli/steps.h"

enum { FAILED = 1, KEY_LINKS = 1000, KEY_JSON };

struct options {
	struct launch_server_args server;
	int links, as_json, all;
};

static const struct argp_option table[] = {
	{ "all", 'a', NULL, 0, "also the steps that are over", 1 },
	{ "links", KEY_LINKS, NULL, 0, "the links between nodes instead", 1 },
	{ "json", KEY_JSON, NULL, 0, "for programs; all steps", 1 },
	{ 0 },
};

static error_t take(int key, char *text, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'a':
		options->all = 1;
		break;
	case KEY_LINKS:
		options->links = 1;
		break;
	case KEY_JSON:
		options->as_json = 1;
		break;
	case ARGP_KEY_ARG:
		launch_server_usage("ps", "\"%s\" is one argument too many", text);
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static int print_links(int as_json)
{
	json_t *agents = launch_links_list();
	int rc = 0;

	if (as_json) {
		rc = json_dumpf(agents, stdout, JSON_INDENT(1));
		putchar('\n');
	} else {
		launch_links_print(agents);
	}
	json_decref(agents);
	return rc < 0 ? 1 : 0;
}

int launch_cmd_ps(int argc, char **argv)
{
	static const struct argp own = { .options = table, .parser = take,
					 .doc = "Show what runs on a server." };
	struct options options = { 0 };
	struct server_client *client;
	int code = FAILED;

	launch_server_parse(argc, argv, "ps", &own, &options, &options.server);
	if (options.links)
		return print_links(options.as_json);
	client = launch_server_open(&options.server, "ps");
	if (client)
		code = launch_steps_print(client, options.all, options.as_json);
	server_client_close(client);
	return code;
}
