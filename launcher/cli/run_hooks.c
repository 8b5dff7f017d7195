/* SPDX-License-Identifier: MIT */
/* run_hooks.c - what the job tells of itself and of the ranks, and what it means for dlaunch. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/run.h"

static void job_node_up(void *arg, uint32_t node)
{
	struct run *run = arg;

	(void)node;
	run->nodes_up++;
}

static void job_ready(void *arg)
{
	struct run *run = arg;

	if (run->state != RUN_STARTING)
		return;
	run->state = RUN_RUNNING;
	if (run->options->timeout_s)
		run->run_limit_ns = base_now_ns() +
				    (uint64_t)run->options->timeout_s * 1000 * BASE_MS;
}

static void job_node_dead(void *arg, uint32_t node, const char *text)
{
	struct run *run = arg;

	(void)node;
	if (run->state == RUN_FINISHING)
		run->state = RUN_RUNNING;	/* it was not the end yet */
	launch_run_end(run, RUN_FAILED, "%s, ending the run", text);
}

static void failed(void *arg, int code, const char *text)
{
	struct run *run = arg;

	if (run->state == RUN_FINISHING)
		run->state = RUN_RUNNING;
	launch_run_end(run, code, "%s", text);
}

static void job_say(void *arg, const char *text)
{
	launch_run_say(arg, "%s", text);
}

static void job_line(void *arg, const char *line)
{
	struct run *run = arg;

	launch_progress_erase(&run->progress);
	fprintf(stderr, "%s\n", line);
}

static void rank_started(void *arg, uint32_t number, pid_t pid)
{
	struct run *run = arg;
	struct run_rank *rank = &run->ranks[number];

	run->ranks_started += !rank->started;
	rank->started = 1;
	rank->started_ns = base_now_ns();
	rank->pid = pid;
	run->places[run->plan->map[number].node].running++;
	launch_run_say(run, "rank %u on node %u is pid %d", number, run->plan->map[number].node,
		       (int)pid);
}

static void rank_output(void *arg, uint32_t rank, enum launch_stream stream, const void *data,
			uint32_t bytes)
{
	struct run *run = arg;

	if (launch_output_add(&run->output[stream - LAUNCH_STDOUT], rank,
			      run->plan->map[rank].node, data, bytes) < 0)
		launch_run_end(run, RUN_FAILED, "no memory for output, ending the run");
}

/* A rank that failed is started once more, if it may be. Return: 1 it is. */
static int start_again(struct run *run, uint32_t number)
{
	struct run_rank *rank = &run->ranks[number];

	if (run->state != RUN_RUNNING || rank->restarts >= run->options->restarts ||
	    (!rank->code && !rank->signal) || launch_run_restart(run->launched, number) < 0)
		return 0;
	rank->restarts++;
	rank->ended = 0;
	run->ranks_ended--;
	run->places[run->plan->map[number].node].ended--;
	if (!run->options->quiet) {
		launch_progress_erase(&run->progress);
		fprintf(stderr, "dlaunch: rank %u (node %u, pid %d) ended with %s %d, starting it "
			"again (%u of %u)\n", number, run->plan->map[number].node,
			(int)rank->pid, rank->signal ? "signal" : "exit code",
			rank->signal ? rank->signal : rank->code, rank->restarts,
			run->options->restarts);
	}
	return 1;
}

static void judge_exit(struct run *run, uint32_t number)
{
	struct run_rank *rank = &run->ranks[number];
	uint32_t node = run->plan->map[number].node;
	int code = rank->signal ? 128 + rank->signal : rank->code;

	if (run->state != RUN_RUNNING)
		return;		/* we ended it ourselves: its code says nothing */
	if (code > run->code)
		run->code = code;
	if (rank->signal)
		launch_run_end(run, -1, "rank %u (node %u, pid %d) was killed by signal %d (%s), "
			       "ending the run", number, node, (int)rank->pid, rank->signal,
			       strsignal(rank->signal));
	else if (code && run->options->kill_on_bad_exit > 0)
		launch_run_end(run, -1, "rank %u (node %u, pid %d) ended with exit code %d, "
			       "ending the run (-K)", number, node, (int)rank->pid, code);
}

static void rank_exited(void *arg, uint32_t number, int code, int signal)
{
	struct run *run = arg;
	struct run_rank *rank = &run->ranks[number];
	struct run_place *place = &run->places[run->plan->map[number].node];

	rank->ended = 1;
	rank->ended_ns = base_now_ns();
	rank->code = code;
	rank->signal = signal;
	run->ranks_ended++;
	place->running--;
	place->ended++;
	launch_run_say(run, "rank %u ended with %s %d", number, signal ? "signal" : "exit code",
		       signal ? signal : code);
	if (!start_again(run, number))
		judge_exit(run, number);
}

static void run_ended(void *arg)
{
	struct run *run = arg;

	run->ended = 1;
}

const struct launch_job_hooks launch_run_job_hooks = {
	.node_up = job_node_up,
	.ready = job_ready,
	.node_dead = job_node_dead,
	.failed = failed,
	.line = job_line,
	.say = job_say,
};

const struct launch_run_hooks launch_run_run_hooks = {
	.started = rank_started,
	.output = rank_output,
	.exited = rank_exited,
	.failed = failed,
	.ended = run_ended,
};
