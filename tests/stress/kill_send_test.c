/* SPDX-License-Identifier: MIT */
/*
 * kill_send_test.c - senders are SIGKILLed at random, 500 times, while others go on.
 *
 * Each sender writes to its page how many messages dhow_send() acknowledged. The receiver
 * (this process) must see every acknowledged message once, in order, undamaged; at most one
 * more per kill, the one that was sent but not yet counted.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attached.h"
#include "base/clock.h"

enum { SENDERS = 3, LARGE = 3000, LARGEST = 200 * 1024 };
/* A fork under AddressSanitizer copies its shadow: a twentieth of the kills takes as long. */
#ifdef __SANITIZE_ADDRESS__
enum { KILLS = 50 };
#else
enum { KILLS = 500 };
#endif

struct account {
	_Atomic uint64_t acknowledged;
	unsigned char pad[56];
};

static char name[64];
static struct account *accounts;	/* one per life of a sender */

static void start(void)
{
	snprintf(name, sizeof(name), "@dhow-kill-%d", (int)getpid());
	accounts = mmap(NULL, sizeof(*accounts) * (KILLS + SENDERS), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ok(dhow_init_at(name, 0));
}

TestSuite(kill_send, .init = start, .fini = detach, .timeout = 200);

static size_t size_of(uint64_t number)
{
	/* The largest are copied out while they are copied in: then most kills hit them. */
	if (number % 16 == 15)
		return LARGEST;
	return number % 3 == 2 ? number % LARGE : number % 88;
}

static void send_for_ever(unsigned life)
{
	static unsigned char data[LARGEST];
	struct dhow_channel *channel;

	if (dhow_init_at(name, 0) < 0 || dhow_channel_open("target", SOON, &channel) < 0)
		_exit(1);
	for (uint64_t i = 0;; i++) {
		struct dhow_header header = { .tag = life, .user = i };

		memset(data, (int)(life + i), size_of(i));
		if (dhow_send_with(channel, data, size_of(i), &header, DHOW_ACCEPTED, SOON) < 0)
			_exit(2);
		atomic_store(&accounts[life].acknowledged, i + 1);
	}
}

static pid_t spawn(unsigned life)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		send_for_ever(life);
	}
	return pid;
}

static uint64_t seen[KILLS + SENDERS];

/* Take what is there; false: nothing came for @wait_ms. */
static bool take(struct dhow_channel *channel, uint64_t wait_ms)
{
	static unsigned char data[LARGEST];
	struct dhow_header header;
	size_t bytes;
	int rc = dhow_recv(channel, data, sizeof(data), &bytes, &header,
			   wait_ms ? dhow_in_ms(wait_ms) : DHOW_TRY);

	if (rc == -EAGAIN || rc == -ETIMEDOUT)
		return false;
	cr_assert_eq(rc, 0, "%s", dhow_error_text());
	cr_assert_lt(header.tag, (unsigned)(KILLS + SENDERS));
	cr_assert_eq(header.user, seen[header.tag], "life %u: %lu after %lu", header.tag,
		     (unsigned long)header.user, (unsigned long)seen[header.tag]);
	cr_assert_eq(bytes, size_of(header.user));
	/* All equal to the first, which is right: memcmp() with an offset of one. */
	cr_assert(bytes == 0 || (data[0] == (unsigned char)(header.tag + header.user) &&
				 memcmp(data, data + 1, bytes - 1) == 0), "damaged");
	seen[header.tag]++;
	return true;
}

Test(kill_send, sender_after_sender_loses_and_damages_nothing)
{
	struct dhow_pool_stats before, after;
	struct dhow_channel *channel;
	pid_t pids[SENDERS];
	unsigned lives[SENDERS], next = 0;
	uint64_t total = 0, extra = 0;

	assert_ok(dhow_channel_create("target", NULL, &channel));
	dhow_pool_stats(dhow_pool_default(), &before);
	srand(12345);
	for (unsigned i = 0; i < SENDERS; i++) {
		lives[i] = next;
		pids[i] = spawn(next++);
	}
	for (unsigned kills = 0; kills < KILLS; kills++) {
		unsigned i = kills % SENDERS;
		uint64_t until = base_now_ns() + (uint64_t)(rand() % 6000) * 1000 + 2 * BASE_MS;

		while (base_now_ns() < until || accounts[lives[i]].acknowledged == 0)
			take(channel, 1);
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
		lives[i] = next;
		pids[i] = spawn(next++);
	}
	for (unsigned i = 0; i < SENDERS; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	while (take(channel, 200))
		;
	for (unsigned life = 0; life < next; life++) {
		uint64_t acknowledged = accounts[life].acknowledged;

		cr_assert(seen[life] == acknowledged || seen[life] == acknowledged + 1,
			  "life %u: %lu acknowledged, %lu delivered", life,
			  (unsigned long)acknowledged, (unsigned long)seen[life]);
		total += seen[life];
		extra += seen[life] - acknowledged;
	}
	for (int i = 0; i < 300; i++) {
		dhow_pool_stats(dhow_pool_default(), &after);
		if (after.blocks == before.blocks)
			break;
		usleep(10000);
	}
	cr_assert_eq(after.blocks, before.blocks, "%lu blocks were left",
		     (unsigned long)(after.blocks - before.blocks));
	printf("%d kills, %lu messages, 0 lost, 0 damaged, %lu sent but not yet counted\n", KILLS,
		    (unsigned long)total, (unsigned long)extra);
}
