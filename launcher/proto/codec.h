/* SPDX-License-Identifier: MIT */
/*
 * codec.h - little-endian numbers and strings in and out of a byte buffer, bounds checked.
 *
 * Both sides remember their first failure, so that callers check once at the end.
 */
#ifndef LAUNCH_CODEC_H
#define LAUNCH_CODEC_H

#include <stddef.h>
#include <stdint.h>

/* A growing buffer; zeroed is empty. */
struct launch_writer {
	uint8_t *data;
	size_t used, room;
	int failed;		/* 0 or -ENOMEM */
};

void launch_put_u8(struct launch_writer *writer, uint8_t value);
void launch_put_u16(struct launch_writer *writer, uint16_t value);
void launch_put_u32(struct launch_writer *writer, uint32_t value);
void launch_put_u64(struct launch_writer *writer, uint64_t value);
void launch_put_raw(struct launch_writer *writer, const void *data, size_t bytes);
/* A length (u32), then the bytes. */
void launch_put_blob(struct launch_writer *writer, const void *data, size_t bytes);
void launch_put_string(struct launch_writer *writer, const char *text);
void launch_writer_fini(struct launch_writer *writer);

struct launch_reader {
	const uint8_t *at, *end;	/* borrowed */
	int failed;			/* 0 or -EBADMSG */
};

/* After a failure these give 0, NULL or an empty string. */
uint8_t launch_get_u8(struct launch_reader *reader);
uint16_t launch_get_u16(struct launch_reader *reader);
uint32_t launch_get_u32(struct launch_reader *reader);
uint64_t launch_get_u64(struct launch_reader *reader);
const void *launch_get_raw(struct launch_reader *reader, size_t bytes);
const void *launch_get_blob(struct launch_reader *reader, uint32_t *ret_bytes);
/* A blob without a zero in it, copied with one behind it; too long for @room fails. */
void launch_get_string(struct launch_reader *reader, char *ret_text, size_t room);
/* Nothing may be left over. Return: 0 or -EBADMSG. */
int launch_reader_end(struct launch_reader *reader);

#endif
