/* SPDX-License-Identifier: MIT */
/*
 * compare.c - transports side by side: bench/transport over each, one table, one plot.
 *
 *     bench/compare --transports hsta,tcp --plot compare.svg
 *
 *     bench/compare --limit 10 old1.json,old2.json,old3.json new1.json,new2.json,new3.json
 *
 * A transport may name its fabric: hsta:ucx, tcp:epoll. Where there is no RDMA device and no
 * provider is named, hsta runs over the sockets provider of libfabric, and that is said.
 */
#include "compare.h"
#include "compare_runs.h"
#include "programs.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHECK_S = 30, QUICK_S = 150, FULL_S = 900, WORDS = 20 };

static const char software[] = "tcp;ofi_rxm";

struct settings {
	const char *transports, *provider, *nic, *json, *plot;
	int quick;
	const char *runs[2];	/* of two versions: then nothing is measured */
	double limit;
};

static const struct argp_option option_table[] = {
	{ "transports", 't', "LIST", 0,
	  "of tcp, hsta, tcp:epoll, hsta:ucx, ...; the first is compared with the last [hsta,tcp]",
	  0 },
	{ "provider", 'p', "NAME", 0, "of hsta, e.g. cxi", 0 },
	{ "nic", 'n', "DEVICE", 0, "of hsta, e.g. cxi0", 0 },
	{ "quick", 'q', NULL, 0, "about 20 seconds for each", 0 },
	{ "json", 'j', "FILE", 0, "also write all rows as JSON", 0 },
	{ "plot", 'P', "FILE", 0, "also draw them as SVG (needs gnuplot)", 0 },
	{ "limit", 'l', "PERCENT", 0,
	  "of two versions: exit 1 if a row is clearly worse by more than this", 0 },
	{ 0 }
};

static error_t take(int key, char *arg, struct argp_state *state)
{
	struct settings *settings = state->input;
	char *end;

	switch (key) {
	case 't':
		settings->transports = arg;
		return 0;
	case 'p':
		settings->provider = arg;
		return 0;
	case 'n':
		settings->nic = arg;
		return 0;
	case 'q':
		settings->quick = 1;
		return 0;
	case 'j':
		settings->json = arg;
		return 0;
	case 'P':
		settings->plot = arg;
		return 0;
	case 'l':
		settings->limit = strtod(arg, &end);
		if (end == arg || *end || !(settings->limit >= 0))
			argp_error(state, "--limit \"%s\": percent, 0 or more", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num >= 2)
			argp_error(state, "unexpected argument '%s'", arg);
		settings->runs[state->arg_num] = arg;
		return 0;
	case ARGP_KEY_END:
		if (state->arg_num == 1)
			argp_error(state, "'%s': a second file is needed", settings->runs[0]);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* "hsta:ucx,tcp" */
static int parse_transports(const char *text, struct compare *compare)
{
	char copy[256], *word, *rest = NULL;

	snprintf(copy, sizeof(copy), "%s", text);
	for (word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		struct compare_transport *one = &compare->transports[compare->count];
		char *colon = strchr(word, ':');
		size_t bytes = colon ? (size_t)(colon - word) : strlen(word);

		if (compare->count == COMPARE_TRANSPORTS_MAX || strlen(word) >= sizeof(one->name) ||
		    (strncmp(word, "tcp", bytes) && strncmp(word, "hsta", bytes)) || bytes < 3) {
			fprintf(stderr, "compare: --transports \"%s\": up to %d of tcp and hsta, "
				"each with its fabric behind a colon if you like\n"
				"try: --transports hsta:ofi,hsta:ucx,tcp\n", text,
				COMPARE_TRANSPORTS_MAX);
			return -EINVAL;
		}
		snprintf(one->name, sizeof(one->name), "%s", word);
		snprintf(one->transport, sizeof(one->transport), "%.*s", (int)bytes, word);
		snprintf(one->fabric, sizeof(one->fabric), "%.15s", colon ? colon + 1 : "");
		compare->count++;
	}
	return compare->count ? 0 : -EINVAL;
}

static void add_word(char **argv, int *count, const char *word)
{
	argv[(*count)++] = (char *)(uintptr_t)word;
}

static void add(char **argv, int *count, const char *option, const char *value)
{
	if (!value || !*value)
		return;
	add_word(argv, count, option);
	add_word(argv, count, value);
}

static void add_selection(char **argv, int *count, const struct compare_transport *one,
			  const struct settings *settings, const char *provider)
{
	int is_hsta = !strcmp(one->transport, "hsta");

	add(argv, count, "--transport", one->transport);
	add(argv, count, "--fabric", one->fabric);
	add(argv, count, "--provider", is_hsta ? provider : NULL);
	add(argv, count, "--nic", is_hsta ? settings->nic : NULL);
}

/* dlaunch says whether it can; hsta gets a software provider only if that is what it lacks. */
static const char *choose_provider(const struct compare_transport *one,
				   const struct settings *settings)
{
	char dlaunch[PATH_MAX], *argv[WORDS] = { dlaunch };
	int count = 1;

	if (settings->provider || strcmp(one->transport, "hsta"))
		return settings->provider;
	bench_program_find("dlaunch", dlaunch);
	add(argv, &count, "-n", "2");
	add_selection(argv, &count, one, settings, NULL);
	add_word(argv, &count, "--dry-run");
	add_word(argv, &count, "true");
	if (compare_run(argv, CHECK_S, 2) == 0)
		return NULL;
	fprintf(stderr, "compare: no RDMA device for %s here: it runs over provider %s\n",
		one->name, software);
	return software;
}

/* The part of a config that names what it ran on is the last word. */
static void find_label(struct compare_transport *one)
{
	const json_t *row = json_array_get(json_object_get(one->report, "rows"), 0);
	const char *config = json_string_value(json_object_get(row, "config"));
	const char *blank = config ? strrchr(config, ' ') : NULL;

	snprintf(one->label, sizeof(one->label), "%s", blank ? blank + 1 : config ? config : "");
}

static int measure(struct compare_transport *one, const struct settings *settings,
		   const char *folder)
{
	char bench[PATH_MAX], file[PATH_MAX], *argv[WORDS] = { bench };
	json_error_t error;
	int count = 1, code;

	bench_program_find("transport", bench);
	snprintf(file, sizeof(file), "%s/rows.json", folder);
	add_selection(argv, &count, one, settings, choose_provider(one, settings));
	add(argv, &count, "--filter", "oneway,rate,stream,copied,incast,flow_cpu");
	add(argv, &count, "--json", file);
	if (settings->quick)
		add_word(argv, &count, "--quick");
	fprintf(stderr, "compare: measuring %s\n", one->name);
	code = compare_run(argv, settings->quick ? QUICK_S : FULL_S, 1);
	if (code) {
		fprintf(stderr, "compare: %s: bench/transport failed (%s%d)\n", one->name,
			code < 0 ? "errno " : "exit ", code < 0 ? -code : code);
		return -EIO;
	}
	one->report = json_load_file(file, 0, &error);
	unlink(file);
	if (!one->report)
		return -EBADMSG;
	find_label(one);
	return 0;
}

static int report(const struct compare *compare, const struct settings *settings,
		  const char *folder)
{
	int rc = 0;

	compare_print(compare);
	if (settings->json)
		rc = compare_write(compare, settings->json);
	if (rc) {
		fprintf(stderr, "compare: cannot write '%s': %s\n", settings->json, strerror(-rc));
		return rc;
	}
	if (settings->plot)
		rc = compare_plot(compare, folder, settings->plot);
	if (rc == -ENOENT) {
		fprintf(stderr, "compare: no plot: gnuplot is not installed\n"
			"try: apt-get install gnuplot-nox\n");
		rc = 0;
	} else if (rc) {
		fprintf(stderr, "compare: cannot plot '%s': %s\n", settings->plot, strerror(-rc));
	} else if (settings->plot) {
		printf("plot: %s\n", settings->plot);
	}
	return rc;
}

int main(int argc, char **argv)
{
	const struct argp argp = { option_table, take, "\nBEFORE.json[,...] AFTER.json[,...]",
				   "Transports side by side, each beside its bare network; or two "
				   "versions by the files that --json of any benchmark wrote.",
				   NULL, NULL, NULL };
	struct settings settings = { .transports = "hsta,tcp", .limit = -1 };
	struct compare compare = { 0 };
	char folder[] = "/tmp/dhow-compare-XXXXXX";
	int rc = 0;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &settings);
	if (settings.runs[1]) {
		rc = compare_runs(settings.runs[0], settings.runs[1], settings.limit);
		return rc < 0 ? 2 : rc;
	}
	if (parse_transports(settings.transports, &compare))
		return 2;
	if (!mkdtemp(folder)) {
		fprintf(stderr, "compare: no folder '%s': %s\n", folder, strerror(errno));
		return 1;
	}
	for (unsigned i = 0; i < compare.count && !rc; i++)
		rc = measure(&compare.transports[i], &settings, folder);
	if (!rc)
		rc = report(&compare, &settings, folder);
	for (unsigned i = 0; i < compare.count; i++)
		json_decref(compare.transports[i].report);
	rmdir(folder);
	return rc ? 1 : 0;
}
