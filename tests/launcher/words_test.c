/* SPDX-License-Identifier: MIT */
/* words_test.c - what users write: environments, names of files, the file of --multi-prog. */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/environment.h"
#include "cli/multi_prog.h"
#include "cli/pattern.h"

TestSuite(words, .timeout = 200);

/* The entries, with blanks between. */
static const char *environment(const char *exports, struct launch_env_edits *edits)
{
	static char *const ours[] = { "PATH=/bin", "A=1", "B=2", "A=shadow", "C=", NULL };
	const struct launch_env_edits *const lists[] = { edits };
	static char text[256];
	char *owned, **env = launch_env_make(ours, exports, lists, 1, &owned);

	cr_assert_not_null(env);
	*text = 0;
	for (char **at = env; *at; at++)
		sprintf(text + strlen(text), "%s%s", at == env ? "" : " ", *at);
	free(env);
	free(owned);
	launch_env_fini(edits);
	return text;
}

Test(words, environments)
{
	struct launch_env_edits edits = { NULL, 0 };

	cr_expect_str_eq(environment(NULL, &edits), "PATH=/bin A=1 B=2 C=");
	cr_expect_str_eq(environment("ALL", &edits), "PATH=/bin A=1 B=2 C=");
	cr_expect_str_eq(environment("NONE", &edits), "PATH=/bin");
	cr_expect_str_eq(environment("B,D=4,X,,=", &edits), "PATH=/bin B=2 D=4");
	cr_expect_str_eq(environment("ALL,A=9", &edits), "PATH=/bin A=9 B=2 C=");
	cr_expect_str_eq(environment("ALLE", &edits), "PATH=/bin");
	cr_expect_eq(launch_env_add(&edits, LAUNCH_ENV_SET, "B=x=y"), 0);
	cr_expect_eq(launch_env_add(&edits, LAUNCH_ENV_UNSET, "PATH"), 0);
	cr_expect_eq(launch_env_add(&edits, LAUNCH_ENV_PASS, "C"), 0);
	cr_expect_eq(launch_env_add(&edits, LAUNCH_ENV_PASS, "NOT_THERE"), 0);
	cr_expect_str_eq(environment("NONE", &edits), "B=x=y C=");
	cr_expect_eq(launch_env_add(&edits, LAUNCH_ENV_SET, "=x"), -EINVAL);
	cr_expect_eq(launch_env_add(&edits, LAUNCH_ENV_SET, "A"), -EINVAL);
	cr_expect_eq(launch_env_add(&edits, LAUNCH_ENV_PASS, ""), -EINVAL);
	cr_expect_eq(launch_env_add(&edits, LAUNCH_ENV_UNSET, "A=1"), -EINVAL);
	cr_expect_eq(edits.count, 0);
}

Test(words, names_of_files)
{
	const struct launch_pattern_values values = { .rank = 7, .node = 2, .host = "n2",
						      .tag = "tag" };
	char path[32];

	cr_expect_eq(launch_pattern_expand("a%t.%03n.%h.%j.%%", &values, path, sizeof(path)), 0);
	cr_expect_str_eq(path, "a7.002.n2.tag.%");
	cr_expect_eq(launch_pattern_expand("%4r%10t", &values, path, sizeof(path)), 0);
	cr_expect_str_eq(path, "00070000000007");
	cr_expect_eq(launch_pattern_expand("%10t%10t%10t%10t", &values, path, sizeof(path)),
		     -ENAMETOOLONG);
	cr_expect_eq(launch_pattern_scope("-o", "plain%j%%t", NULL), LAUNCH_FILE_OF_ALL);
	cr_expect_eq(launch_pattern_scope("-o", "%h", NULL), LAUNCH_FILE_OF_NODE);
	cr_expect_eq(launch_pattern_scope("-o", "%t%n", NULL), LAUNCH_FILE_OF_RANK);
	cr_expect_eq(launch_pattern_scope("-o", "", NULL), -EINVAL);
	cr_expect_eq(launch_pattern_scope("-o", "%", NULL), -EINVAL);
	cr_expect_eq(launch_pattern_scope("-o", "%x", NULL), -EINVAL);
	cr_expect_eq(launch_pattern_scope("-o", "%11t", NULL), -EINVAL);
}

/* Programs of the ranks as "argv0,argv1 ...", or the message. */
static int multi_prog(const char *file, uint32_t size, uint32_t max, char *ret_text)
{
	char path[] = "/tmp/words_test.XXXXXX";
	struct launch_multi_prog programs;
	struct base_err err = { "" };
	int fd = mkstemp(path), rc;

	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, file, strlen(file)), (ssize_t)strlen(file));
	close(fd);
	rc = launch_multi_prog_read(path, size, max, &programs, &err);
	unlink(path);
	*ret_text = 0;
	for (uint32_t i = 0; rc == 0 && i < size; i++) {
		sprintf(ret_text + strlen(ret_text), "%s%u:", i ? " " : "", programs.of_rank[i]);
		for (char **word = programs.argv[programs.of_rank[i]]; *word; word++)
			sprintf(ret_text + strlen(ret_text), "[%s]", *word);
	}
	if (rc < 0)
		strcpy(ret_text, strstr(err.text, ", line") ? strstr(err.text, ", line") + 2 :
							      err.text);
	launch_multi_prog_fini(&programs);
	return rc;
}

Test(words, programs_of_ranks)
{
	char text[512];

	cr_expect_eq(multi_prog("0-1 a x\n2 b\n", 3, 9, text), 0);
	cr_expect_str_eq(text, "0:[a][x] 0:[a][x] 1:[b]");
	cr_expect_eq(multi_prog("* a %t-%o\n1 b\n", 3, 9, text), 0, "%s", text);
	cr_expect_str_eq(text, "1:[a][0-0] 0:[b] 2:[a][2-1]");
	cr_expect_eq(multi_prog("#c\n\n0 'a b' \"c\\\"d\" e\\ f '' # g", 1, 9, text), 0);
	cr_expect_str_eq(text, "0:[a b][c\"d][e f][]");
	cr_expect_eq(multi_prog("0,2 a\n1 b", 3, 9, text), 0);
	cr_expect_str_eq(text, "0:[a] 1:[b] 0:[a]");
}

Test(words, files_of_programs_that_are_wrong)
{
	static const struct {
		const char *file, *says;
	} rows[] = {
		{ "", "no line names rank 0" },
		{ "0 a\n", "no line names rank 1" },
		{ "0-2 a\n", "line 1: there are not so many ranks" },
		{ "\n0-1 a\n1 b", "line 3: a rank has a program already" },
		{ "x a\n", "line 1: ranks like 0,4-7 or * are needed" },
		{ "0, a\n", "line 1: ranks like" },
		{ "1-0 a\n", "line 1: ranks like" },
		{ "0-99999999999999999999 a\n", "line 1: there are not so many ranks" },
		{ "0\n", "line 1: a program is needed" },
		{ "* 'a\n", "line 1: a quote is not closed" },
	};
	char text[512];

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_eq(multi_prog(rows[i].file, 2, 9, text), -EINVAL, "row %u", i);
		cr_expect_not_null(strstr(text, rows[i].says), "row %u: %s", i, text);
	}
	cr_expect_eq(multi_prog("* a %t\n", 4, 3, text), -E2BIG);
	cr_expect_eq(multi_prog("* a\n", 4, 3, text), 0);
}
