/* SPDX-License-Identifier: MIT */
/*
 * thread.h - the library's own thread: its life is what proves the life of the process.
 *
 * It sleeps in poll(). It holds the process's liveness words; it notices when the node's daemon
 * ends and then ends the process, so that nothing outlives its run; and in a process without
 * a launcher it is the node's service.
 */
#ifndef CHANNELS_THREAD_H
#define CHANNELS_THREAD_H

#include <stdint.h>

#include "src/segment.h"

/* @own: serve this node, and give a door to it in *ret_door; NULL = serve none.
 * Return: 0; negative errno and a text. */
int thread_start(const struct dhow_node_options *own, int *ret_door);
void thread_stop(void);
/* From now on the end of this connection is the end of the process. */
void thread_live_with(int connection);

/* Enter and leave a segment as a process; liveness.h. */
int thread_enter(struct segment *segment, uint32_t rank);
void thread_leave(struct segment *segment);

#endif
