/* SPDX-License-Identifier: MIT */
/* workqueue.c - rank 0 gives numbers out, the other ranks of all nodes tell which are prime. */
#include <errno.h>

#include "check.h"

enum { NUMBERS = 2000, AHEAD = 64, WAIT_MS = 10000 };
static const uint64_t first = 100000000001;

static void give_out(void)
{
	struct dhow_channel *jobs, *answers;
	unsigned given = 0, primes = 0;
	struct dhow_header answer;

	check(dhow_channel_create("answers", NULL, &answers), "create answers");
	check(dhow_channel_create("jobs", NULL, &jobs), "create jobs");
	for (unsigned done = 0; done < NUMBERS; done++) {
		for (; given < NUMBERS && given < done + AHEAD; given++)
			check(dhow_send(jobs, &(uint64_t){ first + given }, sizeof(uint64_t),
					dhow_in_ms(WAIT_MS)), "send a job");
		check(dhow_recv(answers, NULL, 0, &(size_t){ 0 }, &answer, dhow_in_ms(WAIT_MS)),
		      "receive an answer");
		primes += answer.tag;
	}
	check(dhow_channel_shut(jobs), "shut jobs");	/* no more: the others get -EPIPE */
	printf("%d numbers from %llu: %u primes\n", NUMBERS, (unsigned long long)first, primes);
}

static void work(void)
{
	struct dhow_channel *jobs, *answers;
	struct dhow_header answer = { 0 };
	unsigned count = 0;
	uint64_t number, divisor;
	int rc;

	check(dhow_channel_open("jobs", dhow_in_ms(WAIT_MS), &jobs), "open jobs");
	check(dhow_channel_open("answers", dhow_in_ms(WAIT_MS), &answers), "open answers");
	while (!(rc = dhow_recv(jobs, &number, sizeof(number), &(size_t){ 0 }, NULL,
				dhow_in_ms(WAIT_MS)))) {
		for (divisor = 2; divisor * divisor <= number && number % divisor; divisor++)
			;
		answer.tag = divisor * divisor > number;
		check(dhow_send_with(answers, NULL, 0, &answer, DHOW_ACCEPTED, dhow_in_ms(WAIT_MS)),
		      "send an answer");
		count++;
	}
	check(rc == -EPIPE ? 0 : rc, "receive a job");
	printf("rank %d on node %d: %u numbers\n", dhow_rank(), dhow_node(), count);
}

int main(void)
{
	check(dhow_init(), "init");
	dhow_rank() == 0 ? give_out() : work();
	dhow_fini();
	return 0;
}
