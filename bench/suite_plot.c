/* SPDX-License-Identifier: MIT */
/* suite_plot.c - the plots of `dhow bench`: a table of plots, each a table of lines. */
#include "suite.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/spawn.h"

enum { LINES = 8, SOURCES = 2, GNUPLOT_S = 60 };

/* Rows of one part: their name, and how their config begins. */
struct source {
	const char *name, *config;
};

struct line {
	const char *title, *part;
	struct source sources[SOURCES];	/* with their sizes one after the other */
};

struct plot {
	const char *name, *title, *settings;
	enum { X_SIZE, X_PRODUCERS } x;
	double scale;		/* of the values; rates become GB/s if is_bandwidth */
	bool is_bandwidth;
	struct line lines[LINES];
};

#define SIZES                                                                                    \
	"set logscale xy\nset xtics ('8 B' 8, '64 B' 64, '1 KiB' 1024, '64 KiB' 65536, "      \
	"'1 MiB' 1048576)\nset xlabel 'size of a message'\n"

static const struct plot plots[] = {
	{ "latency", "One message, one way", SIZES "set ylabel 'us'\n", X_SIZE, 1e-3, false,
	  { { "one node", "channels", { { "oneway", "copy-spin" } } },
	    { "HSTA", "hsta", { { "oneway", "" } } },
	    { "TCP", "tcp", { { "oneway", "" } } } } },
	{ "bandwidth", "One flow", SIZES "set ylabel 'GB/s'\n", X_SIZE, 1, true,
	  { { "one node", "channels",
	      { { "rate", "1p1c-spin" }, { "copy_bandwidth", "copy-spin" } } },
	    { "HSTA", "hsta", { { "rate", "1flow" }, { "stream", "" } } },
	    { "TCP", "tcp", { { "rate", "1flow" }, { "stream", "" } } } } },
	{ "producers", "64 B from many producers to one consumer, one node",
	  "set xlabel 'producers'\nset ylabel 'million messages per second'\nset xtics 1\n"
	  "set xrange [0.5:4.5]\nset yrange [0:*]\n", X_PRODUCERS, 1, false,
	  { { "a channel", "channels",
	      { { "rate", "1p1c-adaptive" }, { "rate", "?p1c-adaptive" } } } } },
	{ "launch", "From the start of a run to its end",
	  "set logscale xy\nset xlabel 'tasks on 4 local nodes'\nset ylabel 'ms'\n"
	  "set xtics (1, 12, 64, 256)\n", X_SIZE, 1, false,
	  { { "daemons up", "launch", { { "launch", "" } } },
	    { "dlaunch from nothing", "launch", { { "cold", "" } } } } },
};
enum { PLOTS = sizeof(plots) / sizeof(plots[0]) };

static const char *text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

/* '?' stands for any one character. */
static bool begins(const char *text, const char *pattern)
{
	for (; *pattern; text++, pattern++)
		if (!*text || (*pattern != '?' && *pattern != *text))
			return false;
	return true;
}

static double y_of(const struct plot *plot, const json_t *row, const char *key)
{
	double value = json_number_value(json_object_get(row, key)) * plot->scale;

	if (plot->is_bandwidth && !strcmp(text_of(row, "unit"), "M/s"))
		value *= json_number_value(json_object_get(row, "size")) * 1e-3;
	return value;
}

/* The points of one line: x, Dhow, raw. Return: how many. */
static int write_points(FILE *script, const json_t *rows, const struct plot *plot,
			const struct line *line)
{
	double last = 0;
	int count = 0;

	for (int i = 0; i < SOURCES && line->sources[i].name; i++) {
		const struct source *source = &line->sources[i];
		json_t *row;
		size_t at;

		json_array_foreach(rows, at, row) {
			const char *config = text_of(row, "config");
			double x;

			if (strcmp(text_of(row, "part"), line->part) ||
			    strcmp(text_of(row, "name"), source->name) ||
			    !begins(config, source->config))
				continue;
			x = plot->x == X_PRODUCERS ? atoi(config) :
				json_number_value(json_object_get(row, "size"));
			if (x <= last)
				continue;
			last = x;
			fprintf(script, "%g %g %g\n", x, y_of(plot, row, "median"),
				y_of(plot, row, "raw"));
			count++;
		}
	}
	return count;
}

/* What stands in the quotes of the script. */
static void write_quoted(FILE *script, const char *text)
{
	for (; *text; text++)
		if (!strchr("\"\\\n", *text))
			fputc(*text, script);
}

/* Return: whether there is anything to draw. */
static bool write_plot(FILE *script, const json_t *report, const struct plot *plot)
{
	const json_t *machine = json_object_get(report, "machine");
	bool drawn[LINES] = { false }, any = false;

	for (int i = 0; i < LINES && plot->lines[i].title; i++) {
		fprintf(script, "$%s%d << EOD\n", plot->name, i);
		drawn[i] = write_points(script, json_object_get(report, "rows"), plot,
					&plot->lines[i]) > 0;
		fprintf(script, "EOD\n");
		any |= drawn[i];
	}
	if (!any)
		return false;
	fprintf(script, "reset\nset grid\nset key below\nset title \"%s\\n", plot->title);
	write_quoted(script, text_of(machine, "cpu"));
	fputs(", commit ", script);
	write_quoted(script, text_of(report, "commit"));
	fprintf(script, "\" font ',11'\n%sdo for [kind in 'svg png'] {\n"
		"if (kind eq 'svg') "
		"{ set terminal svg noenhanced size 900,600 background rgb 'white' }\n"
		"else { if (strstrt(GPVAL_TERMINALS, 'pngcairo') > 0) "
		"{ set terminal pngcairo noenhanced size 900,600 } "
		"else { set terminal png noenhanced size 900,600 } }\n"
		"set output '%s.'.kind\nplot ", plot->settings, plot->name);
	for (int i = 0, lines = 0; i < LINES; i++) {
		if (!drawn[i])
			continue;
		fprintf(script, "%s$%s%d using 1:2 with linespoints lw 2 lt %d title "
			"'%s', '' using 1:3 with linespoints lt %d dt 2 title '%s, raw'",
			lines++ ? ", " : "", plot->name, i, i + 1, plot->lines[i].title, i + 1,
			plot->lines[i].title);
	}
	fprintf(script, "\nset output\n}\n");
	return true;
}

int suite_plot(const json_t *report, const char *folder)
{
	char gnuplot[PATH_MAX], path[PATH_MAX];
	char name[] = "plots.gp", *argv[] = { gnuplot, name, NULL };
	const struct suite_command command = { argv, folder, GNUPLOT_S, false };
	struct suite_progress progress;
	int rc = base_spawn_find("gnuplot", getenv("PATH"), NULL, gnuplot), count = 0;
	FILE *script;

	if (rc)
		return -ENOENT;
	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	script = fopen(path, "we");
	if (!script)
		return -errno;
	for (int i = 0; i < PLOTS; i++)
		count += write_plot(script, report, &plots[i]);
	rc = fclose(script) ? -errno : 0;
	suite_progress_open(&progress, 1);
	if (!rc && count)
		rc = suite_run(&command, &progress);
	unlink(path);
	return rc > 0 ? -EIO : rc < 0 ? rc : count;
}
