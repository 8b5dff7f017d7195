/* SPDX-License-Identifier: MIT */
/*
 * raw_tcp.c - baselines over one TCP connection with blocking calls.
 */
#include "raw.h"
#include "raw_net.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

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

static int oneway(struct bench_run *run, int fd)
{
	size_t bytes = run->row->bytes;
	unsigned char *data = buffer();
	int rc = data && bytes <= ROOM ? 0 : -ENOMEM;

	for (uint64_t i = 0; i < run->values_count && !rc; i++) {
		uint64_t begin = base_now_ns();

		for (uint64_t j = 0; j < run->batch && !rc; j++) {
			if (!run->side)
				rc = send_all(fd, data, bytes);
			if (!rc)
				rc = recv_all(fd, data, bytes);
			if (!rc && run->side)
				rc = send_all(fd, data, bytes);
		}
		run->values[i] = (double)(base_now_ns() - begin) / (double)(2 * run->batch);
	}
	return rc;
}

int raw_tcp_oneway(struct bench_run *run, int fd)
{
	return oneway(run, fd);
}

/* The least that stands for an agent: a thread that sleeps at an eventfd and sends what it is
 * told to. */
static struct {
	int bell, fd;
	size_t bytes;
} relay = { .bell = -1 };

static void *relay_run(void *arg)
{
	static unsigned char nothing[ROOM];
	uint64_t count;

	(void)arg;
	while (read(relay.bell, &count, sizeof(count)) == sizeof(count))
		if (send_all(relay.fd, nothing, relay.bytes))
			break;	/* the other side is gone, or will say so */
	return NULL;
}

static int relay_start(int fd, size_t bytes)
{
	pthread_t thread;
	int rc;

	relay.fd = fd;
	relay.bytes = bytes;
	if (relay.bell >= 0)
		return 0;
	relay.bell = eventfd(0, EFD_CLOEXEC);
	if (relay.bell < 0)
		return -errno;
	rc = -pthread_create(&thread, NULL, relay_run, NULL);
	return rc ? rc : -pthread_detach(thread);
}

static int relay_send(void)
{
	const uint64_t one = 1;

	return write(relay.bell, &one, sizeof(one)) == sizeof(one) ? 0 : -errno;
}

int raw_tcp_wake(struct bench_run *run, int fd)
{
	unsigned char *data = buffer();
	size_t bytes = run->row->bytes;
	int rc = data && bytes <= ROOM ? relay_start(fd, bytes) : -ENOMEM;

	for (uint64_t i = 0; i < run->values_count && !rc; i++) {
		uint64_t sum = 0;

		for (uint64_t j = 0; j < run->batch && !rc; j++) {
			uint64_t begin;

			if (!run->side)
				raw_pause();
			begin = base_now_ns();
			if (!run->side)
				rc = relay_send();
			if (!rc)
				rc = recv_all(fd, data, bytes);
			if (!rc && run->side)
				rc = relay_send();
			sum += base_now_ns() - begin;
		}
		run->values[i] = (double)sum / (double)(2 * run->batch);
	}
	return rc;
}

int raw_tcp_cpu(struct bench_run *run, int fd)
{
	uint64_t begin = raw_cpu_ns();
	int rc = oneway(run, fd);
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
