/* SPDX-License-Identifier: MIT */
/* codec.c - see codec.h. */
#include "proto/codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void launch_put_raw(struct launch_writer *writer, const void *data, size_t bytes)
{
	if (writer->failed || !bytes)
		return;
	if (bytes > writer->room - writer->used) {
		size_t room = (writer->used + bytes) * 2 + 64;
		uint8_t *larger = realloc(writer->data, room);

		if (!larger) {
			writer->failed = -ENOMEM;
			return;
		}
		writer->data = larger;
		writer->room = room;
	}
	memcpy(writer->data + writer->used, data, bytes);
	writer->used += bytes;
}

static void put_number(struct launch_writer *writer, uint64_t value, unsigned bytes)
{
	uint8_t raw[8];

	for (unsigned i = 0; i < bytes; i++)
		raw[i] = (uint8_t)(value >> (8 * i));
	launch_put_raw(writer, raw, bytes);
}

void launch_put_u8(struct launch_writer *writer, uint8_t value)
{
	put_number(writer, value, 1);
}

void launch_put_u16(struct launch_writer *writer, uint16_t value)
{
	put_number(writer, value, 2);
}

void launch_put_u32(struct launch_writer *writer, uint32_t value)
{
	put_number(writer, value, 4);
}

void launch_put_u64(struct launch_writer *writer, uint64_t value)
{
	put_number(writer, value, 8);
}

void launch_put_blob(struct launch_writer *writer, const void *data, size_t bytes)
{
	if (bytes > UINT32_MAX) {
		writer->failed = -ENOMEM;
		return;
	}
	launch_put_u32(writer, (uint32_t)bytes);
	launch_put_raw(writer, data, bytes);
}

void launch_put_string(struct launch_writer *writer, const char *text)
{
	launch_put_blob(writer, text, strlen(text));
}

void launch_writer_fini(struct launch_writer *writer)
{
	free(writer->data);
	memset(writer, 0, sizeof(*writer));
}

const void *launch_get_raw(struct launch_reader *reader, size_t bytes)
{
	const uint8_t *at = reader->at;

	if (reader->failed || bytes > (size_t)(reader->end - reader->at)) {
		reader->failed = -EBADMSG;
		return NULL;
	}
	reader->at += bytes;
	return at;
}

static uint64_t get_number(struct launch_reader *reader, unsigned bytes)
{
	const uint8_t *raw = launch_get_raw(reader, bytes);
	uint64_t value = 0;

	for (unsigned i = 0; raw && i < bytes; i++)
		value |= (uint64_t)raw[i] << (8 * i);
	return value;
}

uint8_t launch_get_u8(struct launch_reader *reader)
{
	return (uint8_t)get_number(reader, 1);
}

uint16_t launch_get_u16(struct launch_reader *reader)
{
	return (uint16_t)get_number(reader, 2);
}

uint32_t launch_get_u32(struct launch_reader *reader)
{
	return (uint32_t)get_number(reader, 4);
}

uint64_t launch_get_u64(struct launch_reader *reader)
{
	return get_number(reader, 8);
}

const void *launch_get_blob(struct launch_reader *reader, uint32_t *ret_bytes)
{
	uint32_t bytes = launch_get_u32(reader);
	const void *data = launch_get_raw(reader, bytes);

	*ret_bytes = data ? bytes : 0;
	return data;
}

void launch_get_string(struct launch_reader *reader, char *ret_text, size_t room)
{
	uint32_t bytes;
	const void *data = launch_get_blob(reader, &bytes);

	ret_text[0] = 0;
	if (!data)
		return;
	if (bytes >= room || memchr(data, 0, bytes)) {
		reader->failed = -EBADMSG;
		return;
	}
	memcpy(ret_text, data, bytes);
	ret_text[bytes] = 0;
}

int launch_reader_end(struct launch_reader *reader)
{
	if (reader->at != reader->end)
		reader->failed = -EBADMSG;
	return reader->failed;
}
