/* SPDX-License-Identifier: MIT */
/* parse.h - numbers as people write them. */
#ifndef LAUNCH_PARSE_H
#define LAUNCH_PARSE_H

#include <stdint.h>

/* A whole number in decimal digits and nothing else. Return: 0; -EINVAL; -ERANGE. */
int launch_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);
/* A number with an optional K, M, G or T (1024-based). Return: 0; -EINVAL; -ERANGE. */
int launch_parse_bytes(const char *text, uint64_t *ret_bytes);

#endif
