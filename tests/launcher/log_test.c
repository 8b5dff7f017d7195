/* SPDX-License-Identifier: MIT */
/* log_test.c - which lines are written, and as what. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static int saved, ends[2];

/* What is said meanwhile goes into a pipe. */
static void listen_to(void)
{
	unsetenv("DHOW_LOG");
	unsetenv("DHOW_LOG_FORMAT");
	cr_assert_eq(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	saved = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
}

static void stop_listening(void)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[0]);
	close(ends[1]);
}

static const char *heard(void)
{
	static char text[16384];
	ssize_t n = read(ends[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

TestSuite(log, .init = listen_to, .fini = stop_listening, .timeout = 200);

static void say_all(const char *file)
{
	base_log_write(BASE_LOG_ERROR, file, "e");
	base_log_write(BASE_LOG_WARN, file, "w");
	base_log_write(BASE_LOG_INFO, file, "i");
	base_log_write(BASE_LOG_DEBUG, file, "d");
}

Test(log, levels)
{
	static const struct {
		const char *levels, *file, *wanted;
	} rows[] = {
		{ "", "/x/launcher/job/job.c", "p: e\np: w\n" },
		{ "error", "/x/launcher/job/job.c", "p: e\n" },
		{ "debug", "/x/launcher/job/job.c", "p: e\np: w\np: i\np: d\n" },
		{ "error,job=info", "/x/launcher/job/job.c", "p: e\np: w\np: i\n" },
		{ "error,job=info", "/x/launcher/jobs/job.c", "p: e\n" },
		{ "error,jobs=info", "/x/launcher/job/job.c", "p: e\n" },
		{ "debug,job=warn", "/x/tcp/job.c", "p: e\np: w\np: i\np: d\n" },
		{ "debug,tcp=warn", "tcp/job.c", "p: e\np: w\n" },
		{ "job=debug,job=error", "/x/launcher/job/job.c", "p: e\n" },
		{ "job=debug,warn", "/x/launcher/job/job.c", "p: e\np: w\n" },
		{ "error,channels=info", "/x/channels/src/send.c", "p: e\np: w\np: i\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		base_log_set_level(BASE_LOG_WARN);
		setenv("DHOW_LOG", rows[i].levels, 1);
		cr_assert_eq(base_log_init("p"), 0, "%s", rows[i].levels);
		say_all(rows[i].file);
		cr_expect_str_eq(heard(), rows[i].wanted, "%s", rows[i].levels);
	}
}

Test(log, what_is_wrong_is_told)
{
	static const struct {
		const char *name, *value, *wanted;
	} rows[] = {
		{ "DHOW_LOG", "inof", "'inof'" },
		{ "DHOW_LOG", "info,job=", "'job='" },
		{ "DHOW_LOG", "=info", "'=info'" },
		{ "DHOW_LOG", "info,,warn", "''" },
		{ "DHOW_LOG", "a-component-with-too-long-a-name=info", "too-long" },
		{ "DHOW_LOG_FORMAT", "xml", "'xml': text or json" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		setenv(rows[i].name, rows[i].value, 1);
		cr_expect_eq(base_log_init("p"), -EINVAL, "%s", rows[i].value);
		cr_expect_not_null(strstr(heard(), rows[i].wanted), "%s", rows[i].value);
		unsetenv(rows[i].name);
	}
}

Test(log, a_line_is_one_line)
{
	char text[3000];

	cr_assert_eq(base_log_init("p"), 0);
	base_log_error("a\nb\tc");
	cr_expect_str_eq(heard(), "p: a?b\tc\n");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	base_log_error("%s", text);
	cr_expect_leq(strlen(heard()), 1024);
	base_log_error("%s", text);
	cr_expect_eq(heard()[1022], '\n');
}

static json_t *heard_json(const char *text)
{
	json_error_t error;
	json_t *object;

	base_log_warn("%s", text);
	object = json_loads(heard(), 0, &error);
	cr_assert(object, "%s", error.text);
	return object;
}

Test(log, json)
{
	static const struct {
		const char *said, *wanted;
	} rows[] = {
		{ "plain", "plain" },
		{ "\"quoted\" \\ and\nlines\t\x7f", "\"quoted\" \\ and\nlines\t\x7f" },
		{ "gr\xc3\xbc\xc3\x9f \xf0\x9f\x9a\x80", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x9a\x80" },
		{ "bad \xff \xc3", "bad \xef\xbf\xbd \xef\xbf\xbd" },
		{ "surrogate \xed\xa0\x80", "surrogate \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	};

	setenv("DHOW_LOG_FORMAT", "json", 1);
	cr_assert_eq(base_log_init("p"), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		json_t *line = heard_json(rows[i].said);
		const char *level, *program, *component, *message, *time;
		json_int_t pid;

		cr_assert_eq(json_unpack(line, "{s:s, s:s, s:s, s:s, s:s, s:I}", "level", &level,
					 "program", &program, "component", &component, "message",
					 &message, "time", &time, "pid", &pid), 0);
		cr_expect_str_eq(level, "warn");
		cr_expect_str_eq(program, "p");
		cr_expect_str_eq(component, "launcher");
		cr_expect_str_eq(message, rows[i].wanted);
		cr_expect_eq(strlen(time), strlen("2026-01-31T12:00:00.000123Z"));
		cr_expect_eq(pid, getpid());
		json_decref(line);
	}
}

Test(log, json_of_a_long_text_is_whole)
{
	char text[1100];

	setenv("DHOW_LOG_FORMAT", "json", 1);
	cr_assert_eq(base_log_init("p"), 0);
	memset(text, 1, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	json_decref(heard_json(text));
}
