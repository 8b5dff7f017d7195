/* SPDX-License-Identifier: MIT */
/* run.c - the life of a run: see run.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "job/internal.h"

struct launch_run *run_find(struct launch_job *job, uint32_t id)
{
	base_list_for(entry, &job->runs) {
		struct launch_run *run = base_list_entry(entry, struct launch_run, entry);

		if (run->id == id)
			return run;
	}
	return NULL;
}

struct run_node *run_node_find(const struct launch_run *run, uint32_t node)
{
	uint32_t low = 0, high = run->node_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (run->nodes[middle].node == node)
			return &run->nodes[middle];
		if (run->nodes[middle].node < node)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void send_frame(struct launch_run *run, const struct launch_frame *frame)
{
	uint32_t *nodes = malloc((run->node_count + 1) * sizeof(*nodes)), count = 0;

	if (!nodes) {
		job_failed(run->job, LAUNCH_JOB_FAILED, "no memory to speak to %u nodes",
			   run->node_count);
		return;
	}
	for (uint32_t i = 0; i < run->node_count; i++)
		if (!run->nodes[i].done)
			nodes[count++] = run->nodes[i].node;
	job_send_frame(run->job, frame, nodes, count);
	free(nodes);
}

void run_send(struct launch_run *run, const struct launch_message *message)
{
	struct launch_frame frame;

	if (launch_frame_make(message, &frame) < 0) {
		job_failed(run->job, LAUNCH_JOB_FAILED, "no memory to speak to nodes");
		return;
	}
	send_frame(run, &frame);
	launch_frame_fini(&frame);
}

static uint32_t new_id(struct launch_job *job)
{
	do
		job->last_run++;
	while (!job->last_run || run_find(job, job->last_run));
	return job->last_run;
}

static int check_nodes(const struct launch_run *run, struct base_err *reterr)
{
	for (uint32_t i = 0; i < run->node_count; i++)
		if (launch_job_node_is_dead(run->job, run->nodes[i].node))
			return base_err(reterr, -EHOSTUNREACH, "node %u is dead",
					run->nodes[i].node);
	return 0;
}

int launch_run_start(struct launch_job *job, const struct launch_run_spec *spec,
		     const struct launch_run_hooks *hooks, struct launch_run **ret_run,
		     struct base_err *reterr)
{
	struct launch_run *run;
	int rc;

	if (job->state == JOB_LEAVING || job->broken)
		return base_err(reterr, -ESHUTDOWN, "the job is ending");
	run = calloc(1, sizeof(*run));
	if (!run)
		return base_err(reterr, -ENOMEM, "no memory for a run");
	run->job = job;
	if (hooks)
		run->hooks = *hooks;
	run->id = new_id(job);
	snprintf(run->tag, sizeof(run->tag), "%s.%u", job->tag, run->id);
	run->stop_limit_ns = UINT64_MAX;
	base_list_init(&run->fences);
	base_list_add_tail(&job->runs, &run->entry);
	rc = run_take_spec(run, spec, reterr);
	if (rc == 0)
		rc = check_nodes(run, reterr);
	if (rc < 0) {
		run->state = RUN_ENDED;
		launch_run_free(run);
		return rc;
	}
	*ret_run = run;
	if (job->state == JOB_READY)
		run_begin(run);
	return 0;
}

void run_begin(struct launch_run *run)
{
	run->state = RUN_RUNNING;
	run->has_start = 0;
	/* A node that died meanwhile would never answer. */
	for (uint32_t i = 0; i < run->node_count; i++)
		if (!job_node_hears(run->job, run->nodes[i].node))
			run_node_done(run, run->nodes[i].node);
	send_frame(run, &run->start);
	launch_frame_fini(&run->start);
	if (run->nodes_done)
		run_failed(run, LAUNCH_JOB_FAILED, "a node of the run is dead");
}

void run_failed(struct launch_run *run, int code, const char *text)
{
	if (run->state == RUN_ENDED)
		return;
	run->failed = 1;
	if (run->hooks.failed)
		run->hooks.failed(run->hooks.arg, code, text);
	launch_run_stop(run, run->grace_ms);
}

void launch_run_stop(struct launch_run *run, uint32_t grace_ms)
{
	struct launch_message stop = { .type = LAUNCH_STOP };
	uint64_t limit_ns = base_now_ns() + (grace_ms + JOB_STUCK_MS) * BASE_MS;

	if (run->state == RUN_QUEUED)
		run->state = RUN_FINISHING;
	if (run->state >= RUN_FINISHING)
		return;
	if (run->state == RUN_STOPPING && limit_ns >= run->stop_limit_ns)
		return;
	run->state = RUN_STOPPING;
	run->stop_limit_ns = limit_ns;
	stop.stop.run = run->id;
	stop.stop.grace_ms = grace_ms;
	run_send(run, &stop);
}

void launch_run_signal(struct launch_run *run, int number)
{
	struct launch_message message = { .type = LAUNCH_SIGNAL };

	if (run->state != RUN_RUNNING && run->state != RUN_STOPPING)
		return;
	message.signal.run = run->id;
	message.signal.number = (uint32_t)number;
	run_send(run, &message);
}

int launch_run_restart(struct launch_run *run, uint32_t rank)
{
	struct launch_message message = { .type = LAUNCH_RESTART };

	if (!run->restartable || run->state != RUN_RUNNING || rank >= run->size ||
	    !run->ranks[rank].ended)
		return -EINVAL;
	/* From now on it counts as running again. */
	run->ranks[rank].ended = run->ranks[rank].started = 0;
	run->ranks_ended--;
	run->ranks_started--;
	message.restart.run = run->id;
	message.restart.rank = rank;
	job_send(run->job, run->ranks[rank].node, &message);
	return 0;
}

void run_node_done(struct launch_run *run, uint32_t node)
{
	struct run_node *place = run_node_find(run, node);

	if (!place || place->done)
		return;
	place->done = 1;
	run->nodes_done++;
}

void run_finish(struct launch_run *run)
{
	if (run->state == RUN_QUEUED)
		run->nodes_done = run->node_count;
	if (run->state < RUN_FINISHING)
		run->state = RUN_FINISHING;
}

static void all_ranks_ended(struct launch_run *run)
{
	struct launch_message finish = { .type = LAUNCH_FINISH };

	run->state = RUN_FINISHING;
	finish.run.run = run->id;
	run_send(run, &finish);
}

static void ended(struct launch_run *run)
{
	run->state = RUN_ENDED;
	run_drop_fences(run);
	if (run->hooks.ended)
		run->hooks.ended(run->hooks.arg);
}

static void stuck(struct launch_run *run)
{
	char text[LAUNCH_TEXT_BYTES];

	run->stop_limit_ns = UINT64_MAX;
	for (uint32_t i = 0; i < run->node_count; i++)
		if (!run->nodes[i].done && run->nodes[i].running) {
			snprintf(text, sizeof(text), "daemon of node %u does not end its ranks",
				 run->nodes[i].node);
			job_node_lost(run->job, run->nodes[i].node, text);
		}
}

int run_step(struct launch_run *run)
{
	if (run->state == RUN_RUNNING && run->ranks_ended == run->size)
		all_ranks_ended(run);
	if (run->state == RUN_STOPPING && base_now_ns() >= run->stop_limit_ns)
		stuck(run);
	if (run->state > RUN_QUEUED && run->state < RUN_ENDED &&
	    (run->nodes_done == run->node_count || run->has_start))
		ended(run);
	return run->state == RUN_STOPPING ? base_poll_ms(run->stop_limit_ns) : -1;
}

/* Bytes of stdin that are still under way to some reader. */
static uint64_t input_under_way(const struct launch_run *run)
{
	uint64_t least = run->input_sent;

	if (run->input == LAUNCH_INPUT_RANK)
		return least - run_node_find(run, run->ranks[run->input_rank].node)->taken;
	for (uint32_t i = 0; i < run->node_count; i++)
		if (!run->nodes[i].done && run->nodes[i].running && run->nodes[i].taken < least)
			least = run->nodes[i].taken;
	return run->input_sent - least;
}

uint32_t launch_run_input_room(const struct launch_run *run)
{
	const struct run_rank *rank = &run->ranks[run->input_rank];
	uint64_t under_way;

	if (run->state != RUN_RUNNING || run->input == LAUNCH_INPUT_NULL || run->input_ended)
		return 0;
	if (run->input == LAUNCH_INPUT_RANK ? !rank->started || rank->ended :
					      run->ranks_started < run->size)
		return 0;
	under_way = input_under_way(run);
	return under_way < LAUNCH_WINDOW_BYTES ? LAUNCH_WINDOW_BYTES - (uint32_t)under_way : 0;
}

int launch_run_input(struct launch_run *run, const void *data, uint32_t bytes)
{
	struct launch_message message = { .type = LAUNCH_INPUT };

	if (bytes > launch_run_input_room(run) || bytes > LAUNCH_PIECE_BYTES)
		return -ENOBUFS;
	if (run->state != RUN_RUNNING || run->input_ended)
		return 0;
	message.input.run = run->id;
	message.input.data = data;
	message.input.bytes = bytes;
	run->input_sent += bytes;
	run->input_ended = bytes == 0;
	message.input.rank = run->input == LAUNCH_INPUT_ALL ? LAUNCH_RANK_ALL : run->input_rank;
	if (run->input == LAUNCH_INPUT_ALL)
		run_send(run, &message);
	else
		job_send(run->job, run->ranks[run->input_rank].node, &message);
	return 0;
}

void launch_run_taken(struct launch_run *run, uint32_t node, uint32_t bytes)
{
	struct launch_message message = { .type = LAUNCH_TAKEN };
	struct run_node *place = run_node_find(run, node);

	if (!place || place->done)
		return;
	place->owed_bytes += bytes;
	if (place->owed_bytes < LAUNCH_PIECE_BYTES / 2)
		return;
	message.taken.run = run->id;
	message.taken.bytes = place->owed_bytes;
	place->owed_bytes = 0;
	job_send(run->job, node, &message);
}

void launch_run_free(struct launch_run *run)
{
	if (!run)
		return;
	base_list_del(&run->entry);
	run_drop_fences(run);
	if (run->has_start)
		launch_frame_fini(&run->start);
	free(run->ranks);
	free(run->nodes);
	free(run);
}

uint32_t launch_run_id(const struct launch_run *run)
{
	return run->id;
}

const char *launch_run_tag(const struct launch_run *run)
{
	return run->tag;
}

uint32_t launch_run_node(const struct launch_run *run, uint32_t rank)
{
	return run->ranks[rank].node;
}
