/* SPDX-License-Identifier: MIT */
/* compare_report.c - the table, the JSON and the plot of bench/compare. */
#include "compare.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/spawn.h"

enum { POLL_US = 20000, GRACE_S = 5, GNUPLOT_S = 60 };

const struct compare_kind compare_kinds[] = {
	{ "latency", "oneway", "", "us", 1e-3, 1, { 8, 1024, 65536, 1048576 } },
	{ "rate", "rate", "1flow", "M/s", 1, 0, { 8, 64 } },
	{ "12-to-12", "rate", "12flows", "M/s", 1, 0, { 8, 64 } },
	{ "stream", "stream", "", "GB/s", 1, 0, { 65536, 1048576 } },
	{ "copied", "copied", "", "GB/s", 1, 0, { 65536, 1048576 } },
	{ "incast", "incast", "12to1", "GB/s", 1, 0, { 65536 } },
	{ "cpu", "flow_cpu", "1flow", "us", 1e-3, 1, { 64, 1048576 } },
	{ .title = NULL },
};

int compare_find(const struct compare_transport *transport, const struct compare_kind *kind,
		 size_t bytes, double *ret_value, double *ret_raw)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(transport->report, "rows"), i, row) {
		const char *name = json_string_value(json_object_get(row, "name"));
		const char *config = json_string_value(json_object_get(row, "config"));

		if (!name || !config || strcmp(name, kind->row) ||
		    strncmp(config, kind->config, strlen(kind->config)) ||
		    json_integer_value(json_object_get(row, "size")) != (json_int_t)bytes)
			continue;
		*ret_value = json_number_value(json_object_get(row, "median")) * kind->scale;
		*ret_raw = json_number_value(json_object_get(row, "raw")) * kind->scale;
		return 0;
	}
	return -ENOENT;
}

/* Three or four significant digits, so that columns stay readable. */
static const char *figure(double value, char buffer[24])
{
	int digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;

	snprintf(buffer, 24, "%.*f", digits, value);
	return buffer;
}

static void print_row(const struct compare *compare, const struct compare_kind *kind, size_t bytes)
{
	double first = 0, last = 0;

	printf("%-10s %8zu %-5s", kind->title, bytes, kind->unit);
	for (unsigned i = 0; i < compare->count; i++) {
		char a[24], b[24], c[24];
		double value, raw, ratio;

		if (compare_find(&compare->transports[i], kind, bytes, &value, &raw)) {
			printf(" | %8s %8s %6s", "-", "-", "-");
			continue;
		}
		ratio = kind->less_is_better ? value / raw : raw / value;
		printf(" | %8s %8s %6s", figure(value, a), figure(raw, b), figure(ratio, c));
		first = i ? first : value;
		last = value;
	}
	if (first > 0 && last > 0)
		printf(" | %6.2f", kind->less_is_better ? last / first : first / last);
	putchar('\n');
}

void compare_print(const struct compare *compare)
{
	const json_t *machine = json_object_get(compare->transports[0].report, "machine");
	const struct compare_transport *first = &compare->transports[0];
	const struct compare_transport *last = &compare->transports[compare->count - 1];

	printf("compare: %s, %lld CPUs, commit %s\n",
	       json_string_value(json_object_get(machine, "cpu")),
	       (long long)json_integer_value(json_object_get(machine, "cpus")),
	       json_string_value(json_object_get(first->report, "commit")));
	printf("%25s", "");
	for (unsigned i = 0; i < compare->count; i++) {
		char title[128];

		snprintf(title, sizeof(title), "%s %s", compare->transports[i].name,
			 compare->transports[i].label);
		printf(" | %-24.24s", title);
	}
	printf(" | gain\n%-10s %8s %-5s", "what", "size", "unit");
	for (unsigned i = 0; i < compare->count; i++)
		printf(" | %8s %8s %6s", "dhow", "raw", "ratio");
	putchar('\n');
	for (const struct compare_kind *kind = compare_kinds; kind->title; kind++)
		for (int i = 0; kind->sizes[i]; i++)
			print_row(compare, kind, kind->sizes[i]);
	printf("cpu: of all processes, for a message of rate or copied.\n"
	       "raw: the bare network in the same run (libfabric, UCX or TCP). ratio: to raw, "
	       "1 = as good, larger = worse.\n"
	       "gain: how many times better %s is than %s.\n", first->name, last->name);
	fflush(stdout);
}

int compare_write(const struct compare *compare, const char *file)
{
	json_t *rows = json_array(), *row, *root;
	int rc;

	for (unsigned i = 0; i < compare->count; i++) {
		const struct compare_transport *one = &compare->transports[i];
		size_t j;

		json_array_foreach(json_object_get(one->report, "rows"), j, row) {
			json_object_set_new(row, "transport", json_string(one->name));
			json_array_append(rows, row);
		}
	}
	root = json_pack("{s:O, s:O, s:o}", "machine",
			 json_object_get(compare->transports[0].report, "machine"), "commit",
			 json_object_get(compare->transports[0].report, "commit"), "rows", rows);
	if (!root)
		return -ENOMEM;
	errno = EIO;
	rc = json_dump_file(root, file, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) ? -errno : 0;
	json_decref(root);
	return rc;
}

/* "64 KiB" */
static const char *size_text(size_t bytes, char buffer[24])
{
	const char *unit = bytes >> 20 ? "MiB" : bytes >> 10 ? "KiB" : "B";

	int shift = bytes >> 20 ? 20 : bytes >> 10 ? 10 : 0;

	snprintf(buffer, 24, "%zu %s", bytes >> shift, unit);
	return buffer;
}

/* $latencyI: size, value, raw. */
static void write_lines(FILE *script, const struct compare *compare)
{
	for (unsigned i = 0; i < compare->count; i++) {
		const struct compare_kind *kind = &compare_kinds[0];
		double value, raw;

		fprintf(script, "$latency%u << EOD\n", i);
		for (int j = 0; kind->sizes[j]; j++)
			if (!compare_find(&compare->transports[i], kind, kind->sizes[j], &value,
					  &raw))
				fprintf(script, "%zu %g %g\n", kind->sizes[j], value, raw);
		fprintf(script, "EOD\n");
	}
}

/* $NAME: one line for each size of the kinds with this unit: title, then value and raw of each
 * transport. */
static void write_bars(FILE *script, const struct compare *compare, const char *name,
		       const char *unit)
{
	fprintf(script, "$%s << EOD\n", name);
	for (const struct compare_kind *kind = compare_kinds; kind->title; kind++) {
		for (int i = 0; kind->sizes[i] && !strcmp(kind->unit, unit); i++) {
			char size[24];

			fprintf(script, "\"%s\\n%s\"", kind->title,
				size_text(kind->sizes[i], size));
			for (unsigned j = 0; j < compare->count; j++) {
				double value, raw;

				if (compare_find(&compare->transports[j], kind, kind->sizes[i],
						 &value, &raw))
					value = raw = 0;
				fprintf(script, " %g %g", value, raw);
			}
			fputc('\n', script);
		}
	}
	fprintf(script, "EOD\n");
}

static void plot_bars(FILE *script, const struct compare *compare, const char *name,
		      const char *label)
{
	fprintf(script, "set ylabel '%s'\nplot ", label);
	for (unsigned i = 0; i < compare->count; i++)
		fprintf(script, "%s$%s using %u:xtic(1) title '%s' lt %u fs solid 0.8, "
			"'' using %u title '%s raw' lt %u fs pattern 4", i ? ", " : "", name,
			2 * i + 2, compare->transports[i].name, i + 1, 2 * i + 3,
			compare->transports[i].name, i + 1);
	fputc('\n', script);
}

static int write_script(const struct compare *compare, const char *path, const char *file)
{
	FILE *script = fopen(path, "we");

	if (!script)
		return -errno;
	write_lines(script, compare);
	write_bars(script, compare, "rates", "M/s");
	write_bars(script, compare, "streams", "GB/s");
	fprintf(script, "set terminal svg noenhanced size 1380,480 dynamic background rgb 'white'\n"
		"set output '%s'\nset multiplot layout 1,3\nset grid\nset key below\n"
		"set logscale xy\nset xrange [4:2097152]\nset ylabel 'one way, us'\n"
		"set xtics (", file);
	for (int i = 0; compare_kinds[0].sizes[i]; i++) {
		char size[24];

		fprintf(script, "%s'%s' %zu", i ? ", " : "",
			size_text(compare_kinds[0].sizes[i], size), compare_kinds[0].sizes[i]);
	}
	fprintf(script, ")\nplot ");
	for (unsigned i = 0; i < compare->count; i++)
		fprintf(script, "%s$latency%u using 1:2 with linespoints lt %u title '%s %s', "
			"'' using 1:3 with lines lt %u dt 2 title '%s raw'", i ? ", " : "", i,
			i + 1, compare->transports[i].name, compare->transports[i].label, i + 1,
			compare->transports[i].name);
	fprintf(script, "\nunset logscale\nset xrange [*:*]\nset yrange [0:*]\nset xtics auto\n"
		"set key off\nset bmargin 4\nset xtics font ',10'\n"
		"set title 'solid: Dhow, hatched: raw'\n"
		"set style data histogram\nset style histogram clustered gap 1\n");
	plot_bars(script, compare, "rates", "million messages per second");
	plot_bars(script, compare, "streams", "GB per second");
	fprintf(script, "unset multiplot\n");
	return fclose(script) ? -errno : 0;
}

int compare_run(char *const *argv, unsigned timeout_s, int quiet)
{
	uint64_t deadline_ns = base_now_ns() + timeout_s * 1000 * BASE_MS;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), rc, status = 0;
	struct base_spawn spec = { .path = argv[0],
				   .argv = argv,
				   .envp = environ,
				   .stdio = { null, quiet ? null : -1, quiet > 1 ? null : -1 },
				   .death_signal = SIGTERM };
	pid_t pid = 0, done;

	if (null < 0)
		return -errno;
	rc = base_spawn(&spec, &pid, NULL);
	close(null);
	if (rc)
		return rc;
	while ((done = waitpid(pid, &status, WNOHANG)) == 0 && base_now_ns() < deadline_ns)
		usleep(POLL_US);
	if (done == 0) {
		/* dlaunch ends its run at this; SIGKILL only if it does not. */
		rc = -ETIMEDOUT;
		kill(pid, SIGTERM);
		deadline_ns = base_now_ns() + GRACE_S * 1000 * BASE_MS;
		while ((done = waitpid(pid, &status, WNOHANG)) == 0 && base_now_ns() < deadline_ns)
			usleep(POLL_US);
		if (done == 0 && kill(pid, SIGKILL) == 0)
			waitpid(pid, &status, 0);
		return rc;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EPROTO;
}

int compare_plot(const struct compare *compare, const char *folder, const char *file)
{
	char script[PATH_MAX], gnuplot[PATH_MAX];
	char *argv[] = { gnuplot, script, NULL };
	int rc = base_spawn_find("gnuplot", getenv("PATH"), NULL, gnuplot);

	if (rc)
		return -ENOENT;
	if (strpbrk(file, "'\\\n"))	/* it stands in the script's quotes */
		return -EINVAL;
	snprintf(script, sizeof(script), "%s/plot.gp", folder);
	rc = write_script(compare, script, file);
	rc = rc ? rc : compare_run(argv, GNUPLOT_S, 0);
	unlink(script);
	return rc > 0 ? -EIO : rc;
}
