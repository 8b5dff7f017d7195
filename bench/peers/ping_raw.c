/* SPDX-License-Identifier: MIT */
/*
 * ping_raw.c SECONDS shm|tcp - the limit: a ring of bytes in shared memory between two spinning
 * processes (64-byte lines that carry their own number, so that a small message is one line;
 * a large one is copied in and out in pieces that overlap), or a TCP connection, spinning.
 */
#include "ping.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

enum { LINES = 1024, SMALL = 56, PIECE = 16384, PIECES = 16, SPINS = 2000 };

struct line {
	_Atomic uint64_t number;
	unsigned char bytes[SMALL];
} __attribute__((aligned(64)));

struct way {
	struct line lines[LINES];
	struct line pieces[PIECES];	/* their numbers; the bytes are in data */
	unsigned char data[PIECES][PIECE];
};

/* A number n in a line means: message n may be written; n + 1: it is there. */
struct end {
	struct way *way;
	uint64_t next, next_piece;
};

struct shm {
	struct end out, in;
};

static void await(_Atomic uint64_t *word, uint64_t value)
{
	for (unsigned spins = 0; atomic_load_explicit(word, memory_order_acquire) != value; spins++)
		if (spins > SPINS)
			sched_yield();
}

static void shm_send(void *arg, const void *data, size_t bytes)
{
	struct end *end = &((struct shm *)arg)->out;

	if (bytes <= SMALL) {
		struct line *line = &end->way->lines[end->next % LINES];

		await(&line->number, 2 * (end->next / LINES));
		memcpy(line->bytes, data, bytes);
		atomic_store_explicit(&line->number, 2 * (end->next++ / LINES) + 1,
				      memory_order_release);
		return;
	}
	for (size_t at = 0; at < bytes; at += PIECE, end->next_piece++) {
		size_t i = end->next_piece % PIECES, part = bytes - at;

		await(&end->way->pieces[i].number, 2 * (end->next_piece / PIECES));
		memcpy(end->way->data[i], (const char *)data + at, part < PIECE ? part : PIECE);
		atomic_store_explicit(&end->way->pieces[i].number,
				      2 * (end->next_piece / PIECES) + 1, memory_order_release);
	}
}

static void shm_recv(void *arg, void *buffer, size_t bytes)
{
	struct end *end = &((struct shm *)arg)->in;

	if (bytes <= SMALL) {
		struct line *line = &end->way->lines[end->next % LINES];

		await(&line->number, 2 * (end->next / LINES) + 1);
		memcpy(buffer, line->bytes, bytes);
		atomic_store_explicit(&line->number, 2 * (end->next++ / LINES) + 2,
				      memory_order_release);
		return;
	}
	for (size_t at = 0; at < bytes; at += PIECE, end->next_piece++) {
		size_t i = end->next_piece % PIECES, part = bytes - at;

		await(&end->way->pieces[i].number, 2 * (end->next_piece / PIECES) + 1);
		memcpy((char *)buffer + at, end->way->data[i], part < PIECE ? part : PIECE);
		atomic_store_explicit(&end->way->pieces[i].number,
				      2 * (end->next_piece / PIECES) + 2, memory_order_release);
	}
}

static void tcp_move(int fd, char *at, size_t bytes, int is_send)
{
	while (bytes > 0) {
		ssize_t done = is_send ? send(fd, at, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) :
					 recv(fd, at, bytes, MSG_DONTWAIT);

		if (done == 0)
			ping_fail("tcp", "the other side has ended");
		if (done < 0 && errno != EAGAIN)
			ping_fail("tcp", strerror(errno));
		if (done < 0)
			sched_yield();
		at += done > 0 ? done : 0;
		bytes -= done > 0 ? (size_t)done : 0;
	}
}

static void tcp_send(void *arg, const void *data, size_t bytes)
{
	tcp_move(*(int *)arg, (char *)(uintptr_t)data, bytes, 1);
}

static void tcp_recv(void *arg, void *buffer, size_t bytes)
{
	tcp_move(*(int *)arg, buffer, bytes, 0);
}

static int tcp_end(int side, int listener, struct sockaddr_in *where)
{
	int fd = side ? socket(AF_INET, SOCK_STREAM, 0) : accept(listener, NULL, NULL), one = 1;

	if (fd < 0 || (side && connect(fd, (struct sockaddr *)where, sizeof(*where))))
		ping_fail("tcp", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

int main(int argc, char **argv)
{
	struct sockaddr_in where = { .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int is_tcp = argc == 3 && !strcmp(argv[2], "tcp"), status = 0;
	int fd, listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t bytes = sizeof(where);
	struct way *ways = mmap(NULL, 2 * sizeof(*ways), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	struct ping ping = { .send = is_tcp ? tcp_send : shm_send,
			     .recv = is_tcp ? tcp_recv : shm_recv };
	struct shm shm;

	if (ways == MAP_FAILED || bind(listener, (struct sockaddr *)&where, sizeof(where)) ||
	    listen(listener, 1) || getsockname(listener, (struct sockaddr *)&where, &bytes))
		ping_fail("start", strerror(errno));
	ping.side = fork() == 0;
	if (ping.side)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	ping_pin(ping.side);
	shm = (struct shm){ { &ways[ping.side], 0, 0 }, { &ways[!ping.side], 0, 0 } };
	fd = is_tcp ? tcp_end(ping.side, listener, &where) : -1;
	ping.arg = is_tcp ? (void *)&fd : (void *)&shm;
	ping_run(&ping, argc > 1 ? atof(argv[1]) : 0.2);
	if (!ping.side)
		wait(&status);
	return status != 0;
}
