/* SPDX-License-Identifier: MIT */
/*
 * request.h - what a client says to the command server: `kind|{JSON}`, checked field by field.
 *
 * The kinds up to SERVER_SHUTDOWN are SmartSim's; SERVER_LIST and SERVER_LOGS are Dhow's own.
 * Unknown fields are ignored, and fields with a default may be absent. Thread-safe: no state.
 */
#ifndef LAUNCH_SERVER_REQUEST_H
#define LAUNCH_SERVER_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct json_t;

enum {
	SERVER_REQUEST_BYTES_MAX = 4 << 20,	/* twice what Linux takes for an exec */
	SERVER_DEPTH_MAX = 32,			/* of nested lists and objects */
	SERVER_NODES_MAX = 65536,
	SERVER_TASKS_PER_NODE_MAX = 4096,
	SERVER_CPUS_MAX = 8192,			/* numbers in an affinity are below */
	SERVER_ID_BYTES = 32,			/* of a step, with its zero */
	SERVER_TOKEN_BYTES = 64,		/* with its zero */
	SERVER_NAME_BYTES = 1024,
};

enum server_kind {
	SERVER_HANDSHAKE,
	SERVER_RUN,
	SERVER_UPDATE_STATUS,
	SERVER_STOP,
	SERVER_SHUTDOWN,
	SERVER_LIST,		/* all steps, with what is known of them */
	SERVER_LOGS,		/* a piece of an output file */
	SERVER_KINDS		/* none of them */
};

/* All pointers are borrowed from the request. */
struct server_run {
	const char *exe, *path;
	const char *output_file, *error_file;	/* NULL = the caller does not mind */
	const char *name, *token;		/* NULL = none; equal tokens are one request */
	uint32_t nodes, tasks_per_node;
	const struct json_t *exe_args;		/* list of strings, or NULL */
	const struct json_t *current_env, *env;	/* string -> string or null, or NULL */
	const struct json_t *cpus, *gpus;	/* list of numbers, or NULL */
	int pmi;
};

struct server_logs {
	const char *step_id;
	uint64_t offset;
	int is_error;		/* of error_file, not of output_file */
};

struct server_request {
	enum server_kind kind;
	struct json_t *body;	/* owned; NULL when it could not be read */
	union {
		struct server_run run;
		const struct json_t *step_ids;	/* of update_status: list of strings */
		const char *step_id;		/* of stop */
		struct { int immediate, frontend; } shutdown;
		struct server_logs logs;
	};
};

/**
 * server_request_parse - read one message.
 * @ret_request: its kind is set even when the rest cannot be read (SERVER_KINDS: unknown), so
 *               that the answer can be of that kind. server_request_fini() in any case.
 *
 * Return: 0; -E2BIG; -EBADMSG no `kind|`, not JSON; -EINVAL a field; @reterr says which.
 */
int server_request_parse(const char *data, size_t bytes, struct server_request *ret_request,
			 struct base_err *reterr);
void server_request_fini(struct server_request *request);

/* `run`, `update_status`, ...; "error" for SERVER_KINDS. */
const char *server_kind_name(enum server_kind kind);
/* The kind of its answer: SmartSim answers update_status with status_update. */
const char *server_answer_name(enum server_kind kind);

/* Highest number in a list of numbers; -1 when there is none. */
long server_numbers_max(const struct json_t *list);

/* Environment of a run, `NAME=value` with NULL at the end: current_env, then env over it; a null
 * takes the variable away. One allocation for free(). Return: NULL no memory. */
char **server_run_environment(const struct server_run *run);
/* Its arguments, exe first, NULL at the end; borrowed strings in one allocation. */
char **server_run_arguments(const struct server_run *run);

#endif
