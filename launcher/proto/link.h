/* SPDX-License-Identifier: MIT */
/*
 * link.h - one level of the control plane: a ZeroMQ ROUTER at whoever is above, a DEALER at each
 * daemon below, CURVE always.
 *
 * Down go frames for the receiver itself or for nodes below it, up go batches of frames, each with
 * the node it is from. A frame from node N is accepted only over the connection that authenticated
 * with the key of N, or of a node above N in the tree. Nothing here blocks. Not thread-safe.
 */
#ifndef LAUNCH_LINK_H
#define LAUNCH_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "keys/keys.h"
#include "proto/message.h"
#include "proto/tree.h"

struct launch_link;

/* One received frame; zmq owns the bytes until launch_frame_fini(). */
struct launch_frame {
	_Alignas(16) uint8_t zmq[64], head[64];
	const void *data;
	size_t bytes;
	uint32_t to_count;	/* of a frame that came down: 0 = it is for the receiver */
};

/* Refuse a libzmq that is too old or has no CURVE. Return: 0; -ENOSYS. */
int launch_link_check(struct base_err *reterr);

/**
 * launch_link_serve - open the upper end.
 * @context: of zmq_ctx_new(), which may be shared in tests; NULL = one of its own.
 * @address: IPv4 address to bind to, e.g. 127.0.0.1; the port is chosen.
 * @keys:    of the server; borrowed for the call.
 * @first:   number of the node whose key is allowed[0]; the others follow.
 * @allowed: public key of each node's daemon; copied.
 * @tree:    who is above whom.
 */
struct launch_link_spec {
	void *context;
	const char *address;
	const struct launch_keys *keys;
	uint32_t first;
	const uint8_t (*allowed)[LAUNCH_KEY_BYTES];
	size_t count;
	struct launch_tree tree;
};
int launch_link_serve(const struct launch_link_spec *spec, struct launch_link **ret_link,
		      struct base_err *reterr);
/* Where daemons connect to. */
const char *launch_link_endpoint(const struct launch_link *link);

/* Open the lower end, of node @node's daemon; connecting goes on in the background. @context as
 * above. */
int launch_link_connect(void *context, const char *endpoint, uint32_t node,
			const struct launch_keys *keys, const uint8_t server[LAUNCH_KEY_BYTES],
			struct launch_link **ret_link, struct base_err *reterr);

/* What is sent leaves within @linger_ms or is dropped. NULL is fine. */
void launch_link_close(struct launch_link *link, int linger_ms);

/* For zmq_poll(). */
void *launch_link_socket(const struct launch_link *link);
/* Readable at an edge only: after each wake-up receive until -EAGAIN, and again after sending. */
int launch_link_fd(const struct launch_link *link);

/* Send to node @node below, for itself, or up (@node ignored). Return: 0; -EAGAIN the peer does not
 * read; -EHOSTUNREACH it is not connected; -E2BIG; -ENOMEM. */
int launch_link_send(struct launch_link *link, uint32_t node,
		     const struct launch_message *message);

/* A message encoded once, to be sent to many. Return: 0, then launch_frame_fini() ends it; -E2BIG;
 * -ENOMEM. */
int launch_frame_make(const struct launch_message *message, struct launch_frame *ret_frame);
/* Send to node @hop below, for @count nodes below it or itself; 0 = for itself. The frame stays
 * with the caller. */
int launch_link_send_frame(struct launch_link *link, uint32_t hop,
			   const struct launch_frame *frame, const uint32_t *nodes,
			   uint32_t count);

/* Add a frame of node @from to what will go up in one piece. */
void launch_batch_add(struct launch_writer *batch, uint32_t from, const void *frame,
		      size_t bytes);
/* Send it; @batch is empty after. */
int launch_link_send_batch(struct launch_link *link, struct launch_writer *batch);

/* Next frame, decoded; @ret_message points into @ret_frame. Strangers are dropped silently.
 * Return: 0; -EAGAIN none; -EBADMSG, -EPROTO: node *ret_node sent nonsense. */
int launch_link_recv(struct launch_link *link, uint32_t *ret_node,
		     struct launch_frame *ret_frame, struct launch_message *ret_message);
/* The same without decoding it. */
int launch_link_recv_frame(struct launch_link *link, uint32_t *ret_node,
			   struct launch_frame *ret_frame);
/* Node @index of those that a frame is for. */
uint32_t launch_frame_to(const struct launch_frame *frame, uint32_t index);
void launch_frame_fini(struct launch_frame *frame);

/* 1 from time to time after connections have broken: ask launch_link_reaches() of each node.
 * Where *ret_wait_ms is not -1, call again after so long. At a daemon: dlaunch is gone. */
int launch_link_broken(struct launch_link *link, int *ret_wait_ms);
/* Of a lower end, as launch_link_broken() found it: since when its machine has had no connection to
 * the other one; 0 = it has one. An owner that is stopped, or busy, still is connected. */
uint64_t launch_link_cut_ns(const struct launch_link *link);
/* 0: node @node, which had greeted, is not connected any more. */
int launch_link_reaches(struct launch_link *link, uint32_t node);
/* For zmq_poll(): then launch_link_broken() has news. */
void *launch_link_broken_socket(const struct launch_link *link);
/* The same for epoll, readable at an edge only, as launch_link_fd(). */
int launch_link_broken_fd(const struct launch_link *link);

unsigned launch_link_refused(const struct launch_link *link);

#endif
