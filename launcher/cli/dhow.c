/* SPDX-License-Identifier: MIT */
/* dhow.c - the tool beside dlaunch: a table of subcommands. */
#include <stdio.h>
#include <string.h>

#include <dhow/dhow.h>

#include "base/log.h"
#include "cli/cmd.h"
#include "cli/standard.h"

static const struct launch_cmd commands[] = {
	{ "info", "this machine as Dhow sees it (--json)", launch_cmd_info },
	{ "clean", "end what is left of runs whose dlaunch is dead (--dry-run)", launch_cmd_clean },
	{ "serve", "hold nodes and run steps on them, also for SmartSim", launch_cmd_serve },
	{ "run", "a program on the nodes of a server: run -n 2 -N 3 APP", launch_cmd_run },
	{ "ps", "the steps of a server (--json), or the links of agents (--links)", launch_cmd_ps },
	{ "logs", "what a step has written (-f)", launch_cmd_logs },
	{ "stop", "end steps", launch_cmd_stop },
	{ "shutdown", "end a server", launch_cmd_shutdown },
	{ "keygen", "make the keys of servers and their clients", launch_cmd_keygen },
	{ "bench", "measure Dhow here, beside raw baselines (--quick)", launch_cmd_bench },
	{ "smartsim", "run a script of SmartSim on Dhow: smartsim -- python3 SCRIPT",
	  launch_cmd_smartsim },
};

enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

static void print_help(FILE *stream)
{
	fputs("Usage: dhow COMMAND [OPTION...]\n\n", stream);
	for (int i = 0; i < COMMANDS; i++)
		fprintf(stream, "  %-8s %s\n", commands[i].name, commands[i].help);
	fputs("\n  --version, --help\n", stream);
}

int main(int argc, char **argv)
{
	if (launch_standard_open("dhow", 1) < 0)
		return 1;
	if (base_log_init("dhow") < 0)
		return 2;
	if (argc < 2) {
		print_help(stderr);
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		print_help(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("dhow %s\n", DHOW_VERSION);
		return 0;
	}
	for (int i = 0; i < COMMANDS; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "dhow: unknown command \"%s\"\ntry: dhow --help\n", argv[1]);
	return 2;
}
