/* SPDX-License-Identifier: MIT */
/* cmd_run.c - `dhow run`: a step on the nodes that a server holds; waits for it, unless told. */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/spawn.h"
#include "cli/cmd.h"
#include "cli/follow.h"
#include "cli/options.h"
#include "cli/server_args.h"

enum { KEY_WDIR = 1000, KEY_OUTPUT, KEY_ERROR, KEY_NAME, ENV_MAX = 1024 };
enum { FAILED = 1, LAUNCH_FAILED = 125, WAIT_FIRST_US = 2000, WAIT_MOST_US = 100000 };

struct options {
	struct launch_server_args server;
	uint32_t nodes, tasks_per_node;
	const char *wdir, *output, *error, *name;
	int detach;
	char *env[ENV_MAX];
	unsigned env_count;
	char **argv;
};

static const char doc[] =
	"Run a program on the nodes that `dhow serve` holds.\v"
	"Its output comes here, and its exit code is ours: the highest of all tasks, 128+N for "
	"signal N. ^C stops it. With --detach the step's id is printed, for dhow logs, stop, ps.";

static const struct argp_option table[] = {
	{ "nodes", 'n', "NODES", 0, "nodes to use (1)", 1 },
	{ "tasks-per-node", 'N', "TASKS", 0, "tasks on each node (1)", 1 },
	{ "detach", 'd', NULL, 0, "print the id and do not wait", 1 },
	{ "name", KEY_NAME, "NAME", 0, "for people", 1 },
	{ "env", 'e', "NAME=VALUE", 0, "set a variable; may be repeated", 1 },
	{ "wdir", KEY_WDIR, "DIR", 0, "directory the tasks start in", 1 },
	{ "output", KEY_OUTPUT, "FILE", 0, "append stdout of all tasks to a file there", 1 },
	{ "error", KEY_ERROR, "FILE", 0, "the same for stderr", 1 },
	{ 0 },
};

static uint32_t number(const char *name, const char *text, uint64_t most)
{
	uint64_t value;

	if (launch_parse_number(text, 1, most, &value) < 0)
		launch_server_usage("run", "%s \"%s\": a whole number from 1 to %llu is needed",
				    name, text, (unsigned long long)most);
	return (uint32_t)value;
}

static void add_env(struct options *options, char *text)
{
	if (!strchr(text, '=') || *text == '=')
		launch_server_usage("run", "--env \"%s\": NAME=VALUE is needed", text);
	if (options->env_count == ENV_MAX)
		launch_server_usage("run", "--env: more than %d of them", ENV_MAX);
	options->env[options->env_count++] = text;
}

static error_t take(int key, char *text, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'n':
		options->nodes = number("--nodes (-n)", text, SERVER_NODES_MAX);
		break;
	case 'N':
		options->tasks_per_node = number("--tasks-per-node (-N)", text,
						 SERVER_TASKS_PER_NODE_MAX);
		break;
	case 'd':
		options->detach = 1;
		break;
	case 'e':
		add_env(options, text);
		break;
	case KEY_NAME:
		options->name = text;
		break;
	case KEY_WDIR:
		options->wdir = text;
		break;
	case KEY_OUTPUT:
		options->output = text;
		break;
	case KEY_ERROR:
		options->error = text;
		break;
	case ARGP_KEY_ARG:
		options->argv = state->argv + state->next - 1;
		state->next = state->argc;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = { table, take, "PROGRAM [ARGUMENT...]", doc, NULL, NULL, NULL };

/* A name without a slash is looked for in our PATH; what is not here may be there. */
static void find_program(struct options *options, char path[PATH_MAX])
{
	if (base_spawn_find(options->argv[0], getenv("PATH"), options->wdir, path) == 0)
		options->argv[0] = path;
}

static char *absolute(const char *path, char room[PATH_MAX], const char *wdir)
{
	if (path && *path != '/') {
		if (snprintf(room, PATH_MAX, "%s/%s", wdir, path) >= PATH_MAX)
			launch_server_usage("run", "the path \"%.60s...\" is too long", path);
		return room;
	}
	return (char *)path;
}

/* Return: 0; -1 it is no UTF-8. */
static int set_text(json_t *body, const char *name, const char *value)
{
	return value ? json_object_set_new(body, name, json_string(value)) : 0;
}

static json_t *make_body(struct options *options)
{
	char here[PATH_MAX], output[PATH_MAX], error[PATH_MAX], program[PATH_MAX];
	const char *wdir = options->wdir ? options->wdir : ".";
	json_t *body, *env;
	int bad = 0;

	if (!realpath(wdir, here)) {
		fprintf(stderr, "dhow: run: --wdir \"%s\": %s\n", wdir, strerror(errno));
		return NULL;
	}
	options->wdir = here;
	find_program(options, program);
	body = server_client_run_body(options->argv, environ, here, options->nodes,
				      options->tasks_per_node);
	env = json_object();
	for (unsigned i = 0; i < options->env_count; i++) {
		char *equals = strchr(options->env[i], '=');

		*equals = 0;
		bad |= set_text(env, options->env[i], equals + 1);
	}
	bad |= json_object_set_new(body, "env", env);
	bad |= json_object_set_new(body, "spool", json_true());
	bad |= set_text(body, "name", options->name);
	bad |= set_text(body, "output_file", absolute(options->output, output, here));
	bad |= set_text(body, "error_file", absolute(options->error, error, here));
	options->wdir = NULL;
	if (!bad)
		return body;
	fputs("dhow: run: the arguments are no UTF-8\n", stderr);
	json_decref(body);
	return NULL;
}

static sig_atomic_t interrupted;

static void interrupt(int number)
{
	interrupted = number;
}

static void stop(struct server_client *client, const char *id)
{
	fprintf(stderr, "dhow: run: stopping step %s\n", id);
	interrupted = 0;
	json_decref(launch_server_ask(client, "run", SERVER_STOP,
				      json_pack("{s:s}", "step_id", id)));
}

/* Return: 1 and the step's exit code when it is over; 0 not yet; -1 the server has gone, or it is
 * another one by now. */
static int ask_status(struct server_client *client, const char *id, int *ret_code)
{
	json_t *answer = launch_server_ask(client, "run", SERVER_UPDATE_STATUS,
					   json_pack("{s:[s]}", "step_ids", id));
	json_t *status = json_object_get(json_object_get(answer, "statuses"), id);
	int state = server_client_state(json_string_value(json_array_get(status, 0)));
	int code = server_client_worst(json_array_get(status, 1));

	json_decref(answer);
	if (!answer)
		return -1;
	if (state == SERVER_CLIENT_UNKNOWN) {
		fprintf(stderr, "dhow: run: the server does not know step %s any more\n", id);
		return -1;
	}
	*ret_code = code < 0 ? 128 - code : code > 255 ? FAILED : code;
	return state >= SERVER_CLIENT_OVER;
}

/* Both files first, then the status: what was there at the end is printed before we leave. */
static int attend(struct server_client *client, const struct options *options, const char *id)
{
	struct launch_follow files[2] = { { .id = id, .over = options->output != NULL },
					  { .id = id, .is_error = 1,
					    .over = options->error != NULL } };
	unsigned wait_us = WAIT_FIRST_US;
	int over = 0, code = LAUNCH_FAILED;
	struct base_err err;

	while (!over) {
		int moved = 0;

		over = ask_status(client, id, &code);
		for (int i = 0; over >= 0 && i < 2; i++) {
			int n = launch_follow_step(client, &files[i], &err);

			if (n == -EPIPE) {
				stop(client, id);
				return 128 + SIGPIPE;
			}
			moved |= n > 0;
		}
		if (interrupted)
			stop(client, id);
		wait_us = moved ? WAIT_FIRST_US : wait_us * 2;
		wait_us = wait_us > WAIT_MOST_US ? WAIT_MOST_US : wait_us;
		if (!over)
			usleep(wait_us);
	}
	return over < 0 ? LAUNCH_FAILED : code;
}

static int run(struct server_client *client, struct options *options)
{
	struct sigaction action = { .sa_handler = interrupt };
	json_t *body = make_body(options), *answer;
	const char *id;
	int code = LAUNCH_FAILED;

	answer = body ? launch_server_ask(client, "run", SERVER_RUN, body) : NULL;
	id = json_string_value(json_object_get(answer, "step_id"));
	if (id && options->detach) {
		printf("%s\n", id);
		code = 0;
	} else if (id) {
		sigaction(SIGINT, &action, NULL);
		sigaction(SIGTERM, &action, NULL);
		signal(SIGPIPE, SIG_IGN);
		code = attend(client, options, id);
	}
	json_decref(answer);
	return code;
}

int launch_cmd_run(int argc, char **argv)
{
	static struct options options = { .nodes = 1, .tasks_per_node = 1 };
	struct server_client *client;
	int code = LAUNCH_FAILED;

	launch_server_parse(argc, argv, "run", &argp, &options, &options.server);
	if (!options.argv)
		launch_server_usage("run", "no program is given");
	client = launch_server_open(&options.server, "run");
	if (client)
		code = run(client, &options);
	server_client_close(client);
	return code;
}
