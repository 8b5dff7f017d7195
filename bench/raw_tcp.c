/* SPDX-License-Identifier: MIT */
/*
 * raw_tcp.c - baselines over one TCP connection with blocking calls.
 */
#include "raw.h"
#include "raw_net.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"

enum { ROOM = 1 << 20 };

/* A buffer for each process, made at first use and kept until it ends. */
static unsigned char *buffer(void)
{
	static unsigned char *room;

	if (!room)
		room = calloc(1, ROOM);
	return room;
}

static int send_all(int fd, const unsigned char *data, size_t bytes)
{
	while (bytes) {
		ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		data += sent;
		bytes -= (size_t)sent;
	}
	return 0;
}

static int recv_all(int fd, unsigned char *data, size_t bytes)
{
	while (bytes) {
		ssize_t got = recv(fd, data, bytes, 0);

		if (!got)
			return -EPIPE;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		data += got;
		bytes -= (size_t)got;
	}
	return 0;
}

static int oneway(struct bench_run *run, int fd, bool pauses)
{
	size_t bytes = run->row->bytes;
	unsigned char *data = buffer();
	int rc = data && bytes <= ROOM ? 0 : -ENOMEM;

	for (uint64_t i = 0; i < run->values_count && !rc; i++) {
		uint64_t begin = base_now_ns(), sum = 0;

		for (uint64_t j = 0; j < run->batch && !rc; j++) {
			if (pauses && !run->side) {
				sum += base_now_ns() - begin;
				raw_pause();
				begin = base_now_ns();
			}
			if (!run->side)
				rc = send_all(fd, data, bytes);
			if (!rc)
				rc = recv_all(fd, data, bytes);
			if (!rc && run->side)
				rc = send_all(fd, data, bytes);
		}
		sum += base_now_ns() - begin;
		run->values[i] = (double)sum / (double)(2 * run->batch);
	}
	return rc;
}

int raw_tcp_oneway(struct bench_run *run, int fd)
{
	return oneway(run, fd, false);
}

int raw_tcp_wake(struct bench_run *run, int fd)
{
	return oneway(run, fd, true);
}

int raw_tcp_cpu(struct bench_run *run, int fd)
{
	uint64_t begin = raw_cpu_ns();
	int rc = oneway(run, fd, false);
	double each = (double)(raw_cpu_ns() - begin) / (double)(run->batch * run->values_count);

	for (uint64_t i = 0; i < run->values_count; i++)
		run->values[i] = each;
	return rc;
}

/* Side 1 sends each message by a call of its own; side 0 reads whatever has come. */
int raw_tcp_rate(struct bench_run *run, int fd)
{
	size_t bytes = run->row->bytes, left = bytes * run->batch;
	unsigned char *data = buffer();
	uint64_t begin = base_now_ns();
	int rc = data && bytes <= ROOM ? 0 : -ENOMEM;

	while (left && !rc) {
		ssize_t done;

		if (run->side) {
			rc = send_all(fd, data, bytes);
			left -= bytes;
			continue;
		}
		done = recv(fd, data, left < ROOM ? left : ROOM, 0);
		if (done > 0)
			left -= (size_t)done;
		else if (!done || errno != EINTR)
			rc = !done ? -EPIPE : errno == EAGAIN ? -ETIMEDOUT : -errno;
	}
	run->values[0] = (double)run->batch * 1e3 / (double)(base_now_ns() - begin);
	return rc;
}

int raw_tcp_stream(struct bench_run *run, int fd)
{
	int rc = raw_tcp_rate(run, fd);

	/* million messages per second -> GB per second */
	run->values[0] *= (double)run->row->bytes / 1e3;
	return rc;
}
