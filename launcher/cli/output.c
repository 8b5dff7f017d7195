/* SPDX-License-Identifier: MIT */
/* output.c - see output.h. Our descriptors are shared with others, so they stay blocking. */
#include "cli/output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITES_MAX = 64 };	/* a turn, so that one stream cannot starve the loop */

struct launch_chunk {
	struct launch_chunk *next;
	uint32_t node, credit_bytes;
	size_t used, bytes;
	char data[];
};

void launch_output_init(struct launch_output *output, int fd, uint32_t ranks)
{
	struct stat st;

	memset(output, 0, sizeof(*output));
	output->fd = fd;
	output->last = &output->first;
	output->is_terminal = isatty(fd);
	output->can_block = fstat(fd, &st) == 0 && !S_ISREG(st.st_mode);
	if (ranks)
		output->label_width = snprintf(NULL, 0, "%u", ranks - 1);
}

static void drop_first(struct launch_output *output)
{
	struct launch_chunk *chunk = output->first;

	output->first = chunk->next;
	if (!output->first)
		output->last = &output->first;
	free(chunk);
}

void launch_output_fini(struct launch_output *output)
{
	while (output->first)
		drop_first(output);
}

/* How many labels the bytes need, for the room. */
static size_t count_lines(const char *data, size_t bytes)
{
	size_t lines = 1;

	for (size_t i = 0; i < bytes; i++)
		lines += data[i] == '\n';
	return lines;
}

static size_t label(const struct launch_output *output, uint32_t rank, char *at)
{
	return (size_t)sprintf(at, "%*u: ", output->label_width, rank);
}

/* Copy with a label at each line start. Return: bytes written. */
static size_t copy_labelled(struct launch_output *output, uint32_t rank, const char *data,
			    uint32_t bytes, char *to)
{
	size_t used = 0;

	for (uint32_t at = 0; at < bytes;) {
		const char *end = memchr(data + at, '\n', bytes - at);
		uint32_t line = end ? (uint32_t)(end + 1 - data) - at : bytes - at;

		if (!output->mid_line)
			used += label(output, rank, to + used);
		memcpy(to + used, data + at, line);
		used += line;
		at += line;
		output->mid_line = !end;
	}
	return used;
}

int launch_output_add(struct launch_output *output, uint32_t rank, uint32_t node,
		      const void *data, uint32_t bytes)
{
	size_t labels = output->label_width ?
				count_lines(data, bytes) * ((size_t)output->label_width + 2) : 0;
	struct launch_chunk *chunk;

	if (!bytes)
		return 0;
	chunk = malloc(sizeof(*chunk) + bytes + labels + 1);
	if (!chunk)
		return -ENOMEM;
	chunk->next = NULL;
	chunk->node = node;
	chunk->credit_bytes = bytes;
	chunk->used = chunk->bytes = 0;
	/* Another rank left its line open: the two must not share one. */
	if (output->mid_line && output->last_rank != rank) {
		chunk->data[chunk->bytes++] = '\n';
		output->mid_line = 0;
	}
	if (output->label_width) {
		chunk->bytes += copy_labelled(output, rank, data, bytes,
					      chunk->data + chunk->bytes);
	} else {
		memcpy(chunk->data + chunk->bytes, data, bytes);
		chunk->bytes += bytes;
		output->mid_line = ((const char *)data)[bytes - 1] != '\n';
	}
	output->last_rank = rank;
	*output->last = chunk;
	output->last = &chunk->next;
	return 0;
}

int launch_output_pending(const struct launch_output *output)
{
	return output->first != NULL;
}

/* Return: bytes written, 0 it would block, negative errno. */
static ssize_t write_some(struct launch_output *output, const char *data, size_t bytes)
{
	struct pollfd poller = { .fd = output->fd, .events = POLLOUT };
	ssize_t n;

	if (output->can_block) {
		/* A pipe that polls writable takes PIPE_BUF bytes without blocking. */
		if (poll(&poller, 1, 0) <= 0)
			return 0;
		bytes = bytes < PIPE_BUF ? bytes : PIPE_BUF;
	}
	n = write(output->fd, data, bytes);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return n;
}

int launch_output_write(struct launch_output *output,
			void (*taken)(void *arg, uint32_t node, uint32_t bytes), void *arg)
{
	for (int writes = 0; output->first && writes < WRITES_MAX; writes++) {
		struct launch_chunk *chunk = output->first;
		ssize_t n = output->closed ? (ssize_t)(chunk->bytes - chunk->used) :
			    write_some(output, chunk->data + chunk->used,
				       chunk->bytes - chunk->used);

		if (n < 0) {
			output->closed = 1;
			return (int)n;
		}
		if (n == 0)
			break;
		chunk->used += (size_t)n;
		if (chunk->used < chunk->bytes)
			continue;
		taken(arg, chunk->node, chunk->credit_bytes);
		drop_first(output);
	}
	return 0;
}
