/* SPDX-License-Identifier: MIT */
/*
 * link.h - the control plane: a ZeroMQ ROUTER at dlaunch, a DEALER at each daemon, CURVE always.
 *
 * A frame of node N is accepted only from the connection that authenticated with N's key.
 * Nothing here blocks. Not thread-safe.
 */
#ifndef LAUNCH_LINK_H
#define LAUNCH_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "keys/keys.h"
#include "proto/message.h"

struct launch_link;

/* One received frame; zmq owns the bytes until launch_frame_fini(). */
struct launch_frame {
	_Alignas(16) uint8_t zmq[64];
	const void *data;
	size_t bytes;
};

/* Refuse a libzmq that is too old or has no CURVE. Return: 0; -ENOSYS. */
int launch_link_check(struct base_err *reterr);

/**
 * launch_link_serve - open dlaunch's end.
 * @address: IPv4 address to bind to, e.g. 127.0.0.1; the port is chosen.
 * @keys:    of the server; borrowed for the call.
 * @allowed: public key of each node's daemon; copied.
 */
int launch_link_serve(const char *address, const struct launch_keys *keys,
		      const uint8_t (*allowed)[LAUNCH_KEY_BYTES], size_t count,
		      struct launch_link **ret_link, struct base_err *reterr);
/* Where daemons connect to. */
const char *launch_link_endpoint(const struct launch_link *link);

/* Open the end of node @node's daemon; connecting goes on in the background. */
int launch_link_connect(const char *endpoint, uint32_t node, const struct launch_keys *keys,
			const uint8_t server[LAUNCH_KEY_BYTES], struct launch_link **ret_link,
			struct base_err *reterr);

/* What is sent leaves within @linger_ms or is dropped. NULL is fine. */
void launch_link_close(struct launch_link *link, int linger_ms);

/* For zmq_poll(). */
void *launch_link_socket(const struct launch_link *link);
/* Readable at an edge only: after each wake-up receive until -EAGAIN, and again after sending. */
int launch_link_fd(const struct launch_link *link);

/* Send to node @node (dlaunch) or to dlaunch (@node ignored). Return: 0; -EAGAIN the peer does
 * not read; -EHOSTUNREACH it is not connected; -E2BIG; -ENOMEM. */
int launch_link_send(struct launch_link *link, uint32_t node,
		     const struct launch_message *message);

/* A message encoded once, to be sent to many. Return: 0, then launch_frame_fini() ends it; -E2BIG;
 * -ENOMEM. */
int launch_frame_make(const struct launch_message *message, struct launch_frame *ret_frame);
/* As launch_link_send(); the frame stays with the caller. */
int launch_link_send_frame(struct launch_link *link, uint32_t node,
			   const struct launch_frame *frame);

/* Next frame, decoded; @ret_message points into @ret_frame. Strangers are dropped silently.
 * Return: 0; -EAGAIN none; -EBADMSG, -EPROTO: node *ret_node sent nonsense. */
int launch_link_recv(struct launch_link *link, uint32_t *ret_node,
		     struct launch_frame *ret_frame, struct launch_message *ret_message);
void launch_frame_fini(struct launch_frame *frame);

/* 1 from time to time after connections have broken: ask launch_link_reaches() of each node.
 * Where *ret_wait_ms is not -1, call again after so long. At a daemon: dlaunch is gone. */
int launch_link_broken(struct launch_link *link, int *ret_wait_ms);
/* 0: node @node, which had greeted, is not connected any more. */
int launch_link_reaches(struct launch_link *link, uint32_t node);
/* For zmq_poll(): then launch_link_broken() has news. */
void *launch_link_broken_socket(const struct launch_link *link);
/* The same for epoll, readable at an edge only, as launch_link_fd(). */
int launch_link_broken_fd(const struct launch_link *link);

unsigned launch_link_refused(const struct launch_link *link);

#endif
