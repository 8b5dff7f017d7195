/* SPDX-License-Identifier: MIT */
/* router.c - see router.h. */
#include "server/router.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "proto/link.h"
#include "proto/zap.h"
#include "server/request.h"

enum {
	ZAP_ENFORCE_DOMAIN = 93,	/* ZMQ_ZAP_ENFORCE_DOMAIN, in the draft header only */
	HANDSHAKE_MS = 2000,		/* then a stranger who says nothing is gone */
	HEARTBEAT_MS = 1000,
	HEARTBEAT_TIMEOUT_MS = 10000,	/* an overloaded client is slow, not dead */
	HWM_FRAMES = 100,		/* per client: each waits for its answer anyhow */
	BACKLOG = 128,
};

struct server_router {
	void *context, *socket;
	struct launch_zap *zap;
	unsigned dropped;
	char endpoint[128];
};

_Static_assert(sizeof(zmq_msg_t) <= sizeof(((struct server_frame *)0)->zmq), "zmq_msg_t");

static int set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof(value));
}

static int set_options(void *socket, const struct launch_keys *keys)
{
	int64_t bytes_max = SERVER_REQUEST_BYTES_MAX;

	return set_int(socket, ZAP_ENFORCE_DOMAIN, 1) ||
	       zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, LAUNCH_ZAP_DOMAIN,
			      strlen(LAUNCH_ZAP_DOMAIN)) ||
	       set_int(socket, ZMQ_CURVE_SERVER, 1) ||
	       zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->public, LAUNCH_KEY_BYTES) ||
	       zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret, LAUNCH_KEY_BYTES) ||
	       zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &bytes_max, sizeof(bytes_max)) ||
	       set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) ||
	       set_int(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) ||
	       set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS) ||
	       set_int(socket, ZMQ_SNDHWM, HWM_FRAMES) || set_int(socket, ZMQ_RCVHWM, HWM_FRAMES) ||
	       set_int(socket, ZMQ_TCP_KEEPALIVE, 1) || set_int(socket, ZMQ_BACKLOG, BACKLOG) ||
	       set_int(socket, ZMQ_LINGER, 0) || set_int(socket, ZMQ_IPV6, 0);
}

int server_router_open(const char *address, unsigned port, const struct launch_keys *keys,
		       const uint8_t (*allowed)[LAUNCH_KEY_BYTES], size_t count,
		       struct server_router **ret_router, struct base_err *reterr)
{
	struct server_router *router;
	size_t size = sizeof(router->endpoint);
	char wanted[128];
	int rc = launch_link_check(reterr);

	if (rc < 0)
		return rc;
	router = calloc(1, sizeof(*router));
	if (!router)
		return base_err(reterr, -ENOMEM, "no memory for the command socket");
	router->context = zmq_ctx_new();
	router->socket = router->context ? zmq_socket(router->context, ZMQ_ROUTER) : NULL;
	if (!router->socket || set_options(router->socket, keys)) {
		rc = base_err(reterr, -errno, "cannot open the command socket: %s",
			      zmq_strerror(errno));
		goto err_close;
	}
	/* The check comes first: no moment in which a stranger could slip in. */
	rc = launch_zap_start(router->context, "client", allowed, count, &router->zap, reterr);
	if (rc < 0)
		goto err_close;
	if (port)
		snprintf(wanted, sizeof(wanted), "tcp://%s:%u", address, port);
	else
		snprintf(wanted, sizeof(wanted), "tcp://%s:*", address);
	if (zmq_bind(router->socket, wanted) ||
	    zmq_getsockopt(router->socket, ZMQ_LAST_ENDPOINT, router->endpoint, &size)) {
		rc = base_err(reterr, -errno, "cannot listen at %s: %s", wanted,
			      zmq_strerror(errno));
		goto err_close;
	}
	*ret_router = router;
	return 0;
err_close:
	server_router_close(router, 0);
	return rc;
}

void server_router_close(struct server_router *router, int linger_ms)
{
	if (!router)
		return;
	if (router->socket) {
		set_int(router->socket, ZMQ_LINGER, linger_ms);
		zmq_close(router->socket);
	}
	launch_zap_stop(router->zap);
	if (router->context)
		zmq_ctx_term(router->context);
	free(router);
}

const char *server_router_endpoint(const struct server_router *router)
{
	return router->endpoint;
}

void *server_router_context(const struct server_router *router)
{
	return router->context;
}

void *server_router_socket(const struct server_router *router)
{
	return router->socket;
}

unsigned server_router_refused(const struct server_router *router)
{
	return router->dropped + (router->zap ? launch_zap_refused(router->zap) : 0);
}

void server_router_stop_check(struct server_router *router)
{
	launch_zap_stop(router->zap);
	router->zap = NULL;
}

static int add_frame(struct server_route *route, zmq_msg_t *part)
{
	size_t bytes = zmq_msg_size(part);

	if (route->frames == SERVER_ROUTE_FRAMES_MAX ||
	    bytes > sizeof(route->data) - route->bytes)
		return -EBADMSG;
	memcpy(route->data + route->bytes, zmq_msg_data(part), bytes);
	route->bytes += (uint32_t)bytes;
	route->sizes[route->frames++] = (uint16_t)bytes;
	return 0;
}

static int is_known(zmq_msg_t *part)
{
	const char *user = zmq_msg_gets(part, "User-Id");

	return user && *user;
}

/* Return: 0 with the body in @part; -EAGAIN; -EBADMSG it was dropped. */
static int receive(struct server_router *router, struct server_route *route, zmq_msg_t *part)
{
	int rc = 0, ended = 0;

	memset(route, 0, offsetof(struct server_route, data));
	zmq_msg_init(part);
	if (zmq_msg_recv(part, router->socket, ZMQ_DONTWAIT) < 0) {
		zmq_msg_close(part);
		return errno == EINTR ? -EAGAIN : -errno;
	}
	/* The envelope: the name of the connection, what REQ puts before, an empty frame. */
	while (rc == 0 && !ended) {
		ended = route->frames > 0 && zmq_msg_size(part) == 0;
		rc = add_frame(route, part);
		if (rc == 0 && (!zmq_msg_more(part) || zmq_msg_recv(part, router->socket, 0) < 0))
			rc = -EBADMSG;
	}
	if (rc == 0 && !zmq_msg_more(part) && is_known(part))
		return 0;
	while (zmq_msg_more(part) && zmq_msg_recv(part, router->socket, 0) >= 0)
		;
	zmq_msg_close(part);
	router->dropped++;
	return -EBADMSG;
}

int server_router_recv(struct server_router *router, struct server_route *ret_route,
		       struct server_frame *ret_frame)
{
	zmq_msg_t *part = (zmq_msg_t *)(void *)ret_frame->zmq;
	int rc;

	do
		rc = receive(router, ret_route, part);
	while (rc == -EBADMSG);
	if (rc < 0)
		return -EAGAIN;
	ret_frame->data = zmq_msg_data(part);
	ret_frame->bytes = zmq_msg_size(part);
	return 0;
}

void server_frame_fini(struct server_frame *frame)
{
	zmq_msg_close((zmq_msg_t *)(void *)frame->zmq);
	frame->data = NULL;
}

void server_router_send(struct server_router *router, const struct server_route *route,
			const void *data, size_t bytes)
{
	const uint8_t *at = route->data;

	for (uint32_t i = 0; i < route->frames; i++) {
		if (zmq_send(router->socket, at, route->sizes[i], ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
			return;
		at += route->sizes[i];
	}
	zmq_send(router->socket, data, bytes, ZMQ_DONTWAIT);
}
