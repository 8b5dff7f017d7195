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
	ITEM_LINK = 0, ITEM_SIGNALS, ITEM_CARRIERS, ITEM_STDIN, ITEM_STDOUT, ITEM_STDERR,
};
enum { INPUT_RETRY_MS = 500, FLUSH_LIMIT_MS = 200 };

void launch_run_say(const struct run *run, const char *format, ...)
{
	va_list args;

	if (!run->options->verbose)
		return;
	fputs("dlaunch: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void launch_run_send_all(struct run *run, const struct launch_message *message)
{
	for (uint32_t i = 0; i < run->plan->nodes; i++)
		if (run->nodes[i].state >= NODE_GREETED && run->nodes[i].state < NODE_DONE)
			launch_link_send(run->link, i, message);
}

void launch_run_stop(struct run *run, int code, const char *format, ...)
{
	const struct launch_message stop = { .type = LAUNCH_STOP };
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
	fprintf(stderr, "dlaunch: %s\n", text);
	memcpy(run->reason, text, sizeof(run->reason));
	if (code >= 0)
		run->code = code;
	run->state = RUN_STOPPING;
	run->stop_limit_ns = base_now_ns() + RUN_STOP_LIMIT_MS * BASE_MS;
	launch_run_send_all(run, &stop);
}

static void taken(void *arg, uint32_t node, uint32_t bytes)
{
	struct launch_message message = { .type = LAUNCH_TAKEN };
	struct run *run = arg;
	struct run_node *place = &run->nodes[node];

	place->owed_bytes += bytes;
	if (place->owed_bytes < LAUNCH_PIECE_BYTES / 2 || place->state >= NODE_DONE)
		return;
	message.taken.bytes = place->owed_bytes;
	place->owed_bytes = 0;
	launch_link_send(run->link, node, &message);
}

static void write_output(struct run *run, int index)
{
	struct launch_output *output = &run->output[index];
	int rc = launch_output_write(output, taken, run);

	/* As in any pipeline: when nobody reads any more, there is nothing left to do. */
	if (rc == -EPIPE)
		launch_run_stop(run, 128 + SIGPIPE, "nobody reads %s any more, ending the run",
				index ? "stderr" : "stdout");
	else if (rc < 0)
		launch_run_stop(run, RUN_FAILED, "cannot write to %s: %s, ending the run",
				index ? "stderr" : "stdout", strerror(-rc));
}

static int wants_input(const struct run *run)
{
	return run->state == RUN_RUNNING && !run->input_ended && run->ranks[0].started &&
	       !run->ranks[0].ended && run->input_window_bytes >= LAUNCH_PIECE_BYTES &&
	       base_now_ns() >= run->input_retry_ns;
}

static void read_input(struct run *run)
{
	static char piece[LAUNCH_PIECE_BYTES];
	struct launch_message message = { .type = LAUNCH_INPUT };
	ssize_t n;

	/* A background job that reads its terminal is stopped by the kernel: not us. */
	if (isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) != getpgrp()) {
		run->input_retry_ns = base_now_ns() + INPUT_RETRY_MS * BASE_MS;
		return;
	}
	n = read(STDIN_FILENO, piece, sizeof(piece));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	message.input.data = piece;
	message.input.bytes = n > 0 ? (uint32_t)n : 0;
	run->input_ended = n <= 0;
	run->input_window_bytes -= message.input.bytes;
	launch_link_send(run->link, run->plan->map[0].node, &message);
}

static void step_state(struct run *run)
{
	const struct launch_message finish = { .type = LAUNCH_FINISH };
	uint64_t now_ns = base_now_ns();
	int over = launch_run_check_nodes(run);

	switch (run->state) {
	case RUN_STARTING:
		if (run->nodes_ready == run->plan->nodes)
			launch_run_start_ranks(run);
		else if (now_ns >= run->start_limit_ns)
			launch_run_start_timeout(run);
		break;
	case RUN_RUNNING:
		if (run->ranks_ended == run->plan->ntasks) {
			run->state = RUN_FINISHING;
			launch_run_send_all(run, &finish);
		} else if (now_ns >= run->run_limit_ns) {
			launch_run_stop(run, RUN_TIMED_OUT, "--timeout: %u s have passed, "
					"ending the run", run->options->timeout_s);
		}
		break;
	case RUN_STOPPING:
	case RUN_FINISHING:
		if ((over && !launch_output_pending(&run->output[0]) &&
		     !launch_output_pending(&run->output[1])) || now_ns >= run->stop_limit_ns)
			run->state = RUN_OVER;
		else if (over && run->state == RUN_STOPPING &&
			 run->stop_limit_ns > now_ns + FLUSH_LIMIT_MS * BASE_MS)
			run->stop_limit_ns = now_ns + FLUSH_LIMIT_MS * BASE_MS;
		break;
	case RUN_OVER:
		break;
	}
}

static long next_wait_ms(const struct run *run)
{
	uint64_t limit_ns = run->stop_limit_ns;

	if (run->state == RUN_STARTING)
		limit_ns = run->start_limit_ns;
	else if (run->state == RUN_RUNNING)
		limit_ns = run->run_limit_ns;
	if (run->state == RUN_RUNNING && run->input_retry_ns > base_now_ns() &&
	    run->input_retry_ns < limit_ns)
		limit_ns = run->input_retry_ns;
	return base_poll_ms(limit_ns);
}

static void loop(struct run *run)
{
	long carriers_ms = -1;

	while (run->state != RUN_OVER) {
		long wait_ms = next_wait_ms(run);
		zmq_pollitem_t items[ITEMS] = {
			[ITEM_LINK] = { .socket = launch_link_socket(run->link),
					.events = ZMQ_POLLIN },
			[ITEM_SIGNALS] = { .fd = run->signals, .events = ZMQ_POLLIN },
			[ITEM_CARRIERS] = { .fd = launch_carriers_fd(run->carriers),
					    .events = ZMQ_POLLIN },
			[ITEM_STDIN] = { .fd = STDIN_FILENO,
					 .events = wants_input(run) ? ZMQ_POLLIN : 0 },
			[ITEM_STDOUT] = { .fd = STDOUT_FILENO, .events = ZMQ_POLLOUT },
			[ITEM_STDERR] = { .fd = STDERR_FILENO, .events = ZMQ_POLLOUT },
		};
		int count = ITEMS;

		/* An item that waits for nothing would still report errors: leave it out. */
		if (!launch_output_pending(&run->output[1]))
			count--;
		if (!launch_output_pending(&run->output[0]))
			items[ITEM_STDOUT] = items[--count];
		if (!items[ITEM_STDIN].events)
			items[ITEM_STDIN] = items[--count];
		if (carriers_ms >= 0 && (wait_ms < 0 || carriers_ms < wait_ms))
			wait_ms = carriers_ms;
		if (zmq_poll(items, count, wait_ms) < 0 && errno != EINTR)
			launch_run_stop(run, RUN_FAILED, "cannot wait: %s", zmq_strerror(errno));
		launch_run_take_signals(run);
		launch_run_hear(run);
		carriers_ms = launch_carriers_step(run->carriers);
		for (int i = ITEM_STDIN; i < count; i++)
			if (items[i].revents && items[i].fd == STDIN_FILENO && wants_input(run))
				read_input(run);
		write_output(run, 0);
		write_output(run, 1);
		step_state(run);
	}
}

static void close_run(struct run *run)
{
	launch_link_close(run->link, 0);
	launch_boot_free(run->boot);
	free(run->carrier_env);
	launch_keys_free(run->server_keys);
	launch_output_fini(&run->output[0]);
	launch_output_fini(&run->output[1]);
	free(run->nodes);
	free(run->ranks);
	if (run->signals >= 0)
		close(run->signals);
}

int launch_run(const struct launch_plan *plan)
{
	struct run run = { .plan = plan,
			   .options = plan->options,
			   .signals = -1,
			   .input_window_bytes = LAUNCH_WINDOW_BYTES,
			   .started_ns = base_now_ns(),
			   .run_limit_ns = UINT64_MAX,
			   .stop_limit_ns = UINT64_MAX };
	uint32_t labels = plan->options->label ? plan->ntasks : 0;
	struct base_err err;
	int rc;

	launch_output_init(&run.output[0], STDOUT_FILENO, labels);
	launch_output_init(&run.output[1], STDERR_FILENO, labels);
	rc = launch_run_open(&run, &err);
	if (rc < 0) {
		fprintf(stderr, "dlaunch: %s\n", err.text);
		run.code = RUN_FAILED;
	} else {
		loop(&run);
	}
	launch_run_clean_up(&run);
	if (run.link && launch_link_refused(run.link))
		base_log_warn("control socket: %u strangers were refused",
			      launch_link_refused(run.link));
	if (plan->options->json && launch_run_report(&run, plan->options->json, &err) < 0) {
		fprintf(stderr, "dlaunch: %s\n", err.text);
		run.code = run.code ? run.code : RUN_FAILED;
	}
	close_run(&run);
	return run.code;
}
