/* SPDX-License-Identifier: MIT */
/* log_json.c - see log_json.h. The base needs no library for one flat object. */
#include "base/log_json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TAIL_BYTES = 16, ESCAPED_BYTES = 7 };	/* `"}` and a '\n'; "\u0000" and a '\0' */

/* Bytes of the UTF-8 sequence at @at (RFC 3629 table 3-7 of Unicode); 0: it is none. */
static unsigned utf8_length(const unsigned char *at)
{
	static const struct {
		unsigned char first, last, low, high;	/* of the first and the second byte */
		unsigned length;
	} rows[] = {
		{ 0x00, 0x7f, 0x00, 0xff, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (at[0] < rows[i].first || at[0] > rows[i].last)
			continue;
		if (rows[i].length > 1 && (at[1] < rows[i].low || at[1] > rows[i].high))
			return 0;
		for (unsigned n = 2; n < rows[i].length; n++)
			if (at[n] < 0x80 || at[n] > 0xbf)
				return 0;
		return rows[i].length;
	}
	return 0;
}

/* As it stands within quotes. Return: where the next byte goes. */
static char *escape(char *to, const char *end, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at && end - to > ESCAPED_BYTES) {
		unsigned length = utf8_length(at);

		if (length == 0) {
			to += sprintf(to, "\\ufffd");
			at++;
		} else if (*at < ' ' || *at == '"' || *at == '\\' || *at == 0x7f) {
			to += sprintf(to, "\\u%04x", *at++);
		} else {
			memcpy(to, at, length);
			to += length;
			at += length;
		}
	}
	return to;
}

size_t base_log_json(char ret_line[BASE_LOG_JSON_BYTES], const struct base_log_fields *fields)
{
	const char *end = ret_line + BASE_LOG_JSON_BYTES - TAIL_BYTES;
	char host[65] = "", when[32], *to = ret_line;
	struct timespec now;
	struct tm day;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &day);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &day);
	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	to += sprintf(to, "{\"time\":\"%s.%06ldZ\",\"level\":\"%s\",\"program\":\"%.64s\","
			  "\"component\":\"%.*s\",\"host\":\"", when, now.tv_nsec / 1000,
		      fields->level, fields->program,
		      fields->component_length < 64 ? fields->component_length : 64,
		      fields->component);
	to = escape(to, end, host);
	to += sprintf(to, "\",\"pid\":%ld,\"message\":\"", (long)getpid());
	to = escape(to, end, fields->text);
	to += sprintf(to, "\"}\n");
	return (size_t)(to - ret_line);
}
