/* SPDX-License-Identifier: MIT */
/* words.c - see words.h. */
#include "wlm/words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wlm/hosts.h"

void launch_words_add(struct launch_words *words, const char *format, ...)
{
	char **larger = realloc(words->word, (words->count + 2) * sizeof(*larger));
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (larger)
		words->word = larger;
	if (!larger || vasprintf(&text, format, args) < 0) {
		words->failed = -ENOMEM;
	} else {
		words->word[words->count++] = text;
		words->word[words->count] = NULL;
	}
	va_end(args);
}

void launch_words_join(struct launch_words *words, const char *prefix,
		       const struct launch_host *hosts, uint32_t count)
{
	size_t bytes = 1;
	char *list, *at;

	for (uint32_t i = 0; i < count; i++)
		bytes += strlen(hosts[i].name) + 1;
	list = at = malloc(bytes);
	if (!list) {
		words->failed = -ENOMEM;
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		at += sprintf(at, "%s%s", i ? "," : "", hosts[i].name);
	launch_words_add(words, "%s%s", prefix, list);
	free(list);
}

void launch_words_split(struct launch_words *words, const char *text)
{
	static const char blanks[] = " \t\n";

	for (text += strspn(text, blanks); *text; text += strspn(text, blanks)) {
		size_t bytes = strcspn(text, blanks);

		launch_words_add(words, "%.*s", (int)bytes, text);
		text += bytes;
	}
}

void launch_words_fini(struct launch_words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->word[i]);
	free(words->word);
	*words = (struct launch_words){ 0 };
}
