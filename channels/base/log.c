/* SPDX-License-Identifier: MIT */
/* log.c - see log.h. One write() a line, so that lines of several processes do not mix. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log_json.h"

enum { LEVELS = 4, RULES_MAX = 16, COMPONENT_BYTES = 24, TEXT_BYTES = 1024 };

static const char *const level_names[LEVELS] = { "error", "warn", "info", "debug" };

static struct {
	const char *program;
	bool json;
	enum base_log_level highest;	/* of all rules: most calls need no look at them */
	enum base_log_level level;	/* where no rule fits */
	unsigned count;
	struct {
		char component[COMPONENT_BYTES];
		enum base_log_level level;
	} rules[RULES_MAX];
} log_set = { .program = "dhow", .highest = BASE_LOG_WARN, .level = BASE_LOG_WARN };

/* ---- what is wanted ---- */

static int find_level(const char *name)
{
	for (int i = 0; i < LEVELS; i++)
		if (strcmp(name, level_names[i]) == 0)
			return i;
	return -EINVAL;
}

static void raise_highest(enum base_log_level level)
{
	if (level > log_set.highest)
		log_set.highest = level;
}

void base_log_set_level(enum base_log_level level)
{
	log_set.count = 0;
	log_set.level = log_set.highest = level;
}

static int add_rule(const char *component, enum base_log_level level)
{
	if (!*component || strlen(component) >= COMPONENT_BYTES || log_set.count == RULES_MAX)
		return -EINVAL;
	strcpy(log_set.rules[log_set.count].component, component);
	log_set.rules[log_set.count++].level = level;
	raise_highest(level);
	return 0;
}

static int take_word(char *word)
{
	char *equals = strchr(word, '=');
	int level = find_level(equals ? equals + 1 : word);

	if (level < 0)
		return level;
	if (!equals) {
		base_log_set_level((enum base_log_level)level);
		return 0;
	}
	*equals = '\0';
	return add_rule(word, (enum base_log_level)level);
}

static int take_levels(const char *spec)
{
	char words[RULES_MAX * (COMPONENT_BYTES + 8)], *next = words, *word;

	if (strlen(spec) >= sizeof(words)) {
		base_log_error("DHOW_LOG has %zu characters, %zu at most", strlen(spec),
			       sizeof(words) - 1);
		return -EINVAL;
	}
	strcpy(words, spec);
	while ((word = strsep(&next, ",")) != NULL) {
		char said[sizeof(words)];

		strcpy(said, word);
		if (take_word(word) == 0)
			continue;
		base_log_error("DHOW_LOG: '%s' is not LEVEL or COMPONENT=LEVEL, with a LEVEL of "
			       "error, warn, info or debug", said);
		return -EINVAL;
	}
	return 0;
}

static int take_format(const char *format)
{
	log_set.json = strcmp(format, "json") == 0;
	if (log_set.json || strcmp(format, "text") == 0)
		return 0;
	base_log_error("DHOW_LOG_FORMAT is '%s': text or json", format);
	return -EINVAL;
}

int base_log_init(const char *program)
{
	const char *levels = getenv("DHOW_LOG"), *format = getenv("DHOW_LOG_FORMAT");
	int rc = 0;

	log_set.program = program;
	if (format && *format)
		rc = take_format(format);
	if (levels && *levels && take_levels(levels) < 0)
		rc = -EINVAL;
	return rc;
}

/* ---- a line ---- */

/* The folder of @file, without an end: ".../launcher/job/run.c" is of "job". */
static const char *component_of(const char *file, int *ret_length)
{
	const char *slash = strrchr(file, '/'), *start = slash;

	while (start && start > file && start[-1] != '/')
		start--;
	*ret_length = slash ? (int)(slash - start) : 0;
	if (*ret_length == 3 && strncmp(start, "src", 3) == 0) {
		*ret_length = (int)strlen("channels");
		return "channels";
	}
	return slash ? start : file;
}

int base_log_wanted(enum base_log_level level, const char *file)
{
	const char *component;
	int length;

	if (level > log_set.highest)
		return 0;
	component = component_of(file, &length);
	for (unsigned i = log_set.count; i-- > 0;)
		if (strncmp(log_set.rules[i].component, component, (size_t)length) == 0 &&
		    log_set.rules[i].component[length] == '\0')
			return level <= log_set.rules[i].level;
	return level <= log_set.level;
}

static size_t make_plain(char *line, size_t size, const char *text)
{
	int n = snprintf(line, size - 1, "%s: %s", log_set.program, text);

	if (n > (int)size - 2)
		n = (int)size - 2;
	for (int i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ' && line[i] != '\t')
			line[i] = '?';
	line[n++] = '\n';
	return (size_t)n;
}

void base_log_write(enum base_log_level level, const char *file, const char *format, ...)
{
	struct base_log_fields fields = { .program = log_set.program, .level = level_names[level] };
	char text[TEXT_BYTES], line[BASE_LOG_JSON_BYTES];
	int saved_errno = errno;
	va_list args;
	size_t bytes;

	if (!base_log_wanted(level, file))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (log_set.json) {
		fields.component = component_of(file, &fields.component_length);
		fields.text = text;
		bytes = base_log_json(line, &fields);
	} else {
		bytes = make_plain(line, TEXT_BYTES, text);
	}
	if (write(STDERR_FILENO, line, bytes) < 0)
		bytes = 0;	/* stderr is closed: nobody is left to be told */
	errno = saved_errno;
}
