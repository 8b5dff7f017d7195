/* SPDX-License-Identifier: MIT */
/*
 * link.c - see link.h.
 *
 * The ROUTER knows node N as `n` + N (u32, little-endian), which the DEALER sets as its routing
 * id; N's key gives the connection the User-Id `node-N`, and both must agree. Only the ROUTER asks
 * for heartbeats: a dlaunch that is stopped by ^Z must find its daemons again when it goes on, and
 * they hear of its death by their life line.
 */
#include "proto/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "proto/monitor.h"
#include "proto/zap.h"

enum {
	ROUTE_BYTES = 5,
	ZAP_ENFORCE_DOMAIN = 93,	/* ZMQ_ZAP_ENFORCE_DOMAIN, in the draft header only */
	HANDSHAKE_MS = 5000,
	HEARTBEAT_MS = 1000,
	HEARTBEAT_TIMEOUT_MS = 20000,	/* an overloaded node is slow, not dead */
	HWM_FRAMES = 65536,
	BACKLOG = 1024,
	VERSION_MIN = 40303,
	/* The socket learns of a broken connection later than the monitor: by a thread's turn. */
	PROBE_FIRST_MS = 20,
	PROBE_FOR_MS = 10000,
};

struct launch_link {
	void *context, *socket;
	struct launch_zap *zap;		/* of dlaunch's end only */
	struct launch_monitor *monitor;
	uint64_t broken_ns, probe_ns;	/* 0 = nothing to probe */
	char endpoint[256];
};

_Static_assert(sizeof(zmq_msg_t) <= sizeof(((struct launch_frame *)0)->zmq), "zmq_msg_t");

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

static void make_route(uint8_t route[ROUTE_BYTES], uint32_t node)
{
	route[0] = 'n';
	for (unsigned i = 0; i < 4; i++)
		route[1 + i] = (uint8_t)(node >> (8 * i));
}

static int set_keys(void *socket, const struct launch_keys *keys)
{
	return zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->public, LAUNCH_KEY_BYTES) ||
	       zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret, LAUNCH_KEY_BYTES);
}

static int set_limits(void *socket)
{
	int64_t frame_bytes_max = LAUNCH_FRAME_BYTES_MAX;

	return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_bytes_max, sizeof(frame_bytes_max)) ||
	       set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) ||
	       set_int(socket, ZMQ_SNDHWM, HWM_FRAMES) || set_int(socket, ZMQ_RCVHWM, HWM_FRAMES) ||
	       set_int(socket, ZMQ_LINGER, 0) || set_int(socket, ZMQ_IPV6, 0);
}

static int open_link(int type, struct launch_link **ret_link, struct base_err *reterr)
{
	struct launch_link *link = calloc(1, sizeof(*link));

	if (!link)
		return base_err(reterr, -ENOMEM, "no memory for the control link");
	link->context = zmq_ctx_new();
	link->socket = link->context ? zmq_socket(link->context, type) : NULL;
	if (!link->socket || set_limits(link->socket) ||
	    (errno = -launch_monitor_open(link->context, link->socket, &link->monitor))) {
		int rc = -errno;

		launch_link_close(link, 0);
		return base_err(reterr, rc, "cannot open the control link: %s", zmq_strerror(-rc));
	}
	*ret_link = link;
	return 0;
}

int launch_link_serve(const char *address, const struct launch_keys *keys,
		      const uint8_t (*allowed)[LAUNCH_KEY_BYTES], size_t count,
		      struct launch_link **ret_link, struct base_err *reterr)
{
	struct launch_link *link;
	char wanted[128];
	size_t size = sizeof(link->endpoint);
	int rc = open_link(ZMQ_ROUTER, &link, reterr);

	if (rc < 0)
		return rc;
	/* The handler comes first: no moment in which a stranger could slip in. */
	rc = launch_zap_start(link->context, "node", allowed, count, &link->zap, reterr);
	if (rc < 0)
		goto err_close;
	snprintf(wanted, sizeof(wanted), "tcp://%s:*", address);
	if (set_int(link->socket, ZAP_ENFORCE_DOMAIN, 1) ||
	    zmq_setsockopt(link->socket, ZMQ_ZAP_DOMAIN, LAUNCH_ZAP_DOMAIN,
			   strlen(LAUNCH_ZAP_DOMAIN)) ||
	    set_int(link->socket, ZMQ_CURVE_SERVER, 1) || set_keys(link->socket, keys) ||
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

int launch_link_connect(const char *endpoint, uint32_t node, const struct launch_keys *keys,
			const uint8_t server[LAUNCH_KEY_BYTES], struct launch_link **ret_link,
			struct base_err *reterr)
{
	uint8_t route[ROUTE_BYTES];
	struct launch_link *link;
	int rc = open_link(ZMQ_DEALER, &link, reterr);

	if (rc < 0)
		return rc;
	make_route(route, node);
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
	if (link->socket) {
		set_int(link->socket, ZMQ_LINGER, linger_ms);
		zmq_close(link->socket);
	}
	launch_zap_stop(link->zap);
	if (link->context)
		zmq_ctx_term(link->context);
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

/* A route that is unknown is refused; an empty frame is dropped by whoever gets it. */
int launch_link_reaches(struct launch_link *link, uint32_t node)
{
	uint8_t route[ROUTE_BYTES];

	make_route(route, node);
	if (zmq_send(link->socket, route, sizeof(route), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
		return errno != EHOSTUNREACH;
	zmq_send(link->socket, "", 0, ZMQ_DONTWAIT);
	return 1;
}

static void free_data(void *data, void *hint)
{
	(void)hint;
	free(data);
}

int launch_frame_make(const struct launch_message *message, struct launch_frame *ret_frame)
{
	zmq_msg_t *part = (zmq_msg_t *)(void *)ret_frame->zmq;
	struct launch_writer writer = { 0 };
	int rc = launch_message_encode(message, &writer);

	if (rc == 0 && zmq_msg_init_data(part, writer.data, writer.used, free_data, NULL) < 0)
		rc = -errno;
	if (rc < 0) {
		launch_writer_fini(&writer);
		return rc;
	}
	ret_frame->data = zmq_msg_data(part);
	ret_frame->bytes = zmq_msg_size(part);
	return 0;
}

/* Takes @part. */
static int send_part(struct launch_link *link, uint32_t node, zmq_msg_t *part)
{
	uint8_t route[ROUTE_BYTES];
	int rc = 0;

	make_route(route, node);
	if (link->zap &&
	    zmq_send(link->socket, route, sizeof(route), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
		rc = -errno;
	else if (zmq_msg_send(part, link->socket, ZMQ_DONTWAIT) < 0)
		rc = -errno;
	if (rc < 0)
		zmq_msg_close(part);
	return rc;
}

int launch_link_send_frame(struct launch_link *link, uint32_t node,
			   const struct launch_frame *frame)
{
	zmq_msg_t part;

	zmq_msg_init(&part);
	if (zmq_msg_copy(&part, (zmq_msg_t *)(void *)frame->zmq) < 0)
		return -errno;
	return send_part(link, node, &part);
}

int launch_link_send(struct launch_link *link, uint32_t node,
		     const struct launch_message *message)
{
	struct launch_frame frame;
	int rc = launch_frame_make(message, &frame);

	return rc < 0 ? rc : send_part(link, node, (zmq_msg_t *)(void *)frame.zmq);
}

/* Node of a routing id. Return: 0 or -EBADMSG. */
static int parse_route(zmq_msg_t *part, uint32_t *ret_node)
{
	const uint8_t *route = zmq_msg_data(part);

	if (zmq_msg_size(part) != ROUTE_BYTES || route[0] != 'n')
		return -EBADMSG;
	*ret_node = route[1] | (uint32_t)route[2] << 8 | (uint32_t)route[3] << 16 |
		    (uint32_t)route[4] << 24;
	return 0;
}

static int is_user(zmq_msg_t *part, uint32_t node)
{
	const char *user = zmq_msg_gets(part, "User-Id");
	char wanted[32];

	snprintf(wanted, sizeof(wanted), "node-%u", node);
	return user && strcmp(user, wanted) == 0;
}

/* Read to the end of a multi-part message and drop it. */
static void drop_rest(void *socket, zmq_msg_t *part)
{
	while (zmq_msg_more(part) && zmq_msg_recv(part, socket, 0) >= 0)
		;
	zmq_msg_close(part);
}

/* Return: 0 with one authenticated payload in @part; -EAGAIN; -EBADMSG it was dropped. */
static int receive(struct launch_link *link, uint32_t *ret_node, zmq_msg_t *part)
{
	int known = 1;

	zmq_msg_init(part);
	if (zmq_msg_recv(part, link->socket, ZMQ_DONTWAIT) < 0) {
		zmq_msg_close(part);
		return errno == EINTR ? -EAGAIN : -errno;
	}
	if (link->zap) {
		known = parse_route(part, ret_node) == 0 && zmq_msg_more(part) &&
			zmq_msg_recv(part, link->socket, 0) >= 0 && is_user(part, *ret_node);
	}
	if (!known || zmq_msg_more(part) || !zmq_msg_size(part)) {
		drop_rest(link->socket, part);
		return -EBADMSG;
	}
	return 0;
}

int launch_link_recv(struct launch_link *link, uint32_t *ret_node,
		     struct launch_frame *ret_frame, struct launch_message *ret_message)
{
	zmq_msg_t *part = (zmq_msg_t *)(void *)ret_frame->zmq;
	uint32_t node = 0;
	int rc;

	do
		rc = receive(link, &node, part);
	while (rc == -EBADMSG);
	if (rc < 0)
		return rc;
	*ret_node = node;
	ret_frame->data = zmq_msg_data(part);
	ret_frame->bytes = zmq_msg_size(part);
	rc = launch_message_decode(ret_frame->data, ret_frame->bytes, ret_message);
	if (rc < 0)
		launch_frame_fini(ret_frame);
	return rc;
}

void launch_frame_fini(struct launch_frame *frame)
{
	zmq_msg_close((zmq_msg_t *)(void *)frame->zmq);
	frame->data = NULL;
}

unsigned launch_link_refused(const struct launch_link *link)
{
	return link->zap ? launch_zap_refused(link->zap) : 0;
}
