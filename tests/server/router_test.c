/* SPDX-License-Identifier: MIT */
/* router_test.c - who gets in, who does not, and what strangers can do to those inside. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "server/request.h"
#include "server/router.h"

static struct server_router *router;
static struct launch_keys *server_keys, *client_keys, *strange_keys;
static struct base_err err;
static void *context;

static void setup(void)
{
	launch_keys_init(&err);
	launch_keys_create(&server_keys);
	launch_keys_create(&client_keys);
	launch_keys_create(&strange_keys);
	cr_assert_eq(server_router_open("127.0.0.1", 0, server_keys, &client_keys->public, 1,
					&router, &err), 0, "%s", err.text);
	context = zmq_ctx_new();
}

static void teardown(void)
{
	zmq_ctx_term(context);
	server_router_close(router, 0);
	launch_keys_free(server_keys);
	launch_keys_free(client_keys);
	launch_keys_free(strange_keys);
}

TestSuite(router, .init = setup, .fini = teardown, .timeout = 200);

static void set_int(void *socket, int option, int value)
{
	cr_assert_eq(zmq_setsockopt(socket, option, &value, sizeof(value)), 0);
}

/* @keys NULL: without CURVE. */
static void *connect_as(int type, const struct launch_keys *keys)
{
	void *socket = zmq_socket(context, type);

	if (keys) {
		zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_keys->public, 32);
		zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->public, 32);
		zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret, 32);
	}
	set_int(socket, ZMQ_LINGER, 0);
	if (type == ZMQ_REQ) {
		set_int(socket, ZMQ_REQ_RELAXED, 1);
		set_int(socket, ZMQ_REQ_CORRELATE, 1);
	}
	cr_assert_eq(zmq_connect(socket, server_router_endpoint(router)), 0);
	return socket;
}

/* Answer everything with what came, until @socket has an answer. Return: 1; 0 not within @ms. */
static int echo_until(void *socket, int ms)
{
	uint64_t end_ns = base_now_ns() + (uint64_t)ms * BASE_MS;
	static struct server_route route;

	while (base_now_ns() < end_ns) {
		zmq_pollitem_t items[2] = {
			{ .socket = server_router_socket(router), .events = ZMQ_POLLIN },
			{ .socket = socket, .events = ZMQ_POLLIN } };
		struct server_frame frame;

		zmq_poll(items, 2, 20);
		while (server_router_recv(router, &route, &frame) == 0) {
			server_router_send(router, &route, frame.data, frame.bytes);
			server_frame_fini(&frame);
		}
		if (items[1].revents)
			return 1;
	}
	return 0;
}

static int ask(const struct launch_keys *keys, int ms)
{
	void *socket = connect_as(ZMQ_REQ, keys);
	char text[16] = "";
	int answered;

	zmq_send(socket, "hello", 5, 0);
	answered = echo_until(socket, ms);
	if (answered)
		cr_expect_eq(zmq_recv(socket, text, sizeof(text), 0), 5);
	cr_expect(!answered || memcmp(text, "hello", 5) == 0);
	zmq_close(socket);
	return answered;
}

Test(router, known_clients_enter_and_strangers_do_not)
{
	cr_expect(ask(client_keys, 10000));
	cr_expect_not(ask(strange_keys, 300), "own keys");
	cr_expect_not(ask(NULL, 300), "no keys");
	cr_expect_geq(server_router_refused(router), 1);
	cr_expect(ask(client_keys, 10000));
}

Test(router, a_password_is_no_key)
{
	void *socket = zmq_socket(context, ZMQ_REQ);

	zmq_setsockopt(socket, ZMQ_PLAIN_USERNAME, "admin", 5);
	zmq_setsockopt(socket, ZMQ_PLAIN_PASSWORD, "admin", 5);
	set_int(socket, ZMQ_LINGER, 0);
	zmq_connect(socket, server_router_endpoint(router));
	zmq_send(socket, "hello", 5, 0);
	cr_expect_not(echo_until(socket, 300));
	zmq_close(socket);
}

/* When the check has gone nobody enters any more: neither strangers nor friends. */
Test(router, without_its_key_check_it_fails_closed)
{
	server_router_stop_check(router);
	cr_expect_not(ask(strange_keys, 300));
	cr_expect_not(ask(client_keys, 300));
}

/* A key check in place of ours, as soon as that is gone. */
static void *bind_check(void)
{
	uint64_t end_ns = base_now_ns() + 20000 * BASE_MS;
	void *check;
	int rc;

	server_router_stop_check(router);
	check = zmq_socket(server_router_context(router), ZMQ_REP);
	set_int(check, ZMQ_LINGER, 0);
	while ((rc = zmq_bind(check, "inproc://zeromq.zap.01")) < 0 && errno == EADDRINUSE &&
	       base_now_ns() < end_ns)
		usleep(1000);
	cr_assert_eq(rc, 0, "%s", zmq_strerror(errno));
	return check;
}

/* What is left when its thread was killed: a socket that takes questions and never answers. */
Test(router, with_a_dead_key_check_it_fails_closed)
{
	void *check = bind_check();

	cr_expect_not(ask(strange_keys, 300));
	cr_expect_not(ask(client_keys, 300));
	zmq_close(check);
}

/* One that lets everybody in without a name: what they say is dropped. */
static void *say_yes(void *check)
{
	char frame[7][256];
	int bytes[7], n = 0, more = 1;
	size_t size = sizeof(more);

	while (n < 7 && more) {
		bytes[n] = zmq_recv(check, frame[n], sizeof(frame[n]), 0);
		if (bytes[n++] < 0 || zmq_getsockopt(check, ZMQ_RCVMORE, &more, &size) < 0)
			return NULL;
	}
	zmq_send(check, frame[0], (size_t)bytes[0], ZMQ_SNDMORE);
	zmq_send(check, frame[1], (size_t)bytes[1], ZMQ_SNDMORE);
	zmq_send(check, "200", 3, ZMQ_SNDMORE);
	zmq_send(check, "OK", 2, ZMQ_SNDMORE);
	zmq_send(check, "", 0, ZMQ_SNDMORE);
	zmq_send(check, "", 0, 0);
	return check;
}

Test(router, who_has_no_name_is_not_heard)
{
	void *check = bind_check(), *answered;
	pthread_t thread;

	set_int(check, ZMQ_RCVTIMEO, 30000);
	cr_assert_eq(pthread_create(&thread, NULL, say_yes, check), 0);
	cr_expect_not(ask(client_keys, 1000));
	pthread_join(thread, &answered);
	cr_expect_eq(answered, check, "the check was asked");
	zmq_close(check);
}

static int raw_connect(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	unsigned port;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(sscanf(server_router_endpoint(router), "tcp://127.0.0.1:%u", &port), 1);
	address.sin_port = htons((uint16_t)port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static unsigned long resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long size, resident;

	cr_assert_eq(fscanf(file, "%lu %lu", &size, &resident), 2);
	fclose(file);
	return resident * (unsigned long)getpagesize();
}

/* A greeting of CURVE, then a command that announces @bytes and sends a few of them. */
static int announce(uint64_t bytes)
{
	uint8_t greeting[64] = { 0xff, [8] = 1, [9] = 0x7f, [10] = 3, [11] = 0, [12] = 'C',
				 [13] = 'U', [14] = 'R', [15] = 'V', [16] = 'E' };
	uint8_t command[4096] = { 6 };
	int fd = raw_connect();

	for (int i = 0; i < 8; i++)
		command[1 + i] = (uint8_t)(bytes >> (8 * (7 - i)));
	cr_assert_eq(send(fd, greeting, sizeof(greeting), MSG_NOSIGNAL), sizeof(greeting));
	send(fd, command, sizeof(command), MSG_NOSIGNAL);
	return fd;
}

Test(router, a_frame_of_8_GiB_is_cut_before_it_costs_memory)
{
	static const uint64_t sizes[] = { UINT64_C(8) << 30, INT64_MAX, UINT64_MAX };
	unsigned long before;
	int fds[3];

	cr_expect(ask(client_keys, 10000));
	before = resident_bytes();
	for (int i = 0; i < 3; i++)
		fds[i] = announce(sizes[i]);
	cr_expect(ask(client_keys, 10000));
	cr_expect_lt(resident_bytes(), before + (2 << 20));
	for (int i = 0; i < 3; i++) {
		const struct timeval limit = { .tv_sec = 5 };
		char bytes[256];
		ssize_t n;

		setsockopt(fds[i], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		do
			n = recv(fds[i], bytes, sizeof(bytes), 0);
		while (n > 0);
		cr_expect(n == 0 || errno == ECONNRESET, "it is still connected: %d", errno);
		close(fds[i]);
	}
}

static int count_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* 300 connections that say nothing: a client is served meanwhile, and they are gone soon. */
Test(router, slowloris)
{
	enum { COUNT = 300 };
	int fds[COUNT], before = count_fds();

	for (int i = 0; i < COUNT; i++)
		fds[i] = raw_connect();
	cr_expect(ask(client_keys, 10000));
	for (int i = 0; i < 100 && count_fds() > before + COUNT + 20; i++)
		usleep(50000);
	cr_expect_leq(count_fds(), before + COUNT + 20, "%d", count_fds());
	for (int i = 0; i < COUNT; i++)
		close(fds[i]);
}

Test(router, too_large_is_too_large_for_friends_too)
{
	void *socket = connect_as(ZMQ_REQ, client_keys);
	char *large = calloc(1, SERVER_REQUEST_BYTES_MAX + 1000);

	zmq_send(socket, large, SERVER_REQUEST_BYTES_MAX + 1000, 0);
	cr_expect_not(echo_until(socket, 500));
	zmq_close(socket);
	socket = connect_as(ZMQ_REQ, client_keys);
	zmq_send(socket, large, SERVER_REQUEST_BYTES_MAX - 1000, 0);
	cr_expect(echo_until(socket, 10000));
	zmq_close(socket);
	free(large);
}

/* No envelope, a long one, and more than one frame of body: dropped, and the next is served. */
Test(router, odd_shapes_are_dropped)
{
	void *socket = connect_as(ZMQ_DEALER, client_keys);
	char text[16];

	zmq_send(socket, "bare", 4, 0);
	for (int i = 0; i < 20; i++)
		zmq_send(socket, "x", 1, ZMQ_SNDMORE);
	zmq_send(socket, "end", 3, 0);
	zmq_send(socket, "", 0, ZMQ_SNDMORE);
	zmq_send(socket, "two", 3, ZMQ_SNDMORE);
	zmq_send(socket, "bodies", 6, 0);
	cr_expect_not(echo_until(socket, 300));
	cr_expect_eq(server_router_refused(router), 3);
	zmq_send(socket, "", 0, ZMQ_SNDMORE);
	zmq_send(socket, "good", 4, 0);
	cr_expect(echo_until(socket, 10000));
	cr_expect_eq(zmq_recv(socket, text, sizeof(text), 0), 0);
	cr_expect_eq(zmq_recv(socket, text, sizeof(text), 0), 4);
	zmq_close(socket);
}

Test(router, it_listens_where_it_was_told_and_nowhere_else)
{
	struct server_router *other;
	unsigned port;

	cr_assert_eq(sscanf(server_router_endpoint(router), "tcp://127.0.0.1:%u", &port), 1);
	cr_expect_eq(server_router_open("127.0.0.1", port, server_keys, &client_keys->public, 1,
					&other, &err), -EADDRINUSE);
	cr_expect(strstr(err.text, "cannot listen at tcp://127.0.0.1:"), "%s", err.text);
	cr_expect_eq(server_router_open("192.0.2.1", 0, server_keys, &client_keys->public, 1,
					&other, &err), -EADDRNOTAVAIL);
}
