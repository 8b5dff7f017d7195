/* SPDX-License-Identifier: MIT */
/*
 * status.c - the answer to update_status. Who watches many steps asks for the same list again and
 * again: then neither the list is read a second time, nor an answer made when nothing has changed.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "server/answer.h"
#include "server/core.h"

enum {
	ASKED_LEAST = 256,		/* bytes of a request that is worth it */
	ASKED_MOST = 256 << 10,		/* and of one that is kept */
};

static void put_begin(struct launch_writer *answer)
{
	server_put_text(answer, server_answer_name(SERVER_UPDATE_STATUS));
	server_put_text(answer, "|{\"statuses\":{");
}

static void put_step(struct launch_writer *answer, const struct server_step *step, int first)
{
	server_put_text(answer, first ? "\"" : ",\"");
	server_put_text(answer, step->id);
	server_put_text(answer, "\":");
	server_step_print_status(step, answer);
}

static void put_end(struct launch_writer *answer, const char *error)
{
	json_t *text = server_text_or_null(error);
	char *quoted = json_dumps(text, JSON_ENCODE_ANY | JSON_COMPACT);

	server_put_text(answer, "},\"error_message\":");
	server_put_text(answer, quoted ? quoted : "null");
	server_put_text(answer, "}");
	free(quoted);
	json_decref(text);
}

static void forget(struct server_asked *asked)
{
	free(asked->text);
	free(asked->numbers);
	launch_writer_fini(&asked->answer);
	memset(asked, 0, sizeof(*asked));
}

void server_asked_fini(struct server *server)
{
	for (int i = 0; i < ASKED_MAX; i++)
		forget(&server->asked[i]);
}

/* In place of the one that was asked for longest ago. Return: NULL it is not kept. */
static struct server_asked *keep(struct server *server, const char *data, size_t bytes,
				 size_t count)
{
	struct server_asked *asked = &server->asked[0];

	if (bytes < ASKED_LEAST || bytes > ASKED_MOST)
		return NULL;
	for (int i = 1; i < ASKED_MAX; i++)
		if (server->asked[i].turn < asked->turn)
			asked = &server->asked[i];
	forget(asked);
	asked->text = malloc(bytes);
	asked->numbers = calloc(count, sizeof(*asked->numbers));
	if (!asked->text || !asked->numbers) {
		forget(asked);
		return NULL;
	}
	memcpy(asked->text, data, bytes);
	asked->bytes = bytes;
	asked->turn = ++server->asked_turn;
	return asked;
}

/* A step that is asked for twice is told once. An id that is not known now may be one day: such a
 * list is not kept. */
void server_answer_status(struct server *server, const json_t *ids, const char *data, size_t bytes,
			  const char *error, struct launch_writer *answer)
{
	size_t count = json_array_size(ids), told = 0, unknown = 0;
	struct server_asked *asked = count ? keep(server, data, bytes, count) : NULL;

	server->turn++;
	put_begin(answer);
	for (size_t i = 0; i < count; i++) {
		const char *id = json_string_value(json_array_get(ids, i));
		struct server_step *step = server_steps_find(server->steps, id);

		unknown += !step;
		if (!step || step->turn == server->turn)
			continue;
		step->turn = server->turn;
		if (asked)
			asked->numbers[told] = step->number;
		put_step(answer, step, told++ == 0);
	}
	put_end(answer, error);
	if (!asked)
		return;
	asked->count = told;
	asked->changes = server_steps_changes(server->steps);
	launch_put_raw(&asked->answer, answer->data, answer->used);
	if (unknown || asked->answer.failed)
		forget(asked);
}

/* Steps that were forgotten since then are left out, as unknown ids are. */
static void answer_anew(struct server *server, struct server_asked *asked)
{
	size_t told = 0;

	asked->answer.used = 0;
	put_begin(&asked->answer);
	for (size_t i = 0; i < asked->count; i++) {
		struct server_step *step = server_steps_at(server->steps, asked->numbers[i]);

		if (step)
			put_step(&asked->answer, step, told++ == 0);
	}
	put_end(&asked->answer, NULL);
	asked->changes = server_steps_changes(server->steps);
}

int server_answer_status_again(struct server *server, const char *data, size_t bytes,
			       struct launch_writer *answer)
{
	struct server_asked *asked = NULL;

	for (int i = 0; i < ASKED_MAX && !asked; i++)
		if (server->asked[i].bytes == bytes && bytes &&
		    memcmp(server->asked[i].text, data, bytes) == 0)
			asked = &server->asked[i];
	if (!asked)
		return 0;
	asked->turn = ++server->asked_turn;
	if (asked->changes != server_steps_changes(server->steps))
		answer_anew(server, asked);
	if (asked->answer.failed) {
		forget(asked);
		return 0;
	}
	launch_put_raw(answer, asked->answer.data, asked->answer.used);
	return 1;
}
