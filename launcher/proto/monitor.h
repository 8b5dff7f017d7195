/* SPDX-License-Identifier: MIT */
/*
 * monitor.h - tells when connections of a ZeroMQ socket break: the death of a peer's process
 * closes them at once, while heartbeats take long to notice.
 *
 * ZeroMQ says that a connection broke, but not whose. One thread; nothing here blocks.
 */
#ifndef LAUNCH_MONITOR_H
#define LAUNCH_MONITOR_H

struct launch_monitor;

/* Watch @socket, which belongs to @context. Close it before the context ends. Return: 0 or
 * negative errno. */
int launch_monitor_open(void *context, void *socket, struct launch_monitor **ret_monitor);
/* NULL is fine. */
void launch_monitor_close(struct launch_monitor *monitor);
/* For zmq_poll(), ZMQ_POLLIN. */
void *launch_monitor_socket(const struct launch_monitor *monitor);
/* How many connections have broken, or could not be made, since it was last asked. */
unsigned launch_monitor_losses(struct launch_monitor *monitor);
/* Of a socket that connects to one place, as of that call: 1 the machine there has answered. */
int launch_monitor_is_connected(const struct launch_monitor *monitor);

#endif
