/* SPDX-License-Identifier: MIT */
/*
 * node_fuzz.c - what a process may say to its node's service: any requests, any descriptors.
 *
 * An input is a list of records: operation, descriptor that goes along, value, length of a name,
 * the name. One client sends them and goes; the service lives, has no more descriptors than
 * before, and answers another client.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <dhow/node.h>

#include "base/fd.h"
#include "base/log.h"
#include "mutate.h"
#include "src/protocol.h"
#include "src/segment.h"

enum { RECORD = 4, RECORDS_MAX = 16, POOL_BYTES = 64 * 1024, ID = 77 };
/* What goes along with a request. */
enum { NOTHING, A_SEGMENT, A_FILE, NO_FILE, KINDS };
/* Bits of a record's second byte, beside the kind. */
enum { OTHER_VERSION = 1 << 6, TOO_SHORT = 1 << 7 };

static const struct {
	const char *bytes;
	size_t size;
} seeds[] = {
#define SEED(text) { text, sizeof(text) - 1 }
	SEED("\2\0\0\0" "\10\0\5\4name" "\11\0\5\4name" "\12\0\0\4name"),
	SEED("\2\0\0\0" "\5\1\115\0" "\6\0\115\0" "\7\0\115\0" "\15\0\0\0"),
	SEED("\3\0\0\0" "\4\0\0\3tcp" "\13\0\1\3why" "\14\0\1\0"),
	SEED("\5\2\0\0" "\5\3\0\0" "\1\2\0\0" "\11\0\377\5other"),
	SEED("\2\0\0\0" "\5\2\0\0" "\6\0\116\0"),
	SEED("\2\100\0\0"),
	SEED("\2\200\0\0"),
#undef SEED
};
enum { SEEDS = sizeof(seeds) / sizeof(*seeds) };

static struct dhow_node_service *service;
static int door, segment_fd, file;

static void on_request(void *arg, uint32_t to, const struct dhow_name_request *request)
{
	const struct dhow_name_answer answer = { .ticket = request->ticket, .rc = -ENOENT };

	(void)arg;
	FUZZ_CHECK(to < 2 && memchr(request->name, 0, sizeof(request->name)));
	FUZZ_CHECK(memchr(request->address, 0, sizeof(request->address)));
	dhow_node_name_answer(service, &answer);
}

static void on_answer(void *arg, uint32_t to, const struct dhow_name_answer *answer)
{
	(void)arg, (void)answer;
	FUZZ_CHECK(to < 2);
}

static void on_up(void *arg, const struct dhow_node_peer *self)
{
	(void)arg;
	FUZZ_CHECK(self->node == 0 && self->bytes <= sizeof(self->address));
}

static void on_down(void *arg)
{
	(void)arg;
}

static void on_why(void *arg, uint32_t node, const char *why)
{
	(void)arg, (void)node;
	FUZZ_CHECK(!why || strlen(why) < sizeof(((struct node_request *)0)->name));
}

/* The file is a segment as good as the other, but whoever sent it can take its memory away. */
static void grow(void)
{
	struct shm_segment header;

	FUZZ_CHECK(pread(segment_fd, &header, sizeof(header), 0) == sizeof(header));
	header.segment++;
	FUZZ_CHECK(ftruncate(file, (off_t)header.total_bytes) == 0);
	FUZZ_CHECK(pwrite(file, &header, sizeof(header), 0) == sizeof(header));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct dhow_node_hooks hooks = { NULL, on_request, on_answer, on_up, on_down,
					       on_why, on_why };
	const struct dhow_node_options options = { .job = 7, .nodes = 2, .pool_bytes = 1 << 20 };
	const struct segment_options pool = { .job = 7, .nodes = 2, .segment = ID,
					      .pool_bytes = POOL_BYTES };
	struct base_err err;

	(void)argc, (void)argv;
	base_log_set_level(BASE_LOG_ERROR);
	FUZZ_CHECK(dhow_node_create(&options, &hooks, &service) == 0);
	FUZZ_CHECK(dhow_node_door(service, &door) == 0);
	dhow_node_expect_agent(service, getpid());
	FUZZ_CHECK(segment_create(&pool, &segment_fd, &err) == 0);
	file = memfd_create("fuzz", MFD_CLOEXEC);
	FUZZ_CHECK(file >= 0);
	grow();
	return 0;
}

size_t fuzz_seed(unsigned index, uint8_t *at)
{
	if (index >= SEEDS)
		return 0;
	memcpy(at, seeds[index].bytes, seeds[index].size);
	return seeds[index].size;
}

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	FUZZ_CHECK(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* A step takes what one descriptor has; the limit is for a service that finds no end. */
static void turn(void)
{
	for (int i = 0; i < 8; i++)
		dhow_node_step(service);
}

static int come_in(void)
{
	const struct node_request request = { .protocol = NODE_PROTOCOL, .op = NODE_DOOR };
	int pair[2];

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	FUZZ_CHECK(base_fd_set_nonblocking(pair[0], 1) == 0);
	FUZZ_CHECK(base_fd_send(door, &request, sizeof(request), &pair[1], 1, 1) == 0);
	close(pair[1]);
	turn();
	return pair[0];
}

/* Take all answers. Return: how many. */
static unsigned hear(int client)
{
	int fds[BASE_FD_PASS_MAX], count = 0;
	struct node_reply reply;
	unsigned heard = 0;

	for (; base_fd_recv(client, &reply, sizeof(reply), fds, &count, NULL) > 0; heard++) {
		FUZZ_CHECK(reply.protocol == NODE_PROTOCOL);
		FUZZ_CHECK(memchr(reply.why, 0, sizeof(reply.why)));
		for (int i = 0; i < count; i++)
			close(fds[i]);
		count = 0;
	}
	return heard;
}

static size_t say(int client, const uint8_t *data, size_t bytes, uint32_t serial)
{
	const int along[KINDS] = { [A_SEGMENT] = segment_fd, [A_FILE] = file, [NO_FILE] = door };
	struct node_request request = { .protocol = NODE_PROTOCOL, .op = data[0] % 16,
					.serial = serial, .value = data[2] };
	unsigned kind = data[1] % KINDS;
	size_t used = RECORD + data[3], size = sizeof(request);

	if (used > bytes)
		used = bytes;
	if (request.value == 255)
		request.value = UINT64_MAX;
	if (data[1] & OTHER_VERSION)
		request.protocol++;
	if (data[1] & TOO_SHORT)
		size = data[2];
	/* Without a zero at their ends if it is long enough. */
	memset(request.address, 'a', used > 64 ? sizeof(request.address) : 8);
	memset(request.name, 'n', used > 200 ? sizeof(request.name) : 0);
	memcpy(request.name, data + RECORD,
	       used - RECORD < sizeof(request.name) ? used - RECORD : sizeof(request.name));
	request.peer.bytes = (uint32_t)used * 8;
	base_fd_send(client, &request, size, &along[kind], kind != NOTHING, 0);
	return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct node_request hello = { .protocol = NODE_PROTOCOL, .op = NODE_HELLO, .serial = 1 };
	unsigned before = count_fds();
	int client = come_in();

	for (uint32_t i = 0; i < RECORDS_MAX && bytes >= RECORD; i++) {
		size_t used = say(client, data, bytes, i + 1);

		data += used;
		bytes -= used;
		turn();
		hear(client);
	}
	FUZZ_CHECK(ftruncate(file, 0) == 0);
	close(client);
	turn();
	grow();
	client = come_in();
	FUZZ_CHECK(base_fd_send(client, &hello, sizeof(hello), NULL, 0, 0) == 0);
	turn();
	FUZZ_CHECK(hear(client) == 1);
	close(client);
	turn();
	FUZZ_CHECK(count_fds() == before);
	return 0;
}
