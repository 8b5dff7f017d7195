/* SPDX-License-Identifier: MIT */
/* monitor.c - see monitor.h. */
#include "proto/monitor.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

struct launch_monitor {
	void *watched, *socket;
	int connected;
};

enum {
	LOSSES = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED,
	EVENTS = LOSSES | ZMQ_EVENT_CONNECTED,
};

int launch_monitor_open(void *context, void *socket, struct launch_monitor **ret_monitor)
{
	struct launch_monitor *monitor = calloc(1, sizeof(*monitor));
	char name[64];
	int linger = 0, rc;

	if (!monitor)
		return -ENOMEM;
	snprintf(name, sizeof(name), "inproc://monitor-%p", socket);
	monitor->watched = socket;
	monitor->socket = zmq_socket(context, ZMQ_PAIR);
	if (monitor->socket &&
	    zmq_setsockopt(monitor->socket, ZMQ_LINGER, &linger, sizeof(linger)) == 0 &&
	    zmq_socket_monitor(socket, name, EVENTS) == 0 &&
	    zmq_connect(monitor->socket, name) == 0) {
		*ret_monitor = monitor;
		return 0;
	}
	rc = -errno;
	launch_monitor_close(monitor);
	return rc;
}

void launch_monitor_close(struct launch_monitor *monitor)
{
	int saved_errno = errno;

	if (!monitor)
		return;
	zmq_socket_monitor(monitor->watched, NULL, 0);
	if (monitor->socket)
		zmq_close(monitor->socket);
	free(monitor);
	errno = saved_errno;
}

void *launch_monitor_socket(const struct launch_monitor *monitor)
{
	return monitor->socket;
}

unsigned launch_monitor_losses(struct launch_monitor *monitor)
{
	unsigned losses = 0;
	zmq_msg_t part;

	/* Two frames: event (u16) and value, then the address. */
	for (;;) {
		uint16_t event = 0;
		int more;

		zmq_msg_init(&part);
		if (zmq_msg_recv(&part, monitor->socket, ZMQ_DONTWAIT) < 0) {
			zmq_msg_close(&part);
			return losses;
		}
		if (zmq_msg_size(&part) >= sizeof(event))
			memcpy(&event, zmq_msg_data(&part), sizeof(event));
		more = zmq_msg_more(&part);
		zmq_msg_close(&part);
		if (!more)
			continue;
		losses += (event & LOSSES) != 0;
		if (event & EVENTS)
			monitor->connected = event == ZMQ_EVENT_CONNECTED;
		zmq_msg_init(&part);
		zmq_msg_recv(&part, monitor->socket, ZMQ_DONTWAIT);
		zmq_msg_close(&part);
	}
}

int launch_monitor_is_connected(const struct launch_monitor *monitor)
{
	return monitor->connected;
}
