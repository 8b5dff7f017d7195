/* SPDX-License-Identifier: MIT */
/* directory_test.c - names kept by one node. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/directory.h"

static struct directory *directory;
static struct dhow_name_answer last;
static unsigned answers;

static void on_answer(void *arg, uint32_t node, const struct dhow_name_answer *answer)
{
	(void)arg;
	(void)node;
	last = *answer;
	answers++;
}

static void start(void)
{
	directory = directory_create(on_answer, NULL);
}

static void stop(void)
{
	directory_destroy(directory);
}

TestSuite(directory, .init = start, .fini = stop, .timeout = 200);

static void ask(enum dhow_name_op op, uint64_t ticket, const char *name, const char *address,
		uint64_t wait_ms)
{
	struct dhow_name_request request = { .op = op, .ticket = ticket, .wait_ms = wait_ms };

	strcpy(request.name, name);
	strcpy(request.address, address);
	directory_request(directory, &request);
}

Test(directory, finds_what_was_put)
{
	ask(DHOW_NAME_PUT, 1, "a", "here", 0);
	ask(DHOW_NAME_GET, 2, "a", "", 0);
	cr_assert_eq(last.ticket, 2u);
	cr_assert_eq(last.rc, 0);
	cr_assert_str_eq(last.address, "here");
}

Test(directory, name_is_taken_once_but_repeating_is_no_error)
{
	ask(DHOW_NAME_PUT, 1, "a", "here", 0);
	ask(DHOW_NAME_PUT, 2, "a", "there", 0);
	cr_assert_eq(last.rc, -EEXIST);
	ask(DHOW_NAME_PUT, 3, "a", "here", 0);
	cr_assert_eq(last.rc, 0);
}

Test(directory, question_waits_for_its_name)
{
	ask(DHOW_NAME_GET, 5, "later", "", 5000);
	cr_assert_eq(answers, 0u);
	ask(DHOW_NAME_PUT, 6, "later", "here", 0);
	cr_assert_eq(answers, 2u);
	cr_assert_eq(last.ticket, 5u);
	cr_assert_str_eq(last.address, "here");
}

Test(directory, question_ends_at_its_time)
{
	ask(DHOW_NAME_GET, 5, "never", "", 1);
	cr_assert_neq(directory_expire(directory), UINT64_MAX);
	usleep(2000);
	cr_assert_eq(directory_expire(directory), UINT64_MAX);
	cr_assert_eq(last.rc, -ENOENT);
}

Test(directory, only_the_same_address_deletes)
{
	ask(DHOW_NAME_PUT, 1, "a", "here", 0);
	ask(DHOW_NAME_DEL, 2, "a", "there", 0);
	ask(DHOW_NAME_GET, 3, "a", "", 0);
	cr_assert_eq(last.rc, 0);
	ask(DHOW_NAME_DEL, 4, "a", "here", 0);
	ask(DHOW_NAME_GET, 5, "a", "", 0);
	cr_assert_eq(last.rc, -ENOENT);
}

Test(directory, names_spread_over_the_nodes)
{
	unsigned counts[4] = { 0 };
	char name[32];

	for (int i = 0; i < 4000; i++) {
		snprintf(name, sizeof(name), "exchange-%d", i);
		counts[directory_keeper(name, 4)]++;
	}
	for (int i = 0; i < 4; i++)
		cr_assert(counts[i] > 700 && counts[i] < 1300, "node %d keeps %u", i, counts[i]);
}
