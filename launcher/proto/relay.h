/* SPDX-License-Identifier: MIT */
/*
 * relay.h - the place of a daemon in the tree: what it hears, what it says to the root, and what it
 * passes on in between.
 *
 * Each daemon begins with a link to the root. One whose parent is another daemon joins it later,
 * and keeps the first link for the case that the parent dies. Not thread-safe; nothing blocks.
 */
#ifndef LAUNCH_RELAY_H
#define LAUNCH_RELAY_H

#include "proto/link.h"

struct launch_relay;

/* @root: the link to the root, owned from now on, also after a failure. Return: NULL no memory. */
struct launch_relay *launch_relay_open(const struct launch_tree *tree, uint32_t self,
				       struct launch_link *root);
/* @below: the upper end for the nodes below, owned from now on. */
void launch_relay_serve(struct launch_relay *relay, struct launch_link *below);
/* Where the nodes below connect to; empty = there are none. */
const char *launch_relay_endpoint(const struct launch_relay *relay);
/* @parent: what is said from now on goes this way; owned from now on. */
void launch_relay_join(struct launch_relay *relay, struct launch_link *parent);
/* All links; what was said leaves within @linger_ms. NULL is fine. */
void launch_relay_close(struct launch_relay *relay, int linger_ms);

/* Descriptors to watch, as launch_link_fd(): of the root, the parent, the nodes below; -1 none. */
void launch_relay_fds(const struct launch_relay *relay, int ret_fds[3]);

/* The link to the root, which stays. */
struct launch_link *launch_relay_root(const struct launch_relay *relay);

/* Say something to the root. It leaves with launch_relay_flush(), or sooner. Return: 0; negative
 * errno: the link is broken. */
int launch_relay_send(struct launch_relay *relay, const struct launch_message *message);
int launch_relay_flush(struct launch_relay *relay);

/* What is for this node; the rest is passed on. Return: 0; -EAGAIN there is no more; -EBADMSG,
 * -EPROTO it is nonsense; other negative errno: a link is broken. *ret_moved is raised by what was
 * passed on. */
int launch_relay_recv(struct launch_relay *relay, struct launch_frame *ret_frame,
		      struct launch_message *ret_message, int *ret_moved);

/* Fences of all nodes of @run are joined here: @nodes of them (this one and those below) take
 * part. 0: no more. Return: 0; -ENOMEM, then they go up one by one. */
int launch_relay_join_fences(struct launch_relay *relay, uint32_t run, uint32_t nodes);

/* Node @node is dead: nothing more comes from it, nor from those below it. */
void launch_relay_gone(struct launch_relay *relay, uint32_t node);
/* How many of the nodes below have not said LAUNCH_LEFT and are not gone. */
uint32_t launch_relay_waits_for(const struct launch_relay *relay);

/* Send a frame to nodes below @self, one copy for those that are reached by way of the same child.
 * @failed (may be NULL) is told of each child that does not take it. Return: 0; -ENOMEM. */
typedef void launch_spread_failed(void *arg, uint32_t child, int rc);
int launch_spread(struct launch_link *below, const struct launch_tree *tree, uint32_t self,
		  const struct launch_frame *frame, const uint32_t *nodes, uint32_t count,
		  launch_spread_failed *failed, void *arg);

#endif
