/* SPDX-License-Identifier: MIT */
/* options.c - see options.h. The table is what --help prints, too. */
#include "cli/options.h"

#include <argp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dhow/dhow.h>

#include "place/place.h"

enum {
	KEY_NTASKS = 256, KEY_ENV, KEY_WDIR, KEY_TIMEOUT, KEY_DRY_RUN, KEY_POOL, KEY_JSON,
	KEY_START_TIMEOUT, KEY_TRANSPORT, KEY_FABRIC, KEY_PROVIDER, KEY_NIC, KEY_SECURITY,
	KEY_WLM, KEY_HOSTS, KEY_HOSTFILE, KEY_SSH, KEY_REMOTE_DHOWD, KEY_BIND_ADDRESS,
	USAGE_EXIT = 2, LAUNCH_EXIT = 125,
	SECONDS_MAX = 366 * 86400,
};

static const char doc[] =
	"\n"
	"  dlaunch -n 4 -N 3 ./app        4 nodes x 3 tasks = 12 tasks\n"
	"\n"
	"-n is NODES and -N is TASKS PER NODE. The same 12 tasks elsewhere:\n"
	"  srun   -N 4 -n 12 ./app        (there -N is nodes, -n all tasks)\n"
	"  aprun  -n 12 -N 3 ./app        (there -n is all tasks, -N tasks per node)\n"
	"\v"
	"Exit code: the highest of the tasks; a task ended by a signal counts as 128 + signal; 124 "
	"--timeout has passed; 125 dlaunch itself failed; 126 the program cannot be executed; "
	"127 it is not found; 130 a second ^C; 2 wrong usage.\n"
	"\n"
	"The first ^C says what runs, a second one within 2 s ends it. stdin goes to rank 0.";

static const struct argp_option table[] = {
	{ NULL, 0, NULL, 0, "How much:", 1 },
	{ "nodes", 'n', "NODES", 0, "nodes to use (default: all there are; 1 on one machine)", 1 },
	{ "tasks-per-node", 'N', "TASKS", 0, "tasks on each node (default: 1)", 1 },
	{ "ppn", 'N', NULL, OPTION_ALIAS, NULL, 1 },
	{ "ntasks-per-node", 'N', NULL, OPTION_ALIAS, NULL, 1 },
	{ "ntasks", KEY_NTASKS, "TOTAL", 0,
	  "all tasks, spread over the nodes; with NODES and TASKS their product", 1 },
	{ "np", KEY_NTASKS, NULL, OPTION_ALIAS, NULL, 1 },
	{ "pool", KEY_POOL, "SIZE", 0, "shared memory of each node, e.g. 64M (K, M, G, T)", 1 },
	{ "timeout", KEY_TIMEOUT, "SECONDS", 0, "end the run after that time, with exit code 124",
	  1 },
	{ NULL, 0, NULL, 0, "What and how:", 2 },
	{ "env", KEY_ENV, "NAME=VALUE", 0, "set a variable for the tasks; may be repeated", 2 },
	{ "wdir", KEY_WDIR, "DIR", 0, "directory the tasks start in", 2 },
	{ "transport", KEY_TRANSPORT, "NAME", 0,
	  "between nodes: tcp, hsta or auto (default: $DHOW_TRANSPORT, else auto: hsta where there "
	  "is an RDMA device)", 2 },
	{ "fabric", KEY_FABRIC, "NAME", 0,
	  "what it runs on: uring or epoll (tcp), ofi or ucx (hsta) (default: $DHOW_FABRIC)", 2 },
	{ "provider", KEY_PROVIDER, "NAME", 0,
	  "of libfabric, or transports of UCX: cxi, verbs, 'tcp;ofi_rxm' (default: $DHOW_PROVIDER)",
	  2 },
	{ "nic", KEY_NIC, "DEVICE", 0, "of hsta, e.g. cxi0 or mlx5_0:1 (default: $DHOW_NIC, else "
	  "the nearest)", 2 },
	{ "security", KEY_SECURITY, "LEVEL", 0, "of the links between nodes: mac, integrity or "
	  "encrypt (default: $DHOW_SECURITY, else mac)", 2 },
	{ "kill-on-bad-exit", 'K', NULL, 0, "end all when a task's exit code is not 0", 2 },
	{ "start-timeout", KEY_START_TIMEOUT, "SECONDS", 0, "for all nodes to come up "
	  "(default: 10 on this machine, else 60)", 2 },
	{ NULL, 0, NULL, 0, "Where:", 3 },
	{ "wlm", KEY_WLM, "NAME", 0, "what nodes come from: slurm, pals, pbs, ssh or local "
	  "(default: $DHOW_WLM, else the first that fits; --dry-run -v shows why)", 3 },
	{ "nodelist", 'w', "NODES", 0, "use these of the nodes there are: a[1-3,7],b", 3 },
	{ "exclude", 'x', "NODES", 0, "do not use these", 3 },
	{ "hosts", KEY_HOSTS, "HOSTS", 0, "hosts to reach by ssh, with slots: a:3,b", 3 },
	{ "host", KEY_HOSTS, NULL, OPTION_ALIAS, NULL, 3 },
	{ "hostfile", KEY_HOSTFILE, "FILE", 0, "the same, one a line (default: $DHOW_HOSTFILE)",
	  3 },
	{ "ssh-command", KEY_SSH, "COMMAND", 0, "in place of ssh (default: $DHOW_SSH)", 3 },
	{ "remote-dhowd", KEY_REMOTE_DHOWD, "PATH", 0, "of dhowd on other nodes (default: as here)",
	  3 },
	{ "bind-address", KEY_BIND_ADDRESS, "ADDRESS", 0, "of dlaunch, or a network interface of "
	  "all nodes, e.g. hsn0 (default: $DHOW_LISTEN, else the way to the first node)", 3 },
	{ NULL, 0, NULL, 0, "What is shown:", 4 },
	{ "label", 'l', NULL, 0, "begin each line with the rank that wrote it", 4 },
	{ "verbose", 'v', NULL, 0, "say what happens", 4 },
	{ "dry-run", KEY_DRY_RUN, NULL, 0, "show what would run where, and run nothing", 4 },
	{ "json", KEY_JSON, "FILE", 0, "write a report of the run", 4 },
	{ 0 },
};

int launch_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!*text)
		return -EINVAL;
	for (const char *at = text; *at; at++) {
		if (*at < '0' || *at > '9')
			return -EINVAL;
		if (value > (UINT64_MAX - 9) / 10)
			return -ERANGE;
		value = value * 10 + (uint64_t)(*at - '0');
	}
	if (value < min || value > max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int launch_parse_bytes(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	size_t digits = strspn(text, "0123456789");
	const char *unit = text[digits] ? strchr(units, text[digits]) : NULL;
	char number[32];
	uint64_t value;
	int rc, shift = unit ? 10 * (int)(unit - units + 1) : 0;

	if (digits >= sizeof(number) || (text[digits] && (!unit || text[digits + 1])))
		return -EINVAL;
	memcpy(number, text, digits);
	number[digits] = 0;
	rc = launch_parse_number(number, 1, UINT64_MAX >> shift, &value);
	if (rc == 0)
		*ret_bytes = value << shift;
	return rc;
}

static void __attribute__((noreturn, format(printf, 1, 2))) wrong(const char *format, ...)
{
	va_list args;

	fputs("dlaunch: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\ntry: dlaunch --help\n", stderr);
	exit(USAGE_EXIT);
}

static uint32_t number(const char *option, const char *text, uint64_t max)
{
	uint64_t value;
	int rc = launch_parse_number(text, 1, max, &value);

	if (rc < 0)
		wrong("%s \"%s\": a whole number from 1 to %llu is needed", option, text,
		      (unsigned long long)max);
	return (uint32_t)value;
}

static void add_env(struct launch_options *options, char *text)
{
	const char *equals = strchr(text, '=');
	char **larger;

	if (!equals || equals == text)
		wrong("--env \"%s\": NAME=VALUE is needed", text);
	larger = realloc(options->env, (options->env_count + 2) * sizeof(*larger));
	if (!larger)
		wrong("no memory for --env");
	options->env = larger;
	options->env[options->env_count++] = text;
	options->env[options->env_count] = NULL;
}

/* Unlike other wrong options not worth a hint, since the message has all there is to know. */
static void set_security(struct launch_options *options, const char *origin, const char *name)
{
	static const char *const levels[] = { "mac", "integrity", "encrypt" };

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(name, levels[i]) == 0) {
			options->security = levels[i];
			return;
		}
	}
	fprintf(stderr, "dlaunch: %s \"%.60s\": there are mac, integrity and encrypt\n", origin,
		name);
	exit(LAUNCH_EXIT);
}

static void set_pool(struct launch_options *options, const char *text)
{
	if (launch_parse_bytes(text, &options->pool_bytes) < 0)
		wrong("--pool \"%s\": a size like 64M or 2G is needed", text);
}

static error_t take(int key, char *text, struct argp_state *state)
{
	struct launch_options *options = state->input;

	switch (key) {
	case 'n':
		options->nodes = number("--nodes (-n)", text, LAUNCH_NODES_MAX);
		break;
	case 'N':
		options->tasks_per_node = number("--tasks-per-node (-N)", text,
						 LAUNCH_TASKS_PER_NODE_MAX);
		break;
	case KEY_NTASKS:
		options->ntasks = number("--ntasks", text, LAUNCH_RANKS_MAX);
		break;
	case KEY_TIMEOUT:
		options->timeout_s = number("--timeout", text, SECONDS_MAX);
		break;
	case KEY_START_TIMEOUT:
		options->start_timeout_s = number("--start-timeout", text, SECONDS_MAX);
		break;
	case KEY_POOL:
		set_pool(options, text);
		break;
	case KEY_WLM:
		options->sources.wlm = text;
		break;
	case 'w':
		options->sources.nodelist = text;
		break;
	case 'x':
		options->sources.exclude = text;
		break;
	case KEY_HOSTS:
		options->sources.hosts = text;
		break;
	case KEY_HOSTFILE:
		options->sources.hostfile = text;
		break;
	case KEY_SSH:
		options->sources.ssh = text;
		break;
	case KEY_REMOTE_DHOWD:
		options->sources.dhowd = text;
		break;
	case KEY_BIND_ADDRESS:
		options->sources.address = text;
		break;
	case KEY_ENV:
		add_env(options, text);
		break;
	case KEY_WDIR:
		options->wdir = text;
		break;
	case KEY_TRANSPORT:
		options->wishes.transport = (struct launch_wish){ text, "--transport", 1 };
		break;
	case KEY_FABRIC:
		options->wishes.fabric = (struct launch_wish){ text, "--fabric", 1 };
		break;
	case KEY_PROVIDER:
		options->wishes.provider = (struct launch_wish){ text, "--provider", 1 };
		break;
	case KEY_NIC:
		options->wishes.nic = (struct launch_wish){ text, "--nic", 1 };
		break;
	case KEY_SECURITY:
		set_security(options, "--security", text);
		break;
	case KEY_JSON:
		options->json = text;
		break;
	case 'K':
		options->kill_on_bad_exit = 1;
		break;
	case 'l':
		options->label = 1;
		break;
	case 'v':
		options->verbose = 1;
		break;
	case KEY_DRY_RUN:
		options->dry_run = 1;
		break;
	case ARGP_KEY_ARG:
		/* The first one is the program: all behind it is the program's. */
		options->argv = state->argv + state->next - 1;
		state->next = state->argc;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* What was not given by an option; --hosts and a variable for the file do not contradict. */
static void add_environment(struct launch_wlm_wishes *sources)
{
	const struct {
		const char **wish, *variable;
	} rows[] = {
		{ &sources->wlm, "DHOW_WLM" },
		{ &sources->hostfile, "DHOW_HOSTFILE" },
		{ &sources->ssh, "DHOW_SSH" },
		{ &sources->address, "DHOW_LISTEN" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *value = getenv(rows[i].variable);

		if (!*rows[i].wish && value && *value &&
		    !(rows[i].wish == &sources->hostfile && sources->hosts))
			*rows[i].wish = value;
	}
}

static void print_version(FILE *stream, struct argp_state *state)
{
	(void)state;
	fprintf(stream, "dlaunch %s\n", DHOW_VERSION);
}

void launch_options_parse(int argc, char **argv, struct launch_options *ret_options)
{
	const struct argp argp = { .options = table,
				   .parser = take,
				   .args_doc = "PROGRAM [ARGUMENT...]",
				   .doc = doc };
	const char *security = getenv("DHOW_SECURITY");
	char *program = (char[]){ "dlaunch" };

	memset(ret_options, 0, sizeof(*ret_options));
	argp_program_version_hook = print_version;
	argp_err_exit_status = USAGE_EXIT;
	if (argc > 0)
		argv[0] = program;	/* messages say dlaunch, however it was called */
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, ret_options) != 0)
		exit(USAGE_EXIT);
	if (!ret_options->argv)
		wrong("no program is given");
	launch_wishes_environment(&ret_options->wishes);
	add_environment(&ret_options->sources);
	if (!ret_options->security)
		set_security(ret_options, "DHOW_SECURITY",
			     security && *security ? security : "mac");
}

void launch_options_fini(struct launch_options *options)
{
	free(options->env);
	options->env = NULL;
}
