/* SPDX-License-Identifier: MIT */
/* link_test.c - who gets through the control link, and who does not. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "proto/link.h"


enum { WAIT_MS = 60000, REFUSED_MS = 700 };

static struct launch_keys *server_keys, *node_keys[2];
static struct launch_link *server;

static void serve(const uint8_t (*allowed)[LAUNCH_KEY_BYTES], struct launch_link **ret_link)
{
	const struct launch_link_spec spec = { .address = "127.0.0.1", .keys = server_keys,
					       .allowed = allowed, .count = 2,
					       .tree = { 2, 32 } };
	struct base_err err = { "" };

	cr_assert_eq(launch_link_serve(&spec, ret_link, &err), 0, "%s", err.text);
}

static void open_server(void)
{
	uint8_t allowed[2][LAUNCH_KEY_BYTES];
	struct base_err err = { "" };

	cr_assert_eq(launch_keys_init(&err), 0);
	cr_assert_eq(launch_link_check(&err), 0);
	cr_assert_eq(launch_keys_create(&server_keys), 0);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(launch_keys_create(&node_keys[i]), 0);
		memcpy(allowed[i], node_keys[i]->public, LAUNCH_KEY_BYTES);
	}
	serve((const uint8_t (*)[LAUNCH_KEY_BYTES])allowed, &server);
}

static void close_server(void)
{
	launch_link_close(server, 0);
	launch_keys_free(server_keys);
	launch_keys_free(node_keys[0]);
	launch_keys_free(node_keys[1]);
}

TestSuite(link, .timeout = 200, .init = open_server, .fini = close_server);

/* Return: node that sent, -1 nobody within the time. */
static int receive(struct launch_link *link, int wait_ms, struct launch_message *ret_message)
{
	uint64_t limit_ns = base_now_ns() + (uint64_t)wait_ms * BASE_MS;
	struct launch_frame frame;
	uint32_t node;

	while (base_now_ns() < limit_ns) {
		zmq_pollitem_t item = { .socket = launch_link_socket(link), .events = ZMQ_POLLIN };

		zmq_poll(&item, 1, 20);
		if (launch_link_recv(link, &node, &frame, ret_message) == 0) {
			launch_frame_fini(&frame);
			return (int)node;
		}
	}
	return -1;
}

static struct launch_link *connect_as(uint32_t node, const struct launch_keys *keys,
				      const uint8_t *server_key)
{
	struct launch_message hello = { .type = LAUNCH_HELLO };
	struct launch_link *link;

	cr_assert_eq(launch_link_connect(NULL, launch_link_endpoint(server), node, keys, server_key,
					 &link, NULL), 0);
	hello.hello.node = node;
	cr_assert_eq(launch_link_send(link, 0, &hello), 0);
	return link;
}

Test(link, a_daemon_gets_in_and_is_answered)
{
	struct launch_link *daemon = connect_as(1, node_keys[1], server_keys->public);
	struct launch_message stop = { .type = LAUNCH_LEAVE }, got;

	cr_assert_eq(receive(server, WAIT_MS, &got), 1);
	cr_assert_eq(got.type, LAUNCH_HELLO);
	cr_assert_eq(launch_link_send(server, 1, &stop), 0);
	cr_assert_eq(receive(daemon, WAIT_MS, &got), 0);
	cr_assert_eq(got.type, LAUNCH_LEAVE);
	cr_assert_eq(launch_link_send(server, 0, &stop), -EHOSTUNREACH);
	launch_link_close(daemon, 0);
}

Test(link, a_stranger_is_refused)
{
	struct launch_message got;
	struct launch_keys *keys;
	struct launch_link *stranger, *daemon;

	cr_assert_eq(launch_keys_create(&keys), 0);
	stranger = connect_as(0, keys, server_keys->public);
	cr_assert_eq(receive(server, REFUSED_MS, &got), -1);
	cr_assert_gt(launch_link_refused(server), 0);
	daemon = connect_as(0, node_keys[0], server_keys->public);
	cr_assert_eq(receive(server, WAIT_MS, &got), 0, "the real one still gets in");
	launch_link_close(stranger, 0);
	launch_link_close(daemon, 0);
	launch_keys_free(keys);
}

Test(link, a_daemon_cannot_speak_for_another)
{
	struct launch_link *daemon = connect_as(0, node_keys[1], server_keys->public);
	struct launch_message got;

	cr_assert_eq(receive(server, REFUSED_MS, &got), -1);
	launch_link_close(daemon, 0);
}

Test(link, a_false_server_is_refused)
{
	struct launch_link *daemon = connect_as(0, node_keys[0], node_keys[1]->public);
	struct launch_message got;

	cr_assert_eq(receive(server, REFUSED_MS, &got), -1);
	launch_link_close(daemon, 0);
}

Test(link, a_client_without_keys_is_refused)
{
	void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_DEALER);
	struct launch_message got;
	int linger = 0;

	zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
	zmq_setsockopt(socket, ZMQ_ROUTING_ID, "n\0\0\0\0", 5);
	cr_assert_eq(zmq_connect(socket, launch_link_endpoint(server)), 0);
	zmq_send(socket, "hello", 5, ZMQ_DONTWAIT);
	cr_assert_eq(receive(server, REFUSED_MS, &got), -1);
	zmq_close(socket);
	zmq_ctx_term(context);
}

/* Return: 1 within the time the link says that something broke, and node 0 is not reached. */
static int becomes_lost(struct launch_link *link)
{
	uint64_t limit_ns = base_now_ns() + WAIT_MS * BASE_MS;

	while (base_now_ns() < limit_ns) {
		zmq_pollitem_t item = { .socket = launch_link_broken_socket(link),
					.events = ZMQ_POLLIN };
		int wait_ms;

		if (launch_link_broken(link, &wait_ms) && !launch_link_reaches(link, 0))
			return 1;
		zmq_poll(&item, 1, wait_ms < 0 ? 100 : wait_ms);
	}
	return 0;
}

Test(link, a_daemon_that_goes_is_missed_and_the_other_is_not)
{
	struct launch_link *first = connect_as(0, node_keys[0], server_keys->public);
	struct launch_link *second = connect_as(1, node_keys[1], server_keys->public);
	struct launch_message stop = { .type = LAUNCH_LEAVE }, got;
	int wait_ms;

	cr_assert_geq(receive(server, WAIT_MS, &got), 0);
	cr_assert_geq(receive(server, WAIT_MS, &got), 0);
	cr_expect_eq(launch_link_broken(server, &wait_ms), 0);
	cr_expect_eq(wait_ms, -1);
	cr_expect_eq(launch_link_reaches(server, 0), 1);
	launch_link_close(first, 0);
	cr_expect(becomes_lost(server));
	cr_expect_eq(launch_link_reaches(server, 1), 1);
	cr_assert_eq(launch_link_send(server, 1, &stop), 0);
	cr_expect_eq(receive(second, WAIT_MS, &got), 0, "probes are not seen");
	cr_expect_eq(got.type, LAUNCH_LEAVE);
	launch_link_close(second, 0);
}

Test(link, a_daemon_misses_its_dlaunch)
{
	struct launch_link *daemon = connect_as(0, node_keys[0], server_keys->public);
	uint64_t limit_ns = base_now_ns() + WAIT_MS * BASE_MS;
	struct launch_message got;
	int wait_ms, broken = 0;

	cr_assert_eq(receive(server, WAIT_MS, &got), 0);
	launch_link_close(server, 0);
	server = NULL;
	while (!broken && base_now_ns() < limit_ns) {
		zmq_pollitem_t item = { .socket = launch_link_broken_socket(daemon),
					.events = ZMQ_POLLIN };

		zmq_poll(&item, 1, 100);
		broken = launch_link_broken(daemon, &wait_ms);
	}
	cr_expect(broken);
	launch_link_close(daemon, 0);
}

Test(link, derived_keys_let_a_daemon_in)
{
	uint8_t secret[LAUNCH_SECRET_BYTES], allowed[2][LAUNCH_KEY_BYTES];
	struct launch_link *derived, *daemon;
	struct launch_keys *keys = launch_keys_alloc(sizeof(*keys));
	struct launch_message got, hello = { .type = LAUNCH_HELLO };

	launch_keys_random(secret, sizeof(secret));
	for (uint32_t i = 0; i < 2; i++) {
		launch_keys_derive(secret, i, keys);
		memcpy(allowed[i], keys->public, LAUNCH_KEY_BYTES);
	}
	cr_expect(!launch_keys_equal(allowed[0], allowed[1]));
	serve((const uint8_t (*)[LAUNCH_KEY_BYTES])allowed, &derived);
	cr_assert_eq(launch_link_connect(NULL, launch_link_endpoint(derived), 1, keys,
					 server_keys->public, &daemon, NULL), 0);
	hello.hello.node = 1;
	cr_assert_eq(launch_link_send(daemon, 0, &hello), 0);
	cr_expect_eq(receive(derived, WAIT_MS, &got), 1);
	launch_link_close(daemon, 0);
	launch_link_close(derived, 0);
	launch_keys_free(keys);
}

/* Without its handler the socket lets nobody in: it fails closed. */
Test(link, the_domain_is_enforced)
{
	void *context = zmq_ctx_new(), *router = zmq_socket(context, ZMQ_ROUTER);
	const struct launch_message done = { .type = LAUNCH_LEFT };
	struct launch_link *client;
	struct launch_keys *keys, *mine;
	char endpoint[128], byte;
	size_t size = sizeof(endpoint);
	int one = 1, wait_ms = REFUSED_MS, linger = 0;

	cr_assert_eq(launch_keys_init(NULL), 0);
	cr_assert_eq(launch_keys_create(&keys), 0);
	cr_assert_eq(launch_keys_create(&mine), 0);
	zmq_setsockopt(router, ZMQ_LINGER, &linger, sizeof(linger));
	zmq_setsockopt(router, ZMQ_CURVE_SERVER, &one, sizeof(one));
	zmq_setsockopt(router, ZMQ_CURVE_SECRETKEY, keys->secret, LAUNCH_KEY_BYTES);
	zmq_setsockopt(router, ZMQ_ZAP_DOMAIN, "dhow", 4);
	cr_assert_eq(zmq_setsockopt(router, 93, &one, sizeof(one)), 0, "ZMQ_ZAP_ENFORCE_DOMAIN");
	zmq_setsockopt(router, ZMQ_RCVTIMEO, &wait_ms, sizeof(wait_ms));
	cr_assert_eq(zmq_bind(router, "tcp://127.0.0.1:*"), 0);
	zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, endpoint, &size);
	cr_assert_eq(launch_link_connect(NULL, endpoint, 0, mine, keys->public, &client, NULL), 0);
	cr_assert_eq(launch_link_send(client, 0, &done), 0);
	cr_assert_lt(zmq_recv(router, &byte, 1, 0), 0);
	launch_link_close(client, 0);
	zmq_close(router);
	zmq_ctx_term(context);
	launch_keys_free(keys);
	launch_keys_free(mine);
}
