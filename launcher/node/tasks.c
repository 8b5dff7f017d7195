/* SPDX-License-Identifier: MIT */
/* tasks.c - the ranks of a run on this node: started, signalled, reaped, and told of in batches. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/spawn.h"
#include "node/pmi.h"
#include "node/run.h"

/* Which ranks are ours, in their order; the ranges were checked when the message was decoded. */
static uint32_t take_ranges(struct daemon_run *run, struct daemon_task *tasks)
{
	uint32_t node = run->daemon->boot->node, count = 0;
	struct launch_start_range range;
	const uint8_t *at = NULL;

	while (launch_range_next(run->start, &at, &range)) {
		if (range.node != node)
			continue;
		for (uint32_t i = 0; tasks && i < range.count; i++) {
			tasks[count + i].rank = range.first + i;
			tasks[count + i].app = range.app;
		}
		count += range.count;
	}
	return count;
}

/* Both lists are in the order of ranks. */
static void take_extras(struct daemon_run *run)
{
	struct launch_start_extra extra;
	const uint8_t *at = NULL, *before = NULL;
	uint32_t local = 0;

	while (before = at, launch_extra_next(run->start, &at, &extra)) {
		struct daemon_task *task;

		while (local < run->task_count && run->tasks[local].rank < extra.rank)
			local++;
		if (local == run->task_count)
			break;
		task = &run->tasks[local];
		if (task->rank == extra.rank && !task->extra_count++)
			task->extras = before;
	}
}

int launch_daemon_tasks_prepare(struct daemon_run *run, struct base_err *reterr)
{
	run->task_count = take_ranges(run, NULL);
	run->tasks = calloc(run->task_count + 1, sizeof(*run->tasks));
	if (!run->tasks) {
		run->task_count = 0;
		return base_err(reterr, -ENOMEM, "no memory to start tasks");
	}
	take_ranges(run, run->tasks);
	for (uint32_t i = 0; i < run->task_count; i++) {
		struct daemon_task *task = &run->tasks[i];

		task->run = run;
		task->input.fd = -1;
		for (int stream = 0; stream < 2; stream++) {
			task->output[stream].fd = -1;
			task->output[stream].task = task;
			task->output[stream].stream = LAUNCH_STDOUT + stream;
		}
	}
	take_extras(run);
	return launch_daemon_birth_open(run, reterr);
}

static unsigned code_of(int rc)
{
	int exec_error = rc == -ENOEXEC || rc == -EACCES || rc == -ENOENT || rc == -E2BIG;

	return exec_error ? (unsigned)base_spawn_exit_code(rc) : DAEMON_FAILED;
}

static int start_one(struct daemon_task *task, struct launch_writer *list)
{
	struct launch_entry entry = { .rank = task->rank };
	struct base_err err;
	int rc = launch_daemon_birth(task, &err);

	if (rc < 0) {
		launch_daemon_run_fail(task->run, code_of(rc), "%s", err.text);
		return rc;
	}
	task->group = task->pid;
	task->run->running++;
	entry.pid = (uint32_t)task->pid;
	launch_entry_add(list, &entry);
	return 0;
}

static void send_entries(struct daemon_run *run, enum launch_type type, uint32_t count,
			 struct launch_writer *list)
{
	struct launch_message message = { .type = type };

	if (count && list->failed) {
		list->used = 0;
		launch_daemon_fail(run->daemon, DAEMON_FAILED, "no memory for the list of ranks");
		return;
	}
	message.entries.run = run->id;
	message.entries.count = count;
	message.entries.bytes = (uint32_t)list->used;
	message.entries.data = list->data;
	if (count)
		launch_daemon_send(run->daemon, &message);
	list->used = 0;
}

void launch_daemon_tasks_start(struct daemon_run *run)
{
	struct launch_writer list = { 0 };
	uint32_t count = 0;

	while (run->state == DAEMON_RUN_STARTING && run->born < run->task_count &&
	       count < DAEMON_BIRTHS && start_one(&run->tasks[run->born], &list) == 0) {
		run->born++;
		count++;
	}
	send_entries(run, LAUNCH_STARTED, count, &list);
	launch_writer_fini(&list);
	if (run->born < run->task_count || run->state != DAEMON_RUN_STARTING)
		return;
	run->state = DAEMON_RUN_RUNNING;
	if (!run->start->restartable)
		launch_daemon_birth_close(run);
}

void launch_daemon_tasks_restart(struct daemon_run *run, uint32_t rank)
{
	struct launch_writer list = { 0 };

	for (uint32_t i = 0; i < run->born && run->birth; i++) {
		if (run->tasks[i].rank != rank || run->tasks[i].pid)
			continue;
		launch_daemon_pipes_end(&run->tasks[i]);
		if (start_one(&run->tasks[i], &list) == 0)
			send_entries(run, LAUNCH_STARTED, 1, &list);
	}
	launch_writer_fini(&list);
}

void launch_daemon_tasks_signal(struct daemon_run *run, int number)
{
	for (uint32_t i = 0; i < run->born; i++)
		if (run->tasks[i].pid > 0)	/* not reaped, so the group is still its own */
			kill(-run->tasks[i].pid, number);
}

static void task_ended(struct daemon_task *task, int status)
{
	struct daemon_run *run = task->run;
	struct launch_entry entry = { .rank = task->rank };

	task->pid = 0;
	run->running--;
	launch_daemon_input_close(task);
	launch_daemon_pmi_task_ended(task, status);
	if (WIFSIGNALED(status))
		entry.signal = (uint8_t)WTERMSIG(status);
	else
		entry.code = (uint8_t)WEXITSTATUS(status);
	launch_entry_add(&run->exits, &entry);
	if (++run->exit_count == LAUNCH_ENTRIES_MAX)
		launch_daemon_tasks_flush(run);
}

void launch_daemon_tasks_flush(struct daemon_run *run)
{
	uint32_t count = run->exit_count;

	run->exit_count = 0;
	send_entries(run, LAUNCH_EXITED, count, &run->exits);
}

int launch_daemon_tasks_reaped(struct daemon_run *run, pid_t pid, int status)
{
	for (uint32_t i = 0; i < run->born; i++)
		if (run->tasks[i].pid == pid) {
			task_ended(&run->tasks[i], status);
			return 1;
		}
	return 0;
}
