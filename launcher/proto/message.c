/* SPDX-License-Identifier: MIT */
/* message.c - see message.h. One pair of functions a body; the table at the end holds them. */
#include "proto/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/body.h"

enum { MAGIC = 0x4c574844, STRINGS_MAX = 1 << 20 };	/* "DHWL" */

static void put_hello(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->hello.node);
	launch_put_u32(w, m->hello.job);
	launch_put_u32(w, m->hello.pid);
}

static void get_hello(struct launch_reader *r, struct launch_message *m)
{
	m->hello.node = launch_get_u32(r);
	m->hello.job = launch_get_u32(r);
	m->hello.pid = launch_get_u32(r);
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

static void put_started(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->started.rank);
	launch_put_u32(w, m->started.pid);
}

static void get_started(struct launch_reader *r, struct launch_message *m)
{
	m->started.rank = launch_get_u32(r);
	m->started.pid = launch_get_u32(r);
}

static void put_output(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->output.rank);
	launch_put_u8(w, m->output.stream);
	launch_put_blob(w, m->output.data, m->output.bytes);
}

static void get_output(struct launch_reader *r, struct launch_message *m)
{
	m->output.rank = launch_get_u32(r);
	m->output.stream = launch_get_u8(r);
	m->output.data = launch_get_blob(r, &m->output.bytes);
	if (m->output.stream != LAUNCH_STDOUT && m->output.stream != LAUNCH_STDERR)
		r->failed = -EBADMSG;
	if (m->output.bytes > LAUNCH_PIECE_BYTES)
		r->failed = -EBADMSG;
}

static void put_exit(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->exit.rank);
	launch_put_u8(w, m->exit.signal);
	launch_put_u8(w, m->exit.code);
}

static void get_exit(struct launch_reader *r, struct launch_message *m)
{
	m->exit.rank = launch_get_u32(r);
	m->exit.signal = launch_get_u8(r);
	m->exit.code = launch_get_u8(r);
}

static void put_fail(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->fail.code);
	launch_put_string(w, m->fail.text);
}

static void get_fail(struct launch_reader *r, struct launch_message *m)
{
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

static void put_strings(struct launch_writer *w, const struct launch_strings *strings)
{
	launch_put_u32(w, strings->count);
	launch_put_blob(w, strings->data, strings->bytes);
}

static void get_strings(struct launch_reader *r, struct launch_strings *strings)
{
	uint32_t zeros = 0;

	strings->count = launch_get_u32(r);
	strings->data = launch_get_blob(r, &strings->bytes);
	for (uint32_t i = 0; i < strings->bytes; i++)
		zeros += strings->data[i] == 0;
	if (zeros != strings->count || zeros > STRINGS_MAX ||
	    (strings->bytes && strings->data[strings->bytes - 1] != 0))
		r->failed = -EBADMSG;
}

static void put_start(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->start.size);
	launch_put_u32(w, m->start.nodes);
	launch_put_u32(w, m->start.local_size);
	launch_put_u32(w, m->start.umask);
	put_strings(w, &m->start.argv);
	put_strings(w, &m->start.env);
	launch_put_u32(w, m->start.count);
	launch_put_raw(w, m->start.ranks, (size_t)m->start.count * 4);
	launch_put_string(w, m->start.wdir);
}

static void get_start(struct launch_reader *r, struct launch_message *m)
{
	m->start.size = launch_get_u32(r);
	m->start.nodes = launch_get_u32(r);
	m->start.local_size = launch_get_u32(r);
	m->start.umask = launch_get_u32(r);
	get_strings(r, &m->start.argv);
	get_strings(r, &m->start.env);
	m->start.count = launch_get_u32(r);
	m->start.ranks = launch_get_raw(r, (size_t)m->start.count * 4);
	launch_get_string(r, m->start.wdir, sizeof(m->start.wdir));
	if (m->start.argv.count == 0 || m->start.umask > 0777 ||
	    m->start.count != m->start.local_size || m->start.local_size > m->start.size)
		r->failed = -EBADMSG;
	for (uint32_t i = 0; i < m->start.count && !r->failed; i++)
		if (launch_start_rank(m, i) >= m->start.size)
			r->failed = -EBADMSG;
}

static void put_input(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_blob(w, m->input.data, m->input.bytes);
}

static void get_input(struct launch_reader *r, struct launch_message *m)
{
	m->input.data = launch_get_blob(r, &m->input.bytes);
	if (m->input.bytes > LAUNCH_PIECE_BYTES)
		r->failed = -EBADMSG;
}

static void put_taken(struct launch_writer *w, const struct launch_message *m)
{
	launch_put_u32(w, m->taken.bytes);
}

static void get_taken(struct launch_reader *r, struct launch_message *m)
{
	m->taken.bytes = launch_get_u32(r);
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
	[LAUNCH_STARTED] = { "started", put_started, get_started },
	[LAUNCH_OUTPUT] = { "output", put_output, get_output },
	[LAUNCH_EXIT] = { "exit", put_exit, get_exit },
	[LAUNCH_FAIL] = { "fail", put_fail, get_fail },
	[LAUNCH_PEER_DOWN] = { "peer_down", put_node, get_node },
	[LAUNCH_DONE] = { "done", put_nothing, get_nothing },
	[LAUNCH_PEERS] = { "peers", put_peers, get_peers },
	[LAUNCH_START] = { "start", put_start, get_start },
	[LAUNCH_INPUT] = { "input", put_input, get_input },
	[LAUNCH_STOP] = { "stop", put_nothing, get_nothing },
	[LAUNCH_FINISH] = { "finish", put_nothing, get_nothing },
	[LAUNCH_PEER_DEAD] = { "peer_dead", put_node, get_node },
	[LAUNCH_TAKEN] = { "taken", put_taken, get_taken },
	[LAUNCH_NAME_REQUEST] = { "name_request", put_name_request, get_name_request },
	[LAUNCH_NAME_ANSWER] = { "name_answer", put_name_answer, get_name_answer },
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

uint32_t launch_start_rank(const struct launch_message *message, uint32_t index)
{
	const uint8_t *at = message->start.ranks + (size_t)index * 4;
	struct launch_reader reader = { .at = at, .end = at + 4 };

	return launch_get_u32(&reader);
}

int launch_strings_pack(char *const *array, struct launch_writer *writer,
			struct launch_strings *ret_strings)
{
	uint32_t count = 0;

	for (; array[count]; count++) {
		launch_put_raw(writer, array[count], strlen(array[count]) + 1);
		if (writer->used > LAUNCH_FRAME_BYTES_MAX || count == STRINGS_MAX)
			return -E2BIG;
	}
	if (writer->failed)
		return writer->failed;
	ret_strings->count = count;
	ret_strings->bytes = (uint32_t)writer->used;
	ret_strings->data = (const char *)writer->data;
	return 0;
}

char **launch_strings_unpack(const struct launch_strings *strings, unsigned extra)
{
	size_t slots = (size_t)strings->count + extra + 1;
	char **array = calloc(1, slots * sizeof(*array) + strings->bytes);
	char *at = (char *)(array + slots);

	if (!array)
		return NULL;
	if (strings->bytes)
		memcpy(at, strings->data, strings->bytes);
	for (uint32_t i = 0; i < strings->count; i++) {
		array[i] = at;
		at += strlen(at) + 1;
	}
	return array;
}
