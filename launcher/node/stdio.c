/* SPDX-License-Identifier: MIT */
/*
 * stdio.c - the bytes of the ranks on their way to and from dlaunch.
 *
 * Output leaves in whole lines, so that dlaunch can put lines of different ranks side by side;
 * a line longer than a piece is cut. dlaunch says how much it has passed on: beyond
 * LAUNCH_WINDOW_BYTES the pipes are left full, which is felt by the ranks' write().
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"
#include "node/daemon.h"

static struct daemon_pipe *find_pipe(struct daemon *daemon, uint32_t index)
{
	return &daemon->tasks[index / 2].output[index % 2];
}

int launch_daemon_pipe_open(struct daemon *daemon, uint32_t task, enum launch_stream stream,
			    int *ret_child_fd, struct base_err *reterr)
{
	uint32_t index = 2 * task + stream - LAUNCH_STDOUT;
	struct daemon_pipe *pipe = find_pipe(daemon, index);
	int fds[2], rc;

	pipe->buffer = malloc(LAUNCH_PIECE_BYTES);
	if (!pipe->buffer)
		return base_err(reterr, -ENOMEM, "no memory for output");
	if (pipe2(fds, O_CLOEXEC) < 0)
		return base_err(reterr, -errno, "no pipe for output: %s", strerror(errno));
	base_fd_set_nonblocking(fds[0], 1);
	rc = launch_daemon_watch(daemon, fds[0], EPOLLIN, DAEMON_OUTPUT, index, reterr);
	if (rc < 0) {
		close(fds[0]);
		close(fds[1]);
		return rc;
	}
	pipe->fd = fds[0];
	daemon->open_pipes++;
	*ret_child_fd = fds[1];
	return 0;
}

static void send_output(struct daemon *daemon, uint32_t index, uint32_t bytes)
{
	struct daemon_pipe *pipe = find_pipe(daemon, index);
	struct launch_message message = { .type = LAUNCH_OUTPUT };

	if (!bytes)
		return;
	message.output.rank = daemon->tasks[index / 2].rank;
	message.output.stream = (uint8_t)(LAUNCH_STDOUT + index % 2);
	message.output.data = pipe->buffer;
	message.output.bytes = bytes;
	daemon->window_bytes -= bytes;
	launch_daemon_send(daemon, &message);
	pipe->used -= bytes;
	memmove(pipe->buffer, pipe->buffer + bytes, pipe->used);
}

static void close_pipe(struct daemon *daemon, struct daemon_pipe *pipe)
{
	if (pipe->fd < 0)
		return;
	close(pipe->fd);
	pipe->fd = -1;
	pipe->paused = 0;
	free(pipe->buffer);
	pipe->buffer = NULL;
	daemon->open_pipes--;
}

void launch_daemon_pipe_read(struct daemon *daemon, uint32_t index)
{
	struct daemon_pipe *pipe = find_pipe(daemon, index);
	char *last;
	ssize_t n;

	if (pipe->fd < 0 || pipe->paused)
		return;
	if (daemon->window_bytes < LAUNCH_PIECE_BYTES) {
		/* Out of epoll altogether: it reports a hang-up even when asked for nothing. */
		epoll_ctl(daemon->epoll, EPOLL_CTL_DEL, pipe->fd, NULL);
		pipe->paused = 1;
		return;
	}
	n = read(pipe->fd, pipe->buffer + pipe->used, LAUNCH_PIECE_BYTES - pipe->used);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		send_output(daemon, index, pipe->used);
		close_pipe(daemon, pipe);
		return;
	}
	pipe->used += (uint32_t)n;
	last = memrchr(pipe->buffer, '\n', pipe->used);
	if (last)
		send_output(daemon, index, (uint32_t)(last + 1 - pipe->buffer));
	else if (pipe->used == LAUNCH_PIECE_BYTES)
		send_output(daemon, index, pipe->used);
}

void launch_daemon_pipes_resume(struct daemon *daemon, uint32_t taken_bytes)
{
	uint32_t room = LAUNCH_WINDOW_BYTES - daemon->window_bytes;

	daemon->window_bytes += taken_bytes < room ? taken_bytes : room;
	if (daemon->window_bytes < LAUNCH_PIECE_BYTES)
		return;
	for (uint32_t index = 0; index < 2 * daemon->task_count; index++) {
		struct daemon_pipe *pipe = find_pipe(daemon, index);
		struct base_err err;

		if (pipe->fd < 0 || !pipe->paused)
			continue;
		pipe->paused = 0;
		if (launch_daemon_watch(daemon, pipe->fd, EPOLLIN, DAEMON_OUTPUT, index, &err) < 0)
			close_pipe(daemon, pipe);
	}
}

int launch_daemon_pipes_paused(const struct daemon *daemon)
{
	for (uint32_t i = 0; i < daemon->task_count; i++)
		if (daemon->tasks[i].output[0].paused || daemon->tasks[i].output[1].paused)
			return 1;
	return 0;
}

void launch_daemon_pipes_close(struct daemon *daemon)
{
	for (uint32_t index = 0; index < 2 * daemon->task_count; index++)
		close_pipe(daemon, find_pipe(daemon, index));
}

int launch_daemon_input_open(struct daemon *daemon, int *ret_child_fd, struct base_err *reterr)
{
	int fds[2];

	daemon->input_buffer = malloc(LAUNCH_WINDOW_BYTES);
	if (!daemon->input_buffer)
		return base_err(reterr, -ENOMEM, "no memory for input");
	if (pipe2(fds, O_CLOEXEC) < 0)
		return base_err(reterr, -errno, "no pipe for input: %s", strerror(errno));
	base_fd_set_nonblocking(fds[1], 1);
	daemon->input = fds[1];
	*ret_child_fd = fds[0];
	return launch_daemon_watch(daemon, fds[1], 0, DAEMON_INPUT, 0, reterr);
}

void launch_daemon_input_close(struct daemon *daemon)
{
	if (daemon->input < 0)
		return;
	close(daemon->input);
	daemon->input = -1;
	daemon->input_used = 0;
	free(daemon->input_buffer);
	daemon->input_buffer = NULL;
}

static void watch_input(struct daemon *daemon, uint32_t events)
{
	struct epoll_event event = { .events = events,
				     .data.u64 = (uint64_t)DAEMON_INPUT << 32 };

	epoll_ctl(daemon->epoll, EPOLL_CTL_MOD, daemon->input, &event);
}

void launch_daemon_input_write(struct daemon *daemon)
{
	struct launch_message message = { .type = LAUNCH_TAKEN };
	ssize_t n = 0;

	if (daemon->input < 0)
		return;
	if (daemon->input_used)
		n = write(daemon->input, daemon->input_buffer, daemon->input_used);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		/* The rank does not read any more: that is its right. */
		launch_daemon_input_close(daemon);
		return;
	}
	if (n > 0) {
		daemon->input_used -= (uint32_t)n;
		memmove(daemon->input_buffer, daemon->input_buffer + n, daemon->input_used);
		message.taken.bytes = (uint32_t)n;
		launch_daemon_send(daemon, &message);
	}
	if (!daemon->input_used && daemon->input_ended)
		launch_daemon_input_close(daemon);
	else
		watch_input(daemon, daemon->input_used ? EPOLLOUT : 0);
}

void launch_daemon_input_add(struct daemon *daemon, const void *data, uint32_t bytes)
{
	if (daemon->input < 0)
		return;
	if (bytes > LAUNCH_WINDOW_BYTES - daemon->input_used)
		bytes = LAUNCH_WINDOW_BYTES - daemon->input_used;	/* dlaunch keeps to it */
	if (bytes)
		memcpy(daemon->input_buffer + daemon->input_used, data, bytes);
	else
		daemon->input_ended = 1;
	daemon->input_used += bytes;
	launch_daemon_input_write(daemon);
}
