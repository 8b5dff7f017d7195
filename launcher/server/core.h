/* SPDX-License-Identifier: MIT */
/* core.h - what server.c (requests and answers) and start.c (steps and runs) share. */
#ifndef LAUNCH_SERVER_CORE_H
#define LAUNCH_SERVER_CORE_H

#include "server/server.h"
#include "server/steps.h"

enum { RECENT_MAX = 1024, OWNERS_MAX = 64, ASKED_MAX = 4, DIGEST_BYTES = 16 };

/* A `run` that was executed, so that it is not executed again. */
struct server_recent {
	uint8_t digest[DIGEST_BYTES];	/* of route and body */
	uint64_t number;		/* of its step */
};

/* A connection by which steps were started. */
struct server_owner {
	uint16_t bytes;
	uint8_t name[32];
	uint64_t heard_ns;
};

/* An update_status that may come again, and what was answered. */
struct server_asked {
	char *text;			/* owned; NULL = none */
	size_t bytes, count;
	uint64_t *numbers;		/* count steps, in the order of the answer; owned */
	struct launch_writer answer;
	uint64_t changes;		/* of the table when it was answered */
	uint64_t turn;			/* when it was asked for last */
};

struct server {
	enum server_schedule schedule;
	uint32_t cpus, gpus, grace_ms;
	int pid;
	char *spool;

	struct launch_job *job;
	struct server_hosts *hosts;
	struct server_steps *steps;
	struct base_list waiting, running;	/* steps, by their link */
	struct server_step *over;		/* whose run waits to be freed */
	uint64_t queue_bytes;
	uint32_t *scratch;			/* one number for each host */
	uint32_t host_count;
	uint32_t turn;				/* of answers */
	int stale;				/* hosts or queue changed: see whether one fits */

	int ending, ends_frontend;
	struct server_recent recent[RECENT_MAX];
	unsigned recent_next;
	struct server_asked asked[ASKED_MAX];
	uint64_t asked_turn;
	struct server_owner owners[OWNERS_MAX];
};

/* start.c: hand it to the job, or make it fail. @request: parsed text of the step. */
void server_start(struct server *server, struct server_step *step,
		  const struct server_request *request);
/* Stop it in whatever state it is. */
void server_stop(struct server *server, struct server_step *step);
/* Take it off its list and end it; one code for all, or its own for NULL. */
void server_finish(struct server *server, struct server_step *step, enum server_state state,
		   const int *code);

struct json_t;

/* status.c: the answer to update_status for @ids, a list of strings (NULL: none, because of
 * @error); @data, @bytes: the whole request, which may come again. */
void server_answer_status(struct server *server, const struct json_t *ids, const char *data,
			  size_t bytes, const char *error, struct launch_writer *answer);
/* Return: 1 this very request was answered before, and now again; 0 it must be read. */
int server_answer_status_again(struct server *server, const char *data, size_t bytes,
			       struct launch_writer *answer);
void server_asked_fini(struct server *server);

#endif
