/* SPDX-License-Identifier: MIT */
/*
 * stdio.c - the output of ranks on its way to the owner of the job.
 *
 * It leaves in whole lines, so that the owner can put lines of different ranks side by side; a line
 * longer than a piece is cut. The owner says how much it has passed on: beyond LAUNCH_WINDOW_BYTES
 * of a run the pipes are left full, which is felt by the ranks' write().
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"
#include "node/run.h"

enum { LAST_PIECES = 4 };	/* of a pipe that another life of its rank takes over */

/* One line of work at a time: all pipes share it. */
static char piece[LAUNCH_PIECE_BYTES];

static void send_output(struct daemon_pipe *pipe, const char *data, uint32_t bytes)
{
	struct daemon_run *run = pipe->task->run;
	struct launch_message message = { .type = LAUNCH_OUTPUT };

	if (!bytes)
		return;
	message.output.run = run->id;
	message.output.rank = pipe->task->rank;
	message.output.stream = (uint8_t)pipe->stream;
	message.output.data = data;
	message.output.bytes = bytes;
	/* The last words of a pipe leave also when the owner has no room. */
	run->window_bytes -= bytes < run->window_bytes ? bytes : run->window_bytes;
	launch_daemon_send(run->daemon, &message);
}

static void close_pipe(struct daemon_pipe *pipe)
{
	if (pipe->fd < 0)
		return;
	close(pipe->fd);
	pipe->fd = -1;
	pipe->paused = 0;
	free(pipe->buffer);
	pipe->buffer = NULL;
	pipe->used = 0;
	pipe->task->run->open_pipes--;
}

/* Keep what is no whole line yet. Without memory it leaves as it is. */
static void keep(struct daemon_pipe *pipe, const char *data, uint32_t bytes)
{
	char *buffer = bytes ? realloc(pipe->buffer, bytes) : NULL;

	if (bytes && !buffer) {
		send_output(pipe, data, bytes);
		bytes = 0;
	}
	if (!bytes)
		free(pipe->buffer);
	else
		memcpy(buffer, data, bytes);
	pipe->buffer = buffer;
	pipe->used = bytes;
}

/* Send on what one read gives. Return: 1 there may be more; 0 not now, or it was closed. */
static int take(struct daemon_pipe *pipe)
{
	char *last;
	uint32_t bytes, whole = 0;
	ssize_t n;

	n = read(pipe->fd, piece + pipe->used, LAUNCH_PIECE_BYTES - pipe->used);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (pipe->used)
		memcpy(piece, pipe->buffer, pipe->used);
	if (n <= 0) {
		send_output(pipe, piece, pipe->used);
		close_pipe(pipe);
		return 0;
	}
	bytes = pipe->used + (uint32_t)n;
	last = memrchr(piece, '\n', bytes);
	if (last)
		whole = (uint32_t)(last + 1 - piece);
	else if (bytes == LAUNCH_PIECE_BYTES)
		whole = bytes;
	send_output(pipe, piece, whole);
	keep(pipe, piece + whole, bytes - whole);
	return 1;
}

static void pipe_ready(void *arg, uint32_t events)
{
	struct daemon_pipe *pipe = arg;
	struct daemon_run *run = pipe->task->run;

	(void)events;
	if (pipe->fd < 0 || pipe->paused)
		return;
	if (run->window_bytes < LAUNCH_PIECE_BYTES) {
		/* Out of epoll altogether: it reports a hang-up even when asked for nothing. */
		launch_daemon_unwatch(run->daemon, pipe->fd);
		pipe->paused = 1;
		return;
	}
	take(pipe);
}

int launch_daemon_pipe_open(struct daemon_pipe *pipe, int *ret_child_fd, struct base_err *reterr)
{
	struct daemon_run *run = pipe->task->run;
	int fds[2], rc;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return base_err(reterr, -errno, "no pipe for output: %s", strerror(errno));
	base_fd_set_nonblocking(fds[0], 1);
	pipe->watch = (struct daemon_watch){ .ready = pipe_ready, .arg = pipe };
	rc = launch_daemon_watch(run->daemon, fds[0], EPOLLIN, &pipe->watch, reterr);
	if (rc < 0) {
		close(fds[0]);
		close(fds[1]);
		return rc;
	}
	pipe->fd = fds[0];
	run->open_pipes++;
	*ret_child_fd = fds[1];
	return 0;
}

static void send_last(struct daemon_pipe *pipe)
{
	if (pipe->fd >= 0)
		send_output(pipe, pipe->buffer, pipe->used);
	close_pipe(pipe);
}

void launch_daemon_pipes_end(struct daemon_task *task)
{
	for (int stream = 0; stream < 2; stream++) {
		struct daemon_pipe *pipe = &task->output[stream];

		/* A child that lives on may never stop writing. */
		for (int i = 0; i < LAST_PIECES && pipe->fd >= 0 && take(pipe); i++)
			;
		send_last(pipe);
	}
}

static struct daemon_pipe *find_pipe(struct daemon_run *run, uint32_t index)
{
	return &run->tasks[index / 2].output[index % 2];
}

void launch_daemon_pipes_resume(struct daemon_run *run, uint32_t taken_bytes)
{
	uint32_t room = LAUNCH_WINDOW_BYTES - run->window_bytes;

	run->window_bytes += taken_bytes < room ? taken_bytes : room;
	if (run->window_bytes < LAUNCH_PIECE_BYTES)
		return;
	for (uint32_t index = 0; index < 2 * run->task_count; index++) {
		struct daemon_pipe *pipe = find_pipe(run, index);
		struct base_err err;

		if (pipe->fd < 0 || !pipe->paused)
			continue;
		pipe->paused = 0;
		if (launch_daemon_watch(run->daemon, pipe->fd, EPOLLIN, &pipe->watch, &err) < 0)
			close_pipe(pipe);
	}
}

int launch_daemon_pipes_paused(const struct daemon_run *run)
{
	for (uint32_t i = 0; i < run->task_count; i++)
		if (run->tasks[i].output[0].paused || run->tasks[i].output[1].paused)
			return 1;
	return 0;
}

void launch_daemon_pipes_close(struct daemon_run *run)
{
	for (uint32_t index = 0; index < 2 * run->task_count; index++)
		send_last(find_pipe(run, index));
}
