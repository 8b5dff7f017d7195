/* SPDX-License-Identifier: MIT */
/* multi_prog.c - see multi_prog.h. */
#include "cli/multi_prog.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 1024, UNSET = UINT32_MAX };

struct reader {
	struct launch_multi_prog *out;
	uint32_t size, max;
	const char *path;
	unsigned line;
	struct base_err *reterr;
};

/* One line, cut into words. */
struct words {
	char *word[WORDS_MAX + 1];
	int count;
};

static int wrong(const struct reader *reader, int rc, const char *what)
{
	return base_err(reader->reterr, rc, "--multi-prog %.100s, line %u: %s", reader->path,
			reader->line, what);
}

/* Copy one word without its quotes to @to. Return: where the next begins; NULL a quote is open. */
static char *cut_word(char *at, char **to)
{
	char quote = 0, *out = *to;

	for (; *at && (quote || !isspace((unsigned char)*at)); at++) {
		if (*at == '\\' && quote != '\'' && at[1])
			*out++ = *++at;
		else if (quote ? *at == quote : *at == '"' || *at == '\'')
			quote = quote ? 0 : *at;
		else
			*out++ = *at;
	}
	*to = out;
	return quote ? NULL : at;
}

static int cut_line(const struct reader *reader, char *line, struct words *ret_words)
{
	char *at = line, *to = line;

	ret_words->count = 0;
	for (;;) {
		int more;

		while (isspace((unsigned char)*at))
			at++;
		if (!*at || *at == '#')
			break;
		if (ret_words->count == WORDS_MAX)
			return wrong(reader, -E2BIG, "too many words");
		ret_words->word[ret_words->count++] = to;
		at = cut_word(at, &to);
		if (!at)
			return wrong(reader, -EINVAL, "a quote is not closed");
		more = *at != 0;
		*to++ = 0;	/* it is not before @at: there was a blank or the end */
		at += more;
	}
	ret_words->word[ret_words->count] = NULL;
	return 0;
}

static int has_letters(const struct words *words)
{
	for (int i = 2; i < words->count; i++)
		if (strstr(words->word[i], "%t") || strstr(words->word[i], "%o"))
			return 1;
	return 0;
}

/* Copy of @word with %t and %o replaced. */
static char *expand(const char *word, uint32_t rank, uint32_t offset)
{
	size_t bytes = strlen(word) + 1;
	char *copy, *to;

	for (const char *at = strchr(word, '%'); at; at = strchr(at + 1, '%'))
		bytes += 10;
	copy = to = malloc(bytes);
	for (; copy && *word; word++) {
		if (word[0] == '%' && (word[1] == 't' || word[1] == 'o'))
			to += sprintf(to, "%u", *++word == 't' ? rank : offset);
		else
			*to++ = *word;
	}
	if (copy)
		*to = 0;
	return copy;
}

static int add_program(struct reader *reader, const struct words *words, uint32_t rank,
		       uint32_t offset)
{
	struct launch_multi_prog *out = reader->out;
	char ***larger, **argv;

	if (out->count == reader->max)
		return wrong(reader, -E2BIG, "too many programs that differ, by %t or %o");
	larger = realloc(out->argv, (out->count + 1) * sizeof(*larger));
	argv = calloc((size_t)words->count, sizeof(*argv));
	if (larger)
		out->argv = larger;
	if (!larger || !argv) {
		free(argv);
		return wrong(reader, -ENOMEM, "no memory");
	}
	out->argv[out->count++] = argv;
	for (int i = 1; i < words->count; i++) {
		argv[i - 1] = i == 1 ? strdup(words->word[i]) :
				       expand(words->word[i], rank, offset);
		if (!argv[i - 1])
			return wrong(reader, -ENOMEM, "no memory");
	}
	return 0;
}

/* The ranks of one line, as they come. */
struct giver {
	struct reader *reader;
	const struct words *words;
	uint32_t offset;
	int each;		/* a program for each rank */
};

static int give(struct giver *giver, uint32_t rank)
{
	struct reader *reader = giver->reader;
	int rc = 0;

	if (rank >= reader->size)
		return wrong(reader, -EINVAL, "there are not so many ranks");
	if (reader->out->of_rank[rank] != UNSET)
		return wrong(reader, -EINVAL, "a rank has a program already");
	if (giver->each || giver->offset == 0)
		rc = add_program(reader, giver->words, rank, giver->offset);
	reader->out->of_rank[rank] = reader->out->count - 1;
	giver->offset++;
	return rc;
}

static int give_ranges(struct giver *giver, char *ranges)
{
	int rc = 0;

	for (char *at = ranges; rc == 0; at++) {
		unsigned long first, last;

		if (!isdigit((unsigned char)*at))
			return wrong(giver->reader, -EINVAL, "ranks like 0,4-7 or * are needed");
		first = last = strtoul(at, &at, 10);
		if (*at == '-' && isdigit((unsigned char)at[1]))
			last = strtoul(at + 1, &at, 10);
		if (last < first || last >= giver->reader->size || (*at && *at != ','))
			return wrong(giver->reader, -EINVAL, last >= giver->reader->size ?
						"there are not so many ranks" :
						"ranks like 0,4-7 or * are needed");
		while (rc == 0 && first <= last)
			rc = give(giver, (uint32_t)first++);
		if (!*at)
			break;
	}
	return rc;
}

/* The line of * comes last, wherever it stands. */
static int give_rest(struct giver *giver)
{
	int rc = 0;

	for (uint32_t rank = 0; rc == 0 && rank < giver->reader->size; rank++)
		if (giver->reader->out->of_rank[rank] == UNSET)
			rc = give(giver, rank);
	return rc;
}

/* @rest: look at the line of * only, else at the others. */
static int read_pass(struct reader *reader, FILE *file, int rest)
{
	static struct words words;
	char *line = NULL;
	size_t room = 0;
	int rc = 0;

	reader->line = 0;
	rewind(file);
	while (rc == 0 && getline(&line, &room, file) >= 0) {
		struct giver giver = { .reader = reader, .words = &words };

		reader->line++;
		rc = cut_line(reader, line, &words);
		if (rc < 0 || words.count == 0)
			continue;
		if (words.count < 2)
			rc = wrong(reader, -EINVAL, "a program is needed behind the ranks");
		giver.each = has_letters(&words);
		if (rc == 0 && strcmp(words.word[0], "*") == 0)
			rc = rest ? give_rest(&giver) : 0;
		else if (rc == 0 && !rest)
			rc = give_ranges(&giver, words.word[0]);
	}
	free(line);
	return rc;
}

int launch_multi_prog_read(const char *path, uint32_t size, uint32_t max,
			   struct launch_multi_prog *ret, struct base_err *reterr)
{
	struct reader reader = { ret, size, max, path, 0, reterr };
	FILE *file = fopen(path, "re");
	int rc = file ? 0 : -errno;

	memset(ret, 0, sizeof(*ret));
	if (rc < 0)
		return base_err(reterr, rc, "--multi-prog \"%.150s\": %s", path, strerror(-rc));
	ret->of_rank = malloc(size * sizeof(*ret->of_rank));
	if (!ret->of_rank)
		rc = base_err(reterr, -ENOMEM, "no memory for %u ranks", size);
	for (uint32_t i = 0; rc == 0 && i < size; i++)
		ret->of_rank[i] = UNSET;
	if (rc == 0)
		rc = read_pass(&reader, file, 0);
	if (rc == 0)
		rc = read_pass(&reader, file, 1);
	fclose(file);
	for (uint32_t i = 0; rc == 0 && i < size; i++)
		if (ret->of_rank[i] == UNSET)
			rc = base_err(reterr, -EINVAL, "--multi-prog %.100s: no line names rank "
				      "%u (a line with * takes all the others)", path, i);
	if (rc < 0)
		launch_multi_prog_fini(ret);
	return rc;
}

void launch_multi_prog_fini(struct launch_multi_prog *programs)
{
	for (uint32_t i = 0; i < programs->count; i++) {
		for (char **word = programs->argv[i]; *word; word++)
			free(*word);
		free(programs->argv[i]);
	}
	free(programs->argv);
	free(programs->of_rank);
	memset(programs, 0, sizeof(*programs));
}
