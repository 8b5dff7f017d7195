/* SPDX-License-Identifier: MIT */
/* run_end.c - signals: what they ask of a run. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/signals.h"
#include "cli/run.h"

int launch_run_open_signals(struct base_err *reterr)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGCHLD };

	return base_signals_open(numbers, sizeof(numbers) / sizeof(*numbers), reterr);
}

static void print_state(struct run *run)
{
	fprintf(stderr, "dlaunch: interrupt: %u of %u tasks have ended after %.0f s\n",
		run->ranks_ended, run->plan->ntasks,
		(double)(base_now_ns() - run->started_ns) / 1e9);
	for (uint32_t i = 0; i < run->plan->nodes; i++) {
		const struct run_place *place = &run->places[i];

		if (!launch_job_node_was_up(run->job, i))
			fprintf(stderr, "dlaunch: node %u: coming up\n", i);
		else
			fprintf(stderr, "dlaunch: node %u: %u running, %u ended\n", i,
				place->running, place->ended);
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
		launch_run_end(run, 128 + SIGINT, "interrupted twice, ending the run");
		return;
	}
	run->interrupted_ns = now_ns;
	print_state(run);
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
			launch_run_end(run, 128 + number, "got signal %d (%s), ending the run",
				       number, strsignal(number));
		}
	}
}
