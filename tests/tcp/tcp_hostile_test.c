/* SPDX-License-Identifier: MIT */
/*
 * tcp_hostile_test.c - strangers at the door. Whatever a connection says, it is closed, and
 * a pair of honest fabrics goes on.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fabric_side.h"
#include "tcp/address.h"
#include "tcp/fabrics.h"
#include "tcp/peer.h"
#include "tcp/wire.h"

static int stranger_connect(struct side *side)
{
	union tcp_address address;
	uint8_t blob[64];
	size_t bytes = sizeof(blob);
	int fd;

	cr_assert_eq(side->ops->address(side->fabric, blob, &bytes), 0);
	cr_assert_eq(tcp_address_decode(blob, bytes, &address), 0);
	fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(fd, 0);
	cr_assert_eq(connect(fd, &address.any, tcp_address_bytes(&address)), 0);
	cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static bool is_closed(int fd)
{
	char bytes[256];
	ssize_t got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	return got == 0 || (got < 0 && errno == ECONNRESET);
}

/* What a stranger sends, in messages: a header and the payload that really follows. */
struct lie {
	const char *what;
	uint8_t bytes[96];
	size_t count;
};

static size_t say(struct lie *lie, enum tcp_kind kind, uint32_t id, uint64_t bytes)
{
	tcp_wire_encode(lie->bytes + lie->count, kind, id, bytes);
	lie->count += TCP_WIRE_BYTES;
	return lie->count;
}

static void say_size(struct lie *lie, uint64_t size)
{
	tcp_put64(lie->bytes + lie->count, size);
	lie->count += 8;
}

static unsigned make_lies(struct lie *lies)
{
	struct lie *lie = lies;

	memset(lies, 0, 16 * sizeof(*lies));
	lie->what = "a request of the web";
	lie->count = (size_t)snprintf((char *)lie->bytes, sizeof(lie->bytes),
				      "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	(++lie)->what = "zeros";
	lie->count = 96;
	(++lie)->what = "a frame of 2^40 bytes";
	say(lie, TCP_FRAME, 0, UINT64_C(1) << 40);
	(++lie)->what = "a frame of 2^64-1 bytes";
	say(lie, TCP_FRAME, 0, UINT64_MAX);
	(++lie)->what = "an empty frame";
	say(lie, TCP_FRAME, 0, 0);
	(++lie)->what = "an offer without size";
	say(lie, TCP_OFFER, 1, 7);
	(++lie)->what = "an offer of nothing";
	say(lie, TCP_OFFER, 1, 8);
	say_size(lie, 0);
	(++lie)->what = "an offer of 2^50 bytes";
	say(lie, TCP_OFFER, 1, 8);
	say_size(lie, UINT64_C(1) << 50);
	(++lie)->what = "an offer twice";
	say(lie, TCP_OFFER, 1, 8);
	say_size(lie, 100);
	say(lie, TCP_OFFER, 65, 8);
	say_size(lie, 100);
	(++lie)->what = "a pull of nothing offered";
	say(lie, TCP_PULL, 3, 0);
	(++lie)->what = "a drop of nothing offered";
	say(lie, TCP_DROP, 3, 0);
	(++lie)->what = "data nobody asked for";
	say(lie, TCP_DATA, 3, 16);
	(++lie)->what = "data for an offer that was not pulled";
	say(lie, TCP_OFFER, 2, 8);
	say_size(lie, 100);
	say(lie, TCP_DATA, 2, 16);
	return (unsigned)(lie - lies) + 1;
}

static void lies_end_the_connection(const struct fabric_ops *ops)
{
	struct lie lies[16];
	unsigned count = make_lies(lies);
	struct pair pair;

	pair_open(&pair, ops);
	for (unsigned i = 0; i < count; i++) {
		/* Whole, and byte by byte. */
		for (size_t step = 1; step < 200; step += 199 - 1) {
			int fd = stranger_connect(&pair.b);

			for (size_t at = 0; at < lies[i].count; at += step) {
				size_t left = lies[i].count - at;

				(void)!send(fd, lies[i].bytes + at, left < step ? left : step,
					    MSG_NOSIGNAL);
				pair_pump(&pair);
			}
			pair.b.offer_count = 0;
			PAIR_UNTIL(&pair, is_closed(fd));
			close(fd);
		}
		pair_send(&pair, &pair.a, 1000, i);
		pair_send(&pair, &pair.b, 1000, i);
	}
	PAIR_UNTIL(&pair, pair.a.frames == count && pair.b.frames == count);
	cr_assert_eq(pair.b.peers_new, 1 + 2 * count);
	PAIR_UNTIL(&pair, pair.b.peers_down == 2 * count);
	pair_close(&pair);
}

static void half_a_header(const struct fabric_ops *ops)
{
	struct lie lie = { .count = 0 };
	struct pair pair;
	int fd;

	pair_open(&pair, ops);
	say(&lie, TCP_FRAME, 0, 100);
	for (size_t part = 0; part <= TCP_WIRE_BYTES; part += 8) {
		unsigned down = pair.b.peers_down;

		fd = stranger_connect(&pair.b);
		cr_assert_eq(send(fd, lie.bytes, part, 0), (ssize_t)part);
		pair_send(&pair, &pair.a, 100, 0);
		close(fd);
		PAIR_UNTIL(&pair, pair.b.peers_down == down + 1);
	}
	/* One that stays silent is sent away after a while. */
	fd = stranger_connect(&pair.b);
	cr_assert_eq(send(fd, lie.bytes, 8, 0), 8);
	PAIR_UNTIL(&pair, is_closed(fd));
	close(fd);
	PAIR_UNTIL(&pair, pair.b.frames == 3);
	pair_close(&pair);
}

static void crowd_at_the_door(const struct fabric_ops *ops)
{
	enum { CROWD = 200 };
	struct pair pair;
	int fds[CROWD];
	unsigned closed = 0;

	pair_open(&pair, ops);
	for (int i = 0; i < CROWD; i++) {
		fds[i] = stranger_connect(&pair.b);
		if (i % 10 == 0)
			pair_pump(&pair);
	}
	for (int i = 0; i < 200; i++)
		pair_pump(&pair);
	cr_assert_leq(pair.b.peers_new - pair.b.peers_down, 1 + TCP_SILENT_MAX);
	for (int i = 0; i < CROWD; i++)
		closed += is_closed(fds[i]);
	cr_assert_geq(closed, CROWD - TCP_SILENT_MAX);
	/* Those inside are served, and a second later the door opens for others. */
	pair_send(&pair, &pair.a, 100, 0);
	PAIR_UNTIL(&pair, pair.b.frames == 1);
	usleep(1100000);
	ops->peer_del(pair.a.peer);
	side_add(&pair.a, &pair.b);
	pair_send(&pair, &pair.a, 100, 0);
	PAIR_UNTIL(&pair, pair.b.frames == 2);
	for (int i = 0; i < CROWD; i++)
		close(fds[i]);
	pair_close(&pair);
}

/* Send all of it, whatever that takes. False: the connection is gone. */
static bool push(struct pair *pair, int fd, const struct lie *lie)
{
	for (size_t at = 0; at < lie->count;) {
		ssize_t sent = send(fd, lie->bytes + at, lie->count - at, MSG_NOSIGNAL);

		if (sent > 0)
			at += (size_t)sent;
		else if (errno != EAGAIN)
			return false;
		else
			pair_pump(pair);
	}
	return true;
}

/* Offers, each of them dropped by us, from somebody who never reads an answer. */
static void deaf_stranger(const struct fabric_ops *ops)
{
	const uint64_t begin = base_now_ns();
	struct pair pair;
	int fd, small = 4096;
	uint32_t id = 0;

	pair_open(&pair, ops);
	pair.b.drop_offers = true;
	fd = stranger_connect(&pair.b);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (;;) {
		struct lie lie = { .count = 0 };

		say(&lie, TCP_OFFER, id++, 8);
		say_size(&lie, 100);
		if (!push(&pair, fd, &lie))
			break;
		if (id % 32 == 0)
			pair_pump(&pair);
		cr_assert_lt(base_now_ns() - begin, 40000 * BASE_MS, "it is cut off");
	}
	close(fd);
	PAIR_UNTIL(&pair, pair.b.peers_down == 1);
	cr_assert_not_null(strstr(pair.b.why, "does not read"), "%s", pair.b.why);
	pair_send(&pair, &pair.a, 100, 0);
	PAIR_UNTIL(&pair, pair.b.frames == 1);
	pair_close(&pair);
}

static void no_descriptor_left(const struct fabric_ops *ops)
{
	const struct rlimit few = { 100, 100 };
	union tcp_address address;
	uint8_t blob[64];
	size_t bytes = sizeof(blob);
	struct pair pair;
	int fds[100], count = 0, stranger;

	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	pair_open(&pair, ops);
	cr_assert_eq(ops->address(pair.b.fabric, blob, &bytes), 0);
	cr_assert_eq(tcp_address_decode(blob, bytes, &address), 0);
	stranger = socket(address.any.sa_family, SOCK_STREAM, 0);
	while (count < 100 && (fds[count] = dup(0)) >= 0)
		count++;
	cr_assert_eq(connect(stranger, &address.any, tcp_address_bytes(&address)), 0);
	PAIR_UNTIL(&pair, is_closed(stranger));
	cr_assert_eq(pair.b.peers_new, 1);
	pair_send(&pair, &pair.a, 100, 0);
	PAIR_UNTIL(&pair, pair.b.frames == 1);
	while (count > 0)
		close(fds[--count]);
	close(stranger);
	stranger = stranger_connect(&pair.b);
	PAIR_UNTIL(&pair, pair.b.peers_new == 2);
	close(stranger);
	pair_close(&pair);
}

#define FABRIC_TESTS(body) \
	Test(uring, body, .timeout = 200) \
	{ \
		char why[160] = ""; \
		if (tcp_fabric_probe(&tcp_fabrics[0], NULL, why, sizeof(why)) < 0) \
			cr_skip_test("cannot run here: %s", why); \
		body(tcp_fabrics[0].ops); \
	} \
	Test(epoll, body, .timeout = 200) \
	{ \
		body(tcp_fabrics[1].ops); \
	}

FABRIC_TESTS(lies_end_the_connection)
FABRIC_TESTS(half_a_header)
FABRIC_TESTS(crowd_at_the_door)
FABRIC_TESTS(deaf_stranger)
FABRIC_TESTS(no_descriptor_left)
