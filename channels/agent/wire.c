/* SPDX-License-Identifier: MIT */
/*
 * wire.c - encode and decode frame headers and records.
 *
 * Which fields a kind of record has is one row of a table, so that encoder and decoder
 * cannot disagree. Decoders believe nothing: every read is checked against the end.
 */
#include "agent/wire.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { RECORD_HEAD = 16 };

enum field {
	NUMBER = 1 << 0,
	RC = 1 << 1,
	ASKED = 1 << 2,		/* op, events, room */
	EVENTS = 1 << 3,
	TARGET = 1 << 4,
	HEADER = 1 << 5,
	BULK = 1 << 6,		/* seal, total */
	PAYLOAD = 1 << 7,	/* the rest of the record */
};

#define BYTES_OF(has) \
	(RECORD_HEAD + ((has) & NUMBER ? 8 : 0) + ((has) & RC ? 4 : 0) + \
	 ((has) & ASKED ? 16 : 0) + ((has) & EVENTS ? 4 : 0) + ((has) & TARGET ? 20 : 0) + \
	 ((has) & HEADER ? 20 : 0) + ((has) & BULK ? 32 : 0))
#define KIND(kind, has) [kind] = { has, BYTES_OF(has) }

static const struct {
	uint8_t has, bytes;	/* without its payload */
} kinds[AGENT_RECORD_KINDS] = {
	KIND(AGENT_OPEN, TARGET),
	KIND(AGENT_MESSAGE, NUMBER | EVENTS | HEADER | PAYLOAD),
	KIND(AGENT_MESSAGE_BULK, NUMBER | EVENTS | HEADER | BULK),
	KIND(AGENT_DEPOSITED, NUMBER),
	KIND(AGENT_RECEIVED, NUMBER),
	KIND(AGENT_FAIL, RC),
	KIND(AGENT_CLOSE, 0),
	KIND(AGENT_ASK, NUMBER | ASKED | TARGET),
	KIND(AGENT_ANSWER, NUMBER | RC | EVENTS | HEADER | PAYLOAD),
	KIND(AGENT_ANSWER_BULK, NUMBER | RC | EVENTS | HEADER | BULK),
	KIND(AGENT_DONE, RC),
	KIND(AGENT_CANCEL, 0),
};

void agent_put_blob(struct agent_cursor *cursor, const void *blob, size_t bytes)
{
	if ((size_t)(cursor->end - cursor->at) < bytes) {
		cursor->bad = 1;
		return;
	}
	if (bytes)
		memcpy(cursor->at, blob, bytes);
	cursor->at += bytes;
}

void agent_get_blob(struct agent_cursor *cursor, void *blob, size_t bytes)
{
	if ((size_t)(cursor->end - cursor->at) < bytes) {
		cursor->bad = 1;
		memset(blob, 0, bytes);
		return;
	}
	memcpy(blob, cursor->at, bytes);
	cursor->at += bytes;
}

void agent_header_encode(const struct agent_header *header, void *at)
{
	static const uint8_t no_mac[AGENT_MAC_BYTES];
	struct agent_cursor cursor = { at, (uint8_t *)at + AGENT_HEADER_BYTES, 0 };

	agent_put(&cursor, AGENT_FRAME_MAGIC, 4);
	agent_put(&cursor, AGENT_WIRE_VERSION, 1);
	agent_put(&cursor, header->kind, 1);
	agent_put(&cursor, header->serial, 6);
	agent_put(&cursor, header->session, 4);
	agent_put_blob(&cursor, no_mac, sizeof(no_mac));
	agent_put(&cursor, header->source, 4);
	agent_put(&cursor, header->epoch, 4);
	agent_put(&cursor, header->bytes, 4);
	agent_put(&cursor, header->crc, 4);
	agent_put(&cursor, header->sequence, 8);
	agent_put(&cursor, header->ack, 8);
	assert(!cursor.bad && cursor.at == cursor.end);
}

int agent_header_decode(const void *data, size_t bytes, struct agent_header *ret_header)
{
	struct agent_cursor cursor = { (uint8_t *)(uintptr_t)data,
				       (uint8_t *)(uintptr_t)data + bytes, 0 };
	uint8_t mac[AGENT_MAC_BYTES];
	struct agent_header header;
	uint32_t magic, version, kind;

	magic = (uint32_t)agent_get(&cursor, 4);
	version = (uint32_t)agent_get(&cursor, 1);
	kind = (uint32_t)agent_get(&cursor, 1);
	header.serial = agent_get(&cursor, 6);
	header.session = (uint32_t)agent_get(&cursor, 4);
	agent_get_blob(&cursor, mac, sizeof(mac));
	header.source = (uint32_t)agent_get(&cursor, 4);
	header.epoch = (uint32_t)agent_get(&cursor, 4);
	header.bytes = (uint32_t)agent_get(&cursor, 4);
	header.crc = (uint32_t)agent_get(&cursor, 4);
	header.sequence = agent_get(&cursor, 8);
	header.ack = agent_get(&cursor, 8);
	if (cursor.bad || bytes < AGENT_HEADER_BYTES || magic != AGENT_FRAME_MAGIC ||
	    version != AGENT_WIRE_VERSION || kind < AGENT_CONTROL || kind > AGENT_OFFER ||
	    header.serial == 0 || header.bytes != bytes - AGENT_HEADER_BYTES ||
	    (kind == AGENT_DATA) != (header.sequence != 0))
		return -EBADMSG;
	header.kind = (enum agent_frame_kind)kind;
	*ret_header = header;
	return 0;
}

size_t agent_record_bytes(const struct agent_record *record)
{
	return kinds[record->kind].bytes + (kinds[record->kind].has & PAYLOAD ? record->bytes : 0);
}

static void put_target(struct agent_cursor *cursor, const struct dhow_address *target)
{
	agent_put(cursor, target->job, 4);
	agent_put(cursor, target->node, 4);
	agent_put(cursor, target->segment, 4);
	agent_put(cursor, target->index, 4);
	agent_put(cursor, target->generation, 4);
}

static void get_target(struct agent_cursor *cursor, struct dhow_address *ret_target)
{
	ret_target->job = (uint32_t)agent_get(cursor, 4);
	ret_target->node = (uint32_t)agent_get(cursor, 4);
	ret_target->segment = (uint32_t)agent_get(cursor, 4);
	ret_target->index = (uint32_t)agent_get(cursor, 4);
	ret_target->generation = (uint32_t)agent_get(cursor, 4);
}

size_t agent_record_encode(const struct agent_record *record, void *at, size_t room)
{
	size_t bytes = agent_record_bytes(record);
	struct agent_cursor cursor = { at, (uint8_t *)at + bytes, 0 };
	unsigned has = kinds[record->kind].has;

	assert(record->kind > 0 && record->kind < AGENT_RECORD_KINDS);
	if (bytes > room || bytes > UINT32_MAX)
		return 0;
	agent_put(&cursor, record->kind, 4);
	agent_put(&cursor, bytes, 4);
	agent_put(&cursor, record->index, 4);
	agent_put(&cursor, record->generation, 4);
	if (has & NUMBER)
		agent_put(&cursor, record->number, 8);
	if (has & RC)
		agent_put(&cursor, (uint32_t)record->rc, 4);
	if (has & ASKED) {
		agent_put(&cursor, record->op, 4);
		agent_put(&cursor, record->events, 4);
		agent_put(&cursor, record->room, 8);
	}
	if (has & EVENTS)
		agent_put(&cursor, record->events, 4);
	if (has & TARGET)
		put_target(&cursor, &record->target);
	if (has & HEADER) {
		agent_put(&cursor, record->header.sender, 4);
		agent_put(&cursor, record->header.tag, 4);
		agent_put(&cursor, record->header.user, 8);
		agent_put(&cursor, record->header.flags, 4);
	}
	if (has & BULK) {
		agent_put(&cursor, record->total, 8);
		agent_put(&cursor, record->seal.serial, 8);
		agent_put_blob(&cursor, record->seal.tag, sizeof(record->seal.tag));
	}
	if (has & PAYLOAD)
		agent_put_blob(&cursor, record->payload, record->bytes);
	assert(!cursor.bad && cursor.at == cursor.end);
	return bytes;
}

int agent_record_check(const void *at, size_t bytes, enum agent_record_kind *ret_kind,
		       uint32_t *ret_index)
{
	struct agent_cursor cursor = { (uint8_t *)(uintptr_t)at,
				       (uint8_t *)(uintptr_t)at + bytes, 0 };
	uint32_t kind = (uint32_t)agent_get(&cursor, 4);
	uint32_t size = (uint32_t)agent_get(&cursor, 4);
	uint32_t index = (uint32_t)agent_get(&cursor, 4);

	if (cursor.bad || kind == 0 || kind >= AGENT_RECORD_KINDS || size < kinds[kind].bytes ||
	    size > bytes || size > INT32_MAX ||
	    (size != kinds[kind].bytes && !(kinds[kind].has & PAYLOAD)))
		return -EBADMSG;
	*ret_kind = (enum agent_record_kind)kind;
	*ret_index = index;
	return (int)size;
}

int agent_record_decode(const void *at, size_t bytes, struct agent_record *ret_record)
{
	enum agent_record_kind kind = 0;
	uint32_t index = 0;
	int size = agent_record_check(at, bytes, &kind, &index);
	struct agent_cursor cursor = { 0 };
	unsigned has;

	if (size < 0)
		return size;
	cursor.at = (uint8_t *)(uintptr_t)at + 12;	/* kind, size and index */
	cursor.end = (uint8_t *)(uintptr_t)at + size;
	has = kinds[kind].has;
	/* In place: a copy of what was just written in pieces stalls the processor. */
	*ret_record = (struct agent_record){ .kind = kind, .index = index };
	ret_record->generation = (uint32_t)agent_get(&cursor, 4);
	if (has & NUMBER)
		ret_record->number = agent_get(&cursor, 8);
	if (has & RC)
		ret_record->rc = (int32_t)(uint32_t)agent_get(&cursor, 4);
	if (has & ASKED) {
		ret_record->op = (uint32_t)agent_get(&cursor, 4);
		ret_record->events = (uint32_t)agent_get(&cursor, 4);
		ret_record->room = agent_get(&cursor, 8);
	}
	if (has & EVENTS)
		ret_record->events = (uint32_t)agent_get(&cursor, 4);
	if (has & TARGET)
		get_target(&cursor, &ret_record->target);
	if (has & HEADER) {
		ret_record->header.sender = (uint32_t)agent_get(&cursor, 4);
		ret_record->header.tag = (uint32_t)agent_get(&cursor, 4);
		ret_record->header.user = agent_get(&cursor, 8);
		ret_record->header.flags = (uint32_t)agent_get(&cursor, 4);
	}
	if (has & BULK) {
		ret_record->total = agent_get(&cursor, 8);
		ret_record->seal.serial = agent_get(&cursor, 8);
		agent_get_blob(&cursor, ret_record->seal.tag, sizeof(ret_record->seal.tag));
	}
	if (has & PAYLOAD) {
		ret_record->payload = cursor.at;
		ret_record->bytes = (size_t)(cursor.end - cursor.at);
		cursor.at = cursor.end;
	}
	if (cursor.bad || cursor.at != cursor.end)
		return -EBADMSG;
	return size;
}
