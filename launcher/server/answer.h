/* SPDX-License-Identifier: MIT */
/* answer.h - the pieces that answers are made of: `kind|{"error_message":null,...}`. */
#ifndef LAUNCH_SERVER_ANSWER_H
#define LAUNCH_SERVER_ANSWER_H

#include "proto/codec.h"
#include "server/request.h"
#include "server/server.h"

void server_put_text(struct launch_writer *writer, const char *text);
/* `kind|` and the JSON of @body, whose reference is taken; NULL = there was no memory. */
void server_put_body(struct launch_writer *answer, enum server_kind kind, struct json_t *body);
/* All answers without fields of their own. @error: NULL = none. */
void server_put_plain(struct launch_writer *answer, enum server_kind kind, const char *error);
/* A new reference; null for NULL and for nothing. */
struct json_t *server_text_or_null(const char *text);

/* describe.c: what Dhow's own clients ask for */
void server_answer_list(struct server *server, struct launch_writer *answer);
void server_answer_logs(struct server *server, const struct server_logs *logs,
			struct launch_writer *answer);

#endif
