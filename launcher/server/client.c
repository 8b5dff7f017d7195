/* SPDX-License-Identifier: MIT */
/* client.c - see client.h. */
#include "server/client.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include "proto/link.h"
#include "server/config_log.h"
#include "server/folder.h"
#include "server/keytree.h"

enum { TIMEOUT_MS = 30000, PROBE_MS = 5000, ANSWER_BYTES_MAX = 256 << 20 };

struct server_client {
	void *context, *socket;
	int timeout_ms;
	const char *timeout_name;	/* variable that says so */
	char endpoint[256];
};

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static int find_timeout(struct server_client *client, struct base_err *reterr)
{
	static const char *const names[] = { "DHOW_SERVER_TIMEOUT", "SMARTSIM_DRAGON_TIMEOUT" };

	client->timeout_ms = TIMEOUT_MS;
	client->timeout_name = names[0];
	for (int i = 0; i < 2; i++) {
		const char *value = variable(names[i]);
		char *end;
		long ms;

		if (!value)
			continue;
		ms = strtol(value, &end, 10);
		if (*end || ms < -1 || ms > INT_MAX || ms == 0)
			return base_err(reterr, -EINVAL, "%s=\"%.40s\": milliseconds are needed, "
					"or -1 for ever", names[i], value);
		client->timeout_ms = (int)ms;
		client->timeout_name = names[i];
		return 0;
	}
	return 0;
}

static int find_endpoint(struct server_client *client, const char *server,
			 struct base_err *reterr)
{
	char folder[PATH_MAX];
	int rc = 0;

	if (!server)
		server = variable("DHOW_SERVER");
	if (!server)
		server = variable("SMARTSIM_DRAGON_SERVER_PATH");
	if (server && strncmp(server, "tcp://", 6) == 0) {
		if (snprintf(client->endpoint, sizeof(client->endpoint), "%s", server) >=
		    (int)sizeof(client->endpoint))
			return base_err(reterr, -EINVAL, "the server's address is too long");
		return 0;
	}
	if (!server) {
		rc = server_folder_usual(folder, reterr);
		server = folder;
	}
	if (rc == 0)
		rc = server_config_read(server, client->endpoint, sizeof(client->endpoint),
					reterr);
	if (rc == -ENOENT)
		base_err(reterr, rc, "no server runs there: %.150s has no dragon_config.log\n"
			 "try: dhow serve, or --server", server);
	return rc;
}

/* ZeroMQ tries for ever and says nothing: see first whether somebody listens. */
static int probe(const char *endpoint, struct base_err *reterr)
{
	const struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(endpoint, ':');
	struct addrinfo *found;
	char host[256];
	int fd, rc, error = 0;
	socklen_t size = sizeof(error);
	struct pollfd poll_fd;

	if (!colon || colon <= endpoint + 6)
		return base_err(reterr, -EINVAL, "\"%.100s\" is no address; tcp://HOST:PORT is",
				endpoint);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - endpoint - 6), endpoint + 6);
	rc = getaddrinfo(host, colon + 1, &hints, &found);
	if (rc != 0)
		return base_err(reterr, -EINVAL, "\"%.100s\": %s", endpoint, gai_strerror(rc));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	rc = fd < 0 || (connect(fd, found->ai_addr, found->ai_addrlen) < 0 &&
			errno != EINPROGRESS) ? -errno : 0;
	freeaddrinfo(found);
	poll_fd = (struct pollfd){ .fd = fd, .events = POLLOUT };
	if (rc == 0 && poll(&poll_fd, 1, PROBE_MS) <= 0)
		rc = -ETIMEDOUT;
	if (rc == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0)
		rc = -error;
	if (fd >= 0)
		close(fd);
	return rc < 0 ? base_err(reterr, rc, "no server at %.100s: %s", endpoint, strerror(-rc)) :
	       0;
}

static int load_keys(const char *key_file, struct launch_keys **ret_keys,
		     uint8_t server[LAUNCH_KEY_BYTES], struct base_err *reterr)
{
	static const uint8_t none[LAUNCH_KEY_BYTES];
	char root[PATH_MAX], path[PATH_MAX + 64];
	int rc;

	if (!key_file)
		key_file = variable("DHOW_SERVER_KEY");
	if (key_file) {
		rc = server_key_file_load(key_file, ret_keys, server, reterr);
		if (rc < 0 || memcmp(server, none, sizeof(none)) != 0)
			return rc;
		launch_keys_free(*ret_keys);
		*ret_keys = NULL;
		return base_err(reterr, -EBADMSG, "%.150s does not name the server's key\n"
				"try: dhow keygen FILE, where the server runs", key_file);
	}
	rc = server_keytree_root(root, reterr);
	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "%s/server/pub/smartsim.key", root);
	rc = server_key_file_public(path, server, reterr);
	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "%s/client/priv/smartsim.key_secret", root);
	return server_key_file_load(path, ret_keys, (uint8_t[LAUNCH_KEY_BYTES]){ 0 }, reterr);
}

static int open_socket(struct server_client *client, const struct launch_keys *keys,
		       const uint8_t server[LAUNCH_KEY_BYTES], struct base_err *reterr)
{
	int64_t bytes_max = ANSWER_BYTES_MAX;
	const struct { int option, value; } rows[] = {
		{ ZMQ_LINGER, 0 }, { ZMQ_REQ_RELAXED, 1 }, { ZMQ_REQ_CORRELATE, 1 },
		{ ZMQ_SNDTIMEO, client->timeout_ms }, { ZMQ_RCVTIMEO, client->timeout_ms },
	};
	int bad = 0;

	client->context = zmq_ctx_new();
	client->socket = client->context ? zmq_socket(client->context, ZMQ_REQ) : NULL;
	if (!client->socket)
		return base_err(reterr, -errno, "no socket: %s", zmq_strerror(errno));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		bad |= zmq_setsockopt(client->socket, rows[i].option, &rows[i].value,
				      sizeof(rows[i].value));
	if (bad || zmq_setsockopt(client->socket, ZMQ_MAXMSGSIZE, &bytes_max, sizeof(bytes_max)) ||
	    zmq_setsockopt(client->socket, ZMQ_CURVE_SERVERKEY, server, LAUNCH_KEY_BYTES) ||
	    zmq_setsockopt(client->socket, ZMQ_CURVE_PUBLICKEY, keys->public, LAUNCH_KEY_BYTES) ||
	    zmq_setsockopt(client->socket, ZMQ_CURVE_SECRETKEY, keys->secret, LAUNCH_KEY_BYTES) ||
	    zmq_connect(client->socket, client->endpoint))
		return base_err(reterr, -errno, "cannot connect to %.100s: %s", client->endpoint,
				zmq_strerror(errno));
	return 0;
}

int server_client_open(const char *server, const char *key_file,
		       struct server_client **ret_client, struct base_err *reterr)
{
	struct server_client *client = calloc(1, sizeof(*client));
	uint8_t server_key[LAUNCH_KEY_BYTES];
	struct launch_keys *keys = NULL;
	json_t *body = NULL;
	int rc;

	*ret_client = NULL;
	if (!client)
		return base_err(reterr, -ENOMEM, "no memory for a connection");
	rc = launch_keys_init(reterr);
	if (rc == 0)
		rc = launch_link_check(reterr);
	if (rc == 0)
		rc = find_timeout(client, reterr);
	if (rc == 0)
		rc = find_endpoint(client, server, reterr);
	if (rc == 0)
		rc = load_keys(key_file, &keys, server_key, reterr);
	if (rc == 0)
		rc = probe(client->endpoint, reterr);
	if (rc == 0)
		rc = open_socket(client, keys, server_key, reterr);
	launch_keys_free(keys);
	if (rc == 0)
		rc = server_client_ask(client, SERVER_HANDSHAKE, json_object(), &body, reterr);
	json_decref(body);
	if (rc < 0) {
		server_client_close(client);
		return rc;
	}
	*ret_client = client;
	return 0;
}

void server_client_close(struct server_client *client)
{
	if (!client)
		return;
	if (client->socket)
		zmq_close(client->socket);
	if (client->context)
		zmq_ctx_term(client->context);
	free(client);
}

const char *server_client_endpoint(const struct server_client *client)
{
	return client->endpoint;
}

static int send_request(struct server_client *client, enum server_kind kind, json_t *body,
			struct base_err *reterr)
{
	char *json = body ? json_dumps(body, JSON_COMPACT) : NULL, *text = NULL;
	int n = json ? asprintf(&text, "%s|%s", server_kind_name(kind), json) : -1, rc = 0;

	free(json);
	json_decref(body);
	if (n < 0)
		return base_err(reterr, -ENOMEM, "no memory for the request (or it is no UTF-8)");
	if (n > SERVER_REQUEST_BYTES_MAX)
		rc = base_err(reterr, -E2BIG, "a request of %d bytes; a server takes %d "
			      "(arguments and environment)", n, SERVER_REQUEST_BYTES_MAX);
	else if (zmq_send(client->socket, text, (size_t)n, 0) < 0)
		rc = base_err(reterr, -errno, "cannot send to %.100s: %s", client->endpoint,
			      zmq_strerror(errno));
	free(text);
	return rc;
}

static int parse_answer(enum server_kind kind, const char *data, size_t bytes, json_t **ret_body,
			struct base_err *reterr)
{
	const char *name = server_answer_name(kind);
	size_t used = strlen(name);
	json_t *body = NULL, *error;

	if (bytes > used && memcmp(data, name, used) == 0 && data[used] == '|')
		body = json_loadb(data + used + 1, bytes - used - 1, 0, NULL);
	if (!json_is_object(body)) {
		json_decref(body);
		return base_err(reterr, -EPROTO, "the server does not answer as one");
	}
	error = json_object_get(body, "error_message");
	if (json_is_string(error)) {
		base_err(reterr, -EREMOTEIO, "%.250s", json_string_value(error));
		json_decref(body);
		return -EREMOTEIO;
	}
	*ret_body = body;
	return 0;
}

int server_client_ask(struct server_client *client, enum server_kind kind, json_t *body,
		      json_t **ret_body, struct base_err *reterr)
{
	int rc = send_request(client, kind, body, reterr);
	zmq_msg_t answer;

	*ret_body = NULL;
	if (rc < 0)
		return rc;
	zmq_msg_init(&answer);
	while (zmq_msg_recv(&answer, client->socket, 0) < 0) {
		if (errno == EINTR)
			continue;
		zmq_msg_close(&answer);
		return base_err(reterr, -ETIMEDOUT, "%.100s did not answer within %d ms (%s; -1 "
				"waits for ever), or does not let us in", client->endpoint,
				client->timeout_ms, client->timeout_name);
	}
	rc = parse_answer(kind, zmq_msg_data(&answer), zmq_msg_size(&answer), ret_body, reterr);
	zmq_msg_close(&answer);
	return rc;
}

json_t *server_client_run_body(char *const *argv, char *const *env, const char *wdir,
			       uint32_t nodes, uint32_t tasks_per_node)
{
	json_t *words = json_array(), *variables = json_object();
	unsigned char random[16];
	char token[40];
	int bad = 0;

	for (char *const *at = argv + 1; *at; at++)
		bad |= json_array_append_new(words, json_string(*at));
	for (; env && *env; env++) {
		char *equals = strchr(*env, '=');
		char *name = equals ? strndup(*env, (size_t)(equals - *env)) : NULL;

		/* One that is no UTF-8 cannot travel: it is left out, as SmartSim would. */
		if (name && *name)
			json_object_set_new(variables, name, json_string(equals + 1));
		free(name);
	}
	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(token, sizeof(token), random, sizeof(random));
	if (bad) {
		json_decref(words);
		json_decref(variables);
		return NULL;
	}
	return json_pack("{s:s,s:o,s:s,s:o,s:i,s:i,s:s}", "exe", argv[0], "exe_args", words,
			 "path", wdir, "current_env", variables, "nodes", (int)nodes,
			 "tasks_per_node", (int)tasks_per_node, "token", token);
}

int server_client_state(const char *name)
{
	static const char *const names[] = { "NeverStarted", "Running", "Completed", "Failed",
					     "Cancelled" };
	int state = 0;

	while (state < SERVER_CLIENT_UNKNOWN && (!name || strcmp(names[state], name) != 0))
		state++;
	return state;
}

int server_client_worst(const json_t *codes)
{
	int highest = 0, signal = 0;

	for (size_t i = 0; i < json_array_size(codes); i++) {
		int code = (int)json_integer_value(json_array_get(codes, i));

		highest = code > highest ? code : highest;
		signal = code < signal ? code : signal;
	}
	return signal && 128 - signal > highest ? signal : highest;
}
