/* SPDX-License-Identifier: MIT */
/*
 * router.h - the command socket: a ZeroMQ ROUTER that lets in only those whose keys it was given.
 *
 * It fails closed: libzmq refuses everybody when the key check is not there, and what comes
 * without the name that the check gives is dropped. Nothing here blocks. One thread.
 */
#ifndef LAUNCH_SERVER_ROUTER_H
#define LAUNCH_SERVER_ROUTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "keys/keys.h"

enum {
	SERVER_ROUTE_BYTES_MAX = 256,	/* all frames before the body */
	SERVER_ROUTE_FRAMES_MAX = 8,
};

struct server_router;

/* Whom to answer: the frames before the body, in order. */
struct server_route {
	uint32_t bytes, frames;
	uint16_t sizes[SERVER_ROUTE_FRAMES_MAX];
	uint8_t data[SERVER_ROUTE_BYTES_MAX];
};

/* The bytes belong to zmq until server_frame_fini(). */
struct server_frame {
	_Alignas(16) uint8_t zmq[64];
	const char *data;
	size_t bytes;
};

/**
 * server_router_open - bind first, let in only @allowed.
 * @address: IPv4 address to bind to; never all of them.
 * @port:    0 = any that is free.
 * @keys:    of the server; borrowed for the call.
 */
int server_router_open(const char *address, unsigned port, const struct launch_keys *keys,
		       const uint8_t (*allowed)[LAUNCH_KEY_BYTES], size_t count,
		       struct server_router **ret_router, struct base_err *reterr);
/* Answers under way leave within @linger_ms. NULL is fine. */
void server_router_close(struct server_router *router, int linger_ms);

/* `tcp://10.0.0.1:40001` */
const char *server_router_endpoint(const struct server_router *router);
void *server_router_context(const struct server_router *router);
/* For zmq_poll(). */
void *server_router_socket(const struct server_router *router);

/* Next request of somebody who was let in. Return: 0; -EAGAIN none. */
int server_router_recv(struct server_router *router, struct server_route *ret_route,
		       struct server_frame *ret_frame);
void server_frame_fini(struct server_frame *frame);

/* An answer to one who has gone, or who does not read, is dropped. */
void server_router_send(struct server_router *router, const struct server_route *route,
			const void *data, size_t bytes);

/* Strangers that were refused, and messages that were dropped for their shape. */
unsigned server_router_refused(const struct server_router *router);

/* For the tests: what happens when the key check dies. */
void server_router_stop_check(struct server_router *router);

#endif
