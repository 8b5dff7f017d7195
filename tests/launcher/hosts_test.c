/* SPDX-License-Identifier: MIT */
/* hosts_test.c - lists of nodes in all the forms in which people and Slurm write them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wlm/hosts.h"
#include "wlm/words.h"

TestSuite(hosts, .timeout = 200);

/* The list as one text: `name:slots,...`, slots left out when they are 0. */
static const char *print(const struct launch_hosts *hosts)
{
	static char text[4096];
	size_t used = 0;

	text[0] = 0;
	for (uint32_t i = 0; i < hosts->count; i++) {
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? "," : "",
					 hosts->host[i].name);
		if (hosts->host[i].slots)
			used += (size_t)snprintf(text + used, sizeof(text) - used, ":%u",
						 hosts->host[i].slots);
	}
	return text;
}

static void expect(const char *given, int slots, const char *wanted)
{
	struct launch_hosts hosts = { 0 };
	struct base_err err = { "" };

	cr_expect_eq(launch_hosts_parse(&hosts, given, slots, &err), 0, "%s: %s", given, err.text);
	cr_expect_str_eq(print(&hosts), wanted);
	launch_hosts_fini(&hosts);
}

static void refuse(const char *given, int slots)
{
	struct launch_hosts hosts = { 0 };
	struct base_err err = { "" };

	cr_expect_lt(launch_hosts_parse(&hosts, given, slots, &err), 0, "%s", given);
	cr_expect(*err.text, "%s: nothing is said", given);
	launch_hosts_fini(&hosts);
}

Test(hosts, forms_of_slurm)
{
	expect("node1", 0, "node1");
	expect("a[1-3,7],b09", 0, "a1,a2,a3,a7,b09");
	expect("nid[000008-000011]", 0, "nid000008,nid000009,nid000010,nid000011");
	expect("n[8-11]", 0, "n8,n9,n10,n11");
	expect("n[08-10]", 0, "n08,n09,n10");
	expect("r[1-2]n[01-02],x", 0, "r1n01,r1n02,r2n01,r2n02,x");
	expect("rack1-n[1,3]-ib.site", 0, "rack1-n1-ib.site,rack1-n3-ib.site");
}

Test(hosts, order_and_slots_are_kept)
{
	expect("b:3,a,c:1", 1, "b:3,a,c:1");
	expect("n[2-3]:4,n1:2", 1, "n2:4,n3:4,n1:2");
	expect("user@b,10.0.0.1:2", 1, "user@b,10.0.0.1:2");
}

Test(hosts, nonsense_is_refused)
{
	static const char *const wrong[] = {
		"a[", "a[]", "a[1", "a[1-]", "a[-1]", "a[3-1]", "a[1-9999999999]", "a]", "a,,b",
		"a,", ",", "-oProxyCommand=x", "a b", "a;b", "a$b", "a[1-70000]", "a[1-2-3]",
		"a[1x]",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		refuse(wrong[i], 0);
	refuse("a:0", 1);
	refuse("a:", 1);
	refuse("a:x", 1);
	refuse("a:3", 0);
	refuse("a:99999999999", 1);
}

/* Nested brackets multiply: they must end in a refusal, not in memory. */
Test(hosts, there_is_an_end)
{
	refuse("a[1-60000][1-60000][1-60000]", 0);
}

Test(hosts, counts_of_slurm)
{
	uint32_t counts[4];

	cr_assert_eq(launch_hosts_counts("3(x2),1,8", counts, 4), 0);
	cr_expect(counts[0] == 3 && counts[1] == 3 && counts[2] == 1 && counts[3] == 8);
	cr_expect_eq(launch_hosts_counts("2(x4)", counts, 4), 0);
	cr_expect_eq(launch_hosts_counts("2(x3)", counts, 4), -EINVAL);
	cr_expect_eq(launch_hosts_counts("2(x5)", counts, 4), -EINVAL);
	cr_expect_eq(launch_hosts_counts("2(x4", counts, 4), -EINVAL);
	cr_expect_eq(launch_hosts_counts("2(x-4)", counts, 4), -EINVAL);
	cr_expect_eq(launch_hosts_counts("a", counts, 4), -EINVAL);
	cr_expect_eq(launch_hosts_counts("", counts, 4), -EINVAL);
}

static void filter(const char *nodelist, const char *exclude, const char *wanted)
{
	struct launch_hosts hosts = { 0 };
	struct base_err err = { "" };

	cr_assert_eq(launch_hosts_parse(&hosts, "a:1,b:2,c.site:3,d:4", 1, &err), 0);
	if (wanted) {
		cr_expect_eq(launch_hosts_filter(&hosts, nodelist, exclude, &err), 0, "%s",
			     err.text);
		cr_expect_str_eq(print(&hosts), wanted);
	} else {
		cr_expect_eq(launch_hosts_filter(&hosts, nodelist, exclude, &err), -EINVAL);
		cr_expect(*err.text);
	}
	launch_hosts_fini(&hosts);
}

Test(hosts, nodelist_and_exclude)
{
	filter("d,b", NULL, "d:4,b:2");
	filter("c,a,a", NULL, "c.site:3,a:1");
	filter(NULL, "a,c.site", "b:2,d:4");
	filter("a,b,d", "b", "a:1,d:4");
	filter("x", NULL, NULL);
	filter(NULL, "x", NULL);
	filter("a", "a", NULL);
}

Test(hosts, host_files)
{
	char path[] = "/tmp/hosts_testXXXXXX";
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");
	struct launch_hosts hosts = { 0 };
	struct base_err err = { "" };

	cr_assert(file);
	fputs("# cluster\n\nb slots=3\n  a:2   # comment\nc 4\nd\nd\nb slots=1\n", file);
	fflush(file);
	cr_expect_eq(launch_hosts_read(&hosts, path, &err), 0, "%s", err.text);
	cr_expect_str_eq(print(&hosts), "b:4,a:2,c:4,d:2");
	launch_hosts_fini(&hosts);
	fputs("e slots=many\n", file);
	fclose(file);
	cr_expect_eq(launch_hosts_read(&hosts, path, &err), -EINVAL);
	cr_expect(strstr(err.text, "line 9"), "%s", err.text);
	launch_hosts_fini(&hosts);
	unlink(path);
	cr_expect_eq(launch_hosts_read(&hosts, path, &err), -ENOENT);
}

Test(hosts, words)
{
	struct launch_words words = { 0 };

	launch_words_split(&words, "  ssh -p 22\t-q ");
	launch_words_add(&words, "%s=%d", "n", 3);
	cr_assert_eq(words.failed, 0);
	cr_assert_eq(words.count, 5);
	cr_expect_str_eq(words.word[0], "ssh");
	cr_expect_str_eq(words.word[3], "-q");
	cr_expect_str_eq(words.word[4], "n=3");
	cr_expect_null(words.word[5]);
	launch_words_fini(&words);
}
