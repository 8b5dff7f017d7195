/* SPDX-License-Identifier: MIT */
/* model.c - see model.h. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Three preemptions and two old values find all the faults of tests/stress/seeds.sh. */
enum { PREEMPTIONS = 3, OLD_VALUES = 2 };

static bool is_wanted(const char *name, int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return true;
	return argc == 0;
}

static struct mcx_result run(const struct mcx_test *test, bool trace)
{
	struct mcx_result result = mcx_check(test, trace);

	printf("%-24s %9lu executions, %s\n", test->name, result.executions,
	       result.fault ? result.fault : "no fault");
	fflush(stdout);
	return result;
}

/* wait.c tells who sleeps; here nobody asks. */
struct segment;
void liveness_sleeps(struct segment *segment, const uint32_t *word);
void liveness_sleeps(struct segment *segment, const uint32_t *word)
{
	(void)segment;
	(void)word;
}

int model_main(const char *subject, const struct mcx_test *tests, unsigned count,
	       void (*finish)(void), int argc, char **argv)
{
	unsigned preemptions = PREEMPTIONS, old_values = OLD_VALUES, faults = 0;
	unsigned long executions = 0;
	bool trace = false;
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--trace") == 0) {
			trace = true;
		} else if (strcmp(argv[i], "--preemptions") == 0 && i + 1 < argc) {
			preemptions = (unsigned)atoi(argv[++i]);
		} else if (strcmp(argv[i], "--old") == 0 && i + 1 < argc) {
			old_values = (unsigned)atoi(argv[++i]);
		} else {
			fprintf(stderr, "usage: %s [--preemptions N] [--old N] [--trace] "
				"[NAME...]\n", argv[0]);
			return 2;
		}
	}
	for (unsigned t = 0; t < count; t++) {
		struct mcx_test test = tests[t];
		struct mcx_result result;

		if (!is_wanted(test.name, argc - i, argv + i))
			continue;
		/* The table's bound is for the usual run only. */
		if (!test.preemptions || preemptions > PREEMPTIONS)
			test.preemptions = preemptions;
		test.old_values = old_values;
		if (!test.finish)
			test.finish = finish;
		result = run(&test, trace);
		executions += result.executions;
		faults += result.fault != NULL;
	}
	printf("model of %s: preemptions <= %u, old values <= %u: %lu executions, %u faults\n",
	       subject, preemptions, old_values, executions, faults);
	return faults != 0;
}
