/* SPDX-License-Identifier: MIT */
/* log.c - see log.h. One write() a line, so that lines of several processes do not mix. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = { "error", "warn", "info", "debug" };
static const char *log_component = "dhow";
static enum base_log_level log_level = BASE_LOG_WARN;

void base_log_init(const char *component)
{
	const char *wanted = getenv("DHOW_LOG");

	log_component = component;
	for (unsigned i = 0; wanted && i < sizeof(level_names) / sizeof(*level_names); i++)
		if (strcmp(wanted, level_names[i]) == 0)
			log_level = (enum base_log_level)i;
}

void base_log_set_level(enum base_log_level level)
{
	log_level = level;
}

int base_log_enabled(enum base_log_level level)
{
	return level <= log_level;
}

void base_log(enum base_log_level level, const char *format, ...)
{
	int saved_errno = errno;
	char line[1024];
	va_list args;
	int n;

	if (!base_log_enabled(level))
		return;
	n = snprintf(line, sizeof(line), "%s: ", log_component);
	va_start(args, format);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
	va_end(args);
	if (n > (int)sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	for (int i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ' && line[i] != '\t')
			line[i] = '?';
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		n = 0;	/* stderr is closed: nobody is left to be told */
	errno = saved_errno;
}
