/* SPDX-License-Identifier: MIT */
/* zap.c - see zap.h. */
#include "proto/zap.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { FRAMES = 7, FRAME_BYTES = 256 };

struct launch_zap {
	pthread_t thread;
	void *socket;		/* of the thread once it runs */
	void *stop[2];		/* pair of sockets: ours, the thread's */
	const char *name;
	atomic_uint refused;
	size_t count;
	uint8_t allowed[][LAUNCH_KEY_BYTES];
};

/* One request: version, request id, domain, address, identity, mechanism, credentials. */
struct request {
	size_t count;
	size_t bytes[FRAMES];
	uint8_t frame[FRAMES][FRAME_BYTES];
};

enum { VERSION, ID, DOMAIN, ADDRESS, IDENTITY, MECHANISM, CREDENTIALS };

/* Return: 0; -1 no whole request. Surplus and oversized frames make it invalid, not unread. */
static int receive(void *socket, struct request *request)
{
	int more = 1, valid = 1;
	size_t size = sizeof(more);

	memset(request, 0, sizeof(*request));
	while (more) {
		uint8_t surplus[FRAME_BYTES];
		uint8_t *room = request->count < FRAMES ? request->frame[request->count] : surplus;
		int n = zmq_recv(socket, room, FRAME_BYTES, request->count ? 0 : ZMQ_DONTWAIT);

		if (n < 0)
			return -1;
		if (n > FRAME_BYTES || request->count >= FRAMES)
			valid = 0;
		else
			request->bytes[request->count++] = (size_t)n;
		if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) < 0)
			return -1;
	}
	if (!valid)
		request->count = 0;
	return 0;
}

static int is_text(const struct request *request, int frame, const char *text)
{
	return request->bytes[frame] == strlen(text) &&
	       memcmp(request->frame[frame], text, strlen(text)) == 0;
}

/* Every key is compared, so that the time tells nothing. Return: index or -1. */
static long find_key(const struct launch_zap *zap, const struct request *request)
{
	long found = -1;

	if (request->count != FRAMES || !is_text(request, VERSION, "1.0") ||
	    !is_text(request, DOMAIN, LAUNCH_ZAP_DOMAIN) || !is_text(request, MECHANISM, "CURVE") ||
	    request->bytes[CREDENTIALS] != LAUNCH_KEY_BYTES)
		return -1;
	for (size_t i = 0; i < zap->count; i++)
		if (launch_keys_equal(zap->allowed[i], request->frame[CREDENTIALS]))
			found = (long)i;
	return found;
}

static void answer(struct launch_zap *zap, const struct request *request)
{
	long index = find_key(zap, request);
	char user[64] = "";

	if (index >= 0)
		snprintf(user, sizeof(user), "%s-%ld", zap->name, index);
	else
		atomic_fetch_add_explicit(&zap->refused, 1, memory_order_relaxed);
	zmq_send(zap->socket, "1.0", 3, ZMQ_SNDMORE);
	zmq_send(zap->socket, request->frame[ID], request->bytes[ID], ZMQ_SNDMORE);
	zmq_send(zap->socket, index >= 0 ? "200" : "400", 3, ZMQ_SNDMORE);
	zmq_send(zap->socket, "", 0, ZMQ_SNDMORE);
	zmq_send(zap->socket, user, strlen(user), ZMQ_SNDMORE);
	zmq_send(zap->socket, "", 0, 0);
}

static void *serve(void *arg)
{
	struct launch_zap *zap = arg;
	zmq_pollitem_t items[2] = { { .socket = zap->socket, .events = ZMQ_POLLIN },
				    { .socket = zap->stop[1], .events = ZMQ_POLLIN } };
	struct request request;

	while (zmq_poll(items, 2, -1) >= 0 || errno == EINTR) {
		if (items[1].revents)
			break;
		if (items[0].revents && receive(zap->socket, &request) == 0)
			answer(zap, &request);
	}
	return NULL;
}

static int open_sockets(struct launch_zap *zap, void *context)
{
	int linger = 0;

	zap->socket = zmq_socket(context, ZMQ_REP);
	zap->stop[0] = zmq_socket(context, ZMQ_PAIR);
	zap->stop[1] = zmq_socket(context, ZMQ_PAIR);
	if (!zap->socket || !zap->stop[0] || !zap->stop[1])
		return -errno;
	zmq_setsockopt(zap->socket, ZMQ_LINGER, &linger, sizeof(linger));
	zmq_setsockopt(zap->stop[0], ZMQ_LINGER, &linger, sizeof(linger));
	if (zmq_bind(zap->socket, "inproc://zeromq.zap.01") < 0 ||
	    zmq_bind(zap->stop[0], "inproc://dhow.zap.stop") < 0 ||
	    zmq_connect(zap->stop[1], "inproc://dhow.zap.stop") < 0)
		return -errno;
	return 0;
}

static void close_all(struct launch_zap *zap)
{
	void *sockets[] = { zap->socket, zap->stop[0], zap->stop[1] };

	for (int i = 0; i < 3; i++)
		if (sockets[i])
			zmq_close(sockets[i]);
	free(zap);
}

int launch_zap_start(void *context, const char *name, const uint8_t (*allowed)[LAUNCH_KEY_BYTES],
		     size_t count, struct launch_zap **ret_zap, struct base_err *reterr)
{
	struct launch_zap *zap = calloc(1, sizeof(*zap) + count * LAUNCH_KEY_BYTES);
	sigset_t all, before;
	int rc;

	if (!zap)
		return base_err(reterr, -ENOMEM, "no memory for the list of allowed keys");
	zap->name = name;
	zap->count = count;
	memcpy(zap->allowed, allowed, count * LAUNCH_KEY_BYTES);
	rc = open_sockets(zap, context);
	if (rc < 0) {
		close_all(zap);
		return base_err(reterr, rc, "cannot open the key check: %s", zmq_strerror(-rc));
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = -pthread_create(&zap->thread, NULL, serve, zap);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc < 0) {
		close_all(zap);
		return base_err(reterr, rc, "cannot start the key check: %s", strerror(-rc));
	}
	*ret_zap = zap;
	return 0;
}

void launch_zap_stop(struct launch_zap *zap)
{
	int saved_errno = errno;

	if (!zap)
		return;
	zmq_send(zap->stop[0], "", 0, 0);
	pthread_join(zap->thread, NULL);
	close_all(zap);
	errno = saved_errno;
}

unsigned launch_zap_refused(const struct launch_zap *zap)
{
	return atomic_load_explicit(&zap->refused, memory_order_relaxed);
}
