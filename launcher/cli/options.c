/* SPDX-License-Identifier: MIT */
/* options.c - see options.h. The rows are in option_table.c. */
#include "cli/options.h"

#include <argp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dhow/dhow.h>

#include "cli/option_table.h"

enum { USAGE_EXIT = 2, KEY_FIRST = 256, ROWS_MAX = 128, NAME_BYTES = 64 };

static const char doc[] =
	"\n"
	"  dlaunch -n 4 -N 3 ./app        4 nodes x 3 tasks = 12 tasks\n"
	"\n"
	"-n is NODES and -N is TASKS PER NODE. The same 12 tasks elsewhere:\n"
	"  srun   -N 4 -n 12 ./app        (there -N is nodes, -n all tasks)\n"
	"  aprun  -n 12 -N 3 ./app        (there -n is all tasks, -N tasks per node)\n"
	"\v"
	"A lone : begins the next program, which runs beside the others; -- before a program makes "
	"all behind it its arguments.\n"
	"\n"
	"Exit code: the highest of the tasks; a task ended by a signal counts as 128 + signal; 124 "
	"--timeout has passed; 125 dlaunch itself failed; 126 the program cannot be executed; "
	"127 it is not found; 130 a second ^C; 2 wrong usage.\n"
	"\n"
	"The first ^C says what runs, a second one within 2 s ends it.";

/* One segment that is being parsed. */
struct parser {
	struct launch_options *options;
	struct launch_segment *segment;
	int strict;
	int end;		/* where it ends, among the words of argp */
};

void launch_options_wrong(const char *format, ...)
{
	va_list args;

	fputs("dlaunch: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\ntry: dlaunch --help\n", stderr);
	exit(USAGE_EXIT);
}

/* Options without a letter count from KEY_FIRST on; an alias has the key of its option, which is
 * the one before it. */
static void make_argp(struct argp_option *ret_table)
{
	size_t owner = 0;

	for (size_t i = 0; i < launch_option_row_count; i++) {
		struct argp_option *option = &ret_table[i];

		*option = launch_option_rows[i].argp;
		if (!(option->flags & OPTION_ALIAS))
			owner = i;
		if (option->name && !option->key)
			option->key = KEY_FIRST + (int)owner;
	}
	memset(&ret_table[launch_option_row_count], 0, sizeof(*ret_table));
}

static const struct launch_option_row *find_row(int key)
{
	for (size_t i = 0; i < launch_option_row_count; i++) {
		const struct launch_option_row *row = &launch_option_rows[i];

		if (key > 0 && row->kind != LAUNCH_OPTION_NONE &&
		    (key >= KEY_FIRST ? (size_t)(key - KEY_FIRST) == i : row->argp.key == key))
			return row;
	}
	return NULL;
}

static void take_number(uint32_t *to, const struct launch_option_row *row, const char *option,
			const char *text)
{
	uint64_t value;

	if (launch_parse_number(text, 1, row->max, &value) < 0)
		launch_options_wrong("%s \"%s\": a whole number from 1 to %u is needed", option,
				     text, row->max);
	*to = (uint32_t)value;
}

/* It outlives the parsing, for messages. */
static const char *origin(const struct launch_option_row *row)
{
	static const char *const origins[] = { "--transport", "--fabric", "--provider", "--nic" };

	for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++)
		if (strcmp(origins[i] + 2, row->argp.name) == 0)
			return origins[i];
	return "an option";
}

static void take_row(const struct parser *parser, const struct launch_option_row *row, char *text)
{
	struct launch_options *options = parser->options;
	void *to = (char *)(row->in_segment ? (void *)parser->segment : (void *)options) +
		   row->offset;
	char option[NAME_BYTES];

	snprintf(option, sizeof(option), row->argp.key ? "--%s (-%c)" : "--%s", row->argp.name,
		 row->argp.key);
	if (!row->in_segment && parser->segment != &options->segment[0])
		launch_options_wrong("%s is for the whole run: it belongs before the first program",
				     option);
	switch (row->kind) {
	case LAUNCH_OPTION_NONE:
		break;
	case LAUNCH_OPTION_FLAG:
		*(int *)to = 1;
		break;
	case LAUNCH_OPTION_TEXT:
		*(const char **)to = text;
		break;
	case LAUNCH_OPTION_NUMBER:
		take_number(to, row, option, text);
		break;
	case LAUNCH_OPTION_WISH:
		*(struct launch_wish *)to = (struct launch_wish){ text, origin(row), 1 };
		break;
	case LAUNCH_OPTION_CALL:
		row->call(options, parser->segment, option, text);
		break;
	}
}

/* The first word that is no option is the program: all behind it is the program's, up to a lone
 * ':' that begins the next one, unless "--" stands before the program. */
static void take_program(struct parser *parser, struct argp_state *state)
{
	int at = state->next - 1;

	parser->end = state->argc;
	if (strcmp(state->argv[at - 1], "--") != 0)
		for (int i = state->argc - 1; i >= at; i--)
			if (strcmp(state->argv[i], ":") == 0)
				parser->end = i;
	if (parser->end > at)
		parser->segment->argv = state->argv + at;
	state->next = state->argc;
}

/* Of letters in one word, all but the last look like the word before them. */
static int is_short(const struct argp_state *state, const char *text)
{
	const char *word = state->argv[state->next - 1];

	if (text == word)
		word = state->argv[state->next - 2];
	return word[0] == '-' && word[1] != '-';
}

static error_t take(int key, char *text, struct argp_state *state)
{
	struct parser *parser = state->input;
	const struct launch_option_row *row = find_row(key);

	if (row && parser->strict && is_short(state, text))
		launch_options_wrong("-%c: DLAUNCH_STRICT is set, so only --%s will do", key,
				     row->argp.name);
	if (row) {
		take_row(parser, row, text);
		return 0;
	}
	switch (key) {
	case ARGP_KEY_ARG:
		take_program(parser, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --hosts and a variable for the file do not contradict. */
void launch_sources_environment(struct launch_wlm_wishes *sources)
{
	const struct {
		const char **wish, *variable;
	} rows[] = {
		{ &sources->wlm, "DHOW_WLM" },
		{ &sources->hostfile, "DHOW_HOSTFILE" },
		{ &sources->ssh, "DHOW_SSH" },
		{ &sources->address, "DHOW_LISTEN" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *value = getenv(rows[i].variable);

		if (!*rows[i].wish && value && *value &&
		    !(rows[i].wish == &sources->hostfile && sources->hosts))
			*rows[i].wish = value;
	}
}

static void add_security(struct launch_options *options)
{
	char usual[] = "mac", *variable = getenv("DHOW_SECURITY");

	for (size_t i = 0; !options->security && i < launch_option_row_count; i++) {
		const struct launch_option_row *row = &launch_option_rows[i];

		if (row->argp.name && strcmp(row->argp.name, "security") == 0)
			row->call(options, NULL, "DHOW_SECURITY",
				  variable && *variable ? variable : usual);
	}
}

static void print_version(FILE *stream, struct argp_state *state)
{
	(void)state;
	fprintf(stream, "dlaunch %s\n", DHOW_VERSION);
}

/* @argv[0] is our name. Ends the list where the next segment begins, see parser->end. */
static void parse_segment(struct parser *parser, int argc, char **argv)
{
	static struct argp_option table[ROWS_MAX];
	const struct argp argp = { .options = table,
				   .parser = take,
				   .args_doc = "PROGRAM [ARGUMENT...] "
					       "[: [OPTION...] PROGRAM [ARGUMENT...]]...",
				   .doc = doc };

	make_argp(table);
	parser->end = argc;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, parser) != 0)
		exit(USAGE_EXIT);
	if (!parser->segment->argv && !parser->options->multi_prog)
		launch_options_wrong("no program is given%s",
				     parser->end < argc ? " before :" : "");
	argv[parser->end] = NULL;
}

void launch_options_parse(int argc, char **argv, struct launch_options *ret_options)
{
	const char *strict = getenv("DLAUNCH_STRICT");
	struct parser parser = { .options = ret_options,
				 .strict = strict && *strict && *strict != '0' };
	static char name[] = "dlaunch";	/* messages say dlaunch, however it was called */
	int at = 0;
	char **words;

	memset(ret_options, 0, sizeof(*ret_options));
	ret_options->kill_on_bad_exit = -1;
	argp_program_version_hook = print_version;
	argp_err_exit_status = USAGE_EXIT;
	/* Each segment is a list of words of its own, with our name before it and NULL behind. */
	words = calloc((size_t)argc + LAUNCH_SEGMENTS_MAX + 1, sizeof(*words));
	if (!words)
		launch_options_wrong("no memory for %d words", argc);
	ret_options->words = words;
	do {
		if (ret_options->segment_count == LAUNCH_SEGMENTS_MAX)
			launch_options_wrong("more than %d programs", LAUNCH_SEGMENTS_MAX);
		parser.segment = &ret_options->segment[ret_options->segment_count++];
		memcpy(words, argv + at, (size_t)(argc - at) * sizeof(*words));
		words[0] = name;
		words[argc - at] = NULL;
		parse_segment(&parser, argc - at, words);
		at += parser.end;
		words += parser.end + 1;
	} while (at < argc);
	if (ret_options->multi_prog &&
	    (ret_options->segment_count > 1 || ret_options->segment[0].argv))
		launch_options_wrong("--multi-prog says what runs: no program beside it");
	launch_wishes_environment(&ret_options->wishes);
	launch_sources_environment(&ret_options->sources);
	add_security(ret_options);
}

void launch_options_fini(struct launch_options *options)
{
	for (uint32_t i = 0; i < options->segment_count; i++)
		launch_env_fini(&options->segment[i].env);
	launch_env_fini(&options->env);
	free(options->words);
	options->words = NULL;
}
