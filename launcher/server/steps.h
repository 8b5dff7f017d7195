/* SPDX-License-Identifier: MIT */
/*
 * steps.h - the table of steps: what was asked to run, and what became of it.
 *
 * A step's number counts from 0 and is the end of its id, so that it is found without a search.
 * Finished steps keep what people ask for later and nothing else; the oldest are forgotten when
 * there are more than SERVER_STEPS_MAX. One thread.
 */
#ifndef LAUNCH_SERVER_STEPS_H
#define LAUNCH_SERVER_STEPS_H

#include <stdint.h>

#include "base/list.h"
#include "proto/codec.h"
#include "server/request.h"

struct launch_run;

enum {
	SERVER_STEPS_MAX = 100000,
	SERVER_COMMAND_BYTES = 128,	/* of the command line, for people */
};

enum server_state {
	SERVER_QUEUED,
	SERVER_STARTING,	/* given to the job */
	SERVER_RUNNING,		/* a task of it runs */
	SERVER_STOPPING,
	SERVER_COMPLETED,	/* from here on it is over */
	SERVER_FAILED,
	SERVER_CANCELLED,
	SERVER_STATES
};

struct server_step {
	struct base_list link;		/* among those that wait or those that run */
	char id[SERVER_ID_BYTES];
	uint64_t number;
	enum server_state state;
	uint32_t nodes, tasks_per_node;
	uint32_t passed;		/* how often it was overtaken while it waited */
	uint32_t turn;			/* of the last answer that it is in */
	int *codes;			/* of each task, or of the step as a whole; owned */
	uint32_t code_count, ended;
	uint32_t *hosts;		/* nodes entries while it runs; owned */
	char *name, *command, *output, *error;	/* NULL = none; owned */
	int64_t queued_ms, started_ms, ended_ms;	/* of the day; 0 = not yet */
	char *text;			/* what was asked, while it waits; owned */
	size_t text_bytes;
	struct launch_run *run;		/* while it runs */
	struct server_step *next_over;	/* of those whose run waits to be freed */
	void *owner;
	int cancelled;			/* somebody stopped it */
	int failure;			/* exit code that the job told; 0 = none */
	char token[SERVER_TOKEN_BYTES];
};

struct server_steps;

struct server_steps *server_steps_create(void);
void server_steps_free(struct server_steps *steps);

/**
 * server_steps_add - a new step with an id of its own, SERVER_QUEUED.
 * @run: what the table keeps of it is copied; NULL = it could not be read.
 *
 * The oldest step that is over is forgotten when the table is full.
 * Return: -ENOSPC every step of the table is still under way; -ENOMEM.
 */
int server_steps_add(struct server_steps *steps, const struct server_run *run,
		     struct server_step **ret_step);

/* Return: NULL there is none. */
struct server_step *server_steps_find(const struct server_steps *steps, const char *id);
struct server_step *server_steps_at(const struct server_steps *steps, uint64_t number);
/* From the newest (@at 0) to the oldest. Return: NULL that was all. */
struct server_step *server_steps_newest(const struct server_steps *steps, uint64_t at);
/* A step that carries the token, of the last thousand. Return: NULL none. */
struct server_step *server_steps_find_token(const struct server_steps *steps, const char *token);
/* How many are not over. */
uint64_t server_steps_living(const struct server_steps *steps);

/* By state: how many are in it, or came to that end ever. SERVER_STATES of them. */
const uint64_t *server_steps_counts(const struct server_steps *steps);

/* How often a step was added, forgotten or changed in what its status is printed from. */
uint64_t server_steps_changes(const struct server_steps *steps);

/* From one state under way into another. */
void server_step_enter(struct server_steps *steps, struct server_step *step,
		       enum server_state state);
/* The one way into SERVER_COMPLETED and later: @state, one code for the step (@codes NULL), or
 * those it has. Frees what a finished step does not need. */
void server_step_over(struct server_steps *steps, struct server_step *step,
		      enum server_state state, const int *code);
static inline int server_step_is_over(const struct server_step *step)
{
	return step->state >= SERVER_COMPLETED;
}

/* `Completed`: as SmartSim spells it. */
const char *server_state_name(enum server_state state);
/* `["Completed",[0,0]]` */
void server_step_print_status(const struct server_step *step, struct launch_writer *writer);

#endif
