/* SPDX-License-Identifier: MIT */
/* hosts_text.c - hosts as people and Slurm write them; see hosts.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wlm/hosts.h"

enum { LINE_BYTES = 1024, DIGITS_MAX = 9, SLOTS_MAX = 1 << 20 };

/* A name on its way: what stands so far, and the pattern that is still to come. */
struct expansion {
	struct launch_hosts *hosts;
	uint32_t slots;
	char name[LAUNCH_HOST_BYTES];
};

static int expand(struct expansion *expansion, size_t used, const char *rest, size_t bytes);

/* `1-3` or `7` of a bracket; @digits keeps the zeros in front. */
static int expand_range(struct expansion *expansion, size_t used, const char *range,
			size_t range_bytes, const char *rest, size_t bytes)
{
	size_t digits = strspn(range, "0123456789");
	unsigned long first, last;
	char *end;

	if (!digits || digits > DIGITS_MAX || digits > range_bytes)
		return -EINVAL;
	first = last = strtoul(range, &end, 10);
	if (digits < range_bytes) {
		size_t more = strspn(range + digits + 1, "0123456789");

		if (range[digits] != '-' || !more || more > DIGITS_MAX ||
		    digits + 1 + more != range_bytes)
			return -EINVAL;
		last = strtoul(range + digits + 1, &end, 10);
	}
	if (last < first || last - first >= LAUNCH_HOSTS_MAX ||
	    used + DIGITS_MAX + 1 >= sizeof(expansion->name))
		return -EINVAL;
	for (; first <= last; first++) {
		int n = snprintf(expansion->name + used, sizeof(expansion->name) - used, "%0*lu",
				 (int)digits, first);
		int rc = expand(expansion, used + (size_t)n, rest, bytes);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int expand(struct expansion *expansion, size_t used, const char *rest, size_t bytes)
{
	const char *open = memchr(rest, '[', bytes), *close, *at;
	size_t plain = open ? (size_t)(open - rest) : bytes;
	int rc = 0;

	if (used + plain >= sizeof(expansion->name))
		return -EINVAL;
	memcpy(expansion->name + used, rest, plain);
	used += plain;
	if (!open)
		return launch_hosts_add(expansion->hosts, expansion->name, used,
					expansion->slots, 0);
	close = memchr(open, ']', bytes - plain);
	if (!close || close == open + 1)
		return -EINVAL;
	for (at = open + 1; rc == 0 && at < close;) {
		const char *comma = memchr(at, ',', (size_t)(close - at));
		const char *end = comma ? comma : close;

		rc = expand_range(expansion, used, at, (size_t)(end - at), close + 1,
				  (size_t)(rest + bytes - close - 1));
		at = end + 1;
	}
	return rc;
}

/* Bytes up to the next comma that is in no bracket. */
static size_t word_bytes(const char *text)
{
	size_t bytes = 0;
	int depth = 0;

	for (; text[bytes] && (depth || text[bytes] != ','); bytes++)
		depth += text[bytes] == '[' ? 1 : text[bytes] == ']' ? -1 : 0;
	return bytes;
}

static int parse_slots(const char *text, size_t bytes, uint32_t *ret_slots)
{
	unsigned long value;

	if (!bytes || bytes > DIGITS_MAX || strspn(text, "0123456789") < bytes)
		return -EINVAL;
	value = strtoul(text, NULL, 10);
	if (!value || value > SLOTS_MAX)
		return -EINVAL;
	*ret_slots = (uint32_t)value;
	return 0;
}

int launch_hosts_parse(struct launch_hosts *hosts, const char *text, int slots,
		       struct base_err *reterr)
{
	const char *wanted = slots ? "hosts like node1, node[1-4] or node1:3 (slots) are needed" :
				     "hosts like node1 or node[1-4] are needed";

	while (*text) {
		struct expansion expansion = { .hosts = hosts };
		size_t bytes = word_bytes(text), name_bytes = bytes;
		const char *colon = slots ? memrchr(text, ':', bytes) : NULL;
		int rc = 0;

		if (colon) {
			name_bytes = (size_t)(colon - text);
			rc = parse_slots(colon + 1, bytes - name_bytes - 1, &expansion.slots);
		}
		if (rc == 0)
			rc = expand(&expansion, 0, text, name_bytes);
		if (rc < 0)
			return base_err(reterr, rc, "\"%.*s\": %s", (int)(bytes < 80 ? bytes : 80),
					text, rc == -EINVAL ? wanted : strerror(-rc));
		text += bytes;
		if (*text == ',' && text[1])
			text++;
		else if (*text)
			return base_err(reterr, -EINVAL, "a comma with no host behind it");
	}
	return 0;
}

/* One line of a host file, without its comment. */
static int parse_line(struct launch_hosts *hosts, char *line)
{
	static const char blanks[] = " \t\r\n";
	char *name = line + strspn(line, blanks), *rest;
	size_t bytes = strcspn(name, " \t\r\n:");
	uint32_t slots = 0;

	if (!bytes)
		return *name ? -EINVAL : 0;
	rest = name + bytes;
	rest += *rest == ':' ? 1 : strspn(rest, blanks);
	if (strncmp(rest, "slots=", 6) == 0)
		rest += 6;
	else if (strncmp(rest, "max_slots=", 10) == 0 || strncmp(rest, "max-slots=", 10) == 0)
		rest += 10;
	if (*rest && parse_slots(rest, strcspn(rest, blanks), &slots) < 0)
		return -EINVAL;
	/* A line for each task is usual, too: `a`, `a`, `b`. */
	return launch_hosts_add(hosts, name, bytes, slots ? slots : 1, 1);
}

int launch_hosts_read(struct launch_hosts *hosts, const char *path, struct base_err *reterr)
{
	FILE *file = fopen(path, "re");
	char line[LINE_BYTES];
	unsigned number = 0;
	int rc = 0;

	if (!file)
		return base_err(reterr, -errno, "cannot read \"%.150s\": %s", path,
				strerror(errno));
	while (rc == 0 && fgets(line, sizeof(line), file)) {
		number++;
		if (!strchr(line, '\n') && !feof(file))
			rc = -EINVAL;
		line[strcspn(line, "#")] = 0;
		if (rc == 0)
			rc = parse_line(hosts, line);
	}
	if (rc < 0)
		base_err(reterr, rc, "\"%.120s\", line %u: %s", path, number, rc != -EINVAL ?
			 strerror(-rc) : "`name`, `name:3` or `name slots=3` is needed");
	else if (ferror(file))
		rc = base_err(reterr, -EIO, "cannot read \"%.150s\"", path);
	fclose(file);
	return rc;
}
