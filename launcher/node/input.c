/* SPDX-License-Identifier: MIT */
/*
 * input.c - bytes for the stdin of ranks, each with a buffer of one window.
 *
 * The owner may have LAUNCH_WINDOW_BYTES under way; it is told of those that all ranks here which
 * still read have taken.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"
#include "node/run.h"

static void tell_taken(struct daemon_run *run)
{
	struct launch_message message = { .type = LAUNCH_TAKEN };
	uint64_t least = UINT64_MAX;

	for (uint32_t i = 0; i < run->task_count; i++)
		if (run->tasks[i].input.fd >= 0 && run->tasks[i].input.taken < least)
			least = run->tasks[i].input.taken;
	/* With no reader left, one rank's owner hears of its end. */
	if (least == UINT64_MAX || least <= run->input_told)
		return;
	message.taken.run = run->id;
	message.taken.bytes = (uint32_t)(least - run->input_told);
	run->input_told = least;
	launch_daemon_send(run->daemon, &message);
}

void launch_daemon_input_close(struct daemon_task *task)
{
	struct daemon_input *input = &task->input;

	if (input->fd < 0)
		return;
	close(input->fd);
	input->fd = -1;
	input->used = 0;
	free(input->buffer);
	input->buffer = NULL;
	tell_taken(task->run);
}

static void write_input(struct daemon_task *task)
{
	struct daemon_input *input = &task->input;
	ssize_t n = 0;

	if (input->fd < 0)
		return;
	if (input->used)
		n = write(input->fd, input->buffer, input->used);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		/* The rank does not read any more: that is its right. */
		launch_daemon_input_close(task);
		return;
	}
	if (n > 0) {
		input->used -= (uint32_t)n;
		memmove(input->buffer, input->buffer + n, input->used);
		input->taken += (uint64_t)n;
		tell_taken(task->run);
	}
	if (!input->used && input->ended)
		launch_daemon_input_close(task);
	else
		launch_daemon_rewatch(task->run->daemon, input->fd, input->used ? EPOLLOUT : 0,
				      &input->watch);
}

static void input_ready(void *arg, uint32_t events)
{
	struct daemon_task *task = arg;

	if (events & EPOLLERR)
		launch_daemon_input_close(task);
	else
		write_input(task);
}

int launch_daemon_input_open(struct daemon_task *task, int *ret_child_fd,
			     struct base_err *reterr)
{
	struct daemon_input *input = &task->input;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return base_err(reterr, -errno, "no pipe for input: %s", strerror(errno));
	base_fd_set_nonblocking(fds[1], 1);
	input->fd = fds[1];
	*ret_child_fd = fds[0];
	input->watch = (struct daemon_watch){ .ready = input_ready, .arg = task };
	return launch_daemon_watch(task->run->daemon, fds[1], 0, &input->watch, reterr);
}

static void add_one(struct daemon_task *task, const void *data, uint32_t bytes)
{
	struct daemon_input *input = &task->input;

	if (input->fd < 0)
		return;
	if (!input->buffer)
		input->buffer = malloc(LAUNCH_WINDOW_BYTES);
	if (!input->buffer) {
		launch_daemon_run_fail(task->run, DAEMON_FAILED, "no memory for input");
		return;
	}
	if (bytes > LAUNCH_WINDOW_BYTES - input->used)
		bytes = LAUNCH_WINDOW_BYTES - input->used;	/* the owner keeps to it */
	if (bytes)
		memcpy(input->buffer + input->used, data, bytes);
	else
		input->ended = 1;
	input->used += bytes;
	write_input(task);
}

void launch_daemon_input_add(struct daemon_run *run, uint32_t rank, const void *data,
			     uint32_t bytes)
{
	for (uint32_t i = 0; i < run->task_count; i++)
		if (rank == LAUNCH_RANK_ALL || run->tasks[i].rank == rank)
			add_one(&run->tasks[i], data, bytes);
}
