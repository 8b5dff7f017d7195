/* SPDX-License-Identifier: MIT */
/* secured_test.c - whole agent cores at each level, with somebody in the network. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/conn.h"
#include "agent/fabric_mem.h"
#include "agent/link.h"
#include "agents.h"

TestSuite(secured, .init = agents_init, .timeout = 200);

static const char *const names[] = { "mac", "integrity", "encrypt" };
enum { LEVELS = 3 };

/* What the agents log goes to a file, to be searched. */
static char log_path[] = "/tmp/dhow-secured-XXXXXX";
static int log_saved = -1;

static void log_begin(void)
{
	int fd;

	memcpy(log_path + sizeof(log_path) - 7, "XXXXXX", 6);
	fd = mkstemp(log_path);
	cr_assert_geq(fd, 0);
	fflush(stderr);
	log_saved = dup(STDERR_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
}

/* Return: how many lines had @text. */
static unsigned log_end(const char *text)
{
	FILE *file = fopen(log_path, "r");
	unsigned found = 0;
	char line[512];

	fflush(stderr);
	dup2(log_saved, STDERR_FILENO);
	close(log_saved);
	while (file && fgets(line, sizeof(line), file)) {
		found += strstr(line, text) != NULL;
		fputs(line, stderr);
	}
	if (file)
		fclose(file);
	unlink(log_path);
	return found;
}

static void start_pair(const char *security)
{
	start_secured(0, security);
	start_secured(1, security);
}

#define EACH_LEVEL(suite, name, ...) \
	Test(suite, name##_mac) { name(names[0], ##__VA_ARGS__); } \
	Test(suite, name##_integrity) { name(names[1], ##__VA_ARGS__); } \
	Test(suite, name##_encrypt) { name(names[2], ##__VA_ARGS__); }

static void all_sizes(const char *security)
{
	start_pair(security);
	send_many(1000, NULL);
}
EACH_LEVEL(secured, all_sizes)

static void bad_network(const char *security)
{
	start_pair(security);
	fabric_mem_reorder(agents[0]->fabric, 8);
	fabric_mem_refuse_every(agents[0]->fabric, 3);
	fabric_mem_refuse_every(agents[1]->fabric, 2);
	fabric_mem_lose_every(agents[1]->fabric, 50);
	send_many(300, NULL);
}
EACH_LEVEL(secured, bad_network)

static void cut(unsigned done)
{
	struct agent_link *link = &agents[0]->links[1];

	if (done % 100 == 50 && link->conn)
		fabric_mem_cut(link->conn->peer);
}

static void cut_connections(const char *security)
{
	start_pair(security);
	send_many(400, cut);
}
EACH_LEVEL(secured, cut_connections)

/* One agent whose processor has no AES: both take what both have. */
Test(secured, ciphers_are_agreed_on)
{
	start_pair("encrypt");
	agents[1]->ciphers = 1;
	send_many(100, NULL);
}

/* --- damage --- */

static enum fabric_mem_what hit_what;
static unsigned hit_every, hit_seen, hits;
static size_t hit_at;		/* SIZE_MAX: the last byte */

static void hit(enum fabric_mem_what what, void *data, size_t bytes)
{
	uint8_t *at = data;

	if (what != hit_what || ++hit_seen % hit_every ||
	    (hit_at != SIZE_MAX && hit_at >= bytes))
		return;
	at[hit_at == SIZE_MAX ? bytes - 1 : hit_at] ^= 0x04;
	hits++;
}

static void damage(const char *security, enum fabric_mem_what what, size_t at)
{
	start_pair(security);
	hit_what = what;
	hit_at = at;
	hit_every = 7;
	hit_seen = hits = 0;
	fabric_mem_tap(agents[0]->fabric, hit);
	send_many(60, NULL);
	cr_assert_gt(hits, 0);
}

static void damaged_header(const char *security)
{
	damage(security, FABRIC_MEM_FRAME, AGENT_HEADER_BYTES - 1);
}
EACH_LEVEL(secured, damaged_header)

static void damaged_mac(const char *security)
{
	damage(security, FABRIC_MEM_FRAME, AGENT_MAC_AT);
}
EACH_LEVEL(secured, damaged_mac)

static void damaged_body(const char *security)
{
	damage(security, FABRIC_MEM_FRAME, SIZE_MAX);
}
EACH_LEVEL(secured, damaged_body)

static void damaged_offer(const char *security)
{
	damage(security, FABRIC_MEM_OFFER, SIZE_MAX);
}
EACH_LEVEL(secured, damaged_offer)

static void damaged_bulk(const char *security)
{
	damage(security, FABRIC_MEM_BULK, 5000);
}
EACH_LEVEL(secured, damaged_bulk)

/* --- what is seen --- */

static const char pattern[] = "the quick brown fox jumps over t";	/* 32 bytes */
static unsigned seen_frames, seen_bulks, seen_patterns;

static void look(enum fabric_mem_what what, void *data, size_t bytes)
{
	seen_frames += what != FABRIC_MEM_BULK;
	seen_bulks += what == FABRIC_MEM_BULK;
	seen_patterns += memmem(data, bytes, pattern, 16) != NULL;
}

static void send_pattern(const char *security)
{
	static const size_t sizes[] = { 32, 64, 1024, 8000, 30000, 300000 };
	struct dhow_address target = fake_channel(1, 0, 64);
	static char data[300000];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = pattern[i % 32];
	start_pair(security);
	seen_frames = seen_bulks = seen_patterns = 0;
	fabric_mem_tap(agents[0]->fabric, look);
	fabric_mem_tap(agents[1]->fabric, look);
	fake_stream_open(0, 3, &target);
	for (unsigned i = 0; i < 6; i++)
		cr_assert(fake_send(0, 3, data, sizes[i], i));
	until(count(1, 0) == 6, 60000);
	for (unsigned i = 0; i < 6; i++) {
		struct fake_message message;

		cr_assert(fake_take(1, 0, &message));
		cr_assert_eq(message.bytes, sizes[i]);
		cr_assert_eq(memcmp(message.data, data, sizes[i]), 0);
		fake_drop(1, &message);
	}
	until(stream(0, 3)->deposited == 6, 60000);
	cr_assert(seen_frames > 0 && seen_bulks == 2);
	no_leaks();
}

Test(secured, encrypt_shows_no_plaintext)
{
	send_pattern("encrypt");
	cr_assert_eq(seen_patterns, 0);
}

Test(secured, the_others_show_it)
{
	send_pattern("integrity");
	cr_assert_gt(seen_patterns, 0, "else the test above proves nothing");
}

/* A full pool must not keep payloads from being encrypted. */
Test(secured, a_full_pool_delays_no_encryption)
{
	struct dhow_address target = fake_channel(1, 0, 64);

	start_pair("encrypt");
	fake_nodes[0].blocks_max = 4;
	fake_stream_open(0, 0, &target);
	for (unsigned i = 0; i < 4; i++)
		cr_assert(send_one(0, 0, i, 100000));
	until(count(1, 0) == 4, 60000);
	for (unsigned i = 0; i < 4; i++)
		expect(1, 0, i, 100000);
	no_leaks();
}

/* --- repeated --- */

static struct { size_t bytes; uint8_t data[65536]; } kept[64];
static unsigned kept_count;

static void keep(enum fabric_mem_what what, void *data, size_t bytes)
{
	if (what == FABRIC_MEM_BULK || kept_count == 64)
		return;
	kept[kept_count].bytes = bytes;
	memcpy(kept[kept_count++].data, data, bytes);
}

/* Return: the first kept frame of @kind, or hello (0), at or behind @from. */
static unsigned find_kept(unsigned kind, unsigned from)
{
	for (unsigned i = from; i < kept_count; i++)
		if (kind ? kept[i].data[3] == 'F' && kept[i].data[5] == kind :
			   kept[i].data[3] == 'H')
			return i;
	cr_assert_fail("no frame of kind %u", kind);
	return 0;
}

static void repeated_frames(const char *security)
{
	struct dhow_address target = fake_channel(1, 0, 64);
	struct agent_link *link;
	struct fabric_peer *peer;

	start_pair(security);
	kept_count = 0;
	fabric_mem_tap(agents[0]->fabric, keep);
	fake_stream_open(0, 0, &target);
	for (unsigned i = 0; i < 4; i++)
		cr_assert(send_one(0, 0, i, i == 2 ? 100000 : 40));
	until(stream(0, 0)->deposited == 4, 60000);
	link = &agents[1]->links[0];
	peer = link->conn->peer;
	fake_enter(1);
	for (unsigned i = 0; i < kept_count; i++)
		if (kept[i].data[3] == 'F' && kept[i].data[5] != AGENT_OFFER)
			agent_conn_frame(agents[1], peer, kept[i].data, kept[i].bytes);
	cr_assert(link->conn && link->conn->peer == peer, "a repeated frame harms nobody");
	cr_assert_gt(link->counters.repeated, 1);
	cr_assert_eq(link->counters.duplicates, 0, "it is refused before it is looked at");
	run_for(20);
	cr_assert_eq(count(1, 0), 4);
	for (unsigned i = 0; i < 4; i++)
		expect(1, 0, i, i == 2 ? 100000 : 40);
	no_leaks();
}
EACH_LEVEL(secured, repeated_frames)

/* Frames of an old connection are worth nothing on a new one. */
static void frames_of_an_old_session(const char *security)
{
	struct dhow_address target = fake_channel(1, 0, 64);
	struct agent_link *link;
	unsigned old;

	start_pair(security);
	kept_count = 0;
	fabric_mem_tap(agents[0]->fabric, keep);
	fake_stream_open(0, 0, &target);
	cr_assert(send_one(0, 0, 0, 40));
	until(stream(0, 0)->deposited == 1, 60000);
	old = find_kept(AGENT_DATA, 0);
	fabric_mem_cut(agents[0]->links[1].conn->peer);
	cr_assert(send_one(0, 0, 1, 40));
	until(stream(0, 0)->deposited == 2, 60000);
	link = &agents[1]->links[0];
	fake_enter(1);
	agent_conn_frame(agents[1], link->conn->peer, kept[old].data, kept[old].bytes);
	cr_assert_null(link->conn);
	cr_assert_eq(link->counters.damaged, 1);
	cr_assert(send_one(0, 0, 2, 40));
	until(stream(0, 0)->deposited == 3, 60000);
	for (unsigned i = 0; i < 3; i++)
		expect(1, 0, i, 40);
	no_leaks();
}
EACH_LEVEL(secured, frames_of_an_old_session)

/* --- handshakes --- */

static void other_levels(unsigned a, unsigned b)
{
	struct dhow_address target = fake_channel(1, 0, 64);
	char line[128];

	snprintf(line, sizeof(line), "node 0: a handshake was refused: its links have security %s,"
		 " ours %s;", names[a], names[b]);
	log_begin();
	start_secured(0, names[a]);
	start_secured(1, names[b]);
	fake_stream_open(0, 0, &target);
	cr_assert(send_one(0, 0, 0, 40));
	run_for(400);		/* it is tried again, and said once */
	cr_assert_eq(log_end(line), 1);
	cr_assert_eq(count(1, 0), 0);
	cr_assert_eq(agents[0]->links[1].counters.connections, 0);
	cr_assert_eq(agents[1]->links[0].counters.connections, 0);
	cr_assert_eq(agents[1]->handshakes, 0);
	no_leaks();
}

Test(secured, mac_to_encrypt_is_refused)
{
	other_levels(0, 2);
}

Test(secured, encrypt_to_mac_is_refused)
{
	other_levels(2, 0);
}

Test(secured, integrity_to_encrypt_is_refused)
{
	other_levels(1, 2);
}

/* The level in a hello is under its tag: somebody in between cannot lower it. */
static void lower(enum fabric_mem_what what, void *data, size_t bytes)
{
	uint8_t *at = data;

	if (what == FABRIC_MEM_FRAME && bytes == AGENT_HELLO_BYTES && at[3] == 'H')
		at[28] = 0;
}

Test(secured, a_lowered_hello_is_refused)
{
	struct dhow_address target = fake_channel(1, 0, 64);

	log_begin();
	start_secured(0, "encrypt");
	start_secured(1, "mac");
	fabric_mem_tap(agents[0]->fabric, lower);
	fake_stream_open(0, 0, &target);
	cr_assert(send_one(0, 0, 0, 40));
	run_for(300);
	cr_assert_gt(log_end("a handshake was refused: wrong secret"), 0);
	cr_assert_eq(agents[1]->links[0].counters.connections, 0);
	cr_assert_eq(agents[0]->links[1].counters.connections, 0);
	no_leaks();
}

static void say_again(struct fabric_peer *peer, unsigned index)
{
	void *slot = fabric_mem.slot(agents[0]->fabric);

	cr_assert_not_null(slot);
	memcpy(slot, kept[index].data, kept[index].bytes);
	fabric_mem.frame(peer, slot, kept[index].bytes);
}

/* A connection to node 1 that begins with what was kept. */
static struct fabric_peer *replay(unsigned index)
{
	struct fabric_peer *peer;

	fabric_mem.peer_add(agents[0]->fabric, fake_nodes[1].self.address,
			    fake_nodes[1].self.bytes, NULL, &peer);
	say_again(peer, index);
	return peer;
}

Test(secured, a_replayed_hello_opens_nothing)
{
	struct dhow_address target = fake_channel(1, 0, 64);
	struct fabric_peer *peer;
	unsigned hello, data;

	start_pair("encrypt");
	kept_count = 0;
	fabric_mem_tap(agents[0]->fabric, keep);
	fake_stream_open(0, 0, &target);
	cr_assert(send_one(0, 0, 0, 40));
	until(stream(0, 0)->deposited == 1, 60000);
	fabric_mem_tap(agents[0]->fabric, NULL);
	hello = find_kept(0, 0);
	data = find_kept(AGENT_DATA, 0);
	/* the same bytes by a connection of their own, and the frames behind them */
	peer = replay(hello);
	log_begin();
	run_for(30);
	cr_assert_eq(agents[1]->handshakes, 1);
	say_again(peer, data);
	run_for(30);
	cr_assert_eq(log_end("a handshake was refused: a frame with a wrong seal"), 1);
	cr_assert_eq(agents[1]->handshakes, 0);
	cr_assert_eq(agents[1]->links[0].counters.connections, 1, "the good one is undisturbed");
	cr_assert(send_one(0, 0, 1, 40));
	until(stream(0, 0)->deposited == 2, 60000);
	expect(1, 0, 0, 40);
	expect(1, 0, 1, 40);
	fabric_mem.peer_del(peer);
	no_leaks();
}

/* Once: connected, idle. Then whoever kept an old hello does what he can. */
static unsigned idle_pair(void)
{
	struct dhow_address target = fake_channel(1, 0, 64);

	start_pair("integrity");
	kept_count = 0;
	fabric_mem_tap(agents[0]->fabric, keep);
	fake_stream_open(0, 0, &target);
	cr_assert(send_one(0, 0, 0, 40));
	until(stream(0, 0)->deposited == 1, 60000);
	fabric_mem_tap(agents[0]->fabric, NULL);
	expect(1, 0, 0, 40);
	return find_kept(0, 0);
}

Test(secured, replayed_hellos_kill_no_link)
{
	unsigned hello = idle_pair(), data = find_kept(AGENT_DATA, 0);

	for (int i = 0; i < 2 * AGENT_FAULTS_MAX; i++) {
		struct fabric_peer *peer = replay(hello);

		run_for(3);
		say_again(peer, data);
		run_for(3);
		fabric_mem.peer_del(peer);
	}
	cr_assert_not(fake_nodes[1].dead[0]);
	cr_assert_eq(agents[1]->links[0].counters.connections, 1);
	cr_assert_eq(agents[1]->links[0].counters.damaged, 0);
	no_leaks();
}

Test(secured, replayed_hellos_keep_no_link_down)
{
	unsigned hello = idle_pair();
	struct dhow_address back = fake_channel(0, 0, 64);
	uint64_t end = base_now_ns() + 60000 * BASE_MS;
	struct fabric_peer *peer = NULL;

	/* only node 1 has something to say, and it hears old hellos of node 0 all the time */
	fake_stream_open(1, 0, &back);
	fabric_mem_cut(agents[1]->links[0].conn->peer);
	cr_assert(send_one(1, 0, 7, 40));
	while (count(0, 0) == 0 && base_now_ns() < end) {
		struct fabric_peer *before = peer;

		/* it waits to be called */
		agents[0]->links[1].retry_ns = 2 * end;
		peer = replay(hello);
		for (int i = 0; i < 50; i++)
			turn();
		if (before)
			fabric_mem.peer_del(before);
	}
	cr_assert_eq(count(0, 0), 1);
	fabric_mem.peer_del(peer);
	expect(0, 0, 7, 40);
	no_leaks();
}

static unsigned ops_done;
static void op_done(struct fabric_op *op, enum fabric_status status)
{
	(void)op, (void)status;
	ops_done++;
}

/* A node that has the secret and lies: ten bytes on offer, 2^40 announced. */
Test(secured, an_offer_of_more_than_there_is_is_refused)
{
	uint8_t text[AGENT_HEADER_BYTES + AGENT_RECORD_BYTES], body[AGENT_RECORD_BYTES];
	struct agent_record record = { .kind = AGENT_MESSAGE_BULK, .generation = 9, .number = 1 };
	struct agent_header header = { .kind = AGENT_OFFER };
	struct fabric_op op = { .done = op_done };
	struct agent_conn *conn;

	idle_pair();
	conn = agents[0]->links[1].conn;
	header.epoch = agents[0]->epoch;
	record.total = UINT64_C(1) << 40;
	header.bytes = (uint32_t)agent_record_encode(&record, body, sizeof(body));
	agent_seal_frame(&conn->seal, &header, body, text);
	cr_assert_eq(fabric_mem.bulk(conn->peer, text, AGENT_HEADER_BYTES + header.bytes,
				     agents[0]->memory, 0, 10, &op), FABRIC_OK);
	until(agents[1]->links[0].counters.damaged == 1, 60000);
	until(ops_done == 1, 60000);
	cr_assert_eq(fake_blocks_used(&fake_nodes[1]), 0);
	cr_assert_eq(agents[1]->fetching, 0);
	no_leaks();
}
