/* SPDX-License-Identifier: MIT */
/* answer.c - see answer.h. */
#include "server/answer.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

void server_put_text(struct launch_writer *writer, const char *text)
{
	launch_put_raw(writer, text, strlen(text));
}

/* `kind|` and the JSON of @body, which is given back. */
void server_put_body(struct launch_writer *answer, enum server_kind kind, json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	server_put_text(answer, server_answer_name(kind));
	server_put_text(answer, "|");
	server_put_text(answer, text ? text :
			"{\"error_message\":\"the server has no memory left\"}");
	free(text);
	json_decref(body);
}

/* Text for a client may hold what a client sent: valid UTF-8 or replaced. */
json_t *server_text_or_null(const char *text)
{
	json_t *value;

	if (!text || !*text)
		return json_null();
	value = json_string(text);
	return value ? value : json_string("(not UTF-8)");
}

/* All answers without fields of their own. */
void server_put_plain(struct launch_writer *answer, enum server_kind kind, const char *error)
{
	server_put_body(answer, kind,
			json_pack("{s:o}", "error_message", server_text_or_null(error)));
}
