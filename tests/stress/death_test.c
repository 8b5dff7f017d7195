/* SPDX-License-Identifier: MIT */
/*
 * death_test.c - deaths, stops and limits that are no matter of instructions.
 *
 * Times are printed and not judged; every wait has a limit that a healthy run never reaches.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attached.h"
#include "base/clock.h"
#include "src/channel.h"
#include "src/context.h"
#include "src/liveness.h"

enum {
	SHARED_INTS = 16,
#ifdef __SANITIZE_ADDRESS__
	BIG_MIB = 16, ATTACHES = 30, CLIENT_KILLS = 15,
#else
	BIG_MIB = 128, ATTACHES = 500, CLIENT_KILLS = 100,
#endif
};

static char name[64];
static _Atomic int *shared;	/* with our children */

static void start(void)
{
	snprintf(name, sizeof(name), "@dhow-death-%d", (int)getpid());
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ok(dhow_init_at(name, 1 << 20));
}

static void stop(void)
{
	dhow_fini();
	munmap((void *)shared, 4096);
}

TestSuite(death, .init = start, .fini = stop, .timeout = 200);

/* In how many rounds: more with DHOW_LONG in the environment. */
static int rounds(int usual, int full)
{
	return getenv("DHOW_LONG") ? full : usual;
}

/* A child that runs @body attached to our node; it dies with us. */
static pid_t child(void (*body)(struct dhow_channel *channel))
{
	struct dhow_channel *channel;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dhow_init_at(name, 0) < 0 || dhow_channel_open("target", SOON, &channel) < 0)
		_exit(1);
	body(channel);
	_exit(0);
}

static void wait_for_flag(int index)
{
	uint64_t limit = SOON;

	while (!atomic_load(&shared[index])) {
		cr_assert_lt(base_now_ns(), limit, "a child does not come to point %d", index);
		usleep(200);
	}
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- T-A7: the victim has much memory, and a slot ---- */

static void hold_with_much_memory(struct dhow_channel *channel)
{
	size_t bytes = (size_t)rounds(BIG_MIB, 1024) << 20;
	struct dhow_message message;
	char *memory = malloc(bytes);

	if (!memory || dhow_recv_begin(channel, &message, SOON) < 0)
		_exit(2);
	memset(memory, 1, bytes);
	atomic_store(&shared[0], memory[bytes / 2]);
	pause();
}

Test(death, of_a_big_process_gives_its_message_to_another)
{
	struct dhow_channel *channel;
	struct dhow_header header;
	uint64_t begin;
	size_t bytes;
	char data[8];
	pid_t pid;

	assert_ok(dhow_channel_create("target", NULL, &channel));
	assert_ok(dhow_send(channel, "lent", 4, SOON));
	pid = child(hold_with_much_memory);
	wait_for_flag(0);
	begin = base_now_ns();
	kill(pid, SIGKILL);
	assert_ok(dhow_recv(channel, data, sizeof(data), &bytes, &header, SOON));
	printf("big victim: its message came again after %.2f ms\n",
	       (double)(base_now_ns() - begin) / 1e6);
	cr_assert_eq(memcmp(data, "lent", 4), 0);
	waitpid(pid, NULL, 0);
	assert_ok(dhow_channel_destroy(channel));
}

/* ---- T-A8: a stopped writer is not dead ---- */

static void claim_and_stop(struct dhow_channel *channel)
{
	struct shm_slot *slot;
	uint64_t position;

	if (!ring_claim_write(&channel->ring, channel->segment->me, RING_READ, &position))
		_exit(2);
	slot = ring_slot(&channel->ring, position);
	*slot = (struct shm_slot){ .word = slot->word, .user = 77, .bytes = 4, .tag = 4 };
	atomic_store(&shared[0], 1);
	raise(SIGSTOP);		/* in the middle of a send */
	memcpy(slot->payload, "slow", 4);
	ring_publish(&channel->ring, position);
	wait_notify(&channel->ring.shm->wait_in, channel->segment);
	pause();
}

Test(death, is_not_believed_of_a_stopped_writer)
{
	struct dhow_channel *channel;
	struct dhow_header header;
	size_t bytes;
	char data[8];
	pid_t pid;

	assert_ok(dhow_channel_create("target", NULL, &channel));
	pid = child(claim_and_stop);
	wait_for_flag(0);
	/* Others go on, also behind it; a receiver waits for the slot in vain, and nobody takes it
	 * away. */
	for (unsigned i = 0; i < 3; i++) {
		assert_ok(dhow_send(channel, "next", 4, SOON));
		assert_ok(dhow_recv(channel, data, sizeof(data), &bytes, &header,
				    i ? DHOW_TRY : SOON));
		cr_assert_eq(memcmp(data, "next", 4), 0);
	}
	liveness_sweep(channel->segment);
	assert_rc(dhow_recv(channel, data, sizeof(data), &bytes, &header,
			    dhow_in_ms((uint64_t)rounds(300, 5000))), -ETIMEDOUT);
	kill(pid, SIGCONT);
	assert_ok(dhow_recv(channel, data, sizeof(data), &bytes, &header, SOON));
	cr_assert_eq(header.user, 77u);
	cr_assert_eq(memcmp(data, "slow", 4), 0, "the stopped writer's message is damaged");
	end(pid);
	assert_ok(dhow_channel_destroy(channel));
}

/* ---- T-A16: the waker dies between its change and the wake-up ---- */

static void publish_and_die(struct dhow_channel *channel)
{
	struct shm_slot *slot;
	uint64_t position;

	if (!ring_claim_write(&channel->ring, channel->segment->me, RING_READ, &position))
		_exit(2);
	slot = ring_slot(&channel->ring, position);
	*slot = (struct shm_slot){ .word = slot->word, .bytes = 4 };
	memcpy(slot->payload, "news", 4);
	wait_for_flag(0);
	ring_publish(&channel->ring, position);
	atomic_store(&shared[1], 1);
	kill(getpid(), SIGKILL);	/* no wait_notify() */
}

static void receive_asleep(struct dhow_channel *channel)
{
	size_t bytes;
	char data[8];
	int rc;

	dhow_channel_set_wait(channel, DHOW_WAIT_SLEEP);
	rc = dhow_recv(channel, data, sizeof(data), &bytes, NULL, SOON);
	atomic_store(&shared[2], rc == 0 && memcmp(data, "news", 4) == 0 ? 1 : -1);
	pause();
}

Test(death, of_a_sender_before_the_wake_up_leaves_nobody_asleep)
{
	struct dhow_channel *channel;
	pid_t sender, receiver;
	uint64_t begin;

	assert_ok(dhow_channel_create("target", NULL, &channel));
	receiver = child(receive_asleep);
	while (!(atomic_load(&channel->ring.shm->wait_in) & WAIT_SLEEPING))
		usleep(100);
	sender = child(publish_and_die);
	atomic_store(&shared[0], 1);
	wait_for_flag(1);
	begin = base_now_ns();
	wait_for_flag(2);
	printf("lost wake-up: the receiver went on after %.1f ms\n",
	       (double)(base_now_ns() - begin) / 1e6);
	cr_assert_eq(atomic_load(&shared[2]), 1);
	end(receiver);
	end(sender);
	assert_ok(dhow_channel_destroy(channel));
}

/* ---- T-A15: clients come and go ---- */

static unsigned count_entries(const char *path)
{
	DIR *directory = opendir(path);
	unsigned count = 0;

	cr_assert_not_null(directory, "%s: %s", path, strerror(errno));
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static unsigned count_maps(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned count = 0;
	char line[512];

	cr_assert_not_null(file);
	while (fgets(line, sizeof(line), file))
		count += strstr(line, "memfd:dhow") != NULL;
	fclose(file);
	return count;
}

/* Our descriptors and mappings, once those of the last clients are gone. */
static void expect_no_more(unsigned fds, unsigned maps)
{
	uint64_t limit = SOON;

	while ((count_entries("/proc/self/fd") != fds || count_maps() != maps) &&
	       base_now_ns() < limit)
		usleep(5000);
	cr_assert_eq(count_entries("/proc/self/fd"), fds, "descriptors are left");
	cr_assert_eq(count_maps(), maps, "mappings are left");
}

static void attach_and_detach(struct dhow_channel *channel)
{
	int count = rounds(ATTACHES, 10000);

	dhow_channel_close(channel);
	dhow_fini();
	for (int i = 0; i < count; i++) {
		if (dhow_init_at(name, 0) < 0 ||
		    dhow_channel_open("target", SOON, &channel) < 0)
			_exit(2);
		dhow_channel_close(channel);
		dhow_fini();
	}
}

Test(death, attaching_and_detaching_leaves_nothing)
{
	struct dhow_channel *channel;
	unsigned fds, maps;
	int status;
	pid_t pid;

	assert_ok(dhow_channel_create("target", NULL, &channel));
	fds = count_entries("/proc/self/fd");
	maps = count_maps();
	pid = child(attach_and_detach);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0, "a client cannot attach: status %x", status);
	expect_no_more(fds, maps);
	assert_ok(dhow_channel_destroy(channel));
}

/* A client that attaches, makes a pool and a channel, and goes, for ever. */
static void come_and_go(struct dhow_channel *channel)
{
	dhow_channel_close(channel);
	for (;;) {
		struct dhow_channel *other;
		struct dhow_pool *pool;

		dhow_fini();
		if (dhow_init_at(name, 0) < 0 || dhow_pool_create(64 << 10, &pool) < 0)
			_exit(2);
		if (dhow_channel_create(NULL, &(struct dhow_channel_attr){ .pool = pool },
					&other) < 0)
			_exit(3);
		dhow_send(other, "x", 1, DHOW_TRY);
		dhow_channel_destroy(other);
		dhow_pool_close(pool);
	}
}

Test(death, of_clients_at_any_moment_leaves_nothing)
{
	int count = rounds(CLIENT_KILLS, 1000);
	struct dhow_channel *channel;
	struct dhow_pool_stats before, after;
	unsigned fds, maps;

	assert_ok(dhow_channel_create("target", NULL, &channel));
	dhow_pool_stats(dhow_pool_default(), &before);
	fds = count_entries("/proc/self/fd");
	maps = count_maps();
	srand(4711);
	for (int i = 0; i < count; i++) {
		pid_t pid = child(come_and_go);

		usleep((useconds_t)(rand() % 8000));
		end(pid);
	}
	expect_no_more(fds, maps);
	dhow_pool_stats(dhow_pool_default(), &after);
	cr_assert_eq(after.blocks, before.blocks);
	/* The node still serves. */
	cr_assert_eq(waitpid(child(dhow_channel_close), NULL, 0) > 0, 1);
	assert_ok(dhow_channel_destroy(channel));
}

/* ---- T-A11: what does not fit fails when it is made ---- */

Test(death, a_pool_beyond_the_limits_is_refused_and_leaves_nothing)
{
	unsigned fds = count_entries("/proc/self/fd"), maps = count_maps();
	struct rlimit limit, old;
	struct dhow_pool *pool;

	assert_rc(dhow_pool_create(UINT64_C(1) << 40, &pool), -ENOMEM);
	getrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_IGN);
	limit = (struct rlimit){ .rlim_cur = 1 << 20, .rlim_max = old.rlim_max };
	setrlimit(RLIMIT_FSIZE, &limit);
	cr_assert_lt(dhow_pool_create(8 << 20, &pool), 0);
	cr_assert_neq(dhow_error_text()[0], '\0', "no text says what is too small");
	setrlimit(RLIMIT_FSIZE, &old);
#ifndef __SANITIZE_ADDRESS__	/* it needs address space without limits itself */
	getrlimit(RLIMIT_AS, &old);
	limit = (struct rlimit){ .rlim_cur = 512 << 20, .rlim_max = old.rlim_max };
	setrlimit(RLIMIT_AS, &limit);
	cr_assert_lt(dhow_pool_create(UINT64_C(1) << 30, &pool), 0);
	setrlimit(RLIMIT_AS, &old);
#endif
	cr_assert_eq(count_entries("/proc/self/fd"), fds, "descriptors are left");
	cr_assert_eq(count_maps(), maps, "mappings are left");
	assert_ok(dhow_pool_create(64 << 10, &pool));
	dhow_pool_close(pool);
}
