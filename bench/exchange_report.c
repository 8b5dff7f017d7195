/* SPDX-License-Identifier: MIT */
/*
 * exchange_report.c - options of the exchange program; its table and its JSON.
 */
#include "exchange.h"

#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

static const struct argp_option option_table[] = {
	{ "messages", 'm', "N", 0, "messages per pair (fewer for large ones); default 500", 0 },
	{ "quick", 'q', NULL, 0, "50 messages per pair", 0 },
	{ "kills", 'k', "N", 0,
	  "afterwards kill N senders in the middle of their sends while all go on", 0 },
	{ "json", 'j', "FILE", 0, "also write the rows as JSON", 0 },
	{ 0 }
};

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
	struct exchange_options *options = state->input;
	char *end;
	long value;

	switch (key) {
	case 'm':
		errno = 0;
		value = strtol(arg, &end, 10);
		if (errno || *end || end == arg || value < 1 || value > EXCHANGE_MESSAGES_MAX)
			argp_error(state, "--messages '%s': wanted 1 to %d", arg,
				   EXCHANGE_MESSAGES_MAX);
		options->messages = (uint32_t)value;
		return 0;
	case 'k':
		errno = 0;
		value = strtol(arg, &end, 10);
		if (errno || *end || end == arg || value < 1 || value > EXCHANGE_MESSAGES_MAX)
			argp_error(state, "--kills '%s': wanted 1 to %d", arg,
				   EXCHANGE_MESSAGES_MAX);
		options->kills = (uint32_t)value;
		return 0;
	case 'q':
		options->messages = 50;
		return 0;
	case 'j':
		options->json = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void exchange_options_parse(int argc, char **argv, struct exchange_options *ret_options)
{
	static const char doc[] =
		"All ranks send to all ranks and check every byte. Run it under dlaunch.";
	const struct argp argp = { option_table, option_parse, NULL, doc, NULL, NULL, NULL };

	argp_err_exit_status = 2;
	memset(ret_options, 0, sizeof(*ret_options));
	ret_options->messages = 500;
	argp_parse(&argp, argc, argv, 0, NULL, ret_options);
}

void exchange_total_add(struct exchange_total *total, const struct exchange_tally *tally)
{
	struct exchange_tally *sum = &total->sum;

	if (!sum->host)
		sum->host = tally->host;
	total->clocks_differ |= sum->host != tally->host;
	sum->stop |= tally->stop;
	sum->pairs += tally->pairs;
	sum->received += tally->received;
	sum->bytes += tally->bytes;
	sum->damaged += tally->damaged;
	sum->lost += tally->lost;
	sum->disordered += tally->disordered;
	sum->victims += tally->victims;
	sum->from_victims += tally->from_victims;
	if (tally->duration_ns > sum->duration_ns)
		sum->duration_ns = tally->duration_ns;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		sum->latency[i] += tally->latency[i];
}

static const char *place_name(unsigned phase)
{
	return phase_place(phase) ? "off-node" : "on-node";
}

static double rate_gb(const struct exchange_tally *sum)
{
	return sum->duration_ns ? (double)sum->bytes / (double)sum->duration_ns : 0;
}

static void latency_text(const struct exchange_total *total, double quantile, char text[24])
{
	/* Two hosts' monotonic clocks do not compare. */
	if (total->clocks_differ)
		snprintf(text, 24, "-");
	else
		snprintf(text, 24, "%.1f",
			 (double)histogram_quantile(total->sum.latency, quantile) / 1e3);
}

static void print_row(unsigned phase, const struct exchange_total *total)
{
	const struct exchange_tally *sum = &total->sum;
	char p50[24], p99[24];

	latency_text(total, 0.50, p50);
	latency_text(total, 0.99, p99);
	printf("%-8s %6u %8zu %9llu %8.4f %10s %10s %8llu %6llu %12llu\n", place_name(phase),
	       sum->pairs, phase_bytes(phase), (unsigned long long)sum->received, rate_gb(sum), p50,
	       p99, (unsigned long long)sum->damaged, (unsigned long long)sum->lost,
	       (unsigned long long)sum->disordered);
}

static json_t *json_row(unsigned phase, const struct exchange_total *total, const char *config)
{
	const struct exchange_tally *sum = &total->sum;

	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:i, s:i, s:i, s:I, s:f, "
			 "s:I, s:I, s:I}",
			 "bench", "exchange", "name", place_name(phase), "config", config,
			 "size", (json_int_t)phase_bytes(phase),
			 "median", (json_int_t)histogram_quantile(sum->latency, 0.5),
			 "p99", (json_int_t)histogram_quantile(sum->latency, 0.99),
			 "min", (json_int_t)histogram_quantile(sum->latency, 0),
			 "max", (json_int_t)histogram_quantile(sum->latency, 1),
			 "unit", "ns", "raw", 0, "ratio", 0, "pairs", (int)sum->pairs,
			 "messages", (json_int_t)sum->received, "gb_per_s", rate_gb(sum),
			 "damaged", (json_int_t)sum->damaged, "lost", (json_int_t)sum->lost,
			 "out_of_order", (json_int_t)sum->disordered);
}

static int write_json(const struct exchange_total *totals, unsigned phases, const char *file,
		      const char *config)
{
	json_t *rows = json_array(), *root;
	int rc;

	for (unsigned phase = 0; phase < phases; phase++)
		if (totals[phase].sum.pairs)
			json_array_append_new(rows, json_row(phase, &totals[phase], config));
	root = json_pack("{s:o, s:s, s:o}", "machine", bench_machine("not pinned"), "commit",
			 bench_commit(), "rows", rows);
	errno = EIO;
	rc = root ? json_dump_file(root, file, JSON_INDENT(1)) : -1;
	if (rc)
		fprintf(stderr, "exchange: cannot write '%s': %s\n", file, strerror(errno));
	json_decref(root);
	return rc ? 1 : 0;
}

int exchange_report(const struct exchange_total totals[EXCHANGE_PHASES], unsigned phases_done,
		    const struct exchange_options *options, int ranks, int nodes)
{
	uint64_t bad = 0;
	char config[64];
	int rc = 0;

	snprintf(config, sizeof(config), "%d ranks on %d nodes", ranks, nodes);
	printf("exchange: %s, all to all, each byte checked, commit %s\n", config, bench_commit());
	printf("%-8s %6s %8s %9s %8s %10s %10s %8s %6s %12s\n", "place", "pairs", "size",
	       "messages", "GB/s", "p50 us", "p99 us", "damaged", "lost", "out-of-order");
	for (unsigned place = 0; place < EXCHANGE_PLACES; place++)
		for (unsigned phase = place; phase < phases_done; phase += EXCHANGE_PLACES)
			if (totals[phase].sum.pairs)
				print_row(phase, &totals[phase]);
	for (unsigned phase = 0; phase < phases_done; phase++)
		bad += totals[phase].sum.damaged + totals[phase].sum.lost +
		       totals[phase].sum.disordered;
	if (bad || phases_done < EXCHANGE_PHASES)
		printf("exchange: FAILED: %llu damaged, lost or out of order, "
		       "%u of %d phases done\n",
		       (unsigned long long)bad, phases_done, EXCHANGE_PHASES);
	fflush(stdout);
	if (options->json)
		rc = write_json(totals, phases_done, options->json, config);
	return bad || phases_done < EXCHANGE_PHASES ? 1 : rc;
}

int exchange_report_kills(const struct exchange_total *total)
{
	const struct exchange_tally *sum = &total->sum;

	printf("kills: %llu senders killed, %llu of their messages received whole; the others "
	       "exchanged %llu meanwhile in %.1f s; damaged %llu, lost %llu, out of order %llu\n",
	       (unsigned long long)sum->victims, (unsigned long long)sum->from_victims,
	       (unsigned long long)sum->received, (double)sum->duration_ns / 1e9,
	       (unsigned long long)sum->damaged, (unsigned long long)sum->lost,
	       (unsigned long long)sum->disordered);
	return sum->damaged || sum->lost || sum->disordered || sum->stop;
}
