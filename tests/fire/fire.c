/* SPDX-License-Identifier: MIT */
/*
 * fire.c - runs cases of the catalogue "under fire" and prints a line for each.
 *
 * Cases sleep more than they work, so several run at once, each a process with a rig of its own.
 * Exit: 0 all passed, 1 one failed, 2 wrong usage, 77 this machine or build cannot.
 */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cases.h"

enum { EXIT_USAGE = 2, EXIT_SKIP = 77, CASES_MAX = 32, JOBS = 4, KILLS = 10, KILLS_LONG = 100 };

static const struct fabric_row {
	const char *name, *agent, *fabric, *provider;
	bool is_tcp;
} fabrics[] = {
	{ "uring", "dhow-tcp", "uring", NULL, true },
	{ "epoll", "dhow-tcp", "epoll", NULL, true },
	{ "ofi", "dhow-hsta", "ofi", "tcp;ofi_rxm", false },
	{ "ucx", "dhow-hsta", "ucx", "tcp", false },
	{ 0 },
};

struct settings {
	const struct fabric_row *fabric;
	const char *bin;
	bool is_long, quick, verbose;
	unsigned jobs, kills;
	const struct fire_case *chosen[CASES_MAX];
	unsigned count;
};

enum { KEY_LONG = 256, KEY_QUICK, KEY_SEND, KEY_RECEIVE };

static const struct argp_option options[] = {
	{ "fabric", 'f', "NAME", 0, "uring, epoll, ofi or ucx [uring]", 0 },
	{ "bin", 'b', "FOLDER", 0, "where dhow-tcp and dhow-hsta are", 0 },
	{ "jobs", 'j', "NUMBER", 0, "cases at once [4]", 0 },
	{ "kills", 'k', "NUMBER", 0, "of the case `kill` [10, --long: 100]", 0 },
	{ "long", KEY_LONG, NULL, 0, "the long form of each case", 0 },
	{ "quick", KEY_QUICK, NULL, 0, "only the case for builds that are slow", 0 },
	{ "verbose", 'v', NULL, 0, "print what the nodes said, also of cases that passed", 0 },
	{ "send", KEY_SEND, "FLOW", OPTION_HIDDEN, NULL, 0 },
	{ "receive", KEY_RECEIVE, "FLOW", OPTION_HIDDEN, NULL, 0 },
	{ 0 },
};

/* We were started by a node to be a program of its traffic. */
static void be_traffic(bool sends, const char *number)
{
	struct traffic *traffic = mmap(NULL, sizeof(*traffic), PROT_READ | PROT_WRITE, MAP_SHARED,
				       TRAFFIC_LEDGER_FD, 0);
	unsigned long index = strtoul(number, NULL, 10);

	if (traffic == MAP_FAILED || index >= TRAFFIC_FLOWS)
		exit(EXIT_USAGE);
	exit(sends ? traffic_send(&traffic->flows[index]) :
		     traffic_receive(&traffic->flows[index]));
}

static bool choose_fabric(struct settings *settings, const char *name)
{
	for (const struct fabric_row *row = fabrics; row->name; row++)
		if (strcmp(row->name, name) == 0) {
			settings->fabric = row;
			return true;
		}
	return false;
}

static bool choose_case(struct settings *settings, const char *name)
{
	for (const struct fire_case *at = fire_cases; at->name; at++)
		if ((strcmp(at->name, name) == 0 || strcmp(at->id, name) == 0) &&
		    settings->count < CASES_MAX) {
			settings->chosen[settings->count++] = at;
			return true;
		}
	return false;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct settings *settings = state->input;

	switch (key) {
	case 'f':
		if (!choose_fabric(settings, argument))
			argp_error(state, "no fabric '%s'", argument);
		return 0;
	case 'b':
		settings->bin = argument;
		return 0;
	case 'j':
		settings->jobs = (unsigned)strtoul(argument, NULL, 10);
		if (settings->jobs < 1 || settings->jobs > CASES_MAX)
			argp_error(state, "'%s' jobs (1 to %d)", argument, CASES_MAX);
		return 0;
	case 'k':
		settings->kills = (unsigned)strtoul(argument, NULL, 10);
		return 0;
	case 'v':
		settings->verbose = true;
		return 0;
	case KEY_LONG:
		settings->is_long = true;
		return 0;
	case KEY_QUICK:
		settings->quick = true;
		return 0;
	case KEY_SEND:
	case KEY_RECEIVE:
		be_traffic(key == KEY_SEND, argument);
		return 0;
	case ARGP_KEY_ARG:
		if (!choose_case(settings, argument))
			argp_error(state, "no case '%s'", argument);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Print a line in one piece, since cases end at the same time. */
static void say(const struct fire_case *which, const struct settings *settings,
		const char *verdict, const char *text)
{
	printf("%-6s %-16s %-5s %s: %s\n", which->id, which->name, settings->fabric->name, verdict,
	       text);
	fflush(stdout);
}

/* In a process of its own. Return: its exit code. */
static int run_case(const struct fire_case *which, const struct settings *settings)
{
	static struct fire_run run;
	char agent[PATH_MAX], *figures = NULL;
	const struct rig_fabric fabric = {
		.name = settings->fabric->name,
		.agent = agent,
		.fabric = settings->fabric->fabric,
		.provider = settings->fabric->provider,
	};
	size_t bytes = 0;
	bool ok;
	int rc;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(settings->is_long ? which->long_limit_s : which->limit_s);
	snprintf(agent, sizeof(agent), "%s/%s", settings->bin, settings->fabric->agent);
	run.is_long = settings->is_long;
	run.kills = settings->kills ? settings->kills : run.is_long ? KILLS_LONG : KILLS;
	run.figures = open_memstream(&figures, &bytes);
	rc = rig_open(&run.rig, &fabric, which->nodes);
	if (rc == -EPERM || rc == -EACCES || rc == -ENOENT || rc == -ENODEV) {
		say(which, settings, "skipped", run.rig.why);
		return EXIT_SKIP;
	}
	ok = rc == 0 && which->run(&run) && !run.rig.why[0];
	fclose(run.figures);
	if (!ok || settings->verbose)
		rig_dump(&run.rig);
	say(which, settings, ok ? "ok" : "FAILED", ok ? figures : run.rig.why);
	rig_close(&run.rig);
	free(figures);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Is the fabric in this build, and can it run here? Says why not. */
static bool fabric_usable(const struct settings *settings)
{
	const char *name = settings->fabric->fabric;
	char command[PATH_MAX + 64], line[512];
	bool usable = false, seen = false;
	FILE *list;

	snprintf(command, sizeof(command), "'%s/%s' %s%s%s --list 2>/dev/null", settings->bin,
		 settings->fabric->agent, settings->fabric->provider ? "--provider '" : "",
		 settings->fabric->provider ? settings->fabric->provider : "",
		 settings->fabric->provider ? "'" : "");
	list = popen(command, "re");
	while (list && fgets(line, sizeof(line), list)) {
		if (strncmp(line, name, strlen(name)) != 0)
			continue;
		seen = true;
		usable = strstr(line, "usable") != NULL;
		if (!usable)
			printf("skipped: %s", line);
	}
	if (list)
		pclose(list);
	if (!seen)
		printf("skipped: no %s with a fabric '%s'\n", settings->fabric->agent, name);
	return usable;
}

static int run_all(const struct settings *settings)
{
	pid_t running[CASES_MAX] = { 0 };
	unsigned begun = 0, active = 0, failed = 0, skipped = 0;
	int status;
	pid_t pid;

	while (begun < settings->count || active) {
		if (begun < settings->count && active < settings->jobs) {
			fflush(stdout);
			pid = fork();
			if (pid == 0)
				exit(run_case(settings->chosen[begun], settings));
			if (pid < 0)
				return EXIT_FAILURE;
			running[begun++] = pid;
			active++;
			continue;
		}
		pid = wait(&status);
		for (unsigned i = 0; i < begun; i++) {
			if (running[i] != pid)
				continue;
			active--;
			if (WIFSIGNALED(status)) {
				say(settings->chosen[i], settings, "FAILED",
				    WTERMSIG(status) == SIGALRM ? "it hangs" : "it crashed");
				failed++;
			} else if (WEXITSTATUS(status) == EXIT_SKIP) {
				skipped++;
			} else {
				failed += WEXITSTATUS(status) != 0;
			}
		}
	}
	printf("fire: %u cases over %s, %u failed, %u skipped\n", settings->count,
	       settings->fabric->name, failed, skipped);
	return failed ? EXIT_FAILURE : skipped == settings->count ? EXIT_SKIP : EXIT_SUCCESS;
}

static void choose_all(struct settings *settings)
{
	for (const struct fire_case *at = fire_cases; at->name; at++)
		if ((!settings->quick || at->needs & FIRE_QUICK) &&
		    (settings->is_long || !(at->needs & FIRE_SLOW)) &&
		    (settings->fabric->is_tcp || !(at->needs & FIRE_TCP)))
			settings->chosen[settings->count++] = at;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "[CASE...]",
		.doc = "Agents under fire: deaths, cuts and bad networks between namespaces.\v"
		       "DHOW_FIRE_SEED in the environment seeds what the network does.",
	};
	struct settings settings = { .fabric = fabrics, .bin = ".", .jobs = JOBS };

	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &settings);
	if (!settings.count)
		choose_all(&settings);
	if (!fabric_usable(&settings))
		return EXIT_SKIP;
	return run_all(&settings);
}
