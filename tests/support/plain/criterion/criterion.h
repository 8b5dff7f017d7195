/* SPDX-License-Identifier: MIT */
/*
 * criterion.h (plain) - the few words of Criterion that the threaded tests use, run one after
 * the other in one process. Criterion's own runner maps memory at fixed addresses and forks,
 * which ThreadSanitizer does not survive; builds with -fsanitize=thread find this file first.
 */
#ifndef TESTS_PLAIN_CRITERION_H
#define TESTS_PLAIN_CRITERION_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct plain_suite {
	void (*init)(void);
	void (*fini)(void);
	double timeout;		/* seconds, for each test */
};

struct plain_test {
	struct plain_test *next;
	const char *suite_name, *name;
	struct plain_suite *suite;
	void (*body)(void);
};

static struct plain_test *plain_tests;

#define TestSuite(Suite, ...) static struct plain_suite plain_suite_##Suite = { __VA_ARGS__ }

#define Test(Suite, Name)                                                                   \
	static void Suite##_##Name(void);                                                   \
	__attribute__((constructor)) static void plain_add_##Suite##_##Name(void)           \
	{                                                                                   \
		static struct plain_test test = { NULL, #Suite, #Name, &plain_suite_##Suite, \
						  Suite##_##Name };                         \
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

int main(void)
{
	unsigned count = 0;

	for (struct plain_test *test = plain_tests; test; test = test->next, count++) {
		alarm(test->suite->timeout > 0 ? (unsigned)test->suite->timeout : 60);
		if (test->suite->init)
			test->suite->init();
		test->body();
		if (test->suite->fini)
			test->suite->fini();
		printf("%s::%s passed\n", test->suite_name, test->name);
	}
	printf("Synthesis: Tested: %u | Passing: %u | Failing: 0 | Crashing: 0\n", count, count);
	return 0;
}

#endif
