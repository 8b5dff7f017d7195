/* SPDX-License-Identifier: MIT */
/* cmd_step.c - `dhow stop`, `dhow logs` and `dhow shutdown`: of what runs on a server. */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/follow.h"
#include "cli/server_args.h"

enum { FAILED = 1, STEPS_MAX = 1024, FOLLOW_US = 100000, KEY_ERROR = 1000, KEY_WAIT };

struct options {
	struct launch_server_args server;
	const char *ids[STEPS_MAX];
	unsigned count;
	int follow, is_error, wait;
	const char *verb;
};

/* How many steps a command is for. */
static unsigned most(const char *verb)
{
	return strcmp(verb, "stop") == 0 ? STEPS_MAX : strcmp(verb, "logs") == 0 ? 1 : 0;
}

static error_t take(int key, char *text, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'f':
		options->follow = 1;
		break;
	case KEY_ERROR:
		options->is_error = 1;
		break;
	case KEY_WAIT:
		options->wait = 1;
		break;
	case ARGP_KEY_ARG:
		if (options->count == most(options->verb))
			launch_server_usage(options->verb, "\"%s\" is one argument too many", text);
		options->ids[options->count++] = text;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static struct server_client *begin(int argc, char **argv, const char *verb,
				   const struct argp *own, struct options *options)
{
	options->verb = verb;
	launch_server_parse(argc, argv, verb, own, options, &options->server);
	if (!options->count && most(verb))
		launch_server_usage(verb, "which step? dhow ps shows them");
	return launch_server_open(&options->server, verb);
}

/* 1 if the server knows it. */
static int is_known(struct server_client *client, const char *verb, const char *id)
{
	json_t *answer = launch_server_ask(client, verb, SERVER_UPDATE_STATUS,
					   json_pack("{s:[s]}", "step_ids", id));
	int known = json_object_get(json_object_get(answer, "statuses"), id) != NULL;

	if (answer && !known)
		fprintf(stderr, "dhow: %s: there is no step %s; dhow ps shows them\n", verb, id);
	json_decref(answer);
	return known;
}

int launch_cmd_stop(int argc, char **argv)
{
	static const struct argp own = { .parser = take, .args_doc = "STEP...",
					 .doc = "End steps: SIGTERM, after the server's grace "
						"SIGKILL." };
	static struct options options;
	struct server_client *client = begin(argc, argv, "stop", &own, &options);
	int code = client ? 0 : FAILED;

	for (unsigned i = 0; client && i < options.count; i++) {
		const char *id = options.ids[i];
		json_t *answer = NULL;

		if (is_known(client, "stop", id))
			answer = launch_server_ask(client, "stop", SERVER_STOP,
						   json_pack("{s:s}", "step_id", id));
		code = answer ? code : FAILED;
		json_decref(answer);
	}
	server_client_close(client);
	return code;
}

int launch_cmd_logs(int argc, char **argv)
{
	static const struct argp_option table[] = {
		{ "follow", 'f', NULL, 0, "go on until the step is over", 1 },
		{ "error", KEY_ERROR, NULL, 0, "its stderr instead of its stdout", 1 },
		{ 0 },
	};
	static const struct argp own = { .options = table, .parser = take, .args_doc = "STEP",
					 .doc = "Print what a step has written." };
	static struct options options;
	struct server_client *client = begin(argc, argv, "logs", &own, &options);
	struct launch_follow file = { .id = options.ids[0], .is_error = options.is_error };
	struct base_err err;
	int n = 0;

	if (!client)
		return FAILED;
	signal(SIGPIPE, SIG_IGN);
	do {
		if (n > 0 || file.offset)
			usleep(FOLLOW_US);
		n = launch_follow_step(client, &file, &err);
	} while (n >= 0 && options.follow && !file.over && (n || usleep(FOLLOW_US) == 0));
	if (n < 0 && n != -EPIPE)
		fprintf(stderr, "dhow: logs: %s\n", err.text);
	server_client_close(client);
	return n < 0 ? FAILED : 0;
}

int launch_cmd_shutdown(int argc, char **argv)
{
	static const struct argp_option table[] = {
		{ "wait", KEY_WAIT, NULL, 0, "take no more steps, leave when all have ended", 1 },
		{ 0 },
	};
	static const struct argp own = { .options = table, .parser = take,
					 .doc = "End a server and all its steps." };
	static struct options options;
	struct server_client *client = begin(argc, argv, "shutdown", &own, &options);
	json_t *answer = NULL;

	if (client)
		answer = launch_server_ask(client, "shutdown", SERVER_SHUTDOWN,
					   json_pack("{s:b}", "immediate", !options.wait));
	server_client_close(client);
	json_decref(answer);
	return answer ? 0 : FAILED;
}
