/* SPDX-License-Identifier: MIT */
/* raw_zmq.c - see raw_zmq.h. Its own threads batch what one call gives it, as our agents do. */
#include "raw_zmq.h"

#include <errno.h>
#ifdef BENCH_RAW_ZMQ
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <zmq.h>

#include "base/clock.h"

enum { PLACE_BYTES = 128, MESSAGE_MAX = 4096, LIMIT_MS = 30000 };

/* Side 0 listens and says where. Return: a socket; NULL, see errno. */
static void *meet(unsigned side, int fd, const char *host)
{
	void *context = zmq_ctx_new();
	void *socket = context ? zmq_socket(context, side ? ZMQ_PUSH : ZMQ_PULL) : NULL;
	const int limit = LIMIT_MS, linger = 0;
	char place[PLACE_BYTES] = "";
	size_t bytes = sizeof(place);

	if (!socket)
		return NULL;
	zmq_setsockopt(socket, ZMQ_SNDTIMEO, &limit, sizeof(limit));
	zmq_setsockopt(socket, ZMQ_RCVTIMEO, &limit, sizeof(limit));
	zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
	if (side) {
		if (recv(fd, place, sizeof(place), MSG_WAITALL) != PLACE_BYTES)
			return NULL;
		place[PLACE_BYTES - 1] = 0;
		return zmq_connect(socket, place) == 0 ? socket : NULL;
	}
	snprintf(place, sizeof(place), "tcp://%s:*", host);
	if (zmq_bind(socket, place) != 0 ||
	    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, place, &bytes) != 0 ||
	    send(fd, place, sizeof(place), MSG_NOSIGNAL) != PLACE_BYTES)
		return NULL;
	return socket;
}

int raw_zmq_rate(struct bench_run *run, int fd, const char *host)
{
	static void *socket;
	char data[MESSAGE_MAX] = { 0 };
	uint64_t begin;
	int done = 0;

	if (!socket)
		socket = meet(run->side, fd, host);
	if (!socket || run->row->bytes > sizeof(data))
		return -EIO;
	begin = base_now_ns();
	for (uint64_t i = 0; i < run->batch && done >= 0; i++)
		done = run->side ? zmq_send(socket, data, run->row->bytes, 0) :
				   zmq_recv(socket, data, sizeof(data), 0);
	run->values[0] = (double)run->batch * 1e3 / (double)(base_now_ns() - begin);
	return done < 0 ? -zmq_errno() : 0;
}
#else
int raw_zmq_rate(struct bench_run *run, int fd, const char *host)
{
	(void)run, (void)fd, (void)host;
	return -ENOTSUP;
}
#endif
