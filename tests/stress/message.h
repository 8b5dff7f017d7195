/* SPDX-License-Identifier: MIT */
/*
 * message.h - messages that can be recognised: bytes follow from the number, the size stands
 * in the tag.
 */
#ifndef STRESS_MESSAGE_H
#define STRESS_MESSAGE_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <dhow/dhow.h>

enum { MESSAGE_MAX = 4096 };

static inline unsigned char message_byte(unsigned number)
{
	return (unsigned char)(0x5a ^ number * 31);
}

static inline bool message_is_whole(const struct dhow_header *header, const void *data,
				    size_t bytes)
{
	const unsigned char *at = data;

	if (bytes != header->tag || bytes > MESSAGE_MAX)
		return false;
	/* All equal to the first, which is right: memcmp() with an offset of one. */
	return bytes == 0 || (at[0] == message_byte((unsigned)header->user) &&
			      memcmp(at, at + 1, bytes - 1) == 0);
}

static inline struct dhow_header message_header(unsigned number, size_t bytes)
{
	return (struct dhow_header){ .tag = (unsigned)bytes, .user = number };
}

/* Send it without waiting. */
static inline int message_send(struct dhow_channel *channel, unsigned number, size_t bytes)
{
	struct dhow_header header = message_header(number, bytes);
	unsigned char data[MESSAGE_MAX];

	memset(data, message_byte(number), bytes);
	return dhow_send_with(channel, data, bytes, &header, DHOW_ACCEPTED, DHOW_TRY);
}

/* Receive one without waiting. -EBADMSG: it is damaged. */
static inline int message_recv(struct dhow_channel *channel, unsigned *ret_number)
{
	unsigned char data[MESSAGE_MAX];
	struct dhow_header header;
	size_t bytes;
	int rc = dhow_recv(channel, data, sizeof(data), &bytes, &header, DHOW_TRY);

	if (rc < 0)
		return rc;
	if (!message_is_whole(&header, data, bytes))
		return -EBADMSG;
	*ret_number = (unsigned)header.user;
	return 0;
}

#endif
