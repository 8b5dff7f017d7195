/* SPDX-License-Identifier: MIT */
/* server_args.c - see server_args.h. */
#include "cli/server_args.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { USAGE = 2, KEY_SERVER = 2000, KEY_KEY };

static const struct argp_option table[] = {
	{ "server", KEY_SERVER, "ADDRESS", 0, "tcp://HOST:PORT, or a folder with a "
	  "dragon_config.log (default: $DHOW_SERVER, else $SMARTSIM_DRAGON_SERVER_PATH, else "
	  "~/.dhow/server)", 9 },
	{ "key", KEY_KEY, "FILE", 0, "made by dhow keygen FILE (default: $DHOW_SERVER_KEY, else "
	  "the keys in $DHOW_KEY_PATH, $SMARTSIM_KEY_PATH or ~/.smartsim/keys)", 9 },
	{ 0 },
};

static error_t take(int key, char *text, struct argp_state *state)
{
	struct launch_server_args *args = state->input;

	if (key == KEY_SERVER)
		args->server = text;
	else if (key == KEY_KEY)
		args->key = text;
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

const struct argp launch_server_argp = { .options = table, .parser = take };

struct inputs {
	const struct argp *own;
	void *input;
	struct launch_server_args *args;
};

static error_t hand_on(int key, char *text, struct argp_state *state)
{
	struct inputs *inputs = state->input;
	void *mine = state->input;
	error_t rc = ARGP_ERR_UNKNOWN;

	if (key == ARGP_KEY_INIT) {
		state->child_inputs[0] = inputs->args;
		return 0;
	}
	if (inputs->own->parser) {
		state->input = inputs->input;
		rc = inputs->own->parser(key, text, state);
		state->input = mine;
	}
	return rc;
}

void launch_server_parse(int argc, char **argv, const char *verb, const struct argp *own,
			 void *input, struct launch_server_args *args)
{
	const struct argp_child children[] = { { &launch_server_argp, 0, "Which server:", 9 },
					       { 0 } };
	const struct argp all = { .options = own->options,
				  .parser = hand_on,
				  .args_doc = own->args_doc,
				  .doc = own->doc,
				  .children = children };
	struct inputs inputs = { own, input, args };
	char name[64];

	snprintf(name, sizeof(name), "dhow %s", verb);
	argv[0] = name;
	argp_err_exit_status = USAGE;
	if (argp_parse(&all, argc, argv, ARGP_IN_ORDER, NULL, &inputs) != 0)
		exit(USAGE);
}

void launch_server_usage(const char *verb, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "dhow: %s: ", verb);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\ntry: dhow %s --help\n", verb);
	exit(USAGE);
}

struct server_client *launch_server_open(const struct launch_server_args *args, const char *verb)
{
	struct server_client *client;
	struct base_err err;

	if (server_client_open(args->server, args->key, &client, &err) < 0)
		fprintf(stderr, "dhow: %s: %s\n", verb, err.text);
	return client;
}

struct json_t *launch_server_ask(struct server_client *client, const char *verb,
				 enum server_kind kind, struct json_t *body)
{
	struct json_t *answer = NULL;
	struct base_err err;

	if (server_client_ask(client, kind, body, &answer, &err) < 0)
		fprintf(stderr, "dhow: %s: %s\n", verb, err.text);
	return answer;
}
