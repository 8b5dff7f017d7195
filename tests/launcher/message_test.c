/* SPDX-License-Identifier: MIT */
/* message_test.c - what is encoded comes back; what is damaged is refused and never overruns. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/boot.h"
#include "proto/boot_file.h"
#include "proto/message.h"

TestSuite(message, .timeout = 200);

/* A frame in an allocation of its exact size, so that a sanitizer sees any overrun. */
static int decode_copy(const uint8_t *data, size_t bytes, struct launch_message *ret_message,
		       uint8_t **ret_copy)
{
	*ret_copy = malloc(bytes ? bytes : 1);
	memcpy(*ret_copy, data, bytes);
	return launch_message_decode(*ret_copy, bytes, ret_message);
}

/* What a start message is made of. */
struct parts {
	struct launch_writer argv, env, settings, apps, ranges, extras;
};

static void make_start(struct launch_message *message, struct parts *parts)
{
	char *words[] = { (char[]){ "app" }, (char[]){ "" }, (char[]){ "two words" }, NULL };
	char *vars[] = { (char[]){ "A=1" }, (char[]){ "B=" }, NULL };
	char *settings[] = { (char[]){ "cpu-bind=core" }, NULL };
	struct launch_start_app app = { .wdir = "/tmp/dir" };
	const struct launch_start_range ranges[] = { { 0, 3, 0, 0 }, { 3, 2, 1, 1 } };
	const struct launch_start_extra extra = { 4, LAUNCH_EXTRA_ENV, "C=3" };
	struct launch_start *start = &message->start;

	memset(message, 0, sizeof(*message));
	memset(parts, 0, sizeof(*parts));
	message->type = LAUNCH_START;
	cr_assert_eq(launch_strings_pack(words, &parts->argv, &app.argv), 0);
	cr_assert_eq(launch_strings_pack(vars, &parts->env, &app.env), 0);
	cr_assert_eq(launch_strings_pack(settings, &parts->settings, &start->settings), 0);
	launch_app_add(&parts->apps, &app);
	launch_app_add(&parts->apps, &app);
	launch_range_add(&parts->ranges, &ranges[0]);
	launch_range_add(&parts->ranges, &ranges[1]);
	launch_extra_add(&parts->extras, &extra);
	start->apps.count = start->ranges.count = 2;
	start->extras.count = 1;
	start->apps.data = parts->apps.data;
	start->apps.bytes = (uint32_t)parts->apps.used;
	start->ranges.data = parts->ranges.data;
	start->ranges.bytes = (uint32_t)parts->ranges.used;
	start->extras.data = parts->extras.data;
	start->extras.bytes = (uint32_t)parts->extras.used;
	start->run = 9;
	start->size = 5;
	start->nodes = 2;
	start->umask = 022;
	start->output[1].to = LAUNCH_OUTPUT_FILE;
	strcpy(start->output[1].path, "/tmp/err");
}

static void free_parts(struct parts *parts)
{
	launch_writer_fini(&parts->argv);
	launch_writer_fini(&parts->env);
	launch_writer_fini(&parts->settings);
	launch_writer_fini(&parts->apps);
	launch_writer_fini(&parts->ranges);
	launch_writer_fini(&parts->extras);
}

Test(message, start_comes_back)
{
	struct launch_writer frame = { 0 };
	struct launch_message sent, got;
	struct launch_start_app app;
	struct launch_start_range range;
	struct launch_start_extra extra;
	const uint8_t *at = NULL;
	struct parts parts;
	char **words;

	make_start(&sent, &parts);
	cr_assert_eq(launch_message_encode(&sent, &frame), 0);
	cr_assert_eq(launch_message_decode(frame.data, frame.used, &got), 0);
	cr_expect_eq(got.type, LAUNCH_START);
	cr_expect_eq(got.start.run, 9);
	cr_expect_eq(got.start.size, 5);
	cr_expect_eq(got.start.umask, 022);
	cr_expect_str_eq(got.start.output[1].path, "/tmp/err");
	cr_expect_str_eq(got.start.settings.data, "cpu-bind=core");
	cr_assert(launch_app_next(&got.start, &at, &app));
	cr_expect_str_eq(app.wdir, "/tmp/dir");
	words = launch_strings_unpack(&app.argv, 0);
	cr_assert_eq(app.argv.count, 3);
	cr_expect_str_eq(words[0], "app");
	cr_expect_str_eq(words[1], "");
	cr_expect_str_eq(words[2], "two words");
	cr_expect_null(words[3]);
	free(words);
	cr_assert(launch_app_next(&got.start, &at, &app));
	cr_assert_not(launch_app_next(&got.start, &at, &app));
	at = NULL;
	cr_assert(launch_range_next(&got.start, &at, &range));
	cr_assert(launch_range_next(&got.start, &at, &range));
	cr_expect_eq(range.first, 3);
	cr_expect_eq(range.app, 1);
	cr_assert_not(launch_range_next(&got.start, &at, &range));
	at = NULL;
	cr_assert(launch_extra_next(&got.start, &at, &extra));
	cr_expect_eq(extra.rank, 4);
	cr_expect_str_eq(extra.text, "C=3");
	cr_assert_not(launch_extra_next(&got.start, &at, &extra));
	free_parts(&parts);
	launch_writer_fini(&frame);
}

/* Return: of launch_message_decode(). */
static int start_again(struct launch_message *sent)
{
	struct launch_writer frame = { 0 };
	struct launch_message got;
	int rc;

	cr_assert_eq(launch_message_encode(sent, &frame), 0);
	rc = launch_message_decode(frame.data, frame.used, &got);
	launch_writer_fini(&frame);
	return rc;
}

Test(message, a_start_that_does_not_hang_together_is_refused)
{
	struct launch_message sent;
	struct parts parts;

	make_start(&sent, &parts);
	cr_expect_eq(start_again(&sent), 0);
	sent.start.size = 6;
	cr_expect_eq(start_again(&sent), -EBADMSG, "a rank without a place");
	sent.start.size = 4;
	cr_expect_eq(start_again(&sent), -EBADMSG, "a place without a rank");
	sent.start.size = 5;
	sent.start.apps.count = 1;
	cr_expect_eq(start_again(&sent), -EBADMSG, "more apps than said");
	sent.start.apps.count = 2;
	sent.start.run = 0;
	cr_expect_eq(start_again(&sent), -EBADMSG, "no run");
	free_parts(&parts);
}

Test(message, entries_come_back)
{
	const struct launch_entry first = { 1, 77, 0, 3 }, second = { 2, 0, 9, 0 };
	struct launch_message sent = { .type = LAUNCH_EXITED }, got;
	struct launch_writer list = { 0 }, frame = { 0 };
	const uint8_t *at = NULL;
	struct launch_entry entry;

	launch_entry_add(&list, &first);
	launch_entry_add(&list, &second);
	sent.entries.run = 1;
	sent.entries.count = 2;
	sent.entries.bytes = (uint32_t)list.used;
	sent.entries.data = list.data;
	cr_assert_eq(launch_message_encode(&sent, &frame), 0);
	cr_assert_eq(launch_message_decode(frame.data, frame.used, &got), 0);
	cr_assert(launch_entry_next(&got, &at, &entry));
	cr_expect_eq(entry.code, 3);
	cr_assert(launch_entry_next(&got, &at, &entry));
	cr_expect_eq(entry.rank, 2);
	cr_expect_eq(entry.signal, 9);
	cr_assert_not(launch_entry_next(&got, &at, &entry));
	launch_writer_fini(&frame);
	sent.entries.count = 3;
	cr_assert_eq(launch_message_encode(&sent, &frame), 0);
	cr_expect_eq(launch_message_decode(frame.data, frame.used, &got), -EBADMSG, "one too few");
	launch_writer_fini(&frame);
	launch_writer_fini(&list);
}

Test(message, names_and_peers_come_back)
{
	struct launch_message sent = { .type = LAUNCH_NAME_REQUEST }, got;
	struct dhow_node_peer peer = { .node = 2, .bytes = 3, .address = "abc" }, found;
	struct launch_writer frame = { 0 }, list = { 0 };
	const uint8_t *at;

	sent.name_request.to = 3;
	sent.name_request.request.op = DHOW_NAME_GET;
	sent.name_request.request.ticket = UINT64_MAX - 1;
	sent.name_request.request.wait_ms = 5;
	strcpy(sent.name_request.request.name, "results");
	cr_assert_eq(launch_message_encode(&sent, &frame), 0);
	cr_assert_eq(launch_message_decode(frame.data, frame.used, &got), 0);
	cr_expect_eq(got.name_request.request.ticket, UINT64_MAX - 1);
	cr_expect_str_eq(got.name_request.request.name, "results");
	launch_writer_fini(&frame);

	launch_peers_add(&list, &peer);
	sent = (struct launch_message){ .type = LAUNCH_PEERS };
	sent.peers.count = 1;
	sent.peers.entries = list.data;
	sent.peers.end = list.data + list.used;
	cr_assert_eq(launch_message_encode(&sent, &frame), 0);
	cr_assert_eq(launch_message_decode(frame.data, frame.used, &got), 0);
	at = got.peers.entries;
	cr_assert_eq(launch_peers_next(&at, got.peers.end, &found), 1);
	cr_expect_eq(found.node, 2);
	cr_expect_arr_eq(found.address, "abc", 3);
	cr_expect_eq(launch_peers_next(&at, got.peers.end, &found), 0);
	launch_writer_fini(&frame);
	launch_writer_fini(&list);
}

Test(message, fences_and_requests_come_back)
{
	struct launch_message sent = { .type = LAUNCH_FENCE }, got;
	struct launch_writer frame = { 0 };

	sent.fence.run = 3;
	sent.fence.count = 1;
	sent.fence.data = "bytes";
	sent.fence.bytes = 5;
	strcpy(sent.fence.key, "all/1");
	cr_assert_eq(launch_message_encode(&sent, &frame), 0);
	cr_assert_eq(launch_message_decode(frame.data, frame.used, &got), 0);
	cr_expect_eq(got.fence.run, 3);
	cr_expect_str_eq(got.fence.key, "all/1");
	cr_assert_eq(got.fence.bytes, 5);
	cr_expect_arr_eq(got.fence.data, "bytes", 5);
	launch_writer_fini(&frame);

	sent = (struct launch_message){ .type = LAUNCH_MODEX_ANSWER };
	sent.modex_answer.run = 1;
	sent.modex_answer.to = 7;
	sent.modex_answer.rc = -ENOENT;
	sent.modex_answer.ticket = UINT64_MAX;
	cr_assert_eq(launch_message_encode(&sent, &frame), 0);
	cr_assert_eq(launch_message_decode(frame.data, frame.used, &got), 0);
	cr_expect_eq(got.modex_answer.to, 7);
	cr_expect_eq(got.modex_answer.rc, -ENOENT);
	cr_expect_eq(got.modex_answer.ticket, UINT64_MAX);
	launch_writer_fini(&frame);

	sent = (struct launch_message){ .type = LAUNCH_FENCE };
	sent.fence.run = sent.fence.count = 1;
	cr_assert_eq(launch_message_encode(&sent, &frame), 0);
	cr_expect_eq(launch_message_decode(frame.data, frame.used, &got), -EBADMSG, "no key");
	launch_writer_fini(&frame);
}

Test(message, every_truncation_is_refused)
{
	struct launch_writer frame = { 0 };
	struct launch_message sent, got;
	struct parts parts;
	uint8_t *copy;

	make_start(&sent, &parts);
	cr_assert_eq(launch_message_encode(&sent, &frame), 0);
	for (size_t bytes = 0; bytes < frame.used; bytes++) {
		cr_expect_eq(decode_copy(frame.data, bytes, &got, &copy), -EBADMSG, "%zu bytes",
			     bytes);
		free(copy);
	}
	launch_put_u8(&frame, 0);
	cr_expect_eq(launch_message_decode(frame.data, frame.used, &got), -EBADMSG, "surplus");
	free_parts(&parts);
	launch_writer_fini(&frame);
}

Test(message, another_version_is_told_apart)
{
	struct launch_message sent = { .type = LAUNCH_LEAVE }, got;
	struct launch_writer frame = { 0 };

	cr_assert_eq(launch_message_encode(&sent, &frame), 0);
	frame.data[4]++;
	cr_expect_eq(launch_message_decode(frame.data, frame.used, &got), -EPROTO);
	frame.data[4]--;
	frame.data[6] = 0xff;
	cr_expect_eq(launch_message_decode(frame.data, frame.used, &got), -EBADMSG);
	launch_writer_fini(&frame);
}

/* Random damage in every type: refused or decoded, never read beyond the frame. */
Test(message, damage_never_overruns)
{
	struct launch_writer frame = { 0 };
	struct launch_message sent, got;
	struct parts parts;
	unsigned seed = 12345;

	make_start(&sent, &parts);
	cr_assert_eq(launch_message_encode(&sent, &frame), 0);
	for (int turn = 0; turn < 200000; turn++) {
		size_t bytes = 8 + (size_t)rand_r(&seed) % (frame.used - 7);
		uint8_t *copy = malloc(bytes);

		memcpy(copy, frame.data, bytes);
		copy[6] = (uint8_t)(rand_r(&seed) % (LAUNCH_TYPES + 1));
		for (int hits = 0; hits < 3 && bytes > 8; hits++)
			copy[8 + (size_t)rand_r(&seed) % (bytes - 8)] = (uint8_t)rand_r(&seed);
		if (launch_message_decode(copy, bytes, &got) == 0 && got.type == LAUNCH_START) {
			struct launch_start_app app;
			const uint8_t *at = NULL;

			while (launch_app_next(&got.start, &at, &app)) {
				char **words = launch_strings_unpack(&app.argv, 0);

				cr_assert(words[app.argv.count] == NULL);
				free(words);
			}
		}
		free(copy);
	}
	free_parts(&parts);
	launch_writer_fini(&frame);
}

Test(message, strings_without_an_end_are_refused)
{
	struct launch_message sent = { .type = LAUNCH_FAIL }, got;
	struct launch_writer frame = { 0 };

	sent.fail.code = 125;
	strcpy(sent.fail.text, "broken");
	cr_assert_eq(launch_message_encode(&sent, &frame), 0);
	cr_assert_eq(launch_message_decode(frame.data, frame.used, &got), 0);
	cr_expect_str_eq(got.fail.text, "broken");
	frame.data[frame.used - 2] = 0;		/* a zero inside the text */
	cr_expect_eq(launch_message_decode(frame.data, frame.used, &got), -EBADMSG);
	launch_writer_fini(&frame);
}

Test(message, boot_comes_back_and_damage_is_refused)
{
	static char names[] = "nid1.hsn.site\0nid2\0nid3.hsn.site\0";
	static struct launch_boot sent, got;
	struct launch_writer frame = { 0 };

	sent.job = 7;
	sent.nodes = 3;
	sent.fanout = 32;
	sent.bind_rule = LAUNCH_BIND_ROUTE;
	sent.names = names;
	sent.names_bytes = sizeof(names) - 1;
	sent.pool_bytes = UINT64_C(1) << 40;
	memset(sent.secret, 0x5a, sizeof(sent.secret));
	strcpy(sent.tag, "0123456789abcdef0123456789abcdef");
	strcpy(sent.endpoint, "tcp://127.0.0.1:1");
	strcpy(sent.provider, "tcp;ofi_rxm");
	strcpy(sent.nic, "cxi0");
	cr_assert_eq(launch_boot_encode(&sent, &frame), 0);
	cr_assert_eq(launch_boot_decode(frame.data, frame.used, &got), 0);
	cr_expect_eq(got.pool_bytes, UINT64_C(1) << 40);
	cr_expect_arr_eq(got.secret, sent.secret, sizeof(sent.secret));
	cr_expect_str_eq(got.endpoint, sent.endpoint);
	cr_expect_str_eq(got.provider, sent.provider);
	cr_expect_str_eq(got.nic, sent.nic);
	cr_expect_eq(launch_boot_find(&got, "nid2"), 1);
	cr_expect_eq(launch_boot_find(&got, "nid3"), 2, "short for long");
	cr_expect_eq(launch_boot_find(&got, "nid2.hsn.site"), 1, "long for short");
	cr_expect_eq(launch_boot_find(&got, "nid"), -1);
	cr_expect_eq(launch_boot_find(&got, "nid4"), -1);
	free(got.names);
	for (size_t bytes = 0; bytes < frame.used; bytes++) {
		uint8_t *copy = malloc(bytes ? bytes : 1);

		memcpy(copy, frame.data, bytes);
		cr_expect_eq(launch_boot_decode(copy, bytes, &got), -EBADMSG);
		free(copy);
	}
	sent.nodes = 2;		/* the table has three */
	frame.used = 0;
	cr_assert_eq(launch_boot_encode(&sent, &frame), 0);
	cr_expect_eq(launch_boot_decode(frame.data, frame.used, &got), -EBADMSG);
	launch_writer_fini(&frame);
}

/* Two names that differ behind the dot only: the short one says nothing. */
Test(message, an_ambiguous_name_is_not_found)
{
	static char names[] = "a.x\0a.y\0a\0";
	struct launch_boot boot = { .names = names, .names_bytes = 8 };

	cr_expect_eq(launch_boot_find(&boot, "a"), -1);
	cr_expect_eq(launch_boot_find(&boot, "a.y"), 1);
	boot.names_bytes = sizeof(names) - 1;
	cr_expect_eq(launch_boot_find(&boot, "a"), 2, "exactly one is meant");
}

Test(message, a_large_boot_fits_into_its_pipe)
{
	static struct launch_boot sent, got;
	uint32_t bytes = 4096 * 64;
	int in, lifeline;

	cr_assert_eq(launch_keys_init(NULL), 0);
	sent.nodes = 4096;
	sent.fanout = 32;
	sent.bind_rule = LAUNCH_BIND_ROUTE;
	strcpy(sent.tag, "0123456789abcdef0123456789abcdef");
	sent.names = calloc(1, bytes);
	sent.names_bytes = bytes;
	for (uint32_t at = 0; at < bytes; at += 64)
		memset(sent.names + at, 'a', 63);
	cr_assert_eq(launch_boot_pipe(&sent, &in, &lifeline), 0);
	cr_assert_eq(launch_boot_read(in, 1000, &got, NULL), 0);
	cr_expect_arr_eq(got.names, sent.names, bytes);
	free(got.names);
	free(sent.names);
	close(in);
	close(lifeline);
}

Test(message, a_boot_file_is_for_its_owner_only)
{
	static struct launch_boot sent, got;
	char home[] = "/tmp/boot_fileXXXXXX";
	struct launch_boot_file file = { "", "" };
	struct base_err err = { "" };

	cr_assert_eq(launch_keys_init(NULL), 0);
	cr_assert(mkdtemp(home));
	setenv("DHOW_BOOT_DIR", home, 1);
	sent.nodes = 1;
	sent.fanout = 32;
	sent.bind_rule = LAUNCH_BIND_ROUTE;
	strcpy(sent.tag, "0123456789abcdef0123456789abcdef");
	cr_assert_eq(launch_boot_file_write(&sent, &file, &err), 0, "%s", err.text);
	cr_expect_eq(launch_boot_file_read(file.path, 1000, &got, &err), 0, "%s", err.text);
	cr_expect_str_eq(got.tag, sent.tag);
	cr_expect_eq(launch_boot_file_write(&sent, &(struct launch_boot_file){ "", "" }, &err),
		     -EEXIST, "a folder that is there is somebody else's");
	chmod(file.path, 0640);
	cr_expect_eq(launch_boot_file_read(file.path, 1000, &got, &err), -EPERM);
	launch_boot_file_forget(file.path);
	cr_expect_eq(rmdir(home), 0, "nothing is left in it");
}
