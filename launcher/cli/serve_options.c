/* SPDX-License-Identifier: MIT */
/* serve_options.c - see serve_options.h. */
#include "cli/serve_options.h"

#include <argp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "place/place.h"
#include "server/server.h"

enum { USAGE = 2, SECONDS_MAX = 7 * 24 * 3600, TIMEOUT_MS = 30000, ORPHAN_S = 60 };
enum {
	KEY_SCHEDULE = 1000, KEY_GRACE, KEY_ORPHAN, KEY_GPUS, KEY_START_TIMEOUT, KEY_ADDRESS,
	KEY_PORT, KEY_FOLDER, KEY_POOL, KEY_SECURITY, KEY_TRANSPORT, KEY_FABRIC, KEY_PROVIDER,
	KEY_WLM, KEY_HOSTS, KEY_HOSTFILE, KEY_LAUNCHER, KEY_LAUNCHER_TIMEOUT, KEY_FRONT,
	KEY_CLIENT, KEY_LOCAL_NODES, KEY_COOLDOWN, KEY_METRICS,
};

static const char doc[] =
	"Hold nodes and run steps on them for `dhow run`, SmartSim and other clients of its "
	"protocol.\v"
	"Clients find the server by dragon_config.log in its folder, and enter with the keys in "
	"$DHOW_KEY_PATH, else $SMARTSIM_KEY_PATH, else ~/.smartsim/keys (`dhow keygen`).";

static const struct argp_option table[] = {
	{ "nodes", 'n', "NODES", 0, "nodes to hold (default: $DHOW_SERVER_NODES, else all there "
	  "are; on one machine $DHOW_LOCAL_NODES or 1)", 1 },
	{ "schedule", KEY_SCHEDULE, "NAME", 0, "original, backfill or pack (default: "
	  "$DHOW_SCHEDULE, else original: whole nodes, first in first out)", 1 },
	{ "grace", KEY_GRACE, "SECONDS", 0, "from SIGTERM to SIGKILL of a step that is stopped "
	  "(default: $DHOW_STOP_GRACE, else 3)", 1 },
	{ "orphan-timeout", KEY_ORPHAN, "SECONDS", 0, "leave when the client that started the "
	  "server is dead that long; 0: stay (default: $DHOW_ORPHAN_TIMEOUT, else 60)", 1 },
	{ "gpus", KEY_GPUS, "COUNT", 0, "GPUs of a node (default: $DHOW_GPUS, else those found "
	  "here)", 1 },
	{ "address", KEY_ADDRESS, "IPV4", 0, "to listen at (default: $DHOW_SERVER_ADDRESS, else "
	  "127.0.0.1)", 2 },
	{ "port", KEY_PORT, "PORT", 0, "to listen at (default: any that is free)", 2 },
	{ "dir", KEY_FOLDER, "DIR", 0, "where clients find the server (default: ~/.dhow/server)",
	  2 },
	{ "metrics", KEY_METRICS, "[IPV4:]PORT", 0, "tell numbers to Prometheus there "
	  "(default: $DHOW_METRICS, else nowhere; without IPV4: 127.0.0.1)", 2 },
	{ "pool", KEY_POOL, "SIZE", 0, "shared memory of each node, e.g. 64M", 3 },
	{ "transport", KEY_TRANSPORT, "NAME", 0, "between nodes: tcp, hsta or auto", 3 },
	{ "fabric", KEY_FABRIC, "NAME", 0, "see dlaunch(1)", 3 },
	{ "provider", KEY_PROVIDER, "NAME", 0, "see dlaunch(1)", 3 },
	{ "security", KEY_SECURITY, "LEVEL", 0, "of links: mac, integrity or encrypt", 3 },
	{ "wlm", KEY_WLM, "NAME", 0, "where nodes come from, see dlaunch(1) (default: $DHOW_WLM)",
	  3 },
	{ "hosts", KEY_HOSTS, "LIST", 0, "nodes that ssh reaches", 3 },
	{ "hostfile", KEY_HOSTFILE, "FILE", 0, "the same from a file (default: $DHOW_HOSTFILE)",
	  3 },
	{ "start-timeout", KEY_START_TIMEOUT, "SECONDS", 0, "for all nodes to come up", 3 },
	{ "verbose", 'v', NULL, 0, "say what happens", 4 },
	{ "launcher", KEY_LAUNCHER, "URL", OPTION_HIDDEN, NULL, 5 },
	{ "launcher-timeout", KEY_LAUNCHER_TIMEOUT, "MS", OPTION_HIDDEN, NULL, 5 },
	{ "front-fd", KEY_FRONT, "FD", OPTION_HIDDEN, NULL, 5 },
	{ "client", KEY_CLIENT, "PID:START", OPTION_HIDDEN, NULL, 5 },
	{ 0 },
};

/* The first of a key that is set wins. */
static const struct {
	int key;
	const char *name;
} variables[] = {
	{ 'n', "DHOW_SERVER_NODES" },
	{ KEY_LOCAL_NODES, "DHOW_LOCAL_NODES" },
	{ KEY_SCHEDULE, "DHOW_SCHEDULE" },
	{ KEY_GRACE, "DHOW_STOP_GRACE" },
	{ KEY_ORPHAN, "DHOW_ORPHAN_TIMEOUT" },
	{ KEY_COOLDOWN, "DHOW_COOLDOWN" },
	{ KEY_GPUS, "DHOW_GPUS" },
	{ KEY_ADDRESS, "DHOW_SERVER_ADDRESS" },
	{ KEY_METRICS, "DHOW_METRICS" },
	{ KEY_LAUNCHER_TIMEOUT, "SMARTSIM_DRAGON_TIMEOUT" },
	{ KEY_LAUNCHER_TIMEOUT, "DHOW_SERVER_TIMEOUT" },
	{ KEY_SECURITY, "DHOW_SECURITY" },
};

static const char *origin;	/* of the value that is being read, for messages */

static void wrong(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void wrong(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "dhow: serve: %s ", origin);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\ntry: dhow serve --help\n", stderr);
	exit(USAGE);
}

static uint64_t number(const char *text, uint64_t least, uint64_t most)
{
	uint64_t value;

	if (launch_parse_number(text, least, most, &value) < 0)
		wrong("\"%s\": a whole number from %llu to %llu is needed", text,
		      (unsigned long long)least, (unsigned long long)most);
	return value;
}

static void set_client(struct launch_serve_options *options, const char *text)
{
	int pid;

	if (sscanf(text, "%d:%llu", &pid, &options->client_start) != 2 || pid <= 0)
		wrong("\"%s\": PID:START is needed", text);
	options->client = pid;
}

static void set_wish(struct launch_wish *wish, const char *text)
{
	*wish = (struct launch_wish){ .value = text, .origin = origin, .is_option = 1 };
}

static void set_security(struct launch_serve_options *options, const char *text)
{
	if (strcmp(text, "mac") && strcmp(text, "integrity") && strcmp(text, "encrypt"))
		wrong("\"%s\": mac, integrity and encrypt are there", text);
	options->security = text;
}

/* Where a value comes from does not matter: the command line or a variable. */
static int set(struct launch_serve_options *options, int key, char *text)
{
	switch (key) {
	case 'n':
		options->nodes = (uint32_t)number(text, 1, LAUNCH_NODES_MAX);
		break;
	case KEY_LOCAL_NODES:
		options->local_nodes = (uint32_t)number(text, 1, LAUNCH_NODES_MAX);
		break;
	case KEY_SCHEDULE:
		options->schedule = server_schedule_find(text);
		if (options->schedule == SERVER_SCHEDULES)
			wrong("\"%s\": original, backfill and pack are there", text);
		break;
	case KEY_GRACE:
		options->grace_ms = (uint32_t)number(text, 0, SECONDS_MAX / 1000) * 1000;
		break;
	case KEY_ORPHAN:
		options->orphan_ms = (uint32_t)number(text, 0, SECONDS_MAX) * 1000;
		break;
	case KEY_COOLDOWN:
		options->cooling_ms = (uint32_t)number(text, 0, SECONDS_MAX) * 1000;
		break;
	case KEY_GPUS:
		options->gpus = (uint32_t)number(text, 0, 1024);
		break;
	case KEY_START_TIMEOUT:
		options->start_timeout_s = (uint32_t)number(text, 1, SECONDS_MAX);
		break;
	case KEY_ADDRESS:
		options->address = text;
		break;
	case KEY_METRICS:
		options->metrics = text;
		break;
	case KEY_PORT:
		options->port = (unsigned)number(text, 1, 65535);
		break;
	case KEY_FOLDER:
		options->folder = text;
		break;
	case KEY_POOL:
		if (launch_parse_bytes(text, &options->pool_bytes) < 0)
			wrong("\"%s\": a size like 64M or 2G is needed", text);
		break;
	case KEY_SECURITY:
		set_security(options, text);
		break;
	case KEY_LAUNCHER:
		options->launcher = text;
		break;
	case KEY_LAUNCHER_TIMEOUT:
		options->launcher_timeout_ms = strcmp(text, "-1") == 0 ? -1 :
					       (int)number(text, 1, INT32_MAX);
		break;
	case KEY_FRONT:
		options->front_fd = (int)number(text, 3, 511);
		break;
	case KEY_CLIENT:
		set_client(options, text);
		break;
	default:
		return 0;
	}
	return 1;
}

static error_t take(int key, char *text, struct argp_state *state)
{
	struct launch_serve_options *options = state->input;
	const struct {
		int key;
		const char *name;
		struct launch_wish *wish;
		const char **word;
	} words[] = {
		{ KEY_TRANSPORT, "--transport", &options->wishes.transport, NULL },
		{ KEY_FABRIC, "--fabric", &options->wishes.fabric, NULL },
		{ KEY_PROVIDER, "--provider", &options->wishes.provider, NULL },
		{ KEY_WLM, NULL, NULL, &options->sources.wlm },
		{ KEY_HOSTS, NULL, NULL, &options->sources.hosts },
		{ KEY_HOSTFILE, NULL, NULL, &options->sources.hostfile },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (words[i].key != key)
			continue;
		origin = words[i].name;
		if (words[i].wish)
			set_wish(words[i].wish, text);
		else
			*words[i].word = text;
		return 0;
	}
	for (const struct argp_option *row = table; row->name; row++)
		if (row->key == key)
			origin = row->name;
	if (key == 'v') {
		options->verbose = 1;
		return 0;
	}
	if (key == ARGP_KEY_ARG) {
		origin = "argument";
		wrong("\"%s\" is one too many; programs are started by dhow run", text);
	}
	return set(options, key, text) ? 0 : ARGP_ERR_UNKNOWN;
}

static void take_variables(struct launch_serve_options *options)
{
	for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
		char *value = getenv(variables[i].name);

		origin = variables[i].name;
		if (value && *value)
			set(options, variables[i].key, value);
	}
}

void launch_serve_options_parse(int argc, char **argv, struct launch_serve_options *ret_options)
{
	const struct argp argp = { .options = table, .parser = take, .doc = doc };
	char *program = (char[]){ "dhow serve" };

	*ret_options = (struct launch_serve_options){
		.schedule = SERVER_SCHEDULE_ORIGINAL,
		.grace_ms = SERVER_GRACE_MS,
		.orphan_ms = ORPHAN_S * 1000,
		.cooling_ms = UINT32_MAX,
		.gpus = UINT32_MAX,
		.launcher_timeout_ms = TIMEOUT_MS,
		.front_fd = -1,
		.security = "mac",
	};
	take_variables(ret_options);
	argp_err_exit_status = USAGE;
	argv[0] = program;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, ret_options) != 0)
		exit(USAGE);
	launch_wishes_environment(&ret_options->wishes);
	launch_sources_environment(&ret_options->sources);
}
