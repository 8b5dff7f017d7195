/* SPDX-License-Identifier: MIT */
/* parse.c - see parse.h. */
#include "cli/parse.h"

#include <errno.h>
#include <string.h>

int launch_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!*text)
		return -EINVAL;
	for (const char *at = text; *at; at++) {
		if (*at < '0' || *at > '9')
			return -EINVAL;
		if (value > (UINT64_MAX - 9) / 10)
			return -ERANGE;
		value = value * 10 + (uint64_t)(*at - '0');
	}
	if (value < min || value > max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int launch_parse_bytes(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	size_t digits = strspn(text, "0123456789");
	const char *unit = text[digits] ? strchr(units, text[digits]) : NULL;
	char number[32];
	uint64_t value;
	int rc, shift = unit ? 10 * (int)(unit - units + 1) : 0;

	if (digits >= sizeof(number) || (text[digits] && (!unit || text[digits + 1])))
		return -EINVAL;
	memcpy(number, text, digits);
	number[digits] = 0;
	rc = launch_parse_number(number, 1, UINT64_MAX >> shift, &value);
	if (rc == 0)
		*ret_bytes = value << shift;
	return rc;
}
