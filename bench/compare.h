/* SPDX-License-Identifier: MIT */
/* compare.h - what the files of bench/compare share: the transports and what each measured. */
#ifndef BENCH_COMPARE_H
#define BENCH_COMPARE_H

#include <jansson.h>
#include <stddef.h>

enum { COMPARE_TRANSPORTS_MAX = 6 };

struct compare_transport {
	char name[32];		/* as the user wrote it: "hsta", "hsta:ucx" */
	char transport[16], fabric[16];	/* its parts; fabric may be empty */
	char label[80];		/* what it ran on: "ofi-tcp;ofi_rxm" */
	json_t *report;		/* of bench/transport; owned */
};

struct compare {
	struct compare_transport transports[COMPARE_TRANSPORTS_MAX];
	unsigned count;
};

/* One kind of figure: rows of bench/transport. */
struct compare_kind {
	const char *title, *row, *config;	/* config: how the row's begins */
	const char *unit;
	double scale;		/* from the row's unit */
	int less_is_better;
	size_t sizes[5];	/* ends with 0 */
};

/* Ends with a NULL title. */
extern const struct compare_kind compare_kinds[];

/* The median and the raw median. Return: 0; -ENOENT not measured. */
int compare_find(const struct compare_transport *transport, const struct compare_kind *kind,
		 size_t bytes, double *ret_value, double *ret_raw);

void compare_print(const struct compare *compare);
/* All rows, each with its "transport". Return: 0 or negative errno. */
int compare_write(const struct compare *compare, const char *file);
/* One SVG, by gnuplot. Return: 0; -ENOENT there is no gnuplot; other negative errno. */
int compare_plot(const struct compare *compare, const char *folder, const char *file);

/* Run a program and wait. Return: its exit code; -ETIMEDOUT (it was ended); other negative errno.
 * @quiet: its stdout is dropped; 2: stderr as well. */
int compare_run(char *const *argv, unsigned timeout_s, int quiet);

#endif
