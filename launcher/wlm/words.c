/* SPDX-License-Identifier: MIT */
/* words.c - see words.h. */
#include "wlm/words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
