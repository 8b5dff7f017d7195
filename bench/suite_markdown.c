/* SPDX-License-Identifier: MIT */
/* suite_markdown.c - the rows of `dhow bench` as tables of docs/performance.md. */
#include "suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

/* Three significant digits, or a dash where the row has no such value. */
static void write_cell(FILE *file, const json_t *row, const char *key)
{
	const json_t *value = json_object_get(row, key);
	double number = json_number_value(value);
	int digits = number >= 100 ? 0 : number >= 10 ? 1 : number >= 1 ? 2 : 3;

	if (json_is_number(value))
		fprintf(file, " %.*f |", digits, number);
	else
		fputs(" - |", file);
}

static void write_row(FILE *file, const json_t *row)
{
	fprintf(file, "| %s %s | %lld |", text_of(row, "name"), text_of(row, "config"),
		(long long)json_integer_value(json_object_get(row, "size")));
	write_cell(file, row, "median");
	write_cell(file, row, "p99");
	write_cell(file, row, "p999");
	fprintf(file, " %s |", text_of(row, "unit"));
	write_cell(file, row, "raw");
	write_cell(file, row, "ratio");
	if (json_is_number(json_object_get(row, "ratio_low")))
		fprintf(file, " %.2f to %.2f |\n",
			json_number_value(json_object_get(row, "ratio_low")),
			json_number_value(json_object_get(row, "ratio_high")));
	else
		fputs(" - |\n", file);
}

int suite_markdown(const json_t *report, const char *path)
{
	const json_t *machine = json_object_get(report, "machine");
	FILE *file = fopen(path, "we");
	json_t *part, *row;
	size_t i, j;

	if (!file)
		return -errno;
	fprintf(file, "%s, %lld CPUs, kernel %s, load %.1f, commit %s, %s\n",
		text_of(machine, "cpu"),
		(long long)json_integer_value(json_object_get(machine, "cpus")),
		text_of(machine, "kernel"), json_number_value(json_object_get(report, "load")),
		text_of(report, "commit"), text_of(report, "begun"));
	json_array_foreach(json_object_get(report, "parts"), i, part) {
		fprintf(file, "\n## %s\n\n", text_of(part, "name"));
		if (*text_of(part, "why")) {
			fprintf(file, "Not measured: %s.\n", text_of(part, "why"));
			continue;
		}
		if (*text_of(part, "pinning"))
			fprintf(file, "Pinning: %s.\n\n", text_of(part, "pinning"));
		fputs("| row | size | p50 | p99 | p99.9 | unit | raw | ratio | 95 % of it |\n"
		      "|---|---:|---:|---:|---:|---|---:|---:|---|\n", file);
		json_array_foreach(json_object_get(report, "rows"), j, row)
			if (!strcmp(text_of(row, "part"), text_of(part, "name")))
				write_row(file, row);
	}
	return fclose(file) ? -errno : 0;
}
