/* SPDX-License-Identifier: MIT */
/*
 * client.h - the other side of the protocol: find a server, ask it. `dhow run` and the like use it,
 * and <dhow/server.h> is made of it. One thread.
 */
#ifndef LAUNCH_SERVER_CLIENT_H
#define LAUNCH_SERVER_CLIENT_H

#include "base/err.h"
#include "server/request.h"

struct server_client;

/* See dhow_server_connect(): @server and @key_file may be NULL. */
int server_client_open(const char *server, const char *key_file,
		       struct server_client **ret_client, struct base_err *reterr);
void server_client_close(struct server_client *client);
/* Where the server is, `tcp://HOST:PORT`. */
const char *server_client_endpoint(const struct server_client *client);

/**
 * server_client_ask - one request, and wait for its answer.
 * @body: its reference is taken, also on failure; NULL = there was no memory for it.
 * @ret_body: the answer, owned by the caller; its error_message is null.
 *
 * Return: 0; -ETIMEDOUT; -EPROTO; -EREMOTEIO the server says why not; -ENOMEM; -E2BIG.
 */
int server_client_ask(struct server_client *client, enum server_kind kind, struct json_t *body,
		      struct json_t **ret_body, struct base_err *reterr);

/* The body of a run: @env is flattened into current_env, a token makes it unique. Further fields
 * may be set. Return: NULL no memory, or not UTF-8. */
struct json_t *server_client_run_body(char *const *argv, char *const *env, const char *wdir,
				      uint32_t nodes, uint32_t tasks_per_node);

/* `Running` to a number, the same as enum dhow_server_state has: from SERVER_CLIENT_OVER on it does
 * not run any more. */
enum { SERVER_CLIENT_OVER = 2, SERVER_CLIENT_UNKNOWN = 5 };
int server_client_state(const char *name);
/* The highest exit code of a list of codes, or -N of a signal; 0 for none. */
int server_client_worst(const struct json_t *codes);

#endif
