/* SPDX-License-Identifier: MIT */
/* words.h - a command line that grows word by word. */
#ifndef LAUNCH_WORDS_H
#define LAUNCH_WORDS_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed is empty. */
struct launch_words {
	char **word;		/* NULL behind the last; all owned */
	size_t count;
	int failed;		/* 0 or -ENOMEM: checked once at the end */
};

void launch_words_add(struct launch_words *words, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* One word: @prefix and the names of @hosts with commas between. */
struct launch_host;
void launch_words_join(struct launch_words *words, const char *prefix,
		       const struct launch_host *hosts, uint32_t count);
/* The words of @text, which blanks separate: no quotes, no variables. */
void launch_words_split(struct launch_words *words, const char *text);
void launch_words_fini(struct launch_words *words);

#endif
