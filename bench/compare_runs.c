/* SPDX-License-Identifier: MIT */
/* compare_runs.c - see compare_runs.h. */
#include "compare_runs.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS_MAX = 16, RUNS_ENOUGH = 3, TITLE_BYTES = 128 };

/* One row in all runs of one version. */
struct interval {
	double ratio, low, high;	/* ratio: the median of the runs' */
	int runs;
};

struct version {
	json_t *runs[RUNS_MAX];
	int count;
};

static int load(const char *list, struct version *ret_version)
{
	char *copy = strdup(list), *file, *rest = NULL;
	json_error_t error;
	int rc = copy ? 0 : -ENOMEM;

	for (file = copy ? strtok_r(copy, ",", &rest) : NULL; file && !rc;
	     file = strtok_r(NULL, ",", &rest)) {
		json_t *run = NULL;

		if (ret_version->count == RUNS_MAX) {
			fprintf(stderr, "compare: more than %d files in '%s'\n", RUNS_MAX, list);
			rc = -E2BIG;
		} else if (!(run = json_load_file(file, 0, &error))) {
			fprintf(stderr, "compare: '%s': %s\n", file, error.text);
			rc = -EBADMSG;
		} else if (!json_is_array(json_object_get(run, "rows"))) {
			fprintf(stderr, "compare: '%s': no rows; it must be written by --json of a "
				"benchmark\n", file);
			json_decref(run);
			rc = -EBADMSG;
		} else {
			ret_version->runs[ret_version->count++] = run;
		}
	}
	free(copy);
	return rc;
}

/* What tells rows apart. Transports, where bench/compare wrote several into one file. */
static int title(const json_t *row, char buffer[TITLE_BYTES])
{
	const char *bench = json_string_value(json_object_get(row, "bench"));
	const char *name = json_string_value(json_object_get(row, "name"));
	const char *config = json_string_value(json_object_get(row, "config"));
	const char *transport = json_string_value(json_object_get(row, "transport"));

	if (!bench || !name || !config || !json_is_number(json_object_get(row, "ratio")))
		return -ENOENT;
	snprintf(buffer, TITLE_BYTES, "%s %s %s%s%s %lld", bench, name, transport ? transport : "",
		 transport ? " " : "", config,
		 (long long)json_integer_value(json_object_get(row, "size")));
	return 0;
}

static double number(const json_t *row, const char *key, double otherwise)
{
	const json_t *value = json_object_get(row, key);

	return json_is_number(value) ? json_number_value(value) : otherwise;
}

static int by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static int find(const struct version *version, const char *wanted, struct interval *ret)
{
	double ratios[RUNS_MAX];
	char name[TITLE_BYTES];
	json_t *row;
	size_t at;

	*ret = (struct interval){ 0 };
	for (int i = 0; i < version->count; i++) {
		json_array_foreach(json_object_get(version->runs[i], "rows"), at, row) {
			double ratio, low, high;

			if (title(row, name) || strcmp(name, wanted))
				continue;
			ratio = number(row, "ratio", 0);
			low = number(row, "ratio_low", ratio);
			high = number(row, "ratio_high", ratio);
			ret->low = ret->runs && ret->low < low ? ret->low : low;
			ret->high = ret->runs && ret->high > high ? ret->high : high;
			ratios[ret->runs++] = ratio;
			break;
		}
	}
	if (!ret->runs)
		return -ENOENT;
	qsort(ratios, (size_t)ret->runs, sizeof(*ratios), by_value);
	ret->ratio = ratios[ret->runs / 2];
	return ret->ratio > 0 ? 0 : -ENOENT;
}

static const char *verdict(const struct interval *before, const struct interval *after)
{
	int few = before->runs < RUNS_ENOUGH || after->runs < RUNS_ENOUGH;

	if (after->low > before->high)
		return few ? "worse?" : "worse";
	if (after->high < before->low)
		return few ? "better?" : "better";
	return "same";
}

static void describe(const char *which, const struct version *version)
{
	const char *commit = json_string_value(json_object_get(version->runs[0], "commit"));
	const json_t *machine = json_object_get(version->runs[0], "machine");
	const char *cpu = json_string_value(json_object_get(machine, "cpu"));

	printf("%s: commit %s, %d run%s, %s\n", which, commit ? commit : "?", version->count,
	       version->count > 1 ? "s" : "", cpu ? cpu : "?");
}

static int print(const struct version *before, const struct version *after, double limit)
{
	int failed = 0, shown = 0, gone = 0;
	char name[TITLE_BYTES];
	json_t *row;
	size_t at;

	describe("before", before);
	describe("after", after);
	printf("%-44s %8s %17s %8s %17s %8s\n", "row", "before", "95 %", "after", "95 %", "change");
	json_array_foreach(json_object_get(before->runs[0], "rows"), at, row) {
		struct interval old, new;
		const char *said;
		double change;
		int fails;

		if (title(row, name) || find(before, name, &old))
			continue;
		if (find(after, name, &new)) {
			printf("%-44s %8.3f %8.3f-%-8.3f not there after\n", name, old.ratio,
			       old.low, old.high);
			gone++;
			continue;
		}
		change = 100 * (new.ratio / old.ratio - 1);
		said = verdict(&old, &new);
		fails = limit >= 0 && !strcmp(said, "worse") && change > limit;
		failed += fails;
		shown++;
		printf("%-44s %8.3f %8.3f-%-8.3f %8.3f %8.3f-%-8.3f %+7.1f%% %s%s\n", name,
		       old.ratio, old.low, old.high, new.ratio, new.low, new.high, change, said,
		       fails ? " FAILED" : "");
	}
	printf("%d rows; ratios to the raw baseline of the same run, larger is worse; "
	       "worse or better: the intervals do not touch; ?: fewer than %d runs\n",
	       shown, RUNS_ENOUGH);
	if (gone && limit >= 0)
		fprintf(stderr, "compare: %d rows cannot be held to --limit: they are not there "
			"after\n", gone);
	if (!shown)
		fprintf(stderr, "compare: the files have no row in common\n");
	return shown ? failed > 0 || (gone && limit >= 0) : -ENOENT;
}

int compare_runs(const char *before, const char *after, double limit)
{
	struct version old = { .count = 0 }, new = { .count = 0 };
	int rc = load(before, &old);

	rc = rc ? rc : load(after, &new);
	if (!rc && (!old.count || !new.count)) {
		fprintf(stderr, "compare: no file in '%s'\n", old.count ? after : before);
		rc = -EINVAL;
	}
	rc = rc ? rc : print(&old, &new, limit);
	for (int i = 0; i < old.count; i++)
		json_decref(old.runs[i]);
	for (int i = 0; i < new.count; i++)
		json_decref(new.runs[i]);
	return rc;
}
