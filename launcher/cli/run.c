/* SPDX-License-Identifier: MIT */
/* run.c - the loop of dlaunch and the states of a run; see run.h. */
#include "cli/run.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	ITEMS = 6,
	ITEM_JOB = 0, ITEM_LINES, ITEM_SIGNALS, ITEM_STDIN, ITEM_STDOUT, ITEM_STDERR,
};
enum { INPUT_RETRY_MS = 500, FLUSH_LIMIT_MS = 200 };

void launch_run_say(const struct run *run, const char *format, ...)
{
	va_list args;

	if (!run->options->verbose)
		return;
	launch_progress_erase(&((struct run *)run)->progress);
	fputs("dlaunch: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void launch_run_end(struct run *run, int code, const char *format, ...)
{
	int counts = run->state < RUN_STOPPING;
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!counts) {
		launch_run_say(run, "%s", text);	/* a consequence of the first */
		return;
	}
	launch_progress_erase(&run->progress);
	fprintf(stderr, "dlaunch: %s\n", text);
	memcpy(run->reason, text, sizeof(run->reason));
	if (code >= 0)
		run->code = code;
	run->state = RUN_STOPPING;
	run->stop_limit_ns = base_now_ns() + LAUNCH_JOB_LEAVE_MS * BASE_MS;
	if (run->launched)
		launch_run_stop(run->launched, LAUNCH_RUN_GRACE_MS);
	else
		launch_job_leave(run->job);
}

static void taken(void *arg, uint32_t node, uint32_t bytes)
{
	struct run *run = arg;

	launch_run_taken(run->launched, node, bytes);
}

static void write_output(struct run *run, int index)
{
	struct launch_output *output = &run->output[index];
	int rc = launch_output_write(output, taken, run);

	/* As in any pipeline: when nobody reads any more, there is nothing left to do. */
	if (rc == -EPIPE)
		launch_run_end(run, 128 + SIGPIPE, "nobody reads %s any more, ending the run",
			       run->streams.name[index]);
	else if (rc == -EIO && output->is_terminal)	/* SIGHUP may come after it */
		launch_run_end(run, 128 + SIGHUP, "the terminal is gone, ending the run");
	else if (rc < 0)
		launch_run_end(run, RUN_FAILED, "cannot write to %s: %s, ending the run",
			       run->streams.name[index], strerror(-rc));
}

static int wants_input(const struct run *run)
{
	return run->state == RUN_RUNNING && run->launched && !run->input_ended &&
	       run->options->input != LAUNCH_STDIN_NONE &&
	       launch_run_input_room(run->launched) >= LAUNCH_PIECE_BYTES &&
	       base_now_ns() >= run->input_retry_ns;
}

static void read_input(struct run *run)
{
	static char piece[LAUNCH_PIECE_BYTES];
	ssize_t n;

	/* A background job that reads its terminal is stopped by the kernel: not us. */
	if (isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) != getpgrp()) {
		run->input_retry_ns = base_now_ns() + INPUT_RETRY_MS * BASE_MS;
		return;
	}
	n = read(STDIN_FILENO, piece, sizeof(piece));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	run->input_ended = n <= 0;
	launch_run_input(run->launched, piece, n > 0 ? (uint32_t)n : 0);
}

static int is_written(const struct run *run)
{
	return !launch_output_pending(&run->output[0]) && !launch_output_pending(&run->output[1]);
}

static void step_state(struct run *run)
{
	uint64_t now_ns = base_now_ns();
	int over = launch_job_over(run->job);

	switch (run->state) {
	case RUN_STARTING:
		break;
	case RUN_RUNNING:
		if (run->ranks_ended == run->plan->ntasks || run->ended) {
			run->state = RUN_FINISHING;
			launch_job_leave(run->job);
		} else if (now_ns >= run->run_limit_ns) {
			launch_run_end(run, RUN_TIMED_OUT, "--timeout: %u s have passed, "
				       "ending the run", run->options->timeout_s);
		}
		break;
	case RUN_STOPPING:
	case RUN_FINISHING:
		if (run->ended)
			launch_job_leave(run->job);
		if ((over && is_written(run)) || now_ns >= run->stop_limit_ns)
			run->state = RUN_OVER;
		else if (over && run->state == RUN_STOPPING &&
			 run->stop_limit_ns > now_ns + FLUSH_LIMIT_MS * BASE_MS)
			run->stop_limit_ns = now_ns + FLUSH_LIMIT_MS * BASE_MS;
		break;
	case RUN_OVER:
		break;
	}
}

/* @job_ms: when the job wants to be stepped again. */
static long next_wait_ms(const struct run *run, int job_ms)
{
	uint64_t limit_ns = run->state == RUN_RUNNING ? run->run_limit_ns : run->stop_limit_ns;
	int wait_ms;

	if (run->state == RUN_RUNNING && run->input_retry_ns > base_now_ns() &&
	    run->input_retry_ns < limit_ns)
		limit_ns = run->input_retry_ns;
	wait_ms = base_poll_ms(limit_ns);
	return wait_ms < 0 || (job_ms >= 0 && job_ms < wait_ms) ? job_ms : wait_ms;
}

/* Hear all there is, and do what follows from it. Return: ms until there is more to do. */
static int turn(struct run *run)
{
	enum run_state before = run->state;
	int job_ms, progress_ms = -1;

	launch_run_take_signals(run);
	job_ms = launch_job_step(run->job);
	write_output(run, 0);
	write_output(run, 1);
	/* Before the next state: what starts and ends at once has been up, too. */
	if (run->state <= RUN_RUNNING)
		progress_ms = launch_progress_show(&run->progress, run->nodes_up,
						   run->ranks_started);
	step_state(run);
	if (run->state > RUN_RUNNING)
		launch_progress_erase(&run->progress);
	if (job_ms < 0 || (progress_ms >= 0 && progress_ms < job_ms))
		job_ms = progress_ms;
	/* Then the job has news to work on. */
	return run->state == before ? job_ms : 0;
}

static void loop(struct run *run)
{
	for (;;) {
		zmq_pollitem_t items[ITEMS] = {
			[ITEM_JOB] = { .socket = launch_job_socket(run->job),
				       .events = ZMQ_POLLIN },
			[ITEM_LINES] = { .fd = launch_job_fd(run->job), .events = ZMQ_POLLIN },
			[ITEM_SIGNALS] = { .fd = run->signals, .events = ZMQ_POLLIN },
			[ITEM_STDIN] = { .fd = STDIN_FILENO },
			[ITEM_STDOUT] = { .fd = run->output[0].fd, .events = ZMQ_POLLOUT },
			[ITEM_STDERR] = { .fd = run->output[1].fd, .events = ZMQ_POLLOUT },
		};
		int count = ITEMS, job_ms = turn(run);

		if (run->state == RUN_OVER)
			return;
		if (wants_input(run))
			items[ITEM_STDIN].events = ZMQ_POLLIN;
		/* An item that waits for nothing would still report errors: leave it out. */
		if (!launch_output_pending(&run->output[1]))
			count--;
		if (!launch_output_pending(&run->output[0]))
			items[ITEM_STDOUT] = items[--count];
		if (!items[ITEM_STDIN].events)
			items[ITEM_STDIN] = items[--count];
		if (zmq_poll(items, count, next_wait_ms(run, job_ms)) < 0 && errno != EINTR)
			launch_run_end(run, RUN_FAILED, "cannot wait: %s", zmq_strerror(errno));
		for (int i = ITEM_STDIN; i < count; i++)
			if (items[i].revents && items[i].fd == STDIN_FILENO && wants_input(run))
				read_input(run);
	}
}

static void close_run(struct run *run)
{
	launch_output_fini(&run->output[0]);
	launch_output_fini(&run->output[1]);
	launch_streams_close(&run->streams);
	free(run->places);
	free(run->ranks);
	if (run->signals >= 0)
		close(run->signals);
}

int launch_run(const struct launch_plan *plan)
{
	struct run run = { .plan = plan,
			   .options = plan->options,
			   .signals = -1,
			   .started_ns = base_now_ns(),
			   .run_limit_ns = UINT64_MAX,
			   .stop_limit_ns = UINT64_MAX };
	unsigned refused;
	struct base_err err;
	int rc;

	launch_output_init(&run.output[0], STDOUT_FILENO, 0);
	launch_output_init(&run.output[1], STDERR_FILENO, 0);
	launch_progress_init(&run.progress, plan->options->progress,
			     plan->options->quiet || plan->options->verbose, plan->nodes,
			     plan->ntasks);
	rc = launch_run_open(&run, &err);
	if (rc < 0) {
		fprintf(stderr, "dlaunch: %s\n", err.text);
		run.code = RUN_FAILED;
	} else {
		loop(&run);
	}
	refused = run.job ? launch_job_refused(run.job) : 0;
	launch_job_close(run.job);
	if (refused)
		base_log_warn("control socket: %u strangers were refused", refused);
	if (plan->options->json && launch_run_report(&run, plan->options->json, &err) < 0) {
		fprintf(stderr, "dlaunch: %s\n", err.text);
		run.code = run.code ? run.code : RUN_FAILED;
	}
	close_run(&run);
	return run.code;
}
