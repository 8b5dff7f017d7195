/* SPDX-License-Identifier: MIT */
/* err.c - see err.h. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

int base_err(struct base_err *err, int rc, const char *format, ...)
{
	va_list args;

	if (err) {
		va_start(args, format);
		vsnprintf(err->text, sizeof(err->text), format, args);
		va_end(args);
	}
	return rc;
}
