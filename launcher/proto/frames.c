/* SPDX-License-Identifier: MIT */
/*
 * frames.c - what goes through a link, see link.h.
 *
 * Down: the numbers of the nodes that a frame is for (u32 each, none: the receiver), and the frame
 * as a part of its own, which is passed on without a copy. Up: from (u32), bytes (u32), frame, and
 * so on. All little-endian.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/link_internal.h"

enum { PIECE_HEAD_BYTES = 8 };

_Static_assert(sizeof(zmq_msg_t) <= sizeof(((struct launch_frame *)0)->zmq), "zmq_msg_t");

static zmq_msg_t *part_of(struct launch_frame *frame)
{
	return (zmq_msg_t *)(void *)frame->zmq;
}

static zmq_msg_t *head_of(struct launch_frame *frame)
{
	return (zmq_msg_t *)(void *)frame->head;
}

static uint32_t read_u32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void free_data(void *data, void *hint)
{
	(void)hint;
	free(data);
}

int launch_frame_make(const struct launch_message *message, struct launch_frame *ret_frame)
{
	zmq_msg_t *part = part_of(ret_frame);
	struct launch_writer writer = { 0 };
	int rc = launch_message_encode(message, &writer);

	if (rc == 0 && zmq_msg_init_data(part, writer.data, writer.used, free_data, NULL) < 0)
		rc = -errno;
	if (rc < 0) {
		launch_writer_fini(&writer);
		return rc;
	}
	zmq_msg_init(head_of(ret_frame));
	ret_frame->data = zmq_msg_data(part);
	ret_frame->bytes = zmq_msg_size(part);
	ret_frame->to_count = 0;
	return 0;
}

uint32_t launch_frame_to(const struct launch_frame *frame, uint32_t index)
{
	const uint8_t *numbers = zmq_msg_data((zmq_msg_t *)(void *)(uintptr_t)frame->head);

	return read_u32(numbers + (size_t)index * 4);
}

void launch_frame_fini(struct launch_frame *frame)
{
	zmq_msg_close(part_of(frame));
	zmq_msg_close(head_of(frame));
	frame->data = NULL;
}

int launch_link_send_frame(struct launch_link *link, uint32_t hop,
			   const struct launch_frame *frame, const uint32_t *nodes,
			   uint32_t count)
{
	uint8_t route[LINK_ROUTE_BYTES];
	struct launch_writer head = { 0 };
	zmq_msg_t part;
	int rc = 0;

	for (uint32_t i = 0; i < count; i++)
		launch_put_u32(&head, nodes[i]);
	if (head.failed)
		return head.failed;
	zmq_msg_init(&part);
	link_route(route, hop);
	if (zmq_msg_copy(&part, part_of((struct launch_frame *)(uintptr_t)frame)) < 0 ||
	    zmq_send(link->socket, route, sizeof(route), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
	    zmq_send(link->socket, head.data, head.used, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
	    zmq_msg_send(&part, link->socket, ZMQ_DONTWAIT) < 0) {
		rc = -errno;
		zmq_msg_close(&part);
	}
	launch_writer_fini(&head);
	return rc;
}

void launch_batch_add(struct launch_writer *batch, uint32_t from, const void *frame,
		      size_t bytes)
{
	launch_put_u32(batch, from);
	launch_put_blob(batch, frame, bytes);
}

int launch_link_send_batch(struct launch_link *link, struct launch_writer *batch)
{
	int rc = batch->failed;
	zmq_msg_t part;

	if (rc == 0 && !batch->used)
		return 0;
	if (rc == 0 && zmq_msg_init_data(&part, batch->data, batch->used, free_data, NULL) < 0)
		rc = -errno;
	if (rc < 0) {
		launch_writer_fini(batch);
		return rc;
	}
	memset(batch, 0, sizeof(*batch));
	if (zmq_msg_send(&part, link->socket, ZMQ_DONTWAIT) < 0) {
		rc = -errno;
		zmq_msg_close(&part);
	}
	return rc;
}

int launch_link_send(struct launch_link *link, uint32_t node,
		     const struct launch_message *message)
{
	struct launch_writer batch = { 0 };
	struct launch_frame frame;
	int rc = launch_frame_make(message, &frame);

	if (rc < 0)
		return rc;
	if (link->serves) {
		rc = launch_link_send_frame(link, node, &frame, NULL, 0);
	} else {
		launch_batch_add(&batch, link->self, frame.data, frame.bytes);
		rc = launch_link_send_batch(link, &batch);
	}
	launch_frame_fini(&frame);
	return rc;
}

/* Node of a routing id. Return: 0 or -EBADMSG. */
static int parse_route(zmq_msg_t *part, uint32_t *ret_node)
{
	const uint8_t *route = zmq_msg_data(part);

	if (zmq_msg_size(part) != LINK_ROUTE_BYTES || route[0] != 'n')
		return -EBADMSG;
	*ret_node = read_u32(route + 1);
	return 0;
}

static int is_user(const struct launch_link *link, zmq_msg_t *part, uint32_t node)
{
	const char *user = zmq_msg_gets(part, "User-Id");
	char wanted[32];

	snprintf(wanted, sizeof(wanted), "node-%u", node - link->first);
	return user && strcmp(user, wanted) == 0;
}

/* Read to the end of a multi-part message and drop it. */
static int drop_rest(void *socket, zmq_msg_t *part)
{
	while (zmq_msg_more(part) && zmq_msg_recv(part, socket, 0) >= 0)
		;
	zmq_msg_close(part);
	return -EBADMSG;
}

/* Return: 0 with the first part of a message in @part; -EAGAIN; other negative errno. */
static int receive(struct launch_link *link, zmq_msg_t *part)
{
	zmq_msg_init(part);
	if (zmq_msg_recv(part, link->socket, ZMQ_DONTWAIT) >= 0)
		return 0;
	zmq_msg_close(part);
	return errno == EINTR ? -EAGAIN : -errno;
}

/* A lower end. Return: 0; -EAGAIN; -EBADMSG it was dropped. */
static int receive_down(struct launch_link *link, struct launch_frame *frame)
{
	zmq_msg_t *head = head_of(frame), *part = part_of(frame);
	int rc = receive(link, head);

	if (rc < 0)
		return rc;
	if (!zmq_msg_more(head) || zmq_msg_size(head) % 4)
		return drop_rest(link->socket, head);
	zmq_msg_init(part);
	if (zmq_msg_recv(part, link->socket, 0) < 0 || zmq_msg_more(part)) {
		zmq_msg_close(head);
		return drop_rest(link->socket, part);
	}
	frame->to_count = (uint32_t)(zmq_msg_size(head) / 4);
	frame->data = zmq_msg_data(part);
	frame->bytes = zmq_msg_size(part);
	return 0;
}

/* The next batch of an upper end, from a node that is who it says. */
static int receive_batch(struct launch_link *link)
{
	zmq_msg_t *part = &link->batch;
	int rc = receive(link, part);

	if (rc < 0)
		return rc;
	if (parse_route(part, &link->batch_node) < 0 || !zmq_msg_more(part) ||
	    zmq_msg_recv(part, link->socket, 0) < 0 || zmq_msg_more(part) ||
	    !is_user(link, part, link->batch_node))
		return drop_rest(link->socket, part);
	link->has_batch = 1;
	link->batch_at = 0;
	return 0;
}

static void end_batch(struct launch_link *link)
{
	zmq_msg_close(&link->batch);
	link->has_batch = 0;
}

static int may_speak_for(const struct launch_link *link, uint32_t node)
{
	return node == link->batch_node ||
	       launch_tree_hop(&link->tree, link->batch_node, node) != LAUNCH_TREE_ROOT;
}

/* The next frame of the batch. Return: 0; -EBADMSG, then the rest is dropped. */
static int next_of_batch(struct launch_link *link, uint32_t *ret_node,
			 struct launch_frame *frame)
{
	const uint8_t *data = zmq_msg_data(&link->batch), *at = data + link->batch_at;
	size_t left = zmq_msg_size(&link->batch) - link->batch_at;
	uint32_t bytes = left >= PIECE_HEAD_BYTES ? read_u32(at + 4) : 0;

	*ret_node = link->batch_node;
	if (left < PIECE_HEAD_BYTES || bytes > left - PIECE_HEAD_BYTES ||
	    !may_speak_for(link, read_u32(at))) {
		end_batch(link);
		return -EBADMSG;
	}
	*ret_node = read_u32(at);
	zmq_msg_init(part_of(frame));
	zmq_msg_init(head_of(frame));
	/* It shares the bytes: they stay where they are as long as the frame. */
	zmq_msg_copy(part_of(frame), &link->batch);
	frame->to_count = 0;
	frame->data = (uint8_t *)zmq_msg_data(part_of(frame)) + link->batch_at + PIECE_HEAD_BYTES;
	frame->bytes = bytes;
	link->batch_at += PIECE_HEAD_BYTES + bytes;
	if (link->batch_at == zmq_msg_size(&link->batch))
		end_batch(link);
	return 0;
}

int launch_link_recv_frame(struct launch_link *link, uint32_t *ret_node,
			   struct launch_frame *ret_frame)
{
	int rc;

	*ret_node = 0;
	do {
		if (!link->serves)
			rc = receive_down(link, ret_frame);
		else
			rc = link->has_batch ? 0 : receive_batch(link);
	} while (rc == -EBADMSG);
	if (rc == 0 && link->serves)
		rc = next_of_batch(link, ret_node, ret_frame);
	return rc;
}

int launch_link_recv(struct launch_link *link, uint32_t *ret_node,
		     struct launch_frame *ret_frame, struct launch_message *ret_message)
{
	int rc = launch_link_recv_frame(link, ret_node, ret_frame);

	if (rc < 0)
		return rc;
	rc = launch_message_decode(ret_frame->data, ret_frame->bytes, ret_message);
	if (rc < 0)
		launch_frame_fini(ret_frame);
	return rc;
}
