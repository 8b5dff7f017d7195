/* SPDX-License-Identifier: MIT */
/* suite.h - what the files of `dhow bench` share: running a benchmark, showing how far it is,
 * drawing what all of them found. */
#ifndef BENCH_SUITE_H
#define BENCH_SUITE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* How far all is; drawn as a bar on stderr if that is a terminal. */
struct suite_progress {
	unsigned part, parts;	/* from 0 */
	const char *name;	/* of the part */
	bool is_terminal, is_drawn;
	uint64_t begin_ns;
};

void suite_progress_open(struct suite_progress *progress, unsigned parts);
/* @done of @all rows of this part are through; @row begins. */
void suite_progress_draw(struct suite_progress *progress, unsigned done, unsigned all,
			 const char *row);
void suite_progress_erase(struct suite_progress *progress);

/* From now on SIGINT, SIGTERM and SIGHUP end the benchmark that runs, and suite_run() returns
 * -EINTR. Return: 0; negative errno with @reterr filled. */
int suite_signals_open(struct base_err *reterr);

struct suite_command {
	char *const *argv;	/* [0]: path */
	const char *folder;	/* to run it in; NULL = ours */
	unsigned timeout_s;
	bool is_quiet;		/* what it prints is dropped */
};

/**
 * suite_run - run a program, pass on what it prints, show its progress, and wait for it.
 * Return: its exit code; 128 + n, a signal ended it; -ETIMEDOUT or -EINTR, we did; other negative
 * errno: it did not start.
 */
int suite_run(const struct suite_command *command, struct suite_progress *progress);

/**
 * suite_plot - draw the rows of @report into @folder, as SVG and PNG, by gnuplot.
 * Return: how many plots there are (0: no rows for any); -ENOENT there is no gnuplot; other
 * negative errno.
 */
int suite_plot(const json_t *report, const char *folder);

/* Write the rows of @report as tables for docs/performance.md. Return: 0 or negative errno. */
int suite_markdown(const json_t *report, const char *path);

#endif
