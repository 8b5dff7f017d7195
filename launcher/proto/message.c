/* SPDX-License-Identifier: MIT */
/*
 * message.c - see message.h. One pair of functions a body; the table holds them. Here are those of
 * the job; message_run.c, message_start.c and message_fence.c have those of a run.
 */
#include "proto/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/body.h"

enum { MAGIC = 0x4c574844 };	/* "DHWL" */

static void put_hello(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->hello.node);
	launch_put_u32(w, m->hello.job);
	launch_put_u32(w, m->hello.pid);
	launch_put_string(w, m->hello.endpoint);
}

static void get_hello(struct launch_reader *r, struct launch_message *m)
{
	m->hello.node = launch_get_u32(r);
	m->hello.job = launch_get_u32(r);
	m->hello.pid = launch_get_u32(r);
	launch_get_string(r, m->hello.endpoint, sizeof(m->hello.endpoint));
}

static void put_parent(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->parent.node);
	launch_put_string(w, m->parent.endpoint);
}

static void get_parent(struct launch_reader *r, struct launch_message *m)
{
	m->parent.node = launch_get_u32(r);
	launch_get_string(r, m->parent.endpoint, sizeof(m->parent.endpoint));
}

static void put_peer(struct launch_writer *w, const struct dhow_node_peer *peer)
{
	launch_put_u32(w, peer->node);
	launch_put_blob(w, peer->address, peer->bytes);
}

static void get_peer(struct launch_reader *r, struct dhow_node_peer *peer)
{
	const void *address;

	memset(peer, 0, sizeof(*peer));
	peer->node = launch_get_u32(r);
	address = launch_get_blob(r, &peer->bytes);
	if (peer->bytes > sizeof(peer->address)) {
		peer->bytes = 0;
		r->failed = -EBADMSG;
	} else if (peer->bytes) {
		memcpy(peer->address, address, peer->bytes);
	}
}

static void put_ready(struct launch_writer *w, const struct launch_message *m)
{
	put_peer(w, &m->ready);
}

static void get_ready(struct launch_reader *r, struct launch_message *m)
{
	get_peer(r, &m->ready);
}

static void put_fail(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->fail.run);
	launch_put_u32(w, m->fail.code);
	launch_put_string(w, m->fail.text);
}

static void get_fail(struct launch_reader *r, struct launch_message *m)
{
	m->fail.run = launch_get_u32(r);
	m->fail.code = launch_get_u32(r);
	launch_get_string(r, m->fail.text, sizeof(m->fail.text));
	if (m->fail.code > 255)
		r->failed = -EBADMSG;
}

static void put_node(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->node.node);
	launch_put_string(w, m->node.text);
}

static void get_node(struct launch_reader *r, struct launch_message *m)
{
	m->node.node = launch_get_u32(r);
	launch_get_string(r, m->node.text, sizeof(m->node.text));
}

static void put_nothing(struct launch_writer *w, const struct launch_message *m)
{
	(void)w;
	(void)m;
}

static void get_nothing(struct launch_reader *r, struct launch_message *m)
{
	(void)r;
	(void)m;
}

static void put_peers(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->peers.count);
	launch_put_raw(w, m->peers.entries, (size_t)(m->peers.end - m->peers.entries));
}

static void get_peers(struct launch_reader *r, struct launch_message *m)
{
	struct dhow_node_peer peer;

	m->peers.count = launch_get_u32(r);
	m->peers.entries = r->at;
	for (uint32_t i = 0; i < m->peers.count && !r->failed; i++)
		get_peer(r, &peer);
	m->peers.end = r->at;
}

static void put_name_request(struct launch_writer *w, const struct launch_message *m)
{
	const struct dhow_name_request *request = &m->name_request.request;

	launch_put_u32(w, m->name_request.to);
	launch_put_u32(w, request->op);
	launch_put_u32(w, request->origin);
	launch_put_u64(w, request->ticket);
	launch_put_u64(w, request->wait_ms);
	launch_put_string(w, request->name);
	launch_put_string(w, request->address);
}

static void get_name_request(struct launch_reader *r, struct launch_message *m)
{
	struct dhow_name_request *request = &m->name_request.request;

	memset(request, 0, sizeof(*request));
	m->name_request.to = launch_get_u32(r);
	request->op = launch_get_u32(r);
	request->origin = launch_get_u32(r);
	request->ticket = launch_get_u64(r);
	request->wait_ms = launch_get_u64(r);
	launch_get_string(r, request->name, sizeof(request->name));
	launch_get_string(r, request->address, sizeof(request->address));
	if (request->op < DHOW_NAME_PUT || request->op > DHOW_NAME_DEL)
		r->failed = -EBADMSG;
}

static void put_name_answer(struct launch_writer *w, const struct launch_message *m)
{
	const struct dhow_name_answer *answer = &m->name_answer.answer;

	launch_put_u32(w, m->name_answer.to);
	launch_put_u64(w, answer->ticket);
	launch_put_u32(w, (uint32_t)answer->rc);
	launch_put_string(w, answer->address);
}

static void get_name_answer(struct launch_reader *r, struct launch_message *m)
{
	struct dhow_name_answer *answer = &m->name_answer.answer;

	memset(answer, 0, sizeof(*answer));
	m->name_answer.to = launch_get_u32(r);
	answer->ticket = launch_get_u64(r);
	answer->rc = (int32_t)launch_get_u32(r);
	launch_get_string(r, answer->address, sizeof(answer->address));
	if (answer->rc > 0)
		r->failed = -EBADMSG;
}

static const struct {
	const char *name;
	void (*put)(struct launch_writer *w, const struct launch_message *m);
	void (*get)(struct launch_reader *r, struct launch_message *m);
} types[LAUNCH_TYPES] = {
	[LAUNCH_HELLO] = { "hello", put_hello, get_hello },
	[LAUNCH_READY] = { "ready", put_ready, get_ready },
	[LAUNCH_STARTED] = { "started", launch_put_entries, launch_get_entries },
	[LAUNCH_OUTPUT] = { "output", launch_put_output, launch_get_output },
	[LAUNCH_EXITED] = { "exited", launch_put_entries, launch_get_entries },
	[LAUNCH_FAIL] = { "fail", put_fail, get_fail },
	[LAUNCH_PEER_DOWN] = { "peer_down", put_node, get_node },
	[LAUNCH_DONE] = { "done", launch_put_run, launch_get_run },
	[LAUNCH_LEFT] = { "left", put_nothing, get_nothing },
	[LAUNCH_PEERS] = { "peers", put_peers, get_peers },
	[LAUNCH_START] = { "start", launch_put_start, launch_get_start },
	[LAUNCH_INPUT] = { "input", launch_put_input, launch_get_input },
	[LAUNCH_STOP] = { "stop", launch_put_stop, launch_get_stop },
	[LAUNCH_SIGNAL] = { "signal", launch_put_signal, launch_get_signal },
	[LAUNCH_RESTART] = { "restart", launch_put_restart, launch_get_restart },
	[LAUNCH_FINISH] = { "finish", launch_put_run, launch_get_run },
	[LAUNCH_LEAVE] = { "leave", put_nothing, get_nothing },
	[LAUNCH_PEER_DEAD] = { "peer_dead", put_node, get_node },
	[LAUNCH_TAKEN] = { "taken", launch_put_taken, launch_get_taken },
	[LAUNCH_NAME_REQUEST] = { "name_request", put_name_request, get_name_request },
	[LAUNCH_NAME_ANSWER] = { "name_answer", put_name_answer, get_name_answer },
	[LAUNCH_JOINED] = { "joined", put_nothing, get_nothing },
	[LAUNCH_PARENT] = { "parent", put_parent, get_parent },
	[LAUNCH_FENCE] = { "fence", launch_put_fence, launch_get_fence },
	[LAUNCH_FENCED] = { "fenced", launch_put_fenced, launch_get_fenced },
	[LAUNCH_MODEX] = { "modex", launch_put_modex, launch_get_modex },
	[LAUNCH_MODEX_ANSWER] = { "modex_answer", launch_put_modex_answer,
				  launch_get_modex_answer },
	[LAUNCH_ABORT] = { "abort", launch_put_abort, launch_get_abort },
};

const char *launch_type_name(unsigned type)
{
	return type < LAUNCH_TYPES && types[type].name ? types[type].name : "unknown";
}

int launch_message_encode(const struct launch_message *message, struct launch_writer *writer)
{
	size_t before = writer->used;

	launch_put_u32(writer, MAGIC);
	launch_put_u16(writer, LAUNCH_PROTO_VERSION);
	launch_put_u16(writer, (uint16_t)message->type);
	types[message->type].put(writer, message);
	if (writer->failed)
		return writer->failed;
	return writer->used - before > LAUNCH_FRAME_BYTES_MAX ? -E2BIG : 0;
}

unsigned launch_frame_type(const void *data, size_t bytes)
{
	struct launch_reader reader = { .at = data, .end = (const uint8_t *)data + bytes };

	if (launch_get_u32(&reader) != MAGIC || launch_get_u16(&reader) != LAUNCH_PROTO_VERSION)
		return 0;
	return launch_get_u16(&reader);
}

int launch_message_decode(const void *data, size_t bytes, struct launch_message *ret_message)
{
	struct launch_reader reader = { .at = data, .end = (const uint8_t *)data + bytes };
	unsigned version, type;

	if (launch_get_u32(&reader) != MAGIC)
		return -EBADMSG;
	version = launch_get_u16(&reader);
	type = launch_get_u16(&reader);
	if (reader.failed)
		return -EBADMSG;
	if (version != LAUNCH_PROTO_VERSION)
		return -EPROTO;
	if (type >= LAUNCH_TYPES || !types[type].get)
		return -EBADMSG;
	ret_message->type = (enum launch_type)type;
	types[type].get(&reader, ret_message);
	return launch_reader_end(&reader);
}

void launch_peers_add(struct launch_writer *list, const struct dhow_node_peer *peer)
{
	put_peer(list, peer);
}

int launch_peers_next(const uint8_t **at, const uint8_t *end, struct dhow_node_peer *ret_peer)
{
	struct launch_reader reader = { .at = *at, .end = end };

	if (*at >= end)
		return 0;
	get_peer(&reader, ret_peer);
	*at = reader.at;
	return !reader.failed;
}
