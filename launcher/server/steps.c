/* SPDX-License-Identifier: MIT */
/* steps.c - see steps.h. */
#include "server/steps.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "keys/keys.h"

enum { TOKENS_LOOKED_AT = 1000 };

struct server_steps {
	uint64_t first, next;	/* numbers: the oldest that is known, the next to be made */
	uint64_t living;
	uint64_t changes;
	uint64_t counts[SERVER_STATES];
	struct server_step *table[SERVER_STEPS_MAX];	/* of number N: at N % SERVER_STEPS_MAX */
};

/* What SmartSim's words for a state are, and which codes go with them: a step that is over must
 * have some, or the client waits for ever. */
static const struct {
	const char *name;
	enum { CODES_NULL, CODES_EMPTY, CODES_ALL } codes;
} states[] = {
	[SERVER_QUEUED] = { "NeverStarted", CODES_NULL },
	[SERVER_STARTING] = { "NeverStarted", CODES_NULL },
	[SERVER_RUNNING] = { "Running", CODES_EMPTY },
	[SERVER_STOPPING] = { "Running", CODES_EMPTY },
	[SERVER_COMPLETED] = { "Completed", CODES_ALL },
	[SERVER_FAILED] = { "Failed", CODES_ALL },
	[SERVER_CANCELLED] = { "Cancelled", CODES_ALL },
};

const char *server_state_name(enum server_state state)
{
	return states[state].name;
}

struct server_steps *server_steps_create(void)
{
	return calloc(1, sizeof(struct server_steps));	/* pages that are not used cost nothing */
}

static void free_step(struct server_step *step)
{
	free(step->text);
	free(step->codes);
	free(step->hosts);
	free(step->name);
	free(step->command);
	free(step->output);
	free(step->error);
	free(step);
}

void server_steps_free(struct server_steps *steps)
{
	if (!steps)
		return;
	for (uint64_t i = steps->first; i < steps->next; i++)
		if (steps->table[i % SERVER_STEPS_MAX])
			free_step(steps->table[i % SERVER_STEPS_MAX]);
	free(steps);
}

/* The first words of what runs, for `dhow ps`. */
static char *make_command(const struct server_run *run)
{
	char text[SERVER_COMMAND_BYTES];
	size_t used = 0, i = 0;
	const char *word = run->exe;

	do {
		int n = snprintf(text + used, sizeof(text) - used, "%s%s", i ? " " : "", word);

		used += (size_t)n;
		word = json_string_value(json_array_get(run->exe_args, i++));
	} while (word && used < sizeof(text) - 1);
	return strdup(text);
}

static char *copy(const char *text, int *failed)
{
	char *own = text ? strdup(text) : NULL;

	*failed |= text && !own;
	return own;
}

/* A file that is not named from the root is below the step's folder: nobody knows ours. */
static char *copy_file(const char *folder, const char *path, int *failed)
{
	char *own = NULL;

	if (!path || *path == '/')
		return copy(path, failed);
	if (asprintf(&own, "%s/%s", folder, path) >= 0)
		return own;
	*failed = 1;
	return NULL;
}

/* Room for one more: the oldest may have to go. */
static int make_room(struct server_steps *steps)
{
	struct server_step **oldest = &steps->table[steps->first % SERVER_STEPS_MAX];

	if (steps->next - steps->first < SERVER_STEPS_MAX)
		return 0;
	if (*oldest && !server_step_is_over(*oldest))
		return -ENOSPC;
	if (*oldest)
		free_step(*oldest);
	*oldest = NULL;
	steps->first++;
	return 0;
}

int server_steps_add(struct server_steps *steps, const struct server_run *run,
		     struct server_step **ret_step)
{
	struct server_step *step;
	int rc = make_room(steps), failed = 0;
	uint32_t random;

	if (rc < 0)
		return rc;
	step = calloc(1, sizeof(*step));
	if (!step)
		return -ENOMEM;
	if (run) {
		step->nodes = run->nodes;
		step->tasks_per_node = run->tasks_per_node;
		step->name = copy(run->name, &failed);
		step->output = copy_file(run->path, run->output_file, &failed);
		step->error = copy_file(run->path, run->error_file, &failed);
		step->command = make_command(run);
		snprintf(step->token, sizeof(step->token), "%s", run->token ? run->token : "");
	}
	if (failed || (run && !step->command)) {
		free_step(step);
		return -ENOMEM;
	}
	base_list_init(&step->link);
	step->queued_ms = base_day_ms();
	step->number = steps->next++;
	steps->living++;
	steps->changes++;
	steps->counts[step->state]++;
	launch_keys_random(&random, sizeof(random));
	snprintf(step->id, sizeof(step->id), "%07x-%llu", random & 0xfffffff,
		 (unsigned long long)step->number);
	steps->table[step->number % SERVER_STEPS_MAX] = step;
	*ret_step = step;
	return 0;
}

struct server_step *server_steps_at(const struct server_steps *steps, uint64_t number)
{
	if (number < steps->first || number >= steps->next)
		return NULL;
	return steps->table[number % SERVER_STEPS_MAX];
}

struct server_step *server_steps_find(const struct server_steps *steps, const char *id)
{
	const char *dash = strchr(id, '-');
	struct server_step *step;

	if (!dash || dash[1] < '0' || dash[1] > '9')
		return NULL;
	step = server_steps_at(steps, strtoull(dash + 1, NULL, 10));
	return step && strcmp(step->id, id) == 0 ? step : NULL;
}

struct server_step *server_steps_newest(const struct server_steps *steps, uint64_t at)
{
	return at < steps->next ? server_steps_at(steps, steps->next - 1 - at) : NULL;
}

struct server_step *server_steps_find_token(const struct server_steps *steps, const char *token)
{
	struct server_step *step;

	for (uint64_t i = 0; i < TOKENS_LOOKED_AT; i++) {
		step = server_steps_newest(steps, i);
		if (!step)
			break;
		if (*step->token && strcmp(step->token, token) == 0)
			return step;
	}
	return NULL;
}

uint64_t server_steps_living(const struct server_steps *steps)
{
	return steps->living;
}

uint64_t server_steps_changes(const struct server_steps *steps)
{
	return steps->changes;
}

const uint64_t *server_steps_counts(const struct server_steps *steps)
{
	return steps->counts;
}

static void move_count(struct server_steps *steps, const struct server_step *step,
		       enum server_state state)
{
	steps->counts[step->state]--;
	steps->counts[state]++;
}

void server_step_enter(struct server_steps *steps, struct server_step *step,
		       enum server_state state)
{
	move_count(steps, step, state);
	step->state = state;
	steps->changes++;
}

void server_step_over(struct server_steps *steps, struct server_step *step,
		      enum server_state state, const int *code)
{
	if (server_step_is_over(step))
		return;
	if (code) {
		free(step->codes);
		step->codes = malloc(sizeof(*step->codes));
		step->code_count = step->codes ? 1 : 0;
		if (step->codes)
			step->codes[0] = *code;
	}
	move_count(steps, step, state);
	step->state = state;
	step->ended_ms = base_day_ms();
	free(step->text);
	step->text = NULL;
	free(step->hosts);
	step->hosts = NULL;
	steps->living--;
	steps->changes++;
}

static void put_text(struct launch_writer *writer, const char *text)
{
	launch_put_raw(writer, text, strlen(text));
}

/* What is printed here are our own words and numbers: nothing that needs quoting. */
void server_step_print_status(const struct server_step *step, struct launch_writer *writer)
{
	char number[16];

	put_text(writer, "[\"");
	put_text(writer, states[step->state].name);
	put_text(writer, "\",");
	switch (states[step->state].codes) {
	case CODES_NULL:
		put_text(writer, "null]");
		return;
	case CODES_EMPTY:
		put_text(writer, "[]]");
		return;
	case CODES_ALL:
		break;
	}
	put_text(writer, "[");
	for (uint32_t i = 0; i < step->code_count; i++) {
		if (i)
			put_text(writer, ",");
		if (step->codes[i] == 0) {	/* as a rule */
			put_text(writer, "0");
			continue;
		}
		snprintf(number, sizeof(number), "%d", step->codes[i]);
		put_text(writer, number);
	}
	if (!step->code_count)		/* no memory for it: still never empty */
		put_text(writer, "-1");
	put_text(writer, "]]");
}
