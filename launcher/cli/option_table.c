/* SPDX-License-Identifier: MIT */
/* option_table.c - see option_table.h. */
#include "cli/option_table.h"

#include <stdlib.h>
#include <string.h>

#include "bind/policy.h"
#include "cli/pattern.h"
#include "proto/mpi.h"

enum { SECONDS_MAX = 366 * 86400, RESTARTS_MAX = 1000000, LAUNCH_EXIT = 125 };

/* Unlike other wrong options not worth a hint, since the message has all there is to know. */
static void set_security(struct launch_options *options, struct launch_segment *segment,
			 const char *option, char *text)
{
	static const char *const levels[] = { "mac", "integrity", "encrypt" };

	(void)segment;
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(text, levels[i]) == 0) {
			options->security = levels[i];
			return;
		}
	}
	fprintf(stderr, "dlaunch: %s \"%.60s\": there are mac, integrity and encrypt\n", option,
		text);
	exit(LAUNCH_EXIT);
}

static void set_pool(struct launch_options *options, struct launch_segment *segment,
		     const char *option, char *text)
{
	(void)segment;
	if (launch_parse_bytes(text, &options->pool_bytes) < 0)
		launch_options_wrong("%s \"%s\": a size like 64M or 2G is needed", option, text);
}

static void add_edit(struct launch_env_edits *edits, const char *option, char *text)
{
	int rc = launch_env_add(edits, strchr(text, '=') ? LAUNCH_ENV_SET : LAUNCH_ENV_PASS, text);

	if (rc < 0)
		launch_options_wrong("%s \"%s\": NAME=VALUE or NAME is needed", option, text);
}

static void add_env(struct launch_options *options, struct launch_segment *segment,
		    const char *option, char *text)
{
	(void)options;
	add_edit(&segment->env, option, text);
}

static void add_genv(struct launch_options *options, struct launch_segment *segment,
		     const char *option, char *text)
{
	(void)segment;
	add_edit(&options->env, option, text);
}

static void add_unset(struct launch_options *options, struct launch_segment *segment,
		      const char *option, char *text)
{
	(void)options;
	if (launch_env_add(&segment->env, LAUNCH_ENV_UNSET, text) < 0)
		launch_options_wrong("%s \"%s\": NAME is needed", option, text);
}

static void set_bind(struct launch_options *options, struct launch_segment *segment,
		     const char *option, char *text)
{
	struct launch_bind_policy policy;
	struct base_err err;

	(void)options;
	(void)option;
	if (launch_bind_parse(text, &policy, &err) < 0)
		launch_options_wrong("%s", err.text);
	segment->cpu_bind = text;
}

static void set_relative(struct launch_options *options, struct launch_segment *segment,
			 const char *option, char *text)
{
	uint64_t value;

	(void)options;
	if (launch_parse_number(text, 0, LAUNCH_NODES_MAX - 1, &value) < 0)
		launch_options_wrong("%s \"%s\": a whole number from 0 to %d is needed", option,
				     text, LAUNCH_NODES_MAX - 1);
	segment->shape.first_node = (uint32_t)value;
}

static void set_mpi(struct launch_options *options, struct launch_segment *segment,
		    const char *option, char *text)
{
	(void)segment;
	if (launch_mpi_parse(text) < 0)
		launch_options_wrong("%s \"%.60s\": there are " LAUNCH_MPI_CHOICES, option, text);
	options->mpi = text;
}

static void set_distribution(struct launch_options *options, struct launch_segment *segment,
			     const char *option, char *text)
{
	(void)segment;
	if (strcmp(text, "block") != 0 && strcmp(text, "cyclic") != 0)
		launch_options_wrong("%s \"%s\": there are block and cyclic", option, text);
	options->distribution = *text == 'c' ? LAUNCH_CYCLIC : LAUNCH_BLOCK;
}

static void set_stdin(struct launch_options *options, struct launch_segment *segment,
		      const char *option, char *text)
{
	uint64_t rank;

	(void)segment;
	if (strcmp(text, "none") == 0) {
		options->input = LAUNCH_STDIN_NONE;
	} else if (strcmp(text, "all") == 0) {
		options->input = LAUNCH_STDIN_ALL;
	} else if (launch_parse_number(text, 0, LAUNCH_RANKS_MAX - 1, &rank) == 0) {
		options->input = LAUNCH_STDIN_RANK;
		options->input_rank = (uint32_t)rank;
	} else {
		launch_options_wrong("%s \"%s\": there are none, all, or the number of a rank",
				     option, text);
	}
}

static void set_pattern(struct launch_options *options, const char *option, char *text, int index)
{
	struct base_err err;

	if (launch_pattern_scope(option, text, &err) < 0)
		launch_options_wrong("%s", err.text);
	options->output[index] = text;
}

static void set_output(struct launch_options *options, struct launch_segment *segment,
		       const char *option, char *text)
{
	(void)segment;
	set_pattern(options, option, text, 0);
}

static void set_error(struct launch_options *options, struct launch_segment *segment,
		      const char *option, char *text)
{
	(void)segment;
	set_pattern(options, option, text, 1);
}

static void set_kill(struct launch_options *options, struct launch_segment *segment,
		     const char *option, char *text)
{
	(void)segment;
	if (text && strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
		launch_options_wrong("%s \"%s\": 0 or 1 is needed", option, text);
	options->kill_on_bad_exit = !text || *text == '1';
}

#define IN(field) 0, offsetof(struct launch_options, field)
#define OWN(field) 1, offsetof(struct launch_segment, field)
#define FLAG LAUNCH_OPTION_FLAG
#define TEXT LAUNCH_OPTION_TEXT
#define NUMBER LAUNCH_OPTION_NUMBER
#define WISH LAUNCH_OPTION_WISH
#define CALL(own, function) LAUNCH_OPTION_CALL, own, 0, 0, function
#define HEADING(text, group) \
	{ { NULL, 0, NULL, 0, text, group }, LAUNCH_OPTION_NONE, 0, 0, 0, NULL }
#define ALIAS(name, key, group) \
	{ { name, key, NULL, OPTION_ALIAS, NULL, group }, LAUNCH_OPTION_NONE, 0, 0, 0, NULL }

/* Options without a letter have key 0, and their aliases stand behind them. */
const struct launch_option_row launch_option_rows[] = {
	HEADING("How much (each program between : has its own):", 1),
	{ { "nodes", 'n', "NODES", 0,
	    "nodes to use (default: all there are; 1 on one machine)", 1 },
	  NUMBER, OWN(shape.nodes), LAUNCH_NODES_MAX, NULL },
	{ { "tasks-per-node", 'N', "TASKS", 0, "tasks on each node (default: 1)", 1 },
	  NUMBER, OWN(shape.tasks_per_node), LAUNCH_TASKS_PER_NODE_MAX, NULL },
	ALIAS("ppn", 'N', 1),
	ALIAS("ntasks-per-node", 'N', 1),
	{ { "ntasks", 0, "TOTAL", 0,
	    "all tasks, spread over the nodes; with NODES and TASKS their product", 1 },
	  NUMBER, OWN(shape.tasks), LAUNCH_RANKS_MAX, NULL },
	ALIAS("np", 0, 1),
	{ { "relative", 0, "NODE", 0, "first node to use (default: 0)", 1 },
	  CALL(1, set_relative) },
	{ { "cpus-per-task", 'c', "CPUS", 0,
	    "hardware threads for each task; binds to cores unless --cpu-bind says otherwise", 1 },
	  NUMBER, OWN(cpus_per_task), 1024, NULL },
	{ { "cpu-bind", 0, "POLICY", 0,
	    LAUNCH_BIND_WORDS
	    "; `verbose,' before it shows what came of it (default: none)", 1 },
	  CALL(1, set_bind) },
	{ { "gpus-per-task", 0, "GPUS", 0,
	    "GPUs that each task sees, by CUDA_VISIBLE_DEVICES, ROCR_VISIBLE_DEVICES or "
	    "ZE_AFFINITY_MASK", 1 },
	  NUMBER, OWN(gpus_per_task), 1024, NULL },
	{ { "env", 0, "NAME[=VALUE]", 0,
	    "set a variable for the tasks, or pass ours; may be repeated", 1 },
	  CALL(1, add_env) },
	{ { "unset-env", 0, "NAME", 0, "remove a variable; may be repeated", 1 },
	  CALL(1, add_unset) },
	{ { "export", 0, "LIST", 0,
	    "pass only these of our variables (and PATH): names or NAME=VALUE between commas, "
	    "NONE, or ALL and more (default: ALL)", 1 },
	  TEXT, OWN(exports), 0, NULL },
	{ { "wdir", 0, "DIR", 0, "directory the tasks start in", 1 }, TEXT, OWN(wdir), 0, NULL },
	ALIAS("chdir", 0, 1),
	HEADING("The run:", 2),
	{ { "genv", 0, "NAME[=VALUE]", 0, "as --env, for all programs", 2 }, CALL(0, add_genv) },
	{ { "multi-prog", 0, "FILE", 0,
	    "lines `RANKS PROGRAM ARGUMENT...' say what each rank runs; %t is the rank, %o its "
	    "place in the line", 2 },
	  TEXT, IN(multi_prog), 0, NULL },
	{ { "distribution", 'm', "ORDER", 0,
	    "of ranks: block (fill a node, then the next) or cyclic (one on each node in turn) "
	    "(default: block)", 2 },
	  CALL(0, set_distribution) },
	{ { "overcommit", 'O', NULL, 0,
	    "more tasks than a node has slots, processors or GPUs", 2 },
	  FLAG, IN(overcommit), 0, NULL },
	{ { "timeout", 0, "SECONDS", 0, "end the run after that time, with exit code 124", 2 },
	  NUMBER, IN(timeout_s), SECONDS_MAX, NULL },
	{ { "start-timeout", 0, "SECONDS", 0,
	    "for all nodes to come up (default: 10 on this machine, else 60)", 2 },
	  NUMBER, IN(start_timeout_s), SECONDS_MAX, NULL },
	{ { "kill-on-bad-exit", 'K', "0|1", OPTION_ARG_OPTIONAL,
	    "end all when a task's exit code is not 0", 2 },
	  CALL(0, set_kill) },
	{ { "restart", 0, "TIMES", 0, "start a task that failed again, up to TIMES times", 2 },
	  NUMBER, IN(restarts), RESTARTS_MAX, NULL },
	{ { "pool", 0, "SIZE", 0, "shared memory of each node, e.g. 64M (K, M, G, T)", 2 },
	  CALL(0, set_pool) },
	{ { "transport", 0, "NAME", 0,
	    "between nodes: tcp, hsta or auto (default: $DHOW_TRANSPORT, else auto: hsta where "
	    "there is an RDMA device)", 2 },
	  WISH, IN(wishes.transport), 0, NULL },
	{ { "fabric", 0, "NAME", 0,
	    "what it runs on: uring or epoll (tcp), ofi or ucx (hsta) (default: $DHOW_FABRIC)", 2 },
	  WISH, IN(wishes.fabric), 0, NULL },
	{ { "provider", 0, "NAME", 0,
	    "of libfabric, or transports of UCX: cxi, verbs, 'tcp;ofi_rxm' (default: "
	    "$DHOW_PROVIDER)", 2 },
	  WISH, IN(wishes.provider), 0, NULL },
	{ { "nic", 0, "DEVICE", 0,
	    "of hsta, e.g. cxi0 or mlx5_0:1 (default: $DHOW_NIC, else the nearest)", 2 },
	  WISH, IN(wishes.nic), 0, NULL },
	{ { "mpi", 0, "KIND", 0,
	    "what is served to MPI programs: " LAUNCH_MPI_CHOICES " (default: auto, which is all)",
	    2 },
	  CALL(0, set_mpi) },
	{ { "security", 0, "LEVEL", 0,
	    "of the links between nodes: mac, integrity or encrypt (default: $DHOW_SECURITY, "
	    "else mac)", 2 },
	  CALL(0, set_security) },
	HEADING("Where:", 3),
	{ { "wlm", 0, "NAME", 0,
	    "what nodes come from: slurm, pals, pbs, ssh or local (default: $DHOW_WLM, else the "
	    "first that fits; --dry-run -v shows why)", 3 },
	  TEXT, IN(sources.wlm), 0, NULL },
	{ { "nodelist", 'w', "NODES", 0, "use these of the nodes there are: a[1-3,7],b", 3 },
	  TEXT, IN(sources.nodelist), 0, NULL },
	{ { "exclude", 'x', "NODES", 0, "do not use these", 3 },
	  TEXT, IN(sources.exclude), 0, NULL },
	{ { "hosts", 0, "HOSTS", 0, "hosts to reach by ssh, with slots: a:3,b", 3 },
	  TEXT, IN(sources.hosts), 0, NULL },
	ALIAS("host", 0, 3),
	{ { "hostfile", 0, "FILE", 0, "the same, one a line (default: $DHOW_HOSTFILE)", 3 },
	  TEXT, IN(sources.hostfile), 0, NULL },
	{ { "ssh-command", 0, "COMMAND", 0, "in place of ssh (default: $DHOW_SSH)", 3 },
	  TEXT, IN(sources.ssh), 0, NULL },
	{ { "remote-dhowd", 0, "PATH", 0, "of dhowd on other nodes (default: as here)", 3 },
	  TEXT, IN(sources.dhowd), 0, NULL },
	{ { "bind-address", 0, "ADDRESS", 0,
	    "of dlaunch, or a network interface of all nodes, e.g. hsn0 (default: $DHOW_LISTEN, "
	    "else the way to the first node)", 3 },
	  TEXT, IN(sources.address), 0, NULL },
	HEADING("Input and output:", 4),
	{ { "stdin", 'i', "WHO", 0,
	    "none, all, or the rank that reads our stdin (default: 0)", 4 },
	  CALL(0, set_stdin) },
	{ { "output", 'o', "FILE", 0,
	    "for stdout, and stderr unless --error is given: %t rank, %n node, %h host, %j job "
	    "tag; `none' drops it", 4 },
	  CALL(0, set_output) },
	{ { "error", 'e', "FILE", 0, "for stderr", 4 }, CALL(0, set_error) },
	{ { "label", 'l', NULL, 0, "begin each line with the rank that wrote it", 4 },
	  FLAG, IN(label), 0, NULL },
	{ { "json", 0, "FILE", 0, "write a report of the run", 4 }, TEXT, IN(json), 0, NULL },
	{ { "progress", 0, NULL, 0,
	    "show nodes and tasks that have come up, also where stderr is no terminal", 4 },
	  FLAG, IN(progress), 0, NULL },
	{ { "verbose", 'v', NULL, 0, "say what happens", 4 }, FLAG, IN(verbose), 0, NULL },
	{ { "quiet", 'q', NULL, 0, "say only what goes wrong", 4 }, FLAG, IN(quiet), 0, NULL },
	{ { "dry-run", 0, NULL, 0, "show what would run where, and run nothing", 4 },
	  FLAG, IN(dry_run), 0, NULL },
};

const size_t launch_option_row_count =
	sizeof(launch_option_rows) / sizeof(launch_option_rows[0]);
