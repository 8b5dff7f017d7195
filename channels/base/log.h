/* SPDX-License-Identifier: MIT */
/*
 * log.h - one line to stderr: `component: text`. Level by DHOW_LOG
 * (error, warn, info, debug); default warn. Never a secret, never payload.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum base_log_level { BASE_LOG_ERROR, BASE_LOG_WARN, BASE_LOG_INFO, BASE_LOG_DEBUG };

/* @component: borrowed for ever. Reads DHOW_LOG. */
void base_log_init(const char *component);
void base_log_set_level(enum base_log_level level);
int base_log_enabled(enum base_log_level level);
void base_log(enum base_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define base_log_error(...) base_log(BASE_LOG_ERROR, __VA_ARGS__)
#define base_log_warn(...) base_log(BASE_LOG_WARN, __VA_ARGS__)
#define base_log_info(...) base_log(BASE_LOG_INFO, __VA_ARGS__)
#define base_log_debug(...) \
	(base_log_enabled(BASE_LOG_DEBUG) ? base_log(BASE_LOG_DEBUG, __VA_ARGS__) : (void)0)

#endif
