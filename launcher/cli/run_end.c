/* SPDX-License-Identifier: MIT */
/* run_end.c - signals, the deaths of daemons, and nothing left behind. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/run.h"
#include "sweep/sweep.h"

enum { WAIT_US = 500, SWEEP_ROUNDS_MAX = 200 };

static void print_state(struct run *run)
{
	fprintf(stderr, "dlaunch: interrupt: %u of %u tasks have ended after %.0f s\n",
		run->ranks_ended, run->plan->ntasks,
		(double)(base_now_ns() - run->started_ns) / 1e9);
	for (uint32_t i = 0; i < run->plan->nodes; i++) {
		const struct run_node *node = &run->nodes[i];

		if (node->state < NODE_READY)
			fprintf(stderr, "dlaunch: node %u: coming up\n", i);
		else
			fprintf(stderr, "dlaunch: node %u: %u running, %u ended\n", i,
				node->running, node->ended);
	}
	fputs("dlaunch: ^C again within 2 s ends the run\n", stderr);
}

/* Already ending, and asked again: no more patience. */
static void hurry(struct run *run, int code)
{
	if (run->state >= RUN_STOPPING) {
		run->code = run->state == RUN_FINISHING ? code : run->code;
		run->stop_limit_ns = base_now_ns();
	}
}

static void interrupted(struct run *run)
{
	uint64_t now_ns = base_now_ns();

	if (run->interrupted_ns && now_ns - run->interrupted_ns < RUN_TWICE_MS * BASE_MS) {
		hurry(run, 128 + SIGINT);
		launch_run_stop(run, 128 + SIGINT, "interrupted twice, ending the run");
		return;
	}
	run->interrupted_ns = now_ns;
	print_state(run);
}

static void reap(struct run *run)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (run->carriers)
			launch_carriers_reaped(run->carriers, pid, status);
}

void launch_run_take_signals(struct run *run)
{
	struct signalfd_siginfo info;

	while (read(run->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		int number = (int)info.ssi_signo;

		if (number == SIGINT) {
			interrupted(run);
		} else if (number != SIGCHLD) {
			hurry(run, 128 + number);
			launch_run_stop(run, 128 + number, "got signal %d (%s), ending the run",
					number, strsignal(number));
		}
	}
	reap(run);
}

void launch_run_node_died(struct run *run, uint32_t node, const char *text)
{
	struct launch_message dead = { .type = LAUNCH_PEER_DEAD };

	if (run->nodes[node].state >= NODE_DONE)
		return;
	run->nodes[node].state = NODE_DEAD;
	launch_carriers_over(run->carriers, node);
	dead.node.node = node;
	snprintf(dead.node.text, sizeof(dead.node.text), "%s", text);
	launch_run_send_all(run, &dead);
	if (run->state == RUN_FINISHING)
		run->state = RUN_RUNNING;	/* it was not the end yet */
	launch_run_stop(run, RUN_FAILED, "%s, ending the run", text);
}

int launch_run_check_nodes(struct run *run)
{
	uint32_t over = 0;

	for (uint32_t i = 0; i < run->plan->nodes; i++)
		over += run->nodes[i].state >= NODE_DONE;
	return over == run->plan->nodes;
}

/* Two nets, see sweep.h. Children that were here before us are not ours to end: then, only the
 * tag decides. */
void launch_run_clean_up(struct run *run)
{
	char ranks[64], daemons[64];
	const char *rank_tag[] = { ranks, NULL }, *daemon_tag[] = { daemons, NULL };

	if (!run->nodes || !*run->tag)
		return;
	launch_carriers_close(run->carriers);
	run->carriers = NULL;
	for (int round = 0; !run->foreign_children && round < SWEEP_ROUNDS_MAX; round++) {
		if (launch_sweep_children() == 0)
			break;
		usleep(WAIT_US);
		reap(run);
	}
	snprintf(ranks, sizeof(ranks), "%s=%s", LAUNCH_ENV_RUN_TAG, run->tag);
	snprintf(daemons, sizeof(daemons), "%s=%s", LAUNCH_ENV_DAEMON_TAG, run->tag);
	launch_sweep_tag(daemon_tag, 0);
	launch_sweep_tag(rank_tag, 0);
	reap(run);
}
