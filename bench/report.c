/* SPDX-License-Identifier: MIT */
/*
 * report.c - the rows of a benchmark as an aligned table and as JSON.
 */
#include "harness.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "commit.h"

void bench_cpu_model(char *buffer, size_t room)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[256];

	snprintf(buffer, room, "unknown");
	while (file && fgets(line, sizeof(line), file)) {
		char *colon = strchr(line, ':');

		if (!colon || strncmp(line, "model name", 10))
			continue;
		colon[strcspn(colon, "\n")] = '\0';
		snprintf(buffer, room, "%s", colon + 2);
		break;
	}
	if (file)
		fclose(file);
}

/* Four significant digits at any size, so that columns stay readable. */
static const char *figure(double value, char buffer[24])
{
	int digits = value >= 1000 ? 0 : value >= 100 ? 1 : value >= 10 ? 2 : 3;

	snprintf(buffer, 24, "%.*f", digits, value);
	return buffer;
}

void bench_report_print(const struct bench_report *report)
{
	char a[24], b[24], c[24], d[24], e[24], spread[32], model[128];
	size_t width = 19;

	bench_cpu_model(model, sizeof(model));
	printf("%s: %s, %ld CPUs, %s, commit %s\n", report->bench, model,
	       sysconf(_SC_NPROCESSORS_ONLN), report->pinning, BENCH_COMMIT);
	for (size_t i = 0; i < report->count; i++)
		if (strlen(report->rows[i].row->config) > width)
			width = strlen(report->rows[i].row->config);
	printf("%-14s %-*s %8s %9s %9s %9s %-5s %9s %7s %13s %8s\n", "name", (int)width, "config",
	       "size", "p50", "p99", "p99.9", "unit", "raw", "ratio", "95 % of it", "calls/op");
	for (size_t i = 0; i < report->count; i++) {
		const struct bench_row *row = &report->rows[i];

		snprintf(spread, sizeof(spread), "%.2f-%.2f", row->ratio_low, row->ratio_high);
		printf("%-14s %-*s %8zu %9s %9s %9s %-5s %9s %7.2f %13s %8s\n", row->row->name,
		       (int)width, row->row->config, row->row->bytes, figure(row->median, a),
		       figure(row->p99, b), figure(row->p999, c), row->row->unit,
		       figure(row->raw, d), row->ratio, spread,
		       row->calls < 0 ? "-" : figure(row->calls, e));
	}
	printf("ratio: 1 = as good as the raw baseline of the same run, larger = worse; beside it "
	       "the interval\nthat holds it with 95 %%\n"
	       "calls/op: system calls of the side that measures, for waiting and waking; for "
	       "transport,\nthose of its agent's fabric\n");
	fflush(stdout);
}

const char *bench_commit(void)
{
	return BENCH_COMMIT;
}

/* How the frequency of CPU 0 is chosen; a virtual machine does not know. */
static void governor(char *buffer, size_t room)
{
	FILE *file = fopen("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "re");

	snprintf(buffer, room, "unknown");
	if (!file)
		return;
	if (fgets(buffer, (int)room, file))
		buffer[strcspn(buffer, "\n")] = 0;
	fclose(file);
}

json_t *bench_machine(const char *pinning)
{
	struct utsname name;
	char model[128], chosen[32];

	bench_cpu_model(model, sizeof(model));
	governor(chosen, sizeof(chosen));
	uname(&name);
	return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "cpu", model, "cpus",
			 (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "kernel", name.release,
			 "arch", name.machine, "compiler", __VERSION__, "pinning",
			 pinning, "governor", chosen);
}

static json_t *json_row(const char *bench, const struct bench_row *row)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:s, "
			 "s:f, s:f, s:f, s:f, s:f}",
			 "bench", bench,
			 "name", row->row->name, "config", row->row->config,
			 "size", (json_int_t)row->row->bytes, "median", row->median,
			 "p99", row->p99, "p999", row->p999, "min", row->min, "max", row->max,
			 "unit", row->row->unit, "raw", row->raw, "ratio", row->ratio,
			 "ratio_low", row->ratio_low, "ratio_high", row->ratio_high,
			 "calls", row->calls);
}

int bench_report_write(const struct bench_report *report, const char *file)
{
	json_t *rows = json_array(), *root;
	int rc;

	for (size_t i = 0; i < report->count; i++)
		json_array_append_new(rows, json_row(report->bench, &report->rows[i]));
	root = json_pack("{s:o, s:s, s:o}", "machine", bench_machine(report->pinning), "commit",
			 BENCH_COMMIT, "rows", rows);
	if (!root)
		return -ENOMEM;
	errno = EIO;
	rc = json_dump_file(root, file, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) ? -errno : 0;
	json_decref(root);
	return rc;
}
