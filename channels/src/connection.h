/* SPDX-License-Identifier: MIT */
/*
 * connection.h - this process's connection to its node's service.
 *
 * One per process. Requests of several threads take turns, so an answer goes to who asked;
 * news for the agent that come in between are kept for connection_news().
 */
#ifndef CHANNELS_CONNECTION_H
#define CHANNELS_CONNECTION_H

#include <stdint.h>

#include "src/protocol.h"

/* Through an inherited door, or to a socket's name. Return: 0; negative errno and a text. */
int connection_through_door(int door);
int connection_to(const char *name);
/* Who we say we are in each request. */
void connection_set_rank(uint32_t rank);
int connection_fd(void);
void connection_close(void);
/* After fork(): it is the parent's, forget it. */
void connection_forget(void);

/* Ask and wait. @fd: -1 or passed along. @ret_fds, *ret_count: descriptors of the answer, at
 * most BASE_FD_PASS_MAX, the caller's. Return: 0 it was answered, whatever the answer;
 * -ETIMEDOUT; -EHOSTDOWN; -EPROTO. */
int connection_ask(struct node_request *request, int fd, struct node_reply *ret_reply,
		   int *ret_fds, int *ret_count, uint64_t deadline_ns);
/* Send without an answer. */
void connection_tell(struct node_request *request);
/* 1: news; 0: none now; -EHOSTDOWN: the service is gone. */
int connection_news(struct node_reply *ret_news);

#endif
