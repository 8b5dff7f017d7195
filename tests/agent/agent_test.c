/* SPDX-License-Identifier: MIT */
/* agent_test.c - whole agent cores over fabric_mem, with a fake gateway. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/conn.h"
#include "agent/core.h"
#include "agent/fabric_mem.h"
#include "agent/link.h"
#include "agents.h"
#include "fake_gateway.h"

TestSuite(agent, .init = agents_init, .timeout = 200);

Test(agent, small_and_large_messages_in_order)
{
	start(0);
	start(1);
	send_many(2000, NULL);
}

Test(agent, order_survives_a_fabric_that_reorders)
{
	start(0);
	start(1);
	fabric_mem_reorder(agents[0]->fabric, 8);
	fabric_mem_reorder(agents[1]->fabric, 8);
	send_many(1000, NULL);
}

Test(agent, a_busy_fabric_loses_nothing)
{
	start(0);
	start(1);
	fabric_mem_refuse_every(agents[0]->fabric, 3);
	fabric_mem_refuse_every(agents[1]->fabric, 2);
	send_many(1000, NULL);
}

static void cut(unsigned done)
{
	struct agent_link *link = &agents[0]->links[1];

	if (done % 100 == 50 && link->conn)
		fabric_mem_cut(link->conn->peer);
}

Test(agent, cut_connections_lose_and_double_nothing)
{
	start(0);
	start(1);
	send_many(600, cut);
}

/* The call that node 0 makes is taken, and cut at once. */
static void cut_the_call(struct agent_link *link)
{
	until(link->out, 60000);
	fake_enter(0);
	fabric_mem_cut(link->out->peer);
	until(!link->out, 60000);
}

Test(agent, a_call_that_is_cut_is_made_again_soon)
{
	struct dhow_address target = fake_channel(1, 0, 64);
	struct agent_link *link;
	struct agent *hung;

	start(0);
	start(1);
	link = &agents[0]->links[1];
	fake_stream_open(0, 0, &target);
	cr_assert(send_one(0, 0, 0, 10));
	until(stream(0, 0)->deposited == 1, 60000);
	expect(1, 0, 0, 10);
	hung = agents[1];
	agents[1] = NULL;
	fake_enter(0);
	fabric_mem_cut(link->conn->peer);
	until(link->lost, 60000);
	cr_assert_eq(link->backoff_ns, AGENT_RETRY_LOST_NS);
	for (int i = 0; i < 5; i++) {
		link->lost_ns = agents[0]->now_ns + AGENT_DEAD_NS;	/* as if it were now */
		cut_the_call(link);
		cr_assert_eq(link->backoff_ns, AGENT_RETRY_LOST_NS, "call %d", i);
	}
	link->lost_ns = 0;	/* it is long ago */
	cut_the_call(link);
	cr_assert_eq(link->backoff_ns, 2 * AGENT_RETRY_LOST_NS);
	agents[1] = hung;
	no_leaks();
}

Test(agent, lost_frames_are_sent_again)
{
	start(0);
	start(1);
	fabric_mem_lose_every(agents[0]->fabric, 40);
	send_many(300, NULL);
}

static struct agent_conn *victim;
static void damage(unsigned done)
{
	struct agent_link *link = &agents[1]->links[0];
	uint8_t noise[AGENT_HEADER_BYTES] = { 'D', 'H', 'W', 'F', AGENT_WIRE_VERSION };

	if (done % 100 != 50 || !link->conn)
		return;
	victim = link->conn;
	fake_enter(1);
	agent_conn_frame(agents[1], victim->peer, noise, sizeof(noise));
	cr_assert_eq(victim->state, AGENT_CONN_DOOMED);
}

Test(agent, damage_makes_the_connection_anew)
{
	start(0);
	start(1);
	send_many(600, damage);
	cr_assert_not_null(victim);
}

Test(agent, sleeping_agents_miss_nothing)
{
	struct dhow_address target = fake_channel(1, 0, 2);
	unsigned sent = 0, received = 0;
	uint64_t end = base_now_ns() + 60000 * BASE_MS;

	start(0);
	start(1);
	fake_stream_open(0, 0, &target);
	while (received < 300) {
		cr_assert(base_now_ns() < end, "%u received", received);
		while (sent < 300 && send_one(0, 0, sent, sent % 20 ? 50 : 50000))
			sent++;
		for (uint32_t i = 0; i < 2; i++) {
			uint64_t next;

			fake_enter(i);
			if (!agent_turn(agents[i], &next))
				agent_sleep(agents[i],
					    agent_earlier(next, base_now_ns() + BASE_MS));
		}
		while (count(1, 0)) {
			expect(1, 0, received, received % 20 ? 50 : 50000);
			received++;
		}
	}
	until(stream(0, 0)->deposited == 300, 60000);
	no_leaks();
}

/* To and fro, @times. Return: the frames that it took, both ways. */
static uint64_t ping_pong(unsigned times, unsigned wishes)
{
	struct dhow_address there = fake_channel(1, 0, 64), here = fake_channel(0, 0, 64);
	struct agent_counters *counters[2];
	uint64_t before;

	fake_wishes = wishes;
	start(0);
	start(1);
	fake_stream_open(0, 1, &there);
	fake_stream_open(1, 1, &here);
	counters[0] = &agents[0]->links[1].counters;
	counters[1] = &agents[1]->links[0].counters;
	before = counters[0]->frames_sent + counters[1]->frames_sent;
	for (unsigned i = 0; i < times; i++) {
		cr_assert(send_one(0, 1, i, 10));
		until(count(1, 0) == 1, 60000);
		expect(1, 0, i, 10);
		cr_assert(send_one(1, 1, i, 10));
		until(count(0, 0) == 1, 60000);
		expect(0, 0, i, 10);
	}
	until(stream(0, 1)->deposited == times && stream(1, 1)->deposited == times, 60000);
	before = counters[0]->frames_sent + counters[1]->frames_sent - before;
	no_leaks();
	return before;
}

Test(agent, counts_go_with_the_next_message)
{
	enum { TIMES = 200 };
	uint64_t frames = ping_pong(TIMES, 0);

	/* Two for each to and fro; more only where we were kept from running. */
	cr_assert_lt(frames, 3 * TIMES, "%llu frames", (unsigned long long)frames);
}

Test(agent, counts_go_at_once_to_who_waits)
{
	enum { TIMES = 200 };
	uint64_t frames = ping_pong(TIMES, GATEWAY_WANTS_DEPOSITED);

	cr_assert_geq(frames, 3 * TIMES, "%llu frames", (unsigned long long)frames);
}

Test(agent, both_call_at_once)
{
	struct dhow_address there = fake_channel(1, 0, 64), here = fake_channel(0, 0, 64);

	start(0);
	start(1);
	fake_stream_open(0, 1, &there);
	fake_stream_open(1, 1, &here);
	cr_assert(send_one(0, 1, 1, 10));
	cr_assert(send_one(1, 1, 2, 10));
	until(count(0, 0) == 1 && count(1, 0) == 1, 60000);
	expect(1, 0, 1, 10);
	expect(0, 0, 2, 10);
	run_for(50);
	cr_assert_eq(agents[0]->links[1].counters.connections, 1);
	cr_assert_eq(agents[1]->links[0].counters.connections, 1);
	no_leaks();
}

Test(agent, counters_tell_what_a_link_did)
{
	struct dhow_address target = fake_channel(1, 0, 64);
	const struct agent_counters *sent, *received;

	start(0);
	start(1);
	fake_stream_open(0, 1, &target);
	for (unsigned i = 0; i < 20; i++)
		cr_assert(send_one(0, 1, i, 10));
	cr_assert(send_one(0, 1, 20, 100000));
	until(stream(0, 1)->deposited == 21, 60000);
	sent = &agents[0]->links[1].counters;
	received = &agents[1]->links[0].counters;
	cr_assert(sent->messages_sent == 21 && received->messages_received == 21);
	cr_assert(sent->bulks_sent == 1 && received->bulks_received == 1);
	cr_assert_lt(received->frames_received, 21, "small ones are packed");
	cr_assert(sent->rtts > 0 && sent->rtt_min_ns > 0);
	cr_assert_leq(sent->rtt_min_ns * sent->rtts, sent->rtt_sum_ns);
	cr_assert_eq(sent->resends + received->duplicates + received->repeated, 0);
	for (unsigned i = 0; i < 21; i++)
		expect(1, 0, i, i < 20 ? 10 : 100000);
	no_leaks();
}

Test(agent, a_full_channel_blocks_no_other_stream)
{
	struct dhow_address full = fake_channel(1, 0, 2), open = fake_channel(1, 1, 1000);
	unsigned sent = 0;

	start(0);
	start(1);
	fake_stream_open(0, 0, &full);
	fake_stream_open(0, 1, &open);
	while (send_one(0, 0, sent, 40))
		sent++;
	cr_assert_eq(sent, GATEWAY_WINDOW);
	until(count(1, 0) == 2, 60000);
	for (unsigned i = 0; i < 200; i++)
		while (!send_one(0, 1, i, i % 10 ? 20 : 20000))
			turn();
	until(stream(0, 1)->deposited == 200, 60000);
	cr_assert_eq(stream(0, 0)->deposited, 2);
	for (unsigned i = 0; i < 200; i++)
		expect(1, 1, i, i % 10 ? 20 : 20000);
	for (unsigned i = 0; i < sent; i++) {
		until(count(1, 0), 60000);
		expect(1, 0, i, 40);
	}
	until(stream(0, 0)->received == sent, 60000);
	no_leaks();
}

Test(agent, a_full_pool_delays_large_messages)
{
	struct dhow_address target = fake_channel(1, 0, 64);

	start(0);
	start(1);
	fake_nodes[1].blocks_max = 1;
	fake_stream_open(0, 0, &target);
	for (unsigned i = 0; i < 8; i++)
		cr_assert(send_one(0, 0, i, 100000));
	for (unsigned i = 0; i < 8; i++) {
		until(count(1, 0) == 1, 60000);
		run_for(10);
		cr_assert_eq(count(1, 0), 1);
		expect(1, 0, i, 100000);
	}
	no_leaks();
}

Test(agent, a_message_larger_than_the_pool_fails_its_stream)
{
	struct dhow_address target = fake_channel(1, 0, 64);

	start(0);
	start(1);
	fake_nodes[1].blocks_limit = 2;
	fake_stream_open(0, 0, &target);
	cr_assert(send_one(0, 0, 0, 3 << 20));
	until(stream(0, 0)->failed, 60000);
	cr_assert_eq(stream(0, 0)->rc, -EMSGSIZE);
	no_leaks();
}

Test(agent, a_channel_that_is_gone_fails_its_stream)
{
	struct dhow_address gone = { 7, 1, 0, 5, 1 };

	start(0);
	start(1);
	fake_stream_open(0, 0, &gone);
	cr_assert(send_one(0, 0, 0, 100));
	until(stream(0, 0)->failed, 60000);
	cr_assert_eq(stream(0, 0)->rc, -ESTALE);
	fake_stream_close(0, 0);
	until(stream(0, 0)->forgotten, 60000);
	no_leaks();
}

static struct fake_ask *ask(uint32_t index, enum gateway_op op, const struct dhow_address *target,
			    uint64_t room, uint64_t deadline_ns)
{
	static uint32_t serial;
	struct gateway_ask request = {
		.op = op,
		.target = *target,
		.events = DHOW_IN,
		.room = room,
		.deadline_ns = deadline_ns,
		.serial = ++serial,
	};

	fake_request(0, index, &request);
	return &fake_nodes[0].asks[index];
}

Test(agent, requests)
{
	struct dhow_address target = fake_channel(1, 2, 64), gone = { 7, 1, 0, 5, 1 };
	static char large[300000];
	struct fake_ask *a;

	start(0);
	start(1);
	a = ask(0, GATEWAY_PROBE, &target, 0, DHOW_FOREVER);
	until(a->answered, 60000);
	cr_assert_eq(a->rc, 0);
	a = ask(0, GATEWAY_PROBE, &gone, 0, DHOW_FOREVER);
	until(a->answered, 60000);
	cr_assert_eq(a->rc, -ESTALE);
	a = ask(0, GATEWAY_RECV, &target, 100, DHOW_TRY);
	until(a->answered, 60000);
	cr_assert_eq(a->rc, -EAGAIN);
	a = ask(0, GATEWAY_RECV, &target, 100, dhow_in_ms(30));
	until(a->answered, 60000);
	cr_assert_eq(a->rc, -ETIMEDOUT);
	a = ask(0, GATEWAY_POLL, &target, 0, DHOW_FOREVER);
	run_for(20);
	cr_assert_not(a->answered);
	fake_put(1, 2, "hello", 5, 11);
	until(a->answered, 60000);
	cr_assert(a->rc == 0 && a->events == DHOW_IN);
	a = ask(0, GATEWAY_PEEK, &target, 3, DHOW_TRY);
	until(a->answered, 60000);
	cr_assert(a->rc == 0 && a->message.bytes == 3 && a->events == 5);
	cr_assert_eq(memcmp(a->message.data, "hel", 3), 0);
	dhow_message_free(&a->message);
	a = ask(0, GATEWAY_RECV, &target, 4, DHOW_TRY);
	until(a->answered, 60000);
	cr_assert(a->rc == -EMSGSIZE && a->message.bytes == 5 && !a->message.block_);
	a = ask(0, GATEWAY_RECV, &target, 5, DHOW_TRY);
	until(a->answered, 60000);
	cr_assert(a->rc == 0 && a->message.bytes == 5 && a->message.header.tag == 11);
	dhow_message_free(&a->message);
	for (uint64_t room = sizeof(large); room; room = room == UINT64_MAX ? 0 : UINT64_MAX) {
		memset(large, (int)(room & 7) + 1, sizeof(large));
		fake_put(1, 2, large, sizeof(large), 12);
		a = ask(1, GATEWAY_RECV, &target, room, DHOW_FOREVER);
		until(a->answered, 60000);
		cr_assert(a->rc == 0 && a->message.bytes == sizeof(large));
		cr_assert_eq(memcmp(a->message.data, large, sizeof(large)), 0);
		dhow_message_free(&a->message);
	}
	run_for(20);
	cr_assert_eq(fake_blocks_used(&fake_nodes[1]), 0);
	no_leaks();
}

Test(agent, a_message_for_a_caller_that_left_goes_back)
{
	struct dhow_address target = fake_channel(1, 2, 64);
	struct fake_message message;
	struct agent *held;
	struct fake_ask *a;

	start(0);
	start(1);
	a = ask(0, GATEWAY_RECV, &target, 100, DHOW_FOREVER);
	until(!base_list_empty(&agents[1]->serving), 60000);
	/* It leaves when the message is on its way; before, nobody would take it. */
	fake_put(1, 2, "hello", 5, 11);
	held = agents[0];
	agents[0] = NULL;
	until(count(1, 2) == 0, 60000);
	a->wanted = false;
	agents[0] = held;
	until(fake_nodes[1].channels[2].deposits == 2, 60000);
	cr_assert(fake_take(1, 2, &message));
	cr_assert(message.bytes == 5 && message.header.tag == 11);
	fake_drop(1, &message);
	/* and one that leaves while it waits is forgotten over there */
	a = ask(0, GATEWAY_RECV, &target, 100, DHOW_FOREVER);
	until(!base_list_empty(&agents[1]->serving), 60000);
	a->wanted = false;
	until(base_list_empty(&agents[1]->serving), 60000);
	no_leaks();
}

Test(agent, a_dead_node_fails_streams_and_requests)
{
	struct dhow_address target = fake_channel(1, 0, 64);
	struct fake_ask *a;

	start(0);
	start(1);
	fake_stream_open(0, 0, &target);
	cr_assert(send_one(0, 0, 0, 10));
	a = ask(0, GATEWAY_RECV, &(struct dhow_address){ 7, 1, 0, 1, 101 }, 100, DHOW_FOREVER);
	fake_channel(1, 1, 4);
	until(stream(0, 0)->deposited == 1, 60000);
	expect(1, 0, 0, 10);
	stop(1);
	cr_assert(send_one(0, 0, 1, 100000));
	until(a->answered, 60000);
	cr_assert_eq(a->rc, -EHOSTDOWN);
	cr_assert(stream(0, 0)->failed && stream(0, 0)->rc == -EHOSTDOWN);
	cr_assert(fake_nodes[0].dead[1] && fake_nodes[0].reported[1] == 1);
	/* later ones fail at once */
	a = ask(0, GATEWAY_PROBE, &target, 0, DHOW_FOREVER);
	turn();
	cr_assert(a->answered && a->rc == -EHOSTDOWN);
	/* a new agent of that node is another one, and welcome */
	start(1);
	fake_stream_open(1, 0, &(struct dhow_address){ 7, 0, 0, 0, 100 });
	fake_channel(0, 0, 4);
	cr_assert(send_one(1, 0, 5, 10));
	until(count(0, 0) == 1, 60000);
	cr_assert_not(fake_nodes[0].dead[1]);
	expect(0, 0, 5, 10);
	no_leaks();
}

Test(agent, a_node_that_was_silent_speaks_again)
{
	struct dhow_address target = fake_channel(1, 0, 64);
	struct agent *silent;

	start(0);
	start(1);
	fake_stream_open(0, 0, &target);
	cr_assert(send_one(0, 0, 0, 10));
	until(stream(0, 0)->deposited == 1, 60000);
	silent = agents[1];
	agents[1] = NULL;
	cr_assert(send_one(0, 0, 1, 10));
	until(fake_nodes[0].silent[1], 60000);
	agents[1] = silent;
	until(stream(0, 0)->deposited == 2, 60000);
	cr_assert(!fake_nodes[0].silent[1] && fake_nodes[0].silences[1] == 1);
	cr_assert(!fake_nodes[0].dead[1] && fake_nodes[0].reported[1] == 0);
	expect(1, 0, 0, 10);
	expect(1, 0, 1, 10);
	no_leaks();
}

Test(agent, a_silent_node_is_found_and_fenced)
{
	struct dhow_address target = fake_channel(1, 0, 64);
	struct agent *silent;

	start(0);
	start(1);
	fake_stream_open(0, 0, &target);
	cr_assert(send_one(0, 0, 0, 10));
	until(stream(0, 0)->deposited == 1, 60000);
	silent = agents[1];
	agents[1] = NULL;		/* it hangs; its connections stay */
	until(fake_nodes[0].silent[1], 60000);	/* none of a fabric says anything */
	cr_assert_not(stream(0, 0)->failed, "reported silent and dead at once");
	until(stream(0, 0)->failed, 60000);
	cr_assert_eq(stream(0, 0)->rc, -EHOSTDOWN);
	agents[1] = silent;		/* and wakes, in the epoch that was declared dead */
	fake_channel(0, 0, 4);
	fake_stream_open(1, 0, &(struct dhow_address){ 7, 0, 0, 0, 100 });
	cr_assert(send_one(1, 0, 5, 10));
	run_for(3000);
	cr_assert_eq(count(0, 0), 0);
	cr_assert(fake_nodes[0].dead[1]);
	expect(1, 0, 0, 10);
	no_leaks();
}

Test(agent, a_wrong_secret_is_refused)
{
	struct dhow_address target = fake_channel(1, 0, 64);

	memset(fake_nodes[1].secret, 1, DHOW_SECRET_BYTES);
	start(0);
	start(1);
	fake_stream_open(0, 0, &target);
	cr_assert(send_one(0, 0, 0, 10));
	run_for(1500);
	cr_assert_eq(count(1, 0), 0);
	cr_assert_eq(agents[1]->links[0].counters.connections, 0);
	cr_assert_eq(agents[1]->handshakes, 0);
	no_leaks();
}

/* A stranger on the same fabric: what it says and what it hears. */
static uint8_t heard[AGENT_HELLO_BYTES];
static size_t heard_bytes;
static unsigned downs;
static void stranger_frame(void *user, struct fabric_peer *peer, const void *data, size_t bytes)
{
	(void)user;
	(void)peer;
	heard_bytes = bytes;
	memcpy(heard, data, bytes < sizeof(heard) ? bytes : sizeof(heard));
}
static void stranger_offer(void *user, struct fabric_peer *peer, const void *header, size_t bytes,
			   struct fabric_offer *offer, size_t offered)
{
	(void)user, (void)peer, (void)header, (void)bytes, (void)offered;
	fabric_mem.drop(offer);
}
static void stranger_new(void *user, struct fabric_peer *peer)
{
	(void)user, (void)peer;
}
static void stranger_down(void *user, struct fabric_peer *peer, enum fabric_loss loss,
			  const char *why)
{
	(void)user, (void)peer, (void)loss, (void)why;
	downs++;
}
static const struct fabric_events stranger_events = { stranger_frame, stranger_offer, stranger_new,
						      stranger_down };

static void say(struct fabric *fabric, struct fabric_peer *peer, const void *data, size_t bytes)
{
	void *slot = fabric_mem.slot(fabric);

	memcpy(slot, data, bytes);
	fabric_mem.frame(peer, slot, bytes);
}

Test(agent, strangers_get_nothing)
{
	struct fabric_options options = { .node = 3 };
	struct fabric_peer *peers[100];
	struct fabric_caps caps;
	struct fabric *fabric;
	struct dhow_node_peer *to = &fake_nodes[0].self;
	struct dhow_address target;

	start(0);
	cr_assert_eq(fabric_mem.open(&options, &stranger_events, NULL, &fabric, &caps), 0);
	/* its own hello, reflected: make it call us first */
	struct dhow_node_peer me = { .node = 3 };
	size_t bytes = sizeof(me.address);

	fabric_mem.address(fabric, me.address, &bytes);
	me.bytes = (uint32_t)bytes;
	fake_nodes[0].told[fake_nodes[0].told_count++] = me;
	target = (struct dhow_address){ 7, 3, 0, 0, 1 };
	fake_stream_open(0, 0, &target);
	cr_assert(send_one(0, 0, 0, 10));
	for (int i = 0; i < 100 && heard_bytes == 0; i++) {
		turn();
		fabric_mem.progress(fabric, 10);
	}
	cr_assert_eq(heard_bytes, AGENT_HELLO_BYTES);
	fabric_mem.peer_add(fabric, to->address, to->bytes, NULL, &peers[0]);
	say(fabric, peers[0], heard, sizeof(heard));
	run_for(20);
	fabric_mem.progress(fabric, 100);
	cr_assert_eq(downs, 1, "a reflected hello must be refused");
	/* noise, and a hundred connections that say nothing */
	fabric_mem.peer_add(fabric, to->address, to->bytes, NULL, &peers[1]);
	say(fabric, peers[1], "noise", 5);
	run_for(20);
	fabric_mem.progress(fabric, 100);
	cr_assert_eq(downs, 2);
	for (int i = 2; i < 100; i++)
		fabric_mem.peer_add(fabric, to->address, to->bytes, NULL, &peers[i]);
	run_for(50);
	cr_assert_eq(agents[0]->handshakes, AGENT_HANDSHAKES);
	/* a good peer is served meanwhile */
	start(1);
	target = fake_channel(0, 0, 4);
	fake_stream_open(1, 0, &target);
	cr_assert(send_one(1, 0, 1, 10));
	until(count(0, 0) == 1, 60000);
	expect(0, 0, 1, 10);
	until(agents[0]->handshakes == 0, 60000);
	stop(0);
	stop(1);
}
