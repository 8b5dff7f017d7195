/* SPDX-License-Identifier: MIT */
/* bootstrap.c - see bootstrap.h. */
#include "server/bootstrap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

enum { ANSWER_BYTES_MAX = 4096 };

/* `tcp://HOST:PORT` in two. Return: 0; -EINVAL. */
static int split(const char *url, char host[256], char port[16])
{
	const char *colon = strrchr(url, ':');

	if (strncmp(url, "tcp://", 6) != 0 || !colon || colon < url + 7 ||
	    colon - (url + 6) > 255 || strlen(colon + 1) > 15 || !colon[1])
		return -EINVAL;
	sprintf(host, "%.*s", (int)(colon - (url + 6)), url + 6);
	strcpy(port, colon + 1);
	return 0;
}

int server_bootstrap_address(const char *url, char *ret_address, size_t room,
			     struct base_err *reterr)
{
	const struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_DGRAM };
	struct sockaddr_in own = { 0 };
	socklen_t size = sizeof(own);
	char host[256], port[16];
	struct addrinfo *found;
	int fd, rc;

	if (split(url, host, port) < 0)
		return base_err(reterr, -EINVAL, "\"%.100s\" is no address; tcp://HOST:PORT is",
				url);
	rc = getaddrinfo(host, port, &hints, &found);
	if (rc != 0)
		return base_err(reterr, -EINVAL, "\"%.100s\": %s", url, gai_strerror(rc));
	/* Nothing is sent: the kernel only chooses the way. */
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	rc = fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) < 0 ||
	     getsockname(fd, (struct sockaddr *)(void *)&own, &size) < 0 ? -errno : 0;
	freeaddrinfo(found);
	if (fd >= 0)
		close(fd);
	if (rc < 0)
		return base_err(reterr, rc, "no way to \"%.100s\": %s", url, strerror(-rc));
	inet_ntop(AF_INET, &own.sin_addr, ret_address, (socklen_t)room);
	return 0;
}

static void *open_socket(void *context, const char *url, const struct launch_keys *client,
			 const uint8_t server[LAUNCH_KEY_BYTES])
{
	int64_t bytes_max = ANSWER_BYTES_MAX;
	void *socket = zmq_socket(context, ZMQ_REQ);
	int linger = 0;

	if (!socket)
		return NULL;
	if (zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server, LAUNCH_KEY_BYTES) ||
	    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, client->public, LAUNCH_KEY_BYTES) ||
	    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, client->secret, LAUNCH_KEY_BYTES) ||
	    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &bytes_max, sizeof(bytes_max)) ||
	    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger)) ||
	    zmq_connect(socket, url)) {
		zmq_close(socket);
		return NULL;
	}
	return socket;
}

/* `bootstrap|{"error_message":null,"dragon_pid":27}` */
static int parse_answer(const char *data, size_t bytes, int *ret_pid, struct base_err *reterr)
{
	static const char kind[] = "bootstrap|";
	json_t *body = NULL, *pid, *error;
	int rc = 0;

	if (bytes > strlen(kind) && memcmp(data, kind, strlen(kind)) == 0)
		body = json_loadb(data + strlen(kind), bytes - strlen(kind), JSON_REJECT_DUPLICATES,
				  NULL);
	pid = json_object_get(body, "dragon_pid");
	error = json_object_get(body, "error_message");
	if (json_is_string(error))
		rc = base_err(reterr, -EPROTO, "the launcher refuses us: %.150s",
			      json_string_value(error));
	else if (json_is_integer(pid))
		*ret_pid = (int)json_integer_value(pid);
	else if (json_is_string(pid))
		*ret_pid = atoi(json_string_value(pid));
	else
		rc = base_err(reterr, -EPROTO, "the launcher does not answer as one");
	json_decref(body);
	return rc;
}

static int ask(void *socket, const char *url, const char *endpoint, int timeout_ms, int wake_fd,
	       int *ret_pid, struct base_err *reterr)
{
	zmq_pollitem_t items[2] = { { .socket = socket, .events = ZMQ_POLLIN },
				    { .fd = wake_fd, .events = ZMQ_POLLIN } };
	char text[ANSWER_BYTES_MAX];
	int n = snprintf(text, sizeof(text), "bootstrap|{\"address\":\"%s\"}", endpoint);

	if (zmq_send(socket, text, (size_t)n, 0) < 0)
		return base_err(reterr, -errno, "cannot send to %.100s: %s", url,
				zmq_strerror(errno));
	do
		n = zmq_poll(items, wake_fd < 0 ? 1 : 2, timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n > 0 && items[1].revents)
		return base_err(reterr, -ECANCELED, "ended by a signal while waiting for %.100s",
				url);
	if (n <= 0)
		return base_err(reterr, -ETIMEDOUT, "%.100s did not answer within %d ms "
				"(SMARTSIM_DRAGON_TIMEOUT or DHOW_SERVER_TIMEOUT; -1 waits for "
				"ever)", url, timeout_ms);
	n = zmq_recv(socket, text, sizeof(text), 0);
	if (n < 0 || (size_t)n > sizeof(text))
		return base_err(reterr, -EPROTO, "%.100s does not answer as a launcher", url);
	return parse_answer(text, (size_t)n, ret_pid, reterr);
}

int server_bootstrap(void *context, const char *url, const char *endpoint,
		     const struct launch_keys *client, const uint8_t server[LAUNCH_KEY_BYTES],
		     int timeout_ms, int wake_fd, int *ret_pid, struct base_err *reterr)
{
	void *socket = open_socket(context, url, client, server);
	int rc;

	if (!socket)
		return base_err(reterr, -errno, "cannot connect to \"%.100s\": %s", url,
				zmq_strerror(errno));
	rc = ask(socket, url, endpoint, timeout_ms, wake_fd, ret_pid, reterr);
	zmq_close(socket);
	return rc;
}
