/* SPDX-License-Identifier: MIT */
/*
 * ping_dragon.c SECONDS - Dragon's channels through their C library, as its fastest use goes:
 * small messages into the receiver's own memory, polled; large ones written into memory of the
 * pool, which is handed over and read out.
 */
#include "ping.h"

#include <dragon/channels.h>
#include <dragon/managed_memory.h>
#include <dragon/return_codes.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COPIED = 4096, POOL = 256 << 20, SPINS = 100000000 };

struct ends {
	dragonMemoryPoolDescr_t pool;
	dragonChannelSendh_t send;
	dragonChannelRecvh_t recv;
	dragonMemoryDescr_t out, in;	/* of COPIED bytes, this process's own */
	dragonMemoryDescr_t part;	/* the first part_bytes of out */
	size_t part_bytes;
	void *out_bytes, *in_bytes;
};

static const timespec_t limit = { .tv_sec = 30 };

static void check(dragonError_t rc, const char *what)
{
	if (rc != DRAGON_SUCCESS)
		ping_fail(what, dragon_getlasterrstr());
}

static void give(void *arg, const void *data, size_t bytes)
{
	struct ends *ends = arg;
	dragonMemoryDescr_t memory, *whose = NULL;
	dragonMessage_t message;
	void *to = ends->out_bytes;

	if (bytes > COPIED) {
		check(dragon_memory_alloc_blocking(&memory, &ends->pool, bytes, &limit), "alloc");
		check(dragon_memory_get_pointer(&memory, &to), "pointer");
		whose = DRAGON_CHANNEL_SEND_TRANSFER_OWNERSHIP;
	} else {
		if (bytes != ends->part_bytes)
			check(dragon_memory_descr_clone(&ends->part, &ends->out, 0, &bytes),
			      "clone");
		ends->part_bytes = bytes;
	}
	memcpy(to, data, bytes);
	check(dragon_channel_message_init(&message, whose ? &memory : &ends->part, NULL),
	      "message");
	check(dragon_chsend_send_msg(&ends->send, &message, whose, &limit), "send");
	check(dragon_channel_message_destroy(&message, false), "message");
}

static void take(void *arg, void *buffer, size_t bytes)
{
	struct ends *ends = arg;
	dragonMemoryDescr_t memory;
	dragonMessage_t message;
	dragonError_t rc;
	void *from = ends->in_bytes;

	check(dragon_channel_message_init(&message, bytes > COPIED ? NULL : &ends->in, NULL),
	      "message");
	for (unsigned spins = 0; ; spins++) {
		rc = dragon_chrecv_get_msg(&ends->recv, &message);
		if (rc != DRAGON_CHANNEL_EMPTY || spins == SPINS)
			break;
		if (spins % 1000 == 999)
			sched_yield();
	}
	check(rc, "receive");
	if (bytes > COPIED) {
		check(dragon_channel_message_get_mem(&message, &memory), "memory");
		check(dragon_memory_get_pointer(&memory, &from), "pointer");
	}
	memcpy(buffer, from, bytes);
	check(dragon_channel_message_destroy(&message, bytes > COPIED), "message");
}

static void open_ends(struct ends *ends, dragonChannelDescr_t *mine, dragonChannelDescr_t *other)
{
	dragonChannelSendAttr_t send;
	dragonChannelRecvAttr_t recv;

	check(dragon_channel_send_attr_init(&send), "attributes");
	check(dragon_channel_recv_attr_init(&recv), "attributes");
	send.wait_mode = recv.wait_mode = DRAGON_SPIN_WAIT;
	check(dragon_channel_sendh(other, &ends->send, &send), "send handle");
	check(dragon_channel_recvh(mine, &ends->recv, &recv), "receive handle");
	check(dragon_chsend_open(&ends->send), "open");
	check(dragon_chrecv_open(&ends->recv), "open");
	check(dragon_memory_alloc(&ends->out, &ends->pool, COPIED), "alloc");
	check(dragon_memory_alloc(&ends->in, &ends->pool, COPIED), "alloc");
	check(dragon_memory_get_pointer(&ends->out, &ends->out_bytes), "pointer");
	check(dragon_memory_get_pointer(&ends->in, &ends->in_bytes), "pointer");
}

int main(int argc, char **argv)
{
	dragonMemoryPoolAttr_t pool_attr;
	dragonChannelDescr_t channels[2];
	dragonChannelSerial_t serial[2];
	dragonChannelAttr_t attr;
	struct ends ends = { .part_bytes = 0 };
	struct ping ping = { .arg = &ends, .send = give, .recv = take };
	char name[32];
	int status = 0;

	snprintf(name, sizeof(name), "dhow-peers-%d", getpid());
	check(dragon_memory_attr_init(&pool_attr), "attributes");
	check(dragon_memory_pool_create(&ends.pool, POOL, name, (dragonM_UID_t)getpid(),
					&pool_attr), "pool");
	check(dragon_channel_attr_init(&attr), "attributes");
	attr.bytes_per_msg_block = COPIED;
	for (int i = 0; i < 2; i++) {
		check(dragon_channel_create(&channels[i], (dragonC_UID_t)(2 * getpid() + i),
					    &ends.pool, &attr), "channel");
		check(dragon_channel_serialize(&channels[i], &serial[i]), "serialize");
	}
	ping.side = fork() == 0;
	ping_pin(ping.side);
	if (ping.side) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 0; i < 2; i++)
			check(dragon_channel_attach(&serial[i], &channels[i]), "attach");
		check(dragon_channel_get_pool(&channels[0], &ends.pool), "pool");
	}
	open_ends(&ends, &channels[ping.side], &channels[!ping.side]);
	ping_run(&ping, argc > 1 ? atof(argv[1]) : 0.2);
	if (ping.side)
		return 0;
	wait(&status);
	check(dragon_memory_pool_destroy(&ends.pool), "pool");
	return status != 0;
}
