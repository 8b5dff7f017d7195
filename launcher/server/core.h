/* SPDX-License-Identifier: MIT */
/* core.h - what server.c (requests and answers) and start.c (steps and runs) share. */
#ifndef LAUNCH_SERVER_CORE_H
#define LAUNCH_SERVER_CORE_H

#include "server/server.h"
#include "server/steps.h"

enum { RECENT_MAX = 1024, OWNERS_MAX = 64, DIGEST_BYTES = 16 };

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

#endif
