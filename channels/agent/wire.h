/* SPDX-License-Identifier: MIT */
/*
 * wire.h - what agents say to each other, byte by byte (little endian).
 *
 * A frame is a header of AGENT_HEADER_BYTES and a body of records, sealed with a key of the
 * connection's direction (level.h says what of it is covered and what is encrypted).
 * DATA frames are numbered, kept by the sender until acknowledged, and given to the core
 * once and in order. CONTROL frames (acknowledgement, heartbeat) and OFFERs are not.
 */
#ifndef AGENT_WIRE_H
#define AGENT_WIRE_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <dhow/address.h>
#include <dhow/message.h>

enum {
	AGENT_WIRE_VERSION = 5,
	AGENT_HEADER_BYTES = 64,
	AGENT_KEY_BYTES = 32,
	/* Parts of a header: what is in front of the MAC is the nonce that it is made with. */
	AGENT_NONCE_AT = 4, AGENT_NONCE_BYTES = 12,
	AGENT_MAC_AT = 16, AGENT_MAC_BYTES = 16,
	AGENT_COVERED_AT = 32,
	AGENT_CRC_AT = 44,
	AGENT_RECORD_BYTES = 96,	/* no record is longer, payload apart */
};

#define AGENT_FRAME_MAGIC UINT32_C(0x46574844)	/* "DHWF" */

/* BULK is no frame: it tells the nonces of bulk data from those of frames. */
enum agent_frame_kind { AGENT_CONTROL = 1, AGENT_DATA, AGENT_OFFER, AGENT_BULK };

struct agent_header {
	enum agent_frame_kind kind;
	uint32_t source;	/* node */
	uint32_t epoch;		/* of the source's agent */
	uint32_t session;	/* of the connection: selects the key */
	uint64_t serial;	/* of the frame under that key, below 2^48 */
	uint32_t bytes;		/* of the body */
	uint64_t sequence;	/* DATA: from 1; else 0 */
	uint64_t ack;		/* all DATA frames up to this one have arrived */
	uint32_t crc;		/* of the body, at level mac; else 0 */
};

/* Write @header, its MAC zero, to the AGENT_HEADER_BYTES at @at. */
void agent_header_encode(const struct agent_header *header, void *at);

/* Read the header of @bytes at @data. Nothing of it can be believed before
 * agent_seal_open(). Return: 0; -EBADMSG no header, or not as long as it says. */
int agent_header_decode(const void *data, size_t bytes, struct agent_header *ret_header);

enum agent_record_kind {
	AGENT_OPEN = 1,		/* stream: leads to @target */
	AGENT_MESSAGE,		/* stream: message @number with payload; @events 1: tell RECEIVED */
	AGENT_MESSAGE_BULK,	/* the same; payload of @total bytes is offered (OFFER only) */
	AGENT_DEPOSITED,	/* stream: @number messages are in the channel */
	AGENT_RECEIVED,		/* stream: @number messages were taken from it */
	AGENT_FAIL,		/* stream: broken for ever, @rc */
	AGENT_CLOSE,		/* stream: forget it */
	AGENT_ASK,		/* request: @op on @target; @number = ms left, or one of below */
	AGENT_ANSWER,		/* request: @rc, @events; @number = size of the message */
	AGENT_ANSWER_BULK,	/* the same; payload is offered (OFFER only) */
	AGENT_DONE,		/* request: answer with message used (@rc 0) or refused */
	AGENT_CANCEL,		/* request: nobody waits for it */
	AGENT_RECORD_KINDS,
};

/* Values of @number in ASK. */
#define AGENT_ASK_TRY UINT64_C(0)
#define AGENT_ASK_FOREVER UINT64_MAX

struct agent_bulk_seal {
	uint64_t serial;	/* under the session's key */
	uint8_t tag[AGENT_MAC_BYTES];
};

struct agent_record {
	enum agent_record_kind kind;
	uint32_t index;		/* of stream or request, on the side that made it */
	uint32_t generation;	/* of that stream; serial of that request */
	uint64_t number;
	int32_t rc;
	uint32_t op;
	uint32_t events;
	uint64_t room;
	struct dhow_address target;
	struct dhow_header header;
	struct agent_bulk_seal seal;	/* bulk: of the payload */
	uint64_t total;		/* bulk: bytes of the payload */
	const void *payload;
	size_t bytes;		/* of the payload in the record */
};

/* Bytes that @record takes in a frame. */
size_t agent_record_bytes(const struct agent_record *record);

/* Write @record. Return: its size; 0 if it does not fit in @room. */
size_t agent_record_encode(const struct agent_record *record, void *at, size_t room);

/* Is the first record sound? Then agent_record_decode() takes it. Return: its size; -EBADMSG. */
int agent_record_check(const void *at, size_t bytes, enum agent_record_kind *ret_kind,
		       uint32_t *ret_index);

/* Read one record; its payload points into @at. Return: its size; -EBADMSG, and then @ret_record
 * holds nothing of use. */
int agent_record_decode(const void *at, size_t bytes, struct agent_record *ret_record);

/* Little-endian cursor; reading or writing past the end only sets @bad. */
struct agent_cursor {
	uint8_t *at, *end;
	int bad;
};
/* At most eight @bytes. Here, because with their number known they are one instruction each. */
static inline void agent_put(struct agent_cursor *cursor, uint64_t value, size_t bytes)
{
	value = htole64(value);
	if ((size_t)(cursor->end - cursor->at) < bytes) {
		cursor->bad = 1;
		return;
	}
	memcpy(cursor->at, &value, bytes);
	cursor->at += bytes;
}

static inline uint64_t agent_get(struct agent_cursor *cursor, size_t bytes)
{
	uint64_t value = 0;

	if ((size_t)(cursor->end - cursor->at) < bytes) {
		cursor->bad = 1;
		return 0;
	}
	memcpy(&value, cursor->at, bytes);
	cursor->at += bytes;
	return le64toh(value);
}

void agent_put_blob(struct agent_cursor *cursor, const void *blob, size_t bytes);
void agent_get_blob(struct agent_cursor *cursor, void *blob, size_t bytes);

#endif
