/* SPDX-License-Identifier: MIT */
/*
 * rounds.c - runs the cases: warm up, size a trial, alternate candidate and baseline.
 */
#include "harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { VALUES_MAX = 4096, ROUNDS_MAX = 22, VALUE_NS = 20000, CANDIDATE = 0, RAW = 1 };
static const uint64_t quick_ns = UINT64_C(16000000000), long_row_ns = UINT64_C(30000000000);

/* How long things last, in ns. */
struct plan {
	unsigned rounds;
	double trial_ns;
	uint64_t begin_ns, row_ns;	/* all rows; each of them, on average at most */
	size_t rows_begun;
};

/* What one of the two contenders needs. */
struct contender {
	bench_trial *trial;
	uint64_t batch, values_count;
	double *values;		/* of all rounds */
	size_t count;
	double medians[ROUNDS_MAX];
	uint64_t calls, operations;	/* of side 0, in all rounds */
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_quantile(double *values, size_t count, double quantile)
{
	if (!count)
		return 0;
	qsort(values, count, sizeof(*values), compare);
	return values[(size_t)(quantile * (double)(count - 1) + 0.5)];
}

void bench_interval(double *values, size_t count, double *ret_low, double *ret_high)
{
	/* The chance that at most k of n values lie below the median: binomial, 1/2. */
	double below = 0, term = 1;
	size_t k;

	*ret_low = *ret_high = bench_quantile(values, count, 0.5);
	if (!count)
		return;
	for (k = 0; k < count; k++)
		term /= 2;
	for (k = 0; 2 * k + 1 < count; k++) {
		below += term;
		if (below > 0.025)
			break;
		term = term * (double)(count - k) / (double)(k + 1);
	}
	k = k ? k - 1 : 0;	/* few values: from the least to the largest */
	*ret_low = values[k];
	*ret_high = values[count - 1 - k];
}

/* All sides agree on the size of the trial, run it, and agree that it is over.
 * Return: 0; 1 side 0 wants no more of this row (batch 0); negative errno. */
static int trial(struct bench_run *run, struct contender *who, double *ret_elapsed_ns)
{
	uint64_t batch = who->batch, count = who->values_count, start, nothing = 0;
	int rc = bench_sync(run, run->sides, &batch);

	if (!rc)
		rc = bench_sync(run, run->sides, &count);
	if (rc || !batch)
		return rc ? rc : 1;
	run->batch = batch;
	run->values_count = count;
	start = base_now_ns();
	if (run->side < run->row->sides)
		rc = who->trial(run);
	*ret_elapsed_ns = (double)(base_now_ns() - start);
	return rc ? rc : bench_sync(run, run->sides, &nothing);
}

/* Find how many operations make a value and how many values a trial. Only side 0's figures
 * count; the others learn them in trial(). */
static int calibrate(struct bench_run *run, struct contender *who, const struct plan *plan)
{
	double elapsed = 0, each = 1;

	who->batch = 16;
	who->values_count = 1;
	for (int step = 0; step < 3; step++) {
		double ops;
		int rc = trial(run, who, &elapsed);

		if (rc)
			return rc;
		each = elapsed / (double)who->batch;
		/* The first steps are dominated by starting up, so they grow slowly. */
		ops = (step < 2 ? 2e6 : plan->trial_ns) / (each > 1 ? each : 1);
		if (ops > (double)who->batch * 256)
			ops = (double)who->batch * 256;
		who->batch = ops < 1 ? 1 : (uint64_t)ops;
	}
	if (run->row->is_rate)
		return 0;
	who->batch = each < VALUE_NS ? (uint64_t)(VALUE_NS / each) : 1;
	who->values_count = (uint64_t)(plan->trial_ns / (each * (double)who->batch)) + 2;
	if (who->values_count > VALUES_MAX)
		who->values_count = VALUES_MAX;
	return 0;
}

static int round_once(struct bench_run *run, struct contender *who, unsigned round)
{
	uint64_t calls = run->calls ? run->calls() : 0;
	double elapsed;
	size_t kept;
	int rc = trial(run, who, &elapsed);

	if (rc || run->side)
		return rc;
	who->calls += run->calls ? run->calls() - calls : 0;
	who->operations += run->batch * run->values_count;
	/* The first value holds the other side's wake-up. */
	kept = (size_t)run->values_count;
	if (kept > 1)
		memmove(run->values, run->values + 1, --kept * sizeof(*run->values));
	memcpy(who->values + who->count, run->values, kept * sizeof(*run->values));
	who->count += kept;
	who->medians[round] = bench_quantile(run->values, kept, 0.5);
	return 0;
}

static void summarize(const struct bench_run *run, struct contender who[2], unsigned rounds,
		      struct bench_row *ret_row)
{
	const struct bench_case *row = run->row;
	double ratios[ROUNDS_MAX];

	for (unsigned i = 0; i < rounds; i++) {
		double mine = who[CANDIDATE].medians[i], raw = who[RAW].medians[i];

		ratios[i] = row->is_rate ? raw / mine : mine / raw;
	}
	ret_row->row = row;
	ret_row->median = bench_quantile(who[CANDIDATE].values, who[CANDIDATE].count, 0.5);
	ret_row->p99 = bench_quantile(who[CANDIDATE].values, who[CANDIDATE].count,
				      row->is_rate ? 0.01 : 0.99);
	ret_row->p999 = bench_quantile(who[CANDIDATE].values, who[CANDIDATE].count,
				       row->is_rate ? 0.001 : 0.999);
	ret_row->min = who[CANDIDATE].values[0];
	ret_row->max = who[CANDIDATE].values[who[CANDIDATE].count - 1];
	ret_row->raw = bench_quantile(who[RAW].values, who[RAW].count, 0.5);
	ret_row->ratio = bench_quantile(ratios, rounds, 0.5);
	bench_interval(ratios, rounds, &ret_row->ratio_low, &ret_row->ratio_high);
	ret_row->calls = run->calls ? (double)who[CANDIDATE].calls /
					      (double)who[CANDIDATE].operations :
				      -1;
}

static int run_case(struct bench_run *run, const struct plan *plan, struct bench_row *ret_row)
{
	struct contender who[2] = { { .trial = run->row->candidate }, { .trial = run->row->raw } };
	/* A round of a rate gives one value only. */
	unsigned rounds = plan->rounds * (run->row->is_rate ? 2 : 1), round = 0;
	int rc = 0;

	for (int i = 0; i < 2 && !rc; i++) {
		who[i].values = calloc((size_t)VALUES_MAX * rounds, sizeof(double));
		rc = who[i].values ? calibrate(run, &who[i], plan) : -ENOMEM;
	}
	for (; round < rounds && !rc; round++) {
		/* A loaded machine makes everything slower than it was planned. */
		if (round && base_now_ns() > plan->begin_ns + plan->row_ns * plan->rows_begun)
			who[CANDIDATE].batch = 0;
		rc = round_once(run, &who[CANDIDATE], round);
		rc = rc ? rc : round_once(run, &who[RAW], round);
	}
	if (rc == 1) {
		round--;
		rc = 0;
	}
	if (!rc && !run->side)
		summarize(run, who, round, ret_row);
	free(who[CANDIDATE].values);
	free(who[RAW].values);
	return rc;
}

static int finish(const struct bench_report *report, const struct bench_options *options)
{
	int rc;

	bench_report_print(report);
	if (!options->json)
		return 0;
	rc = bench_report_write(report, options->json);
	if (rc)
		fprintf(stderr, "%s: cannot write '%s': %s\n", report->bench, options->json,
			strerror(-rc));
	return rc ? 1 : 0;
}

/* What `dhow bench` reads (bench/suite_run.c). */
static void say_progress(const struct bench_options *options, const struct bench_case *rows,
			 size_t count, const struct bench_case *begins)
{
	size_t all = 0, before = 0;

	for (size_t i = 0; i < count; i++) {
		if (!bench_selected(options, &rows[i]))
			continue;
		all++;
		before += &rows[i] < begins;
	}
	fprintf(stderr, "progress: %zu/%zu %s %s %zu\n", before, all, begins->name, begins->config,
		begins->bytes);
}

int bench_main(struct bench_run *run, const struct bench_options *options, const char *bench,
	       const struct bench_case *rows, size_t count)
{
	struct plan plan = {
		.rounds = options->quick ? 5 : ROUNDS_MAX / 2,
		/* A row needs about 12 trials, so that 70 rows end in time. */
		.trial_ns = options->quick ? 15e6 : 200e6,
		.begin_ns = base_now_ns(),
		.row_ns = options->quick ? quick_ns / count : long_row_ns,
	};
	struct bench_report report = { .bench = bench, .pinning = run->pinning };
	int rc = 0;

	report.rows = calloc(count ? count : 1, sizeof(*report.rows));
	run->values = calloc(VALUES_MAX, sizeof(*run->values));
	if (!report.rows || !run->values)
		rc = -ENOMEM;
	for (size_t i = 0; i < count && !rc; i++) {
		if (!bench_selected(options, &rows[i]))
			continue;
		run->row = &rows[i];
		if (options->progress && !run->side)
			say_progress(options, rows, count, run->row);
		plan.rows_begun++;
		rc = run_case(run, &plan, &report.rows[report.count]);
		if (rc)
			fprintf(stderr, "%s: side %u: %s %s %zu: %s\n", bench, run->side,
				rows[i].name, rows[i].config, rows[i].bytes, strerror(-rc));
		else
			report.count++;
	}
	rc = rc ? 1 : 0;
	if (!run->side && !rc)
		rc = finish(&report, options);
	free(run->values);
	free(report.rows);
	return rc;
}
