/* SPDX-License-Identifier: MIT */
/*
 * message_fuzz.c - what one end of a control link says, and the start message of a daemon.
 *
 * The first byte says which of the two the rest is. What is decoded is read to its end, as its
 * receiver does, and is the same when it is encoded and decoded once more.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "mutate.h"
#include "proto/boot.h"
#include "proto/message.h"

enum { SEEDS_FRAMES = 6, SEEDS = SEEDS_FRAMES + 1 };

/* Lists of a start message are owned by the writers. */
static struct launch_writer argv, env, settings, apps, ranges, extras, entries, peers;
static struct launch_boot *boot;

static void prepare_start(void)
{
	char *words[] = { (char[]){ "app" }, (char[]){ "two words" }, NULL };
	char *vars[] = { (char[]){ "A=1" }, (char[]){ "B=" }, NULL };
	struct launch_start_app app = { .wdir = "/tmp" };
	const struct launch_start_range range = { 0, 3, 0, 0 };
	const struct launch_start_extra cpus = { 2, LAUNCH_EXTRA_CPUS, "0xff00,00000000" };
	struct launch_strings none;

	FUZZ_CHECK(launch_strings_pack(words, &argv, &app.argv) == 0);
	FUZZ_CHECK(launch_strings_pack(vars, &env, &app.env) == 0);
	FUZZ_CHECK(launch_strings_pack(vars, &settings, &none) == 0);
	launch_app_add(&apps, &app);
	launch_range_add(&ranges, &range);
	launch_extra_add(&extras, &cpus);
}

static void make(unsigned index, struct launch_message *message)
{
	memset(message, 0, sizeof(*message));
	switch (index) {
	case 0:
		message->type = LAUNCH_START;
		message->start.run = 9;
		message->start.size = 3;
		message->start.nodes = 1;
		message->start.apps.count = message->start.ranges.count = 1;
		message->start.extras.count = 1;
		message->start.apps.data = apps.data;
		message->start.apps.bytes = (uint32_t)apps.used;
		message->start.ranges.data = ranges.data;
		message->start.ranges.bytes = (uint32_t)ranges.used;
		message->start.extras.data = extras.data;
		message->start.extras.bytes = (uint32_t)extras.used;
		break;
	case 1:
		message->type = LAUNCH_HELLO;
		strcpy(message->hello.endpoint, "tcp://127.0.0.2:77");
		break;
	case 2:
		message->type = LAUNCH_EXITED;
		message->entries.run = message->entries.count = 1;
		message->entries.data = entries.data;
		message->entries.bytes = (uint32_t)entries.used;
		break;
	case 3:
		message->type = LAUNCH_PEERS;
		message->peers.count = 1;
		message->peers.entries = peers.data;
		message->peers.end = peers.data + peers.used;
		break;
	case 4:
		message->type = LAUNCH_OUTPUT;
		message->output.run = 1;
		message->output.bytes = 6;
		message->output.stream = LAUNCH_STDOUT;
		message->output.data = "hello\n";
		break;
	default:
		message->type = LAUNCH_FENCED;
		message->fenced.run = 1;
		strcpy(message->fenced.key, "key");
		message->fenced.bytes = 3;
		message->fenced.data = "abc";
	}
}

size_t fuzz_seed(unsigned index, uint8_t *at)
{
	struct launch_writer writer = { 0 };
	struct launch_message message;
	size_t bytes;

	if (index >= SEEDS)
		return 0;
	at[0] = index < SEEDS_FRAMES;
	if (index < SEEDS_FRAMES) {
		make(index, &message);
		FUZZ_CHECK(launch_message_encode(&message, &writer) == 0);
	} else {
		FUZZ_CHECK(launch_boot_encode(boot, &writer) == 0);
	}
	bytes = writer.used;
	FUZZ_CHECK(bytes < FUZZ_BYTES_MAX);
	memcpy(at + 1, writer.data, bytes);
	launch_writer_fini(&writer);
	return 1 + bytes;
}

static void read_start(const struct launch_start *start)
{
	uint32_t ranks = 0, count = 0;
	struct launch_start_range range;
	struct launch_start_extra extra;
	struct launch_start_app app;

	for (const uint8_t *at = NULL; launch_app_next(start, &at, &app) == 1; count++) {
		char **words = launch_strings_unpack(&app.argv, 1);

		FUZZ_CHECK(words && memchr(app.wdir, 0, sizeof(app.wdir)));
		for (uint32_t i = 0; i < app.argv.count; i++)
			FUZZ_CHECK(strlen(words[i]) < app.argv.bytes);
		free(words);
	}
	FUZZ_CHECK(count == start->apps.count);
	for (const uint8_t *at = NULL; launch_range_next(start, &at, &range) == 1;) {
		FUZZ_CHECK(range.first == ranks && range.app < count);
		ranks += range.count;
	}
	FUZZ_CHECK(ranks == start->size);
	for (const uint8_t *at = NULL; launch_extra_next(start, &at, &extra) == 1;)
		FUZZ_CHECK(extra.rank < ranks && strlen(extra.text) < FUZZ_BYTES_MAX);
}

static void read_lists(const struct launch_message *message)
{
	struct dhow_node_peer peer;
	struct launch_entry entry;
	const uint8_t *at = NULL;

	if (message->type == LAUNCH_START)
		read_start(&message->start);
	if (message->type == LAUNCH_STARTED || message->type == LAUNCH_EXITED)
		while (launch_entry_next(message, &at, &entry) == 1)
			;
	if (message->type == LAUNCH_PEERS) {
		at = message->peers.entries;
		while (launch_peers_next(&at, message->peers.end, &peer) == 1)
			FUZZ_CHECK(peer.bytes <= sizeof(peer.address));
	}
}

static int try_frame(const uint8_t *data, size_t bytes)
{
	struct launch_writer first = { 0 }, second = { 0 };
	struct launch_message message;
	int rc = launch_message_decode(data, bytes, &message);

	FUZZ_CHECK(rc == 0 || rc == -EBADMSG || rc == -EPROTO);
	if (rc < 0)
		return rc;
	FUZZ_CHECK(launch_frame_type(data, bytes) == message.type);
	read_lists(&message);
	FUZZ_CHECK(launch_message_encode(&message, &first) == 0);
	FUZZ_CHECK(launch_message_decode(first.data, first.used, &message) == 0);
	FUZZ_CHECK(launch_message_encode(&message, &second) == 0);
	FUZZ_CHECK(first.used == second.used && !memcmp(first.data, second.data, first.used));
	launch_writer_fini(&first);
	launch_writer_fini(&second);
	return 0;
}

static int try_boot(const uint8_t *data, size_t bytes)
{
	struct launch_boot *got = launch_keys_alloc(sizeof(*got));
	int rc;

	FUZZ_CHECK(got);
	rc = launch_boot_decode(data, bytes, got);
	FUZZ_CHECK(rc == 0 || rc == -EBADMSG);
	if (rc == 0) {
		FUZZ_CHECK(memchr(got->endpoint, 0, sizeof(got->endpoint)));
		FUZZ_CHECK(got->names_bytes == 0 || got->names[got->names_bytes - 1] == 0);
		FUZZ_CHECK(launch_boot_find(got, "c") < (long)got->nodes);
	}
	launch_boot_free(got);
	return rc;
}

static int try(const uint8_t *data, size_t bytes)
{
	return data[0] & 1 ? try_frame(data + 1, bytes - 1) : try_boot(data + 1, bytes - 1);
}

int LLVMFuzzerInitialize(int *argc, char ***arguments)
{
	const struct launch_entry entry = { .rank = 2, .pid = 77, .signal = 9 };
	const struct dhow_node_peer peer = { .node = 1, .bytes = 4, .address = "abc" };
	static char names[] = "a\0b\0c";
	uint8_t at[FUZZ_BYTES_MAX];
	struct base_err err;
	size_t bytes;

	(void)argc, (void)arguments;
	base_log_set_level(BASE_LOG_ERROR);
	FUZZ_CHECK(launch_keys_init(&err) == 0);
	prepare_start();
	launch_entry_add(&entries, &entry);
	launch_peers_add(&peers, &peer);
	boot = launch_keys_alloc(sizeof(*boot));
	FUZZ_CHECK(boot);
	boot->job = 5;
	boot->nodes = 3;
	boot->fanout = 2;
	boot->bind_rule = LAUNCH_BIND_ROUTE;
	memset(boot->tag, 'a', LAUNCH_TAG_BYTES - 1);
	strcpy(boot->endpoint, "tcp://127.0.0.1:4000");
	boot->names = names;
	boot->names_bytes = sizeof(names);
	for (unsigned i = 0; (bytes = fuzz_seed(i, at)) != 0; i++)
		FUZZ_CHECK(try(at, bytes) == 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes >= 1)
		try(data, bytes);
	return 0;
}
