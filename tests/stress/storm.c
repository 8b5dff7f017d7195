/* SPDX-License-Identifier: MIT */
/*
 * storm.c - 3 senders and 3 receivers, one of which is SIGKILLed every 1 to 7 ms and replaced.
 *
 *	storm [--seconds N] [--seed N]
 *
 * Each message has a number and a byte in shared memory that counts its deliveries and says
 * whether its send was acknowledged. Receivers count a message between dhow_recv_begin() and
 * dhow_recv_commit(), so a message comes again at most once per receiver killed. Must hold:
 * acknowledged means delivered, nothing is damaged, no block is left. Times are printed, not
 * judged: recovery is from kill() until the dead one's entry has been swept, standstill the
 * longest time in which no message moved in the whole channel.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "message.h"
#include "src/context.h"
#include "src/liveness.h"

enum {
	SENDERS = 3,
	RECEIVERS = 3,
	PROCESSES = SENDERS + RECEIVERS,
	MESSAGES_MAX = 1 << 27,
	KILLS_MAX = 1 << 20,
	ACKNOWLEDGED = 1 << 7,		/* in a message's byte; the rest counts deliveries */
	RECOVERY_LIMIT_MS = 20000,
	POOL_BYTES = 4 << 20,
};

enum phase { RUNNING, NO_MORE_SENDS, NO_MORE };

static struct shared {
	_Atomic int phase;
	_Atomic unsigned next;		/* number of the next message */
	_Atomic unsigned damaged, failed;
	_Atomic uint64_t moved, last_move_ns, standstill_ns;
	_Atomic unsigned char messages[MESSAGES_MAX];
} *shared;

static char node[64];
static uint32_t recoveries_us[KILLS_MAX];

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "storm: %s: %s\n", what, dhow_error_text());
	exit(1);
}

/* ---- senders and receivers ---- */

static size_t size_of(unsigned number)
{
	return number % 4 == 3 ? 600 + number % 900 : 8 + number % 80;
}

static _Noreturn void fail(const char *what, int rc)
{
	if (atomic_fetch_add(&shared->failed, 1) < 5)
		fprintf(stderr, "storm: %s: %s (%s)\n", what, dhow_strerror(rc), dhow_error_text());
	_exit(1);
}

static void send_for_ever(struct dhow_channel *channel)
{
	unsigned char data[MESSAGE_MAX];

	while (atomic_load(&shared->phase) == RUNNING) {
		unsigned number = atomic_fetch_add(&shared->next, 1);
		struct dhow_header header = message_header(number, size_of(number));
		int rc;

		if (number >= MESSAGES_MAX)
			break;
		memset(data, message_byte(number), header.tag);
		rc = dhow_send_with(channel, data, header.tag, &header, DHOW_ACCEPTED,
				    dhow_in_ms(RECOVERY_LIMIT_MS));
		if (rc < 0)
			fail("a sender was blocked", rc);
		atomic_fetch_or(&shared->messages[number], ACKNOWLEDGED);
	}
	_exit(0);
}

static void note_move(void)
{
	uint64_t now = base_now_ns();
	uint64_t last = atomic_exchange(&shared->last_move_ns, now);
	uint64_t longest = atomic_load(&shared->standstill_ns);

	while (now > last && now - last > longest &&
	       !atomic_compare_exchange_weak(&shared->standstill_ns, &longest, now - last))
		;
	atomic_fetch_add(&shared->moved, 1);
}

static void note_delivery(const struct dhow_message *message)
{
	if (message->header.user >= MESSAGES_MAX ||
	    !message_is_whole(&message->header, message->data, message->bytes) ||
	    message->bytes != size_of((unsigned)message->header.user))
		atomic_fetch_add(&shared->damaged, 1);
	else
		atomic_fetch_add(&shared->messages[message->header.user], 1);
}

/* False: nothing came. */
static bool receive(struct dhow_channel *channel, uint64_t deadline_ns)
{
	struct dhow_message message;
	int rc = dhow_recv_begin(channel, &message, deadline_ns);

	if (rc == -ETIMEDOUT || rc == -EAGAIN)
		return false;
	if (rc < 0)
		fail("a receiver failed", rc);
	note_delivery(&message);
	note_move();
	rc = dhow_recv_commit(channel, &message);
	if (rc < 0)
		fail("a receiver lost what it was lent", rc);
	return true;
}

static void receive_for_ever(struct dhow_channel *channel)
{
	while (receive(channel, dhow_in_ms(100)) || atomic_load(&shared->phase) != NO_MORE)
		;
	_exit(0);
}

static pid_t start(unsigned index)
{
	struct dhow_channel *channel = NULL;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dhow_init_at(node, 0) < 0 ||
	    dhow_channel_open("storm", dhow_in_ms(RECOVERY_LIMIT_MS), &channel) < 0)
		fail("a process cannot join", -1);
	if (index < SENDERS)
		send_for_ever(channel);
	receive_for_ever(channel);
	_exit(0);
}

/* ---- the supervisor, who serves the node ---- */

static struct {
	pid_t pids[PROCESSES];
	unsigned kills, receiver_kills, unrecovered;
} storm;

/* Kill process @index, wait until it is recovered, replace it. */
static void strike(struct segment *segment, unsigned index)
{
	uint64_t begin = base_now_ns();
	pid_t pid = storm.pids[index];

	kill(pid, SIGKILL);
	while (liveness_holds(segment, pid)) {
		if (base_now_ns() - begin > RECOVERY_LIMIT_MS * BASE_MS) {
			storm.unrecovered++;
			break;
		}
		usleep(20);
	}
	recoveries_us[storm.kills % KILLS_MAX] = (uint32_t)((base_now_ns() - begin) / 1000);
	storm.kills++;
	storm.receiver_kills += index >= SENDERS;
	waitpid(pid, NULL, 0);
	storm.pids[index] = start(index);
}

/* They end by themselves; who does not is blocked. */
static void wait_for(unsigned first, unsigned end)
{
	uint64_t limit = base_now_ns() + RECOVERY_LIMIT_MS * BASE_MS;

	for (unsigned i = first; i < end; i++) {
		while (waitpid(storm.pids[i], NULL, WNOHANG) == 0) {
			if (base_now_ns() < limit) {
				usleep(1000);
				continue;
			}
			atomic_fetch_add(&shared->failed, 1);
			kill(storm.pids[i], SIGKILL);
			waitpid(storm.pids[i], NULL, 0);
			break;
		}
	}
}

static int compare(const void *a, const void *b)
{
	const uint32_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static int report(uint64_t ns, uint64_t blocks_left)
{
	unsigned lost = 0, again = 0, acknowledged = 0, end = atomic_load(&shared->next);
	unsigned count = storm.kills < KILLS_MAX ? storm.kills : KILLS_MAX;
	double sum_us = 0, p99_us;

	for (unsigned i = 0; i < end && i < MESSAGES_MAX; i++) {
		unsigned byte = atomic_load_explicit(&shared->messages[i], memory_order_relaxed);
		unsigned delivered = byte & (ACKNOWLEDGED - 1);

		acknowledged += (byte & ACKNOWLEDGED) != 0;
		lost += byte == ACKNOWLEDGED;
		again += delivered > 1 ? delivered - 1 : 0;
	}
	qsort(recoveries_us, count, sizeof(*recoveries_us), compare);
	for (unsigned i = 0; i < count; i++)
		sum_us += recoveries_us[i];
	p99_us = count ? recoveries_us[count * 99 / 100] : 0;
	printf("storm %.0f s, %u kills (%u receivers), %u acknowledged, %u lost, %u damaged, "
	       "%u redelivered, recovery mean %.2f ms p99 %.2f ms, standstill %.0f ms, "
	       "%.0f msg/s\n",
	       (double)ns / 1e9, storm.kills, storm.receiver_kills, acknowledged, lost,
	       atomic_load(&shared->damaged), again, count ? sum_us / count / 1000 : 0.0,
	       p99_us / 1000, (double)atomic_load(&shared->standstill_ns) / 1e6,
	       (double)atomic_load(&shared->moved) / ((double)ns / 1e9));
	if (blocks_left || storm.unrecovered || atomic_load(&shared->failed))
		printf("BAD: %lu blocks left, %u dead not recovered, %u processes failed\n",
		       (unsigned long)blocks_left, storm.unrecovered,
		       atomic_load(&shared->failed));
	return lost || atomic_load(&shared->damaged) || again > storm.receiver_kills ||
	       blocks_left || storm.unrecovered || atomic_load(&shared->failed);
}

static uint64_t blocks(void)
{
	struct dhow_pool_stats stats;

	dhow_pool_stats(dhow_pool_default(), &stats);
	return stats.blocks;
}

/* Blocks beyond @before, once those of the last to die have come back. */
static uint64_t left_over(uint64_t before)
{
	for (unsigned i = 0; i < 200 && blocks() != before; i++)
		usleep(10000);
	return blocks() - before;
}

static int run(unsigned seconds)
{
	struct segment *segment;
	struct dhow_channel *channel;
	uint64_t before, begin, ns;

	snprintf(node, sizeof(node), "@dhow-storm-%d", (int)getpid());
	if (dhow_init_at(node, POOL_BYTES) < 0 ||
	    dhow_channel_create("storm", NULL, &channel) < 0)
		die("cannot start");
	segment = &dhow_pool_default()->segment;
	before = blocks();
	atomic_store(&shared->last_move_ns, base_now_ns());
	for (unsigned i = 0; i < PROCESSES; i++)
		storm.pids[i] = start(i);
	begin = base_now_ns();
	do {
		usleep(1000 + (unsigned)rand() % 6000);
		strike(segment, (unsigned)rand() % PROCESSES);
		ns = base_now_ns() - begin;
	} while (ns < (uint64_t)seconds * 1000 * BASE_MS);
	atomic_store(&shared->phase, NO_MORE_SENDS);
	wait_for(0, SENDERS);
	atomic_store(&shared->phase, NO_MORE);
	wait_for(SENDERS, PROCESSES);
	while (receive(channel, DHOW_TRY))
		;
	before = left_over(before);
	dhow_channel_destroy(channel);
	dhow_fini();
	return report(ns, before);
}

int main(int argc, char **argv)
{
	unsigned seconds = 3, seed = (unsigned)getpid();

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 < argc && strcmp(argv[i], "--seconds") == 0)
			seconds = (unsigned)atoi(argv[i + 1]);
		else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0)
			seed = (unsigned)atoi(argv[i + 1]);
		else
			return fprintf(stderr, "usage: storm [--seconds N] [--seed N]\n"), 2;
	}
	srand(seed);
	printf("seed %u\n", seed);
	fflush(stdout);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (shared == MAP_FAILED)
		die("no memory");
	return run(seconds);
}
