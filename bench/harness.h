/* SPDX-License-Identifier: MIT */
/*
 * harness.h - what every benchmark shares: options, processes in step, rounds, report.
 *
 * A benchmark is a table of cases. Each case has a candidate and a raw baseline, which run
 * alternately (A B A B) in one run and in the same processes, so that what the machine does
 * meanwhile (other guests, frequency, which cores) strikes both. Read the ratio, not the
 * absolute value.
 *
 * The processes of a benchmark are *sides*: side 0 leads and measures, each other side has a
 * socket to it. All sides run the same table in the same order.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { BENCH_SIDES_MAX = 5 };

struct bench_options {
	const char *json;	/* file to write, or NULL */
	const char *filter;	/* parts of `name config size`, comma-separated, or NULL */
	bool quick;		/* end within 20 s */
	bool list;		/* print the rows and end */
	bool progress;		/* say on stderr which row begins, for `dhow bench` */
};

struct bench_case;

/* What a trial gets: who it is and how much to do. */
struct bench_run {
	unsigned side, sides;
	int links[BENCH_SIDES_MAX];	/* side 0: [n] leads to side n; others: [0] */
	pid_t children[BENCH_SIDES_MAX];
	void *context;			/* of the benchmark program */
	const struct bench_case *row;
	char pinning[96];		/* for the report */
	uint64_t (*calls)(void);	/* system calls of the candidate so far, or NULL */
	/* the trial: @values_count values, each over @batch operations */
	uint64_t batch, values_count;
	double *values;			/* side 0 fills it */
};

/* Called by sides 0 to row->sides - 1. Return: 0 or negative errno, which ends the run. */
typedef int bench_trial(struct bench_run *run);

struct bench_case {
	const char *name, *config;
	size_t bytes;		/* payload */
	const char *unit;
	unsigned sides;		/* processes that take part */
	int mode;		/* free for the benchmark: enum dhow_wait_mode */
	/* Larger is better. A trial gives one value over all its operations: with buffers
	 * between the sides, short batches would measure how fast a full one is emptied. */
	bool is_rate;
	bench_trial *candidate, *raw;
	unsigned senders;	/* of a rate: bit n: side n sends, else it receives */
};

struct bench_row {
	const struct bench_case *row;
	/* p99: 99 % of the values are at least this good; p999: 99.9 % */
	double median, p99, p999, min, max;
	double raw;			/* median of the baseline */
	double ratio;			/* median of the pairs' ratios; larger is worse */
	double ratio_low, ratio_high;	/* 95 % interval of that median */
	double calls;			/* of side 0 per operation; -1: not counted */
};

struct bench_report {
	const char *bench;
	struct bench_row *rows;
	size_t count;
	const char *pinning;
};

/* Parse the command line; ends the process on --help and on wrong usage (exit 2). */
void bench_options_parse(int argc, char **argv, const char *doc, struct bench_options *ret_options);
/* The same, with more options; @input is what @more's parser gets. */
struct argp;
void bench_options_parse_more(int argc, char **argv, const char *doc, const struct argp *more,
			      void *input, struct bench_options *ret_options);
bool bench_selected(const struct bench_options *options, const struct bench_case *row);
void bench_list(const char *bench, const struct bench_case *rows, size_t count);

/* Fork sides 1 to sides-1; each returns here with its own @ret_run. Children die with the
 * parent. Return: 0 or negative errno. */
int bench_fork(unsigned sides, struct bench_run *ret_run);
/* Side 0: wait for the others. Return: 0, or 1 if one of them failed. */
int bench_join(struct bench_run *run);
/* Bind this side to a CPU of its own if there are at least @cpus_needed; says so in pinning. */
void bench_pin(struct bench_run *run, unsigned cpus_needed);

/**
 * bench_sync - wait until sides 0 to @sides - 1 are here; all get side 0's @value.
 * Return: 0; -ETIMEDOUT after 60 s; -EPIPE a side has ended.
 */
int bench_sync(struct bench_run *run, unsigned sides, uint64_t *value);

/* Run the selected cases; side 0 prints the table and writes the JSON. Return: exit code. */
int bench_main(struct bench_run *run, const struct bench_options *options, const char *bench,
	       const struct bench_case *rows, size_t count);

/* A benchmark of one process. */
struct bench_alone {
	const char *bench, *doc;
	const struct bench_case *rows;
	size_t count;
	int (*open)(void);	/* before the first row; 0, or it has said why not; NULL = none */
	void (*close)(void);	/* at the end, also of a run that has failed */
};

/* What its main() does. Return: exit code. */
int bench_alone(int argc, char **argv, const struct bench_alone *alone);

/* statistics over values, which are sorted in place */
double bench_quantile(double *values, size_t count, double quantile);
/* 95 % interval of the median, by ranks: no assumption about how they are spread. */
void bench_interval(double *values, size_t count, double *ret_low, double *ret_high);

void bench_report_print(const struct bench_report *report);
int bench_report_write(const struct bench_report *report, const char *file);

/* Model of the processor, from /proc/cpuinfo. */
void bench_cpu_model(char *buffer, size_t room);
/* What the JSON says of this machine (a new reference), and the commit that was built. */
struct json_t *bench_machine(const char *pinning);
const char *bench_commit(void);

#endif
