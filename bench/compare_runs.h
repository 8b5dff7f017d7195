/* SPDX-License-Identifier: MIT */
/* compare_runs.h - two versions by what their benchmarks wrote. */
#ifndef BENCH_COMPARE_RUNS_H
#define BENCH_COMPARE_RUNS_H

/**
 * compare_runs - print one line for each row of @before: the ratios to raw with their
 * intervals, and what became of it.
 * @before, @after: files written by --json, several of one version joined by commas.
 * @limit: in percent; a row that is clearly worse by more than that fails, and one that @after
 * does not have. Negative: none does.
 *
 * Clearly: the intervals do not touch, and there are three runs of each. The interval of one
 * run is that of its rounds (95 %); of several, the hull of theirs. The rounds of one run have the
 * same memory, cores and neighbours, so alone they promise too much: then a verdict has a `?`
 * and nothing fails.
 * Return: 0; 1 a row fails; negative errno (a line was printed).
 */
int compare_runs(const char *before, const char *after, double limit);

#endif
