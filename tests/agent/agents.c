/* SPDX-License-Identifier: MIT */
/* agents.c - see agents.h. */
#include "agents.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/fabric_mem.h"
#include "base/log.h"

/* What a busy machine leaves of a few ms: enough for any exchange of frames. */
enum { RUN_TURNS = 50 };

struct agent *agents[FAKE_NODES];

void agents_init(void)
{
	base_log_init("agent_test");
	fake_init();
}

void start_secured(uint32_t node, const char *security)
{
	struct fabric_options options = { .node = node };

	fake_enter(node);
	cr_assert_eq(agent_create(&fabric_mem, &options, security, &agents[node]), 0);
	fake_introduce();
}

void start(uint32_t node)
{
	start_secured(node, NULL);
}

void stop(uint32_t node)
{
	fake_enter(node);
	agent_destroy(agents[node]);
	agents[node] = NULL;
}

void turn(void)
{
	bool worked = false;

	for (uint32_t i = 0; i < FAKE_NODES; i++) {
		uint64_t next;

		if (!agents[i])
			continue;
		fake_enter(i);
		worked |= agent_turn(agents[i], &next);
	}
	if (!worked)
		usleep(100);
}

void run_for(unsigned ms)
{
	uint64_t end = base_now_ns() + ms * BASE_MS;

	for (unsigned turns = 0; turns < RUN_TURNS || base_now_ns() < end; turns++)
		turn();
}

struct fake_stream *stream(uint32_t node, uint32_t index)
{
	return &fake_nodes[node].streams[index];
}

unsigned count(uint32_t node, uint32_t index)
{
	return fake_nodes[node].channels[index].count;
}

void expect(uint32_t node, uint32_t index, uint32_t tag, size_t bytes)
{
	struct fake_message message;

	cr_assert(fake_take(node, index, &message), "message %u is missing", tag);
	cr_assert_eq(message.header.tag, tag, "%u instead of %u", message.header.tag, tag);
	cr_assert_eq(message.bytes, bytes);
	for (size_t i = 0; i < bytes; i++)
		cr_assert_eq(((uint8_t *)message.data)[i], (uint8_t)(tag + i * 3));
	fake_drop(node, &message);
}

bool send_one(uint32_t node, uint32_t index, uint32_t tag, size_t bytes)
{
	uint8_t *data = malloc(bytes + 1);
	bool sent;

	for (size_t i = 0; i < bytes; i++)
		data[i] = (uint8_t)(tag + i * 3);
	sent = fake_send(node, index, data, bytes, tag);
	free(data);
	return sent;
}

void no_leaks(void)
{
	for (uint32_t i = 0; i < FAKE_NODES; i++)
		if (agents[i])
			stop(i);
	for (uint32_t i = 0; i < FAKE_NODES; i++) {
		cr_assert_eq(fake_blocks_used(&fake_nodes[i]), 0, "node %u keeps %u blocks", i,
			     fake_blocks_used(&fake_nodes[i]));
		for (int k = 0; k < FAKE_CHANNELS; k++)
			cr_assert_eq(fake_nodes[i].channels[k].handles, 0);
	}
}

void send_many(unsigned total, void (*disturb)(unsigned done))
{
	struct dhow_address target = fake_channel(1, 0, 64);
	unsigned sent = 0, received = 0;
	static const size_t sizes[] = { 0, 1, 24, 88, 89, 1000, 8000, 9000, 30000, 200000 };
	uint64_t end = base_now_ns() + 120000 * BASE_MS;

	fake_stream_open(0, 3, &target);
	while (received < total) {
		cr_assert(base_now_ns() < end, "%u of %u received", received, total);
		cr_assert_not(stream(0, 3)->failed, "rc %d", stream(0, 3)->rc);
		while (sent < total && send_one(0, 3, sent, sizes[sent % 10]))
			sent++;
		turn();
		while (count(1, 0) && received < total) {
			expect(1, 0, received, sizes[received % 10]);
			received++;
			if (disturb)
				disturb(received);
		}
	}
	until(stream(0, 3)->deposited == total, 60000);
	until(stream(0, 3)->received == total, 60000);
	cr_assert_eq(count(1, 0), 0);
	fake_stream_close(0, 3);
	until(stream(0, 3)->forgotten, 60000);
	run_for(20);
	no_leaks();
}
