/* SPDX-License-Identifier: MIT */
/*
 * link.c - see link.h.
 *
 * The ROUTER knows node N as `n` + N (u32, little-endian), which the DEALER sets as its routing
 * id; N's key gives the connection its User-Id, and both must agree. Only the ROUTER asks
 * for heartbeats: a dlaunch that is stopped by ^Z must find its daemons again when it goes on, and
 * they hear of its death by their life line. A network that is cut is told by the kernels of both
 * ends: they answer also for a process that is stopped, or slow.
 */
#include "proto/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "proto/link_internal.h"

enum {
	ZAP_ENFORCE_DOMAIN = 93,	/* ZMQ_ZAP_ENFORCE_DOMAIN, in the draft header only */
	HANDSHAKE_MS = 5000,
	HEARTBEAT_MS = 1000,
	HEARTBEAT_TIMEOUT_MS = 20000,	/* an overloaded node is slow, not dead */
	CUT_AFTER_MS = 10000,		/* nothing came from the kernel over there */
	KEEPALIVE_IDLE_S = 3, KEEPALIVE_EACH_S = 1,
	HWM_FRAMES = 65536,
	BACKLOG = 1024,
	VERSION_MIN = 40303,
	/* The socket learns of a broken connection later than the monitor: by a thread's turn. */
	PROBE_FIRST_MS = 20,
	PROBE_FOR_MS = 10000,
};

int launch_link_check(struct base_err *reterr)
{
	int major, minor, patch;

	zmq_version(&major, &minor, &patch);
	if (major * 10000 + minor * 100 + patch < VERSION_MIN)
		return base_err(reterr, -ENOSYS, "libzmq %d.%d.%d is unsafe (CVE-2020-15166); "
				"4.3.3 or newer is needed", major, minor, patch);
	if (!zmq_has("curve"))
		return base_err(reterr, -ENOSYS, "libzmq %d.%d.%d was built without CURVE",
				major, minor, patch);
	return 0;
}

static int set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof(value));
}

static int set_keys(void *socket, const struct launch_keys *keys)
{
	return zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->public, LAUNCH_KEY_BYTES) ||
	       zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret, LAUNCH_KEY_BYTES);
}

static int set_limits(void *socket)
{
	int64_t frame_bytes_max = LAUNCH_FRAME_BYTES_MAX + LAUNCH_BATCH_BYTES;

	return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_bytes_max, sizeof(frame_bytes_max)) ||
	       set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) ||
	       set_int(socket, ZMQ_SNDHWM, HWM_FRAMES) || set_int(socket, ZMQ_RCVHWM, HWM_FRAMES) ||
	       set_int(socket, ZMQ_LINGER, 0) || set_int(socket, ZMQ_IPV6, 0);
}

/* Heartbeats keep one direction busy, probes the other: both kernels notice a cut. */
static int set_cut(void *socket)
{
	return set_int(socket, ZMQ_TCP_MAXRT, CUT_AFTER_MS) ||
	       set_int(socket, ZMQ_TCP_KEEPALIVE, 1) ||
	       set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S) ||
	       set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_EACH_S) ||
	       set_int(socket, ZMQ_TCP_KEEPALIVE_CNT,
		       (CUT_AFTER_MS / 1000 - KEEPALIVE_IDLE_S) / KEEPALIVE_EACH_S);
}

static int open_link(void *context, int type, struct launch_link **ret_link,
		     struct base_err *reterr)
{
	struct launch_link *link = calloc(1, sizeof(*link));

	if (!link)
		return base_err(reterr, -ENOMEM, "no memory for the control link");
	link->own_context = context ? NULL : zmq_ctx_new();
	context = context ? context : link->own_context;
	link->socket = context ? zmq_socket(context, type) : NULL;
	/* A context that is shared, in tests, would have too many monitors. */
	if (!link->socket || set_limits(link->socket) || set_cut(link->socket) ||
	    (link->own_context &&
	     (errno = -launch_monitor_open(context, link->socket, &link->monitor)))) {
		int rc = -errno;

		launch_link_close(link, 0);
		return base_err(reterr, rc, "cannot open the control link: %s", zmq_strerror(-rc));
	}
	*ret_link = link;
	return 0;
}

int launch_link_serve(const struct launch_link_spec *spec, struct launch_link **ret_link,
		      struct base_err *reterr)
{
	struct launch_link *link;
	char wanted[128];
	size_t size = sizeof(link->endpoint);
	int rc = open_link(spec->context, ZMQ_ROUTER, &link, reterr);

	if (rc < 0)
		return rc;
	link->serves = 1;
	link->first = spec->first;
	link->tree = spec->tree;
	/* The handler comes first: no moment in which a stranger could slip in. A context that is
	 * shared has one already. */
	if (link->own_context)
		rc = launch_zap_start(link->own_context, "node", spec->allowed, spec->count,
				      &link->zap, reterr);
	if (rc < 0)
		goto err_close;
	snprintf(wanted, sizeof(wanted), "tcp://%s:*", spec->address);
	if (set_int(link->socket, ZAP_ENFORCE_DOMAIN, 1) ||
	    zmq_setsockopt(link->socket, ZMQ_ZAP_DOMAIN, LAUNCH_ZAP_DOMAIN,
			   strlen(LAUNCH_ZAP_DOMAIN)) ||
	    set_int(link->socket, ZMQ_CURVE_SERVER, 1) || set_keys(link->socket, spec->keys) ||
	    set_int(link->socket, ZMQ_ROUTER_MANDATORY, 1) ||
	    set_int(link->socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) ||
	    set_int(link->socket, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS) ||
	    set_int(link->socket, ZMQ_BACKLOG, BACKLOG) || zmq_bind(link->socket, wanted) ||
	    zmq_getsockopt(link->socket, ZMQ_LAST_ENDPOINT, link->endpoint, &size)) {
		rc = base_err(reterr, -errno, "cannot listen at %s: %s", wanted,
			      zmq_strerror(errno));
		goto err_close;
	}
	*ret_link = link;
	return 0;
err_close:
	launch_link_close(link, 0);
	return rc;
}

const char *launch_link_endpoint(const struct launch_link *link)
{
	return link->endpoint;
}

int launch_link_connect(void *context, const char *endpoint, uint32_t node,
			const struct launch_keys *keys, const uint8_t server[LAUNCH_KEY_BYTES],
			struct launch_link **ret_link, struct base_err *reterr)
{
	uint8_t route[LINK_ROUTE_BYTES];
	struct launch_link *link;
	int rc = open_link(context, ZMQ_DEALER, &link, reterr);

	if (rc < 0)
		return rc;
	link->self = node;
	link->cut_ns = base_now_ns();
	link_route(route, node);
	if (zmq_setsockopt(link->socket, ZMQ_ROUTING_ID, route, sizeof(route)) ||
	    zmq_setsockopt(link->socket, ZMQ_CURVE_SERVERKEY, server, LAUNCH_KEY_BYTES) ||
	    set_keys(link->socket, keys) || zmq_connect(link->socket, endpoint)) {
		rc = base_err(reterr, -errno, "cannot connect to %s: %s", endpoint,
			      zmq_strerror(errno));
		launch_link_close(link, 0);
		return rc;
	}
	*ret_link = link;
	return 0;
}

void launch_link_close(struct launch_link *link, int linger_ms)
{
	int saved_errno = errno;

	if (!link)
		return;
	launch_monitor_close(link->monitor);
	if (link->has_batch)
		zmq_msg_close(&link->batch);
	if (link->socket) {
		set_int(link->socket, ZMQ_LINGER, linger_ms);
		zmq_close(link->socket);
	}
	launch_zap_stop(link->zap);
	if (link->own_context)
		zmq_ctx_term(link->own_context);
	free(link);
	errno = saved_errno;
}

void *launch_link_socket(const struct launch_link *link)
{
	return link->socket;
}

static int fd_of(void *socket)
{
	int fd = -1;
	size_t size = sizeof(fd);

	zmq_getsockopt(socket, ZMQ_FD, &fd, &size);
	return fd;
}

int launch_link_fd(const struct launch_link *link)
{
	return fd_of(link->socket);
}

void *launch_link_broken_socket(const struct launch_link *link)
{
	return launch_monitor_socket(link->monitor);
}

int launch_link_broken_fd(const struct launch_link *link)
{
	return fd_of(launch_monitor_socket(link->monitor));
}

int launch_link_broken(struct launch_link *link, int *ret_wait_ms)
{
	uint64_t now_ns = base_now_ns();
	int due;

	if (launch_monitor_losses(link->monitor))
		link->broken_ns = link->probe_ns = now_ns;
	if (launch_monitor_is_connected(link->monitor))
		link->cut_ns = 0;
	else if (!link->cut_ns)
		link->cut_ns = now_ns;
	*ret_wait_ms = -1;
	if (!link->broken_ns)
		return 0;
	due = now_ns >= link->probe_ns;
	if (due && now_ns - link->broken_ns >= PROBE_FOR_MS * BASE_MS) {
		link->broken_ns = 0;
		return 1;
	}
	if (due)	/* at once, soon, and then less and less often */
		link->probe_ns = now_ns + PROBE_FIRST_MS * BASE_MS +
				 (now_ns - link->broken_ns) / 4;
	*ret_wait_ms = base_poll_ms(link->probe_ns);
	return due;
}

uint64_t launch_link_cut_ns(const struct launch_link *link)
{
	return link->serves ? 0 : link->cut_ns;
}

/* A route that is unknown is refused; an empty frame is dropped by whoever gets it. */
int launch_link_reaches(struct launch_link *link, uint32_t node)
{
	uint8_t route[LINK_ROUTE_BYTES];

	link_route(route, node);
	if (zmq_send(link->socket, route, sizeof(route), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
		return errno != EHOSTUNREACH;
	zmq_send(link->socket, "", 0, ZMQ_DONTWAIT);
	return 1;
}

unsigned launch_link_refused(const struct launch_link *link)
{
	return link->zap ? launch_zap_refused(link->zap) : 0;
}
