/* SPDX-License-Identifier: MIT */
/*
 * log.h - one line to stderr: `program: text`, or a JSON object where DHOW_LOG_FORMAT is "json".
 *
 * DHOW_LOG says what is written, words with commas between: LEVEL for all, COMPONENT=LEVEL for one;
 * of those that fit the last counts. Levels are error, warn, info and debug, default warn. A
 * component is the folder of the source: "agent", "tcp", "job"; "channels" for channels/src.
 * Never a secret, never payload.
 *
 * base_log_init() and base_log_set_level() belong before the first thread; the rest may be called
 * from any thread and does not block but in write().
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum base_log_level { BASE_LOG_ERROR, BASE_LOG_WARN, BASE_LOG_INFO, BASE_LOG_DEBUG };

/* @program: borrowed for ever. Reads DHOW_LOG and DHOW_LOG_FORMAT. Return: 0; -EINVAL one of them
 * is wrong, which was said in one line (what was right of it counts). */
int base_log_init(const char *program);
/* Of all components. */
void base_log_set_level(enum base_log_level level);
int base_log_wanted(enum base_log_level level, const char *file);
void base_log_write(enum base_log_level level, const char *file, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define base_log_enabled(level) base_log_wanted(level, __FILE__)
#define base_log(level, ...) base_log_write(level, __FILE__, __VA_ARGS__)
#define base_log_error(...) base_log(BASE_LOG_ERROR, __VA_ARGS__)
#define base_log_warn(...) base_log(BASE_LOG_WARN, __VA_ARGS__)
#define base_log_info(...) base_log(BASE_LOG_INFO, __VA_ARGS__)
#define base_log_debug(...) \
	(base_log_enabled(BASE_LOG_DEBUG) ? base_log(BASE_LOG_DEBUG, __VA_ARGS__) : (void)0)

#endif
