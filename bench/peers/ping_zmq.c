/* SPDX-License-Identifier: MIT */
/* ping_zmq.c SECONDS ipc|tcp - ZeroMQ, PAIR sockets, blocking as its users do. */
#include "ping.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

static void give(void *arg, const void *data, size_t bytes)
{
	if (zmq_send(arg, data, bytes, 0) < 0)
		ping_fail("zmq_send", zmq_strerror(errno));
}

static void take(void *arg, void *buffer, size_t bytes)
{
	if (zmq_recv(arg, buffer, bytes, 0) != (int)bytes)
		ping_fail("zmq_recv", zmq_strerror(errno));
}

int main(int argc, char **argv)
{
	int is_tcp = argc == 3 && !strcmp(argv[2], "tcp"), pipes[2], status = 0, wait_ms = 30000;
	struct ping ping = { .send = give, .recv = take };
	void *context, *socket;
	char where[64];
	size_t room = sizeof(where);

	if (pipe(pipes))
		ping_fail("pipe", strerror(errno));
	ping.side = fork() == 0;
	ping_pin(ping.side);
	context = zmq_ctx_new();
	socket = zmq_socket(context, ZMQ_PAIR);
	zmq_setsockopt(socket, ZMQ_RCVTIMEO, &wait_ms, sizeof(wait_ms));
	zmq_setsockopt(socket, ZMQ_SNDTIMEO, &wait_ms, sizeof(wait_ms));
	if (ping.side == 0) {
		snprintf(where, sizeof(where), is_tcp ? "tcp://127.0.0.1:*" : "ipc://@dhow-ping-%d",
			 getpid());
		if (zmq_bind(socket, where) ||
		    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, where, &room) ||
		    write(pipes[1], where, sizeof(where)) != sizeof(where))
			ping_fail("zmq_bind", zmq_strerror(errno));
	} else {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (read(pipes[0], where, sizeof(where)) != sizeof(where) ||
		    zmq_connect(socket, where))
			ping_fail("zmq_connect", zmq_strerror(errno));
	}
	ping.arg = socket;
	ping_run(&ping, argc > 1 ? atof(argv[1]) : 0.2);
	zmq_close(socket);
	zmq_ctx_term(context);
	if (!ping.side)
		wait(&status);
	return status != 0;
}
