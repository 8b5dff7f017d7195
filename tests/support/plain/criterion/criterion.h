/* SPDX-License-Identifier: MIT */
/*
 * criterion.h (plain) - the few words of Criterion that those tests use which ThreadSanitizer
 * sees or that are built for other processors. Criterion's own runner maps memory at fixed
 * addresses, which ThreadSanitizer does not survive, and for other processors there is none;
 * such builds find this file first. Each test has a process of its own, one after the other.
 */
#ifndef TESTS_PLAIN_CRITERION_H
#define TESTS_PLAIN_CRITERION_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct plain_suite {
	void (*init)(void);
	void (*fini)(void);
	double timeout;		/* seconds, for each test */
	int signal, exit_code;	/* how the test must end its process; only where it has its own */
};

struct plain_test {
	struct plain_test *next;
	const char *suite_name, *name;
	struct plain_suite *suite;
	struct plain_suite own;	/* what differs for this test */
	void (*body)(void);
};

/* One of each in a program, however many of its files have tests. */
#define PLAIN_SHARED __attribute__((weak))
PLAIN_SHARED struct plain_test *plain_tests;
PLAIN_SHARED jmp_buf plain_end;	/* of the test that runs, for one that skips itself */

#define TestSuite(Suite, ...) static struct plain_suite plain_suite_##Suite = { __VA_ARGS__ }

#define Test(Suite, Name, ...)                                                              \
	static struct plain_suite plain_suite_##Suite;                                      \
	static void Suite##_##Name(void);                                                   \
	__attribute__((constructor)) static void plain_add_##Suite##_##Name(void)           \
	{                                                                                   \
		static struct plain_test test = { NULL, #Suite, #Name, &plain_suite_##Suite, \
						  { __VA_ARGS__ }, Suite##_##Name };        \
		test.next = plain_tests;                                                    \
		plain_tests = &test;                                                        \
	}                                                                                   \
	static void Suite##_##Name(void)

#define PLAIN_CHECK(condition, ...)                                                         \
	do {                                                                                \
		if (!(condition)) {                                                         \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);     \
			fprintf(stderr, " " __VA_ARGS__);                                    \
			fputc('\n', stderr);                                                \
			_exit(1);                                                           \
		}                                                                           \
	} while (0)

#define cr_assert(condition, ...) PLAIN_CHECK(condition, __VA_ARGS__)
#define cr_assert_not(condition, ...) PLAIN_CHECK(!(condition), __VA_ARGS__)
#define cr_assert_eq(a, b, ...) PLAIN_CHECK((a) == (b), __VA_ARGS__)
#define cr_assert_neq(a, b, ...) PLAIN_CHECK((a) != (b), __VA_ARGS__)
#define cr_assert_lt(a, b, ...) PLAIN_CHECK((a) < (b), __VA_ARGS__)
#define cr_assert_leq(a, b, ...) PLAIN_CHECK((a) <= (b), __VA_ARGS__)
#define cr_assert_gt(a, b, ...) PLAIN_CHECK((a) > (b), __VA_ARGS__)
#define cr_assert_geq(a, b, ...) PLAIN_CHECK((a) >= (b), __VA_ARGS__)
#define cr_assert_null(a, ...) PLAIN_CHECK((a) == NULL, __VA_ARGS__)
#define cr_assert_not_null(a, ...) PLAIN_CHECK((a) != NULL, __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) PLAIN_CHECK(strcmp(a, b) == 0, __VA_ARGS__)
#define cr_assert_arr_eq(a, b, n, ...) PLAIN_CHECK(memcmp(a, b, n) == 0, __VA_ARGS__)
#define cr_assert_fail(...) PLAIN_CHECK(false, __VA_ARGS__)
#define cr_expect(condition, ...) PLAIN_CHECK(condition, __VA_ARGS__)
#define cr_expect_eq(a, b, ...) PLAIN_CHECK((a) == (b), __VA_ARGS__)
#define cr_expect_lt(a, b, ...) PLAIN_CHECK((a) < (b), __VA_ARGS__)
#define cr_expect_gt(a, b, ...) PLAIN_CHECK((a) > (b), __VA_ARGS__)

#define cr_skip_test(...)                                                                   \
	do {                                                                                \
		printf("skipped: " __VA_ARGS__);                                             \
		putchar('\n');                                                              \
		longjmp(plain_end, 1);                                                      \
	} while (0)

static inline void plain_run(const struct plain_test *test)
{
	void (*init)(void) = test->own.init ? test->own.init : test->suite->init;
	void (*fini)(void) = test->own.fini ? test->own.fini : test->suite->fini;
	double timeout = test->own.timeout > 0 ? test->own.timeout : test->suite->timeout;

	alarm(timeout > 0 ? (unsigned)timeout : 60);
	if (init)
		init();
	if (!setjmp(plain_end))
		test->body();
	if (fini)
		fini();
	printf("%s::%s ended\n", test->suite_name, test->name);
	fflush(stdout);
}

/* Return: 1 it failed. */
static inline unsigned plain_run_alone(const struct plain_test *test)
{
	int status = -1, wanted = test->own.exit_code << 8 | test->own.signal;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		plain_run(test);
		exit(0);	/* not _exit(): ThreadSanitizer then says what it found */
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status != wanted)
		printf("%s::%s FAILED (status %#x)\n", test->suite_name, test->name,
		       (unsigned)status);
	return status != wanted;
}

/* Is it in the file PLAIN_SKIP, whose lines begin with SUITE::NAME? */
static inline bool plain_is_skipped(const struct plain_test *test)
{
	const char *path = getenv("PLAIN_SKIP");
	FILE *file = path ? fopen(path, "r") : NULL;
	char line[256], name[256];
	bool found = false;

	snprintf(name, sizeof(name), "%s::%s ", test->suite_name, test->name);
	while (file && !found && fgets(line, sizeof(line), file))
		found = !strncmp(line, name, strlen(name));
	if (found)
		printf("%sskipped: %s", name, line + strlen(name));
	if (file)
		fclose(file);
	return found;
}

PLAIN_SHARED int main(void)
{
	unsigned count = 0, failed = 0;

	for (struct plain_test *test = plain_tests; test; test = test->next) {
		if (plain_is_skipped(test))
			continue;
		count++;
		failed += plain_run_alone(test);
	}
	printf("Synthesis: Tested: %u | Passing: %u | Failing: %u | Crashing: 0\n", count,
	       count - failed, failed);
	return failed > 0;
}

#endif
