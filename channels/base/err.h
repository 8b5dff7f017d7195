/* SPDX-License-Identifier: MIT */
/* err.h - an error for a person beside the errno for the program. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

struct base_err {
	char text[256];
};

/* Fill @err (may be NULL) and return @rc, so that it is one line: return base_err(...). */
int base_err(struct base_err *err, int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
