/* SPDX-License-Identifier: MIT */
/* server_args.h - what the commands share that speak to a command server: --server and --key. */
#ifndef LAUNCH_SERVER_ARGS_H
#define LAUNCH_SERVER_ARGS_H

#include <argp.h>

#include "server/client.h"

struct launch_server_args {
	const char *server, *key;	/* NULL = the usual ones */
};

/* A child for the argp of a command; its input is a struct launch_server_args. */
extern const struct argp launch_server_argp;

/**
 * launch_server_parse - parse the options of a command; ends the process on --help and errors.
 * @verb:   e.g. "run", for messages.
 * @parser: of the command's own @options; gets @input, and @args as its first child's.
 */
void launch_server_parse(int argc, char **argv, const char *verb, const struct argp *own,
			 void *input, struct launch_server_args *args);

/* Say what is wrong and how to go on; exit code 2. */
void launch_server_usage(const char *verb, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

/* Open, or say why not. Return: NULL after that. */
struct server_client *launch_server_open(const struct launch_server_args *args, const char *verb);
/* Ask, or say why not. Return: the answer's body, owned; NULL after that. */
struct json_t *launch_server_ask(struct server_client *client, const char *verb,
				 enum server_kind kind, struct json_t *body);

#endif
