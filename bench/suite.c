/* SPDX-License-Identifier: MIT */
/*
 * suite.c - `dhow bench`: every benchmark after the other, their tables, one JSON, the plots.
 *
 *     dhow bench --quick --json bench.json --plots plots
 *
 * A benchmark is a row of the table below. Its rows get its name as "part"; those of a transport
 * also "transport", as bench/compare writes it, so that bench/compare can hold two files of this
 * program against each other.
 */
#include "suite.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "harness.h"
#include "programs.h"

enum { CHECK_S = 30, WORDS = 24, NAMES_BYTES = 256 };

/* A part whose rows have no `name config size' to choose by. */
enum { HAS_NO_FILTER = 1 };

struct part {
	const char *name, *help, *program, *transport;
	const char *quick_filter;	/* what --quick is content with; NULL = all */
	unsigned flags, quick_s, full_s;	/* when it is given up */
};

static const struct part parts[] = {
	{ "channels", "channels of one node against raw shared memory", "channels", NULL,
	  NULL, 0, 150, 1800 },
	{ "tcp", "two nodes over TCP against a bare connection", "transport", "tcp",
	  NULL, 0, 150, 900 },
	{ "hsta", "two nodes over libfabric or UCX against its bare API", "transport", "hsta",
	  NULL, 0, 150, 900 },
	{ "launch", "starting programs against posix_spawn()", "launch", NULL,
	  "launch 4nodes,cold 4nodes-true 12,step", 0, 300, 1800 },
	{ "server", "the command server against a bare echo", "server", NULL,
	  NULL, 0, 300, 900 },
	{ "peers", "beside UCX, libfabric, MPI, ZeroMQ, Dragon, where installed", "peers/run", NULL,
	  NULL, HAS_NO_FILTER, 300, 900 },
};
enum { PARTS = sizeof(parts) / sizeof(parts[0]) };

struct settings {
	const char *json, *markdown, *plots, *filter, *provider, *nic;
	bool quick, list;
	bool chosen[PARTS];
	unsigned count;		/* of the chosen */
};

static const struct argp_option option_table[] = {
	{ "quick", 'q', NULL, 0, "about two minutes instead of an hour", 0 },
	{ "only", 'o', "NAME,...", 0, "only these parts; --list names them", 0 },
	{ "filter", 'f', "NAME,...", 0,
	  "only rows whose `name config size' contains a NAME (not of peers)", 0 },
	{ "json", 'j', "FILE", 0, "also write all rows, with what they were measured on", 0 },
	{ "markdown", 'm', "FILE", 0, "also write the tables as Markdown", 0 },
	{ "plots", 'P', "DIR", 0, "also draw them as SVG and PNG into DIR (needs gnuplot)", 0 },
	{ "provider", 'p', "NAME", 0, "of hsta, e.g. cxi", 0 },
	{ "nic", 'n', "DEVICE", 0, "of hsta, e.g. cxi0", 0 },
	{ "list", 'l', NULL, 0, "print the parts and run nothing", 0 },
	{ 0 }
};

static const char doc[] =
	"Run the benchmarks of Dhow and print their tables: median, p99, p99.9, and the ratio to a "
	"raw baseline that ran in turns with it.\v"
	"Exit code: 0 all parts were measured, but for what is not installed; 1 one failed; 2 "
	"wrong usage. bench/README.md of the sources says how to read the figures.";

static void choose(struct settings *settings, const char *list, struct argp_state *state)
{
	char copy[NAMES_BYTES], *word, *rest = NULL;

	if (snprintf(copy, sizeof(copy), "%s", list) >= (int)sizeof(copy))
		argp_error(state, "--only: too long");
	for (word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		int i = 0;

		while (i < PARTS && strcmp(parts[i].name, word))
			i++;
		if (i == PARTS)
			argp_error(state, "--only '%s': no such part (--list names them)", word);
		else
			settings->chosen[i] = true;
	}
}

static error_t take(int key, char *arg, struct argp_state *state)
{
	struct settings *settings = state->input;

	switch (key) {
	case 'q':
		settings->quick = true;
		return 0;
	case 'o':
		choose(settings, arg, state);
		return 0;
	case 'f':
		settings->filter = arg;
		return 0;
	case 'j':
		settings->json = arg;
		return 0;
	case 'm':
		settings->markdown = arg;
		return 0;
	case 'P':
		settings->plots = arg;
		return 0;
	case 'p':
		settings->provider = arg;
		return 0;
	case 'n':
		settings->nic = arg;
		return 0;
	case 'l':
		settings->list = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
		return EINVAL;
	case ARGP_KEY_END:
		for (int i = 0; i < PARTS; i++)
			settings->count += settings->chosen[i];
		for (int i = 0; i < PARTS && !settings->count; i++)
			settings->chosen[i] = true;
		settings->count = settings->count ? settings->count : PARTS;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void add(char **argv, int *count, const char *option, const char *value)
{
	if (!value)
		return;
	argv[(*count)++] = (char *)(uintptr_t)option;
	if (*value)
		argv[(*count)++] = (char *)(uintptr_t)value;
}

/* Where there is no RDMA device and none was named, hsta runs over sockets, and that is said. */
static int choose_provider(const struct settings *settings, struct suite_progress *progress,
			   const char **ret_provider)
{
	static const char *const candidates[] = { NULL, "tcp;ofi_rxm" };
	char dlaunch[PATH_MAX], *argv[WORDS];
	const struct suite_command command = { argv, NULL, CHECK_S, true };
	int rc = bench_program_find("dlaunch", dlaunch);

	*ret_provider = settings->provider;
	for (int i = 0; i < 2 && !rc && !settings->provider; i++) {
		int count = 0;

		add(argv, &count, dlaunch, "-n");
		add(argv, &count, "2", "--dry-run");
		add(argv, &count, "--transport", "hsta");
		add(argv, &count, "--provider", candidates[i]);
		add(argv, &count, "--nic", settings->nic);
		add(argv, &count, "true", "");
		argv[count] = NULL;
		rc = suite_run(&command, progress);
		if (rc == 0 && i)
			fprintf(stderr, "bench: no RDMA device here: hsta runs over provider %s\n",
				candidates[i]);
		if (rc <= 0) {
			*ret_provider = candidates[i];
			return rc;
		}
		rc = i ? rc : 0;
	}
	return rc;
}

static void build_argv(const struct part *part, const struct settings *settings,
		       const char *program, const char *provider, const char *file, char **argv)
{
	int count = 0;

	add(argv, &count, program, "");
	add(argv, &count, "--json", file);
	add(argv, &count, "--transport", part->transport);
	if (part->transport && !strcmp(part->transport, "hsta")) {
		add(argv, &count, "--provider", provider);
		add(argv, &count, "--nic", settings->nic);
	}
	if (settings->quick)
		add(argv, &count, "--quick", "");
	add(argv, &count, "--progress", "");
	if (!(part->flags & HAS_NO_FILTER))
		add(argv, &count, "--filter", settings->filter ? settings->filter :
			settings->quick ? part->quick_filter : NULL);
	argv[count] = NULL;
}

/* Rows get their part; the machine is the first part's, each part has its pinning. */
static int merge(const struct part *part, const char *file, json_t *report, json_t *about)
{
	json_error_t error;
	json_t *one = json_load_file(file, 0, &error), *row;
	json_t *machine = json_object_get(one, "machine");
	size_t at;

	if (!one) {
		fprintf(stderr, "bench: %s: what it wrote cannot be read: %s\n", part->name,
			error.text);
		return -EBADMSG;
	}
	json_array_foreach(json_object_get(one, "rows"), at, row) {
		json_object_set_new(row, "part", json_string(part->name));
		if (part->transport)
			json_object_set_new(row, "transport", json_string(part->transport));
		json_array_append(json_object_get(report, "rows"), row);
	}
	json_object_set_new(about, "rows", json_integer((json_int_t)at));
	if (json_object_get(machine, "pinning"))
		json_object_set(about, "pinning", json_object_get(machine, "pinning"));
	json_decref(one);
	return 0;
}

/* Return: 0 measured; 1 not there, @ret_why says why; negative errno. */
static int measure(const struct part *part, const struct settings *settings, const char *file,
		   struct suite_progress *progress, const char **ret_why)
{
	char program[PATH_MAX], *argv[WORDS];
	const struct suite_command command = {
		.argv = argv, .timeout_s = settings->quick ? part->quick_s : part->full_s
	};
	const char *provider = NULL;
	int rc = 0;

	if (bench_program_find(part->program, program)) {
		*ret_why = "it is not built";
		return 1;
	}
	if (part->transport && !strcmp(part->transport, "hsta"))
		rc = choose_provider(settings, progress, &provider);
	if (rc > 0)
		*ret_why = "dlaunch finds nothing that it can run on (dhow info says why)";
	if (rc)
		return rc;
	build_argv(part, settings, program, provider, file, argv);
	printf("\n");
	fflush(stdout);
	if (!progress->is_terminal)
		fprintf(stderr, "bench: %u/%u %s\n", progress->part + 1, progress->parts,
			part->name);
	suite_progress_draw(progress, 0, 1, "starts");
	rc = suite_run(&command, progress);
	if (rc > 0) {
		fprintf(stderr, "bench: %s: exit %d\n", part->name, rc);
		rc = -EIO;
	}
	return rc;
}

static json_t *open_report(const struct settings *settings)
{
	char when[32];
	time_t now = time(NULL);
	double load = -1;
	struct tm parts_of_now;

	getloadavg(&load, 1);
	gmtime_r(&now, &parts_of_now);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &parts_of_now);
	return json_pack("{s:o, s:s, s:s, s:f, s:b, s:[], s:[]}", "machine",
			 bench_machine("see parts"), "commit", bench_commit(), "begun", when,
			 "load", load, "quick", settings->quick, "parts", "rows");
}

static int run_part(const struct part *part, const struct settings *settings, const char *folder,
		    struct suite_progress *progress, json_t *report)
{
	uint64_t begin_ns = base_now_ns();
	json_t *about = json_pack("{s:s, s:i}", "name", part->name, "rows", 0);
	const char *why = NULL;
	char file[PATH_MAX];
	int rc;

	snprintf(file, sizeof(file), "%s/%s.json", folder, part->name);
	progress->name = part->name;
	rc = measure(part, settings, file, progress, &why);
	if (rc == 0)
		rc = merge(part, file, report, about);
	unlink(file);
	if (rc < 0)
		why = rc == -EINTR ? "interrupted" :
		      rc == -ETIMEDOUT ? "it took too long" : "it failed";
	if (why)
		json_object_set_new(about, "why", json_string(why));
	json_object_set_new(about, "seconds",
			    json_real((double)(base_now_ns() - begin_ns) * 1e-9));
	json_array_append_new(json_object_get(report, "parts"), about);
	return rc;
}

static void print_summary(const json_t *report)
{
	json_t *part;
	size_t at;

	printf("\n%-10s %5s %8s\n", "part", "rows", "seconds");
	json_array_foreach(json_object_get(report, "parts"), at, part) {
		const char *why = json_string_value(json_object_get(part, "why"));

		printf("%-10s %5d %8.1f%s%s\n", json_string_value(json_object_get(part, "name")),
		       (int)json_integer_value(json_object_get(part, "rows")),
		       json_real_value(json_object_get(part, "seconds")),
		       why ? "  not measured: " : "", why ? why : "");
	}
}

/* Return: 0 or negative errno, which was said. */
static int say_written(const char *what, const char *file, int rc)
{
	if (rc)
		fprintf(stderr, "bench: cannot write '%s': %s\n", file, strerror(-rc));
	else
		printf("%s: %s\n", what, file);
	return rc;
}

static int write_json(const json_t *report, const char *file)
{
	errno = EIO;
	return json_dump_file(report, file, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) ? -errno : 0;
}

static int draw(const struct settings *settings, const json_t *report)
{
	int count;

	if (mkdir(settings->plots, 0777) && errno != EEXIST) {
		count = -errno;
		fprintf(stderr, "bench: no folder '%s': %s\n", settings->plots, strerror(-count));
		return count;
	}
	count = suite_plot(report, settings->plots);
	if (count == -ENOENT)
		fprintf(stderr, "bench: no plots: gnuplot is not installed\n"
			"try: apt-get install gnuplot-nox\n");
	else if (count < 0)
		fprintf(stderr, "bench: cannot draw into '%s': %s\n", settings->plots,
			strerror(-count));
	else if (count == 0)
		fprintf(stderr, "bench: no plots: nothing that they show was measured\n");
	else
		printf("plots: %s/*.svg, *.png\n", settings->plots);
	return count == -ENOENT || count > 0 ? 0 : count;
}

/* The files. Return: 0 or negative errno, which was said. */
static int finish(const struct settings *settings, const json_t *report)
{
	int rc = 0, one = 0;

	if (settings->json)
		rc = say_written("json", settings->json, write_json(report, settings->json));
	if (settings->markdown)
		one = say_written("markdown", settings->markdown,
				  suite_markdown(report, settings->markdown));
	rc = rc ? rc : one;
	one = settings->plots ? draw(settings, report) : 0;
	return rc ? rc : one;
}

int main(int argc, char **argv)
{
	const struct argp argp = { option_table, take, NULL, doc, NULL, NULL, NULL };
	struct settings settings = { 0 };
	struct suite_progress progress;
	struct base_err err;
	char folder[] = "/tmp/dhow-bench-XXXXXX";
	json_t *report;
	int failed = 0, rc;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &settings);
	if (settings.list) {
		for (int i = 0; i < PARTS; i++)
			printf("%-10s %s\n", parts[i].name, parts[i].help);
		return 0;
	}
	report = open_report(&settings);
	rc = suite_signals_open(&err);
	if (!report || rc || !mkdtemp(folder)) {
		fprintf(stderr, "bench: cannot start: %s\n", rc ? err.text : strerror(errno));
		return 1;
	}
	suite_progress_open(&progress, settings.count);
	for (int i = 0; i < PARTS && rc != -EINTR; i++) {
		if (!settings.chosen[i])
			continue;
		rc = run_part(&parts[i], &settings, folder, &progress, report);
		failed |= rc < 0;
		progress.part++;
	}
	rmdir(folder);
	print_summary(report);
	failed |= finish(&settings, report) < 0;
	json_decref(report);
	return rc == -EINTR ? 130 : failed;
}
