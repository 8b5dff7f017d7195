/* SPDX-License-Identifier: MIT */
/*
 * run.c - the table of runs, and the life of each: see run.h.
 *
 * STARTING -> RUNNING -> (STOPPING ->) FINISHING -> DONE. A run that is here alone finishes by
 * itself; else the owner says when, because ranks of other nodes may still need what ours left.
 */
#include "node/run.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "node/pmi.h"

static struct daemon_run *run_of(struct base_list *entry)
{
	return base_list_entry(entry, struct daemon_run, entry);
}

struct daemon_run *launch_daemon_run_find(struct daemon *daemon, uint32_t id)
{
	base_list_for(entry, &daemon->runs)
		if (run_of(entry)->id == id && run_of(entry)->state < DAEMON_RUN_DONE)
			return run_of(entry);
	return NULL;
}

void launch_daemon_run_fail(struct daemon_run *run, unsigned code, const char *format, ...)
{
	struct launch_message message = { .type = LAUNCH_FAIL };
	va_list args;

	if (!run->failed && run->state < DAEMON_RUN_FINISHING) {
		message.fail.run = run->id;
		message.fail.code = code;
		va_start(args, format);
		vsnprintf(message.fail.text, sizeof(message.fail.text), format, args);
		va_end(args);
		launch_daemon_send(run->daemon, &message);
	}
	run->failed = 1;
	launch_daemon_run_stop(run, run->start->grace_ms);
}

/* The message lives as long as the run: settings, extras and births point into it. */
static int keep_message(struct daemon_run *run, const struct launch_frame *frame)
{
	struct launch_message *message = malloc(sizeof(*message) + frame->bytes);
	uint8_t *copy = (uint8_t *)(message + 1);

	if (!message)
		return -ENOMEM;
	memcpy(copy, frame->data, frame->bytes);
	run->frame = message;
	run->start = &message->start;
	return launch_message_decode(copy, frame->bytes, message);
}

static struct daemon_run *add_run(struct daemon *daemon, const struct launch_message *message,
				  const struct launch_frame *frame)
{
	struct daemon_run *run = calloc(1, sizeof(*run));

	if (run && keep_message(run, frame) < 0) {
		free(run->frame);
		free(run);
		run = NULL;
	}
	if (!run) {
		launch_daemon_fail(daemon, DAEMON_FAILED, "no memory for a run");
		return NULL;
	}
	run->daemon = daemon;
	run->id = message->start.run;
	snprintf(run->tag, sizeof(run->tag), "%s.%u", daemon->boot->tag, run->id);
	run->window_bytes = LAUNCH_WINDOW_BYTES;
	run->kill_at_ns = UINT64_MAX;
	base_list_add_tail(&daemon->runs, &run->entry);
	return run;
}

/* How many nodes of the run speak by way of us, ourselves among them. */
static uint32_t count_below(const struct daemon_run *run)
{
	const struct launch_boot *boot = run->daemon->boot;
	const struct launch_tree tree = { boot->nodes, boot->fanout };
	uint8_t *seen = calloc(boot->nodes, 1);
	struct launch_start_range range;
	const uint8_t *at = NULL;
	uint32_t count = 0;

	while (seen && launch_range_next(run->start, &at, &range)) {
		if (range.node >= boot->nodes || seen[range.node])
			continue;
		seen[range.node] = 1;
		count += range.node == boot->node ||
			 launch_tree_hop(&tree, boot->node, range.node) != LAUNCH_TREE_ROOT;
	}
	free(seen);
	return count;
}

void launch_daemon_run_start(struct daemon *daemon, const struct launch_message *message,
			     const struct launch_frame *frame)
{
	struct daemon_run *run;
	struct base_err err;

	if (launch_daemon_run_find(daemon, message->start.run)) {
		base_log_warn("node %u: run %u is already here, ignored", daemon->boot->node,
			      message->start.run);
		return;
	}
	run = add_run(daemon, message, frame);
	if (!run)
		return;
	if (*launch_relay_endpoint(daemon->relay))
		launch_relay_join_fences(daemon->relay, run->id, count_below(run));
	if (launch_daemon_tasks_prepare(run, &err) < 0 || launch_daemon_pmi_open(run, &err) < 0)
		launch_daemon_run_fail(run, DAEMON_FAILED, "%s", err.text);
	else
		launch_daemon_tasks_start(run);
}

void launch_daemon_run_stop(struct daemon_run *run, uint32_t grace_ms)
{
	uint64_t kill_at_ns = base_now_ns() + grace_ms * BASE_MS;

	if (run->state >= DAEMON_RUN_FINISHING)
		return;
	if (grace_ms && run->state != DAEMON_RUN_STOPPING) {
		launch_daemon_tasks_signal(run, SIGTERM);
		launch_daemon_tasks_signal(run, SIGCONT);	/* a stopped one must hear it */
	}
	run->state = DAEMON_RUN_STOPPING;
	if (kill_at_ns < run->kill_at_ns)
		run->kill_at_ns = kill_at_ns;
}

void launch_daemon_run_finish(struct daemon_run *run)
{
	if (run->state >= DAEMON_RUN_FINISHING)
		return;
	run->state = DAEMON_RUN_FINISHING;
	run->kill_at_ns = UINT64_MAX;
	launch_daemon_tasks_signal(run, SIGKILL);
}

static void done(struct daemon_run *run)
{
	struct launch_message message = { .type = LAUNCH_DONE };

	launch_daemon_pmi_close(run);
	launch_daemon_birth_close(run);
	for (uint32_t i = 0; i < run->task_count; i++)
		launch_daemon_input_close(&run->tasks[i]);
	launch_daemon_pipes_close(run);
	launch_relay_join_fences(run->daemon->relay, run->id, 0);
	message.run.run = run->id;
	launch_daemon_send(run->daemon, &message);
	run->state = DAEMON_RUN_DONE;
}

static int finishing_step(struct daemon_run *run)
{
	launch_daemon_reap(run->daemon);
	if (launch_daemon_orphans_end(run) > 0 || run->running)
		return DAEMON_SWEEP_MS;
	launch_daemon_reap(run->daemon);	/* nothing, also no zombie: some end just now */
	if (run->open_pipes) {	/* the last output, or the owner is slow to take it */
		if (!run->drain_until_ns || launch_daemon_pipes_paused(run))
			run->drain_until_ns = base_now_ns() + DAEMON_DRAIN_MS * BASE_MS;
		if (base_now_ns() < run->drain_until_ns)
			return base_poll_ms(run->drain_until_ns);
	}
	done(run);
	return 0;
}

static int is_alone(const struct daemon_run *run)
{
	return run->task_count == run->start->size && !run->start->restartable;
}

/* Return: ms until it wants to be called again, -1 never. */
static int step(struct daemon_run *run)
{
	if (run->state == DAEMON_RUN_STARTING)
		launch_daemon_tasks_start(run);
	launch_daemon_tasks_flush(run);
	if (run->kill_at_ns <= base_now_ns()) {
		run->kill_at_ns = UINT64_MAX;
		launch_daemon_tasks_signal(run, SIGKILL);
	}
	if (!run->running && (run->state == DAEMON_RUN_STOPPING ||
			      (run->state == DAEMON_RUN_RUNNING && is_alone(run))))
		launch_daemon_run_finish(run);
	if (run->state == DAEMON_RUN_STARTING)
		return 0;
	if (run->state == DAEMON_RUN_FINISHING)
		return finishing_step(run);
	return base_poll_ms(run->kill_at_ns);
}

static void free_run(struct daemon_run *run)
{
	base_list_del(&run->entry);
	launch_writer_fini(&run->exits);
	free(run->tasks);
	free(run->frame);
	free(run);
}

int launch_daemon_runs_step(struct daemon *daemon)
{
	int wait_ms = -1;

	base_list_for(entry, &daemon->runs) {
		struct daemon_run *run = run_of(entry);
		int run_ms;

		/* Not sooner: events of this turn may still have pointed to it. */
		if (run->state == DAEMON_RUN_DONE) {
			free_run(run);
			continue;
		}
		run_ms = step(run);
		if (wait_ms < 0 || (run_ms >= 0 && run_ms < wait_ms))
			wait_ms = run_ms;
	}
	return wait_ms;
}

static const char *find_setting(const struct launch_strings *settings, const char *name)
{
	const char *at = settings->data;
	size_t bytes = strlen(name);

	for (uint32_t i = 0; i < settings->count; i++, at += strlen(at) + 1)
		if (strncmp(at, name, bytes) == 0 && at[bytes] == '=')
			return at + bytes + 1;
	return NULL;
}

const char *launch_daemon_run_setting(const struct daemon_run *run, uint32_t app,
				      const char *name)
{
	struct launch_start_app found;
	const uint8_t *at = NULL;

	for (uint32_t i = 0; i <= app; i++)
		if (!launch_app_next(run->start, &at, &found))
			return find_setting(&run->start->settings, name);
	at = (const uint8_t *)find_setting(&found.settings, name);
	return at ? (const char *)at : find_setting(&run->start->settings, name);
}
