/* SPDX-License-Identifier: MIT */
/* run_hooks.c - what the job tells of itself and of the ranks, and what it means for dlaunch. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/run.h"

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
	(void)arg;
	fprintf(stderr, "%s\n", line);
}

static void rank_started(void *arg, uint32_t number, pid_t pid)
{
	struct run *run = arg;
	struct run_rank *rank = &run->ranks[number];

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
	else if (code && run->options->kill_on_bad_exit)
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
	judge_exit(run, number);
}

static void run_ended(void *arg)
{
	struct run *run = arg;

	run->ended = 1;
}

const struct launch_job_hooks launch_run_job_hooks = {
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
