/* SPDX-License-Identifier: MIT */
/*
 * server.h - drive a command server (`dhow serve`, or the one that SmartSim has started): start
 * programs on its nodes, ask what became of them, stop them.
 *
 * The library is libdhow-server (pkg-config dhow-server), apart from libdhow: it needs ZeroMQ,
 * libsodium and jansson. A connection belongs to one thread. Every call waits for an answer, at
 * most $DHOW_SERVER_TIMEOUT, else $SMARTSIM_DRAGON_TIMEOUT, else 30000 ms (-1 = for ever).
 *
 * @ret_error, where it is not NULL, has DHOW_SERVER_ERROR_BYTES and gets one line for people.
 * Errors of every call: -ETIMEDOUT no answer in time; -EPROTO an answer that is none;
 * -ENOMEM; -E2BIG more than a server takes; -EREMOTEIO the server refused, @ret_error says why.
 */
#ifndef DHOW_SERVER_H
#define DHOW_SERVER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { DHOW_SERVER_ID_BYTES = 32, DHOW_SERVER_ERROR_BYTES = 256 };

struct dhow_server;

/* What to run. Zeroed means: nothing special; argv is needed. All of it is borrowed. */
struct dhow_server_run {
	char *const *argv;		/* argv[0] is a path on the nodes; NULL at the end */
	char *const *env;		/* NAME=value, NULL at the end; NULL = ours */
	const char *wdir;		/* absolute; NULL = ours */
	uint32_t nodes, tasks_per_node;	/* 0 = 1 */
	const char *name;		/* for people */
	/* appended to; from wdir unless they begin with '/'; NULL = nobody wants it */
	const char *output_file, *error_file;
};

enum dhow_server_state {
	DHOW_SERVER_WAITING,		/* for nodes */
	DHOW_SERVER_RUNNING,
	DHOW_SERVER_COMPLETED,		/* all exit codes were 0 */
	DHOW_SERVER_FAILED,
	DHOW_SERVER_CANCELLED,
	DHOW_SERVER_UNKNOWN		/* the server does not know the step */
};

struct dhow_server_status {
	enum dhow_server_state state;
	/* of the worst task when it is over: the highest exit code; -N if it was killed by
	 * signal N */
	int code;
};

/**
 * dhow_server_connect - find the server, and see that it answers.
 * @server:   `tcp://HOST:PORT`, or a folder with a dragon_config.log; NULL = $DHOW_SERVER, else
 *            $SMARTSIM_DRAGON_SERVER_PATH, else ~/.dhow/server.
 * @key_file: made by `dhow keygen FILE`; NULL = $DHOW_SERVER_KEY, else the keys in
 *            $DHOW_KEY_PATH, else $SMARTSIM_KEY_PATH, else ~/.smartsim/keys.
 * @ret_server: on success a connection; end it with dhow_server_close().
 *
 * Return: 0; -ENOENT no server or no keys there; -EPERM others may use the keys;
 * -ECONNREFUSED nobody listens.
 */
int dhow_server_connect(const char *server, const char *key_file,
			struct dhow_server **ret_server, char *ret_error);

/* Start a step; it waits until it has its nodes. Return: 0; -EINVAL @run is wrong. */
int dhow_server_run(struct dhow_server *server, const struct dhow_server_run *run,
		    char ret_id[DHOW_SERVER_ID_BYTES], char *ret_error);

/* What became of a step. Return: 0. */
int dhow_server_status(struct dhow_server *server, const char *id,
		       struct dhow_server_status *ret_status, char *ret_error);

/* End a step: SIGTERM, and SIGKILL when it does not listen. Does not wait for it. Return: 0. */
int dhow_server_stop(struct dhow_server *server, const char *id, char *ret_error);

/* End the server; @immediate: and all its steps, else when they have ended. Return: 0. */
int dhow_server_shutdown(struct dhow_server *server, int immediate, char *ret_error);

/* Steps go on. NULL is fine. */
void dhow_server_close(struct dhow_server *server);

#ifdef __cplusplus
}
#endif

#endif
