/* SPDX-License-Identifier: MIT */
/* hear.c - what the daemons say, and in which states of the job or the run it counts. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "job/internal.h"

static void hear_hello(struct launch_job *job, uint32_t node, const struct launch_message *message)
{
	const struct launch_message leave = { .type = LAUNCH_LEAVE };

	if (message->hello.job != job->id || message->hello.node != node) {
		base_log_warn("node %u: hello of another job, ignored", node);
		return;
	}
	launch_carriers_greeted(job->carriers, node);
	if (job->nodes[node].state != JOB_NODE_STARTED)
		return;
	job->nodes[node].state = JOB_NODE_GREETED;
	snprintf(job->nodes[node].endpoint, sizeof(job->nodes[node].endpoint), "%s",
		 message->hello.endpoint);
	/* It was not there yet when the others were told. */
	if (job->state == JOB_LEAVING)
		job_send(job, node, &leave);
	else
		job_tree_greeted(job, node);
}

static void hear_joined(struct launch_job *job, uint32_t node,
			const struct launch_message *message)
{
	(void)message;
	job->nodes[node].joined = 1;
}

static void hear_ready(struct launch_job *job, uint32_t node, const struct launch_message *message)
{
	if (job->nodes[node].state != JOB_NODE_GREETED)
		return;
	job->nodes[node].state = JOB_NODE_READY;
	job->nodes[node].peer = message->ready;
	job->nodes[node].peer.node = node;
	job->nodes_ready++;
	job_say(job, "node %u is up after %.0f ms", node,
		(double)(base_now_ns() - job->started_ns) / 1e6);
	if (job->hooks.node_up)
		job->hooks.node_up(job->hooks.arg, node);
}

/* The node itself cannot go on: so can none of its runs. */
static void node_failing(struct launch_job *job, uint32_t node, int code, const char *text)
{
	if (!job_node_hears(job, node))
		return;
	job->nodes[node].state = JOB_NODE_FAILING;
	if (job->state == JOB_STARTING) {
		job_failed(job, code, "%s", text);
		return;
	}
	base_list_for(entry, &job->runs) {
		struct launch_run *run = base_list_entry(entry, struct launch_run, entry);

		if (run->state < RUN_ENDED && run_node_find(run, node))
			run_failed(run, code, text);
	}
	if (job->hooks.node_dead)
		job->hooks.node_dead(job->hooks.arg, node, text);
}

static void hear_fail(struct launch_job *job, uint32_t node, const struct launch_message *message)
{
	int code = message->fail.code ? (int)message->fail.code : LAUNCH_JOB_FAILED;
	struct launch_run *run = run_find(job, message->fail.run);
	char text[LAUNCH_TEXT_BYTES + 32];

	snprintf(text, sizeof(text), "node %u: %.200s", node, message->fail.text);
	if (!message->fail.run)
		node_failing(job, node, code, text);
	else if (run && run_node_find(run, node))
		run_failed(run, code, text);
}

static void hear_peer_down(struct launch_job *job, uint32_t node,
			   const struct launch_message *message)
{
	if (job->state == JOB_READY && job_node_hears(job, message->node.node))
		base_log_warn("node %u: cannot reach node %u: %s", node, message->node.node,
			      message->node.text);
}

static void hear_left(struct launch_job *job, uint32_t node, const struct launch_message *message)
{
	(void)message;
	job_node_left(job, node);
}

/* Names are asked across nodes by way of us; a node that is gone is answered for. */
static void hear_name_request(struct launch_job *job, uint32_t node,
			      const struct launch_message *message)
{
	struct launch_message answer = { .type = LAUNCH_NAME_ANSWER };
	uint32_t to = message->name_request.to;

	if (message->name_request.request.origin != node)
		return;
	if (job_send(job, to, message) == 0)
		return;
	answer.name_answer.to = node;
	answer.name_answer.answer.ticket = message->name_request.request.ticket;
	answer.name_answer.answer.rc = -EHOSTUNREACH;
	job_send(job, node, &answer);
}

static void hear_name_answer(struct launch_job *job, uint32_t node,
			     const struct launch_message *message)
{
	(void)node;
	job_send(job, message->name_answer.to, message);
}

/* A daemon speaks for its own ranks only. Return: NULL it is not one. */
static struct run_rank *find_rank(struct launch_run *run, uint32_t node, uint32_t rank)
{
	if (rank < run->size && run->ranks[rank].node == node)
		return &run->ranks[rank];
	base_log_warn("node %u: speaks of rank %u, which is not its own, ignored", node, rank);
	return NULL;
}

static void hear_started(struct launch_run *run, uint32_t node,
			 const struct launch_message *message)
{
	struct launch_entry entry;
	const uint8_t *at = NULL;

	while (launch_entry_next(message, &at, &entry)) {
		struct run_rank *rank = find_rank(run, node, entry.rank);

		if (!rank || rank->started)
			continue;
		rank->started = 1;
		run->ranks_started++;
		run_node_find(run, node)->running++;
		if (run->hooks.started)
			run->hooks.started(run->hooks.arg, entry.rank, (pid_t)entry.pid);
	}
}

static void hear_exited(struct launch_run *run, uint32_t node,
			const struct launch_message *message)
{
	struct run_node *there = run_node_find(run, node);
	struct launch_entry entry;
	const uint8_t *at = NULL;

	while (launch_entry_next(message, &at, &entry)) {
		struct run_rank *rank = find_rank(run, node, entry.rank);

		if (!rank || !rank->started || rank->ended)
			continue;
		rank->ended = 1;
		run->ranks_ended++;
		there->running--;
		if (there->code < (entry.signal ? 128 + entry.signal : entry.code))
			there->code = entry.signal ? 128 + entry.signal : entry.code;
		if (run->hooks.exited)
			run->hooks.exited(run->hooks.arg, entry.rank, entry.code, entry.signal);
	}
	run_check_fences(run);
}

static void hear_output(struct launch_run *run, uint32_t node,
			const struct launch_message *message)
{
	if (!find_rank(run, node, message->output.rank))
		return;
	if (run->hooks.output)
		run->hooks.output(run->hooks.arg, message->output.rank,
				  (enum launch_stream)message->output.stream,
				  message->output.data, message->output.bytes);
	else
		launch_run_taken(run, node, message->output.bytes);
}

static void hear_done(struct launch_run *run, uint32_t node, const struct launch_message *message)
{
	(void)message;
	run_node_done(run, node);
}

static void hear_taken(struct launch_run *run, uint32_t node, const struct launch_message *message)
{
	struct run_node *place = run_node_find(run, node);
	uint64_t most = run->input_sent - place->taken;

	place->taken += message->taken.bytes < most ? message->taken.bytes : most;
}

static void hear_modex(struct launch_run *run, uint32_t node, const struct launch_message *message)
{
	struct launch_message answer = { .type = LAUNCH_MODEX_ANSWER };
	uint32_t rank = message->modex.rank;

	if (message->modex.origin != node)
		return;
	if (rank < run->size && job_send(run->job, run->ranks[rank].node, message) == 0)
		return;
	answer.modex_answer.run = run->id;
	answer.modex_answer.to = node;
	answer.modex_answer.ticket = message->modex.ticket;
	answer.modex_answer.rc = rank < run->size ? -EHOSTUNREACH : -ENOENT;
	job_send(run->job, node, &answer);
}

static void hear_modex_answer(struct launch_run *run, uint32_t node,
			      const struct launch_message *message)
{
	(void)node;
	if (run_node_find(run, message->modex_answer.to))
		job_send(run->job, message->modex_answer.to, message);
}

static void hear_abort(struct launch_run *run, uint32_t node, const struct launch_message *message)
{
	if (find_rank(run, node, message->abort.rank))
		run_failed(run, (int)message->abort.code, message->abort.text);
}

enum {
	STARTING = 1 << JOB_STARTING,
	READY = 1 << JOB_READY,
	LEAVING = 1 << JOB_LEAVING,
	ANY = STARTING | READY | LEAVING,
};

static const struct {
	void (*hear)(struct launch_job *job, uint32_t node, const struct launch_message *message);
	unsigned states;
} hearing[LAUNCH_TYPES] = {
	[LAUNCH_HELLO] = { hear_hello, ANY },
	[LAUNCH_JOINED] = { hear_joined, ANY },
	[LAUNCH_READY] = { hear_ready, ANY },
	[LAUNCH_FAIL] = { hear_fail, ANY },
	[LAUNCH_PEER_DOWN] = { hear_peer_down, READY },
	[LAUNCH_LEFT] = { hear_left, ANY },
	[LAUNCH_NAME_REQUEST] = { hear_name_request, STARTING | READY },
	[LAUNCH_NAME_ANSWER] = { hear_name_answer, STARTING | READY },
};

enum {
	RUNNING = 1 << RUN_RUNNING,
	STOPPING = 1 << RUN_STOPPING,
	FINISHING = 1 << RUN_FINISHING,
	BEGUN = RUNNING | STOPPING | FINISHING,
};

/* Where the number of the run is: all of these bodies begin with it. */
static const struct {
	void (*hear)(struct launch_run *run, uint32_t node, const struct launch_message *message);
	unsigned states;
	size_t number;
} run_hearing[LAUNCH_TYPES] = {
	[LAUNCH_STARTED] = { hear_started, BEGUN, offsetof(struct launch_message, entries.run) },
	[LAUNCH_OUTPUT] = { hear_output, BEGUN, offsetof(struct launch_message, output.run) },
	[LAUNCH_EXITED] = { hear_exited, BEGUN, offsetof(struct launch_message, entries.run) },
	[LAUNCH_DONE] = { hear_done, BEGUN, offsetof(struct launch_message, run.run) },
	[LAUNCH_TAKEN] = { hear_taken, BEGUN, offsetof(struct launch_message, taken.run) },
	[LAUNCH_FENCE] = { run_hear_fence, BEGUN, offsetof(struct launch_message, fence.run) },
	[LAUNCH_ABORT] = { hear_abort, BEGUN, offsetof(struct launch_message, abort.run) },
	[LAUNCH_MODEX] = { hear_modex, BEGUN, offsetof(struct launch_message, modex.run) },
	[LAUNCH_MODEX_ANSWER] = { hear_modex_answer, BEGUN,
				  offsetof(struct launch_message, modex_answer.run) },
};

static void hear_one(struct launch_job *job, uint32_t node, const struct launch_message *message)
{
	unsigned type = message->type;

	if (run_hearing[type].hear) {
		const void *number = (const char *)message + run_hearing[type].number;
		struct launch_run *run = run_find(job, *(const uint32_t *)number);

		if (run && run_hearing[type].states & (1u << run->state) &&
		    run_node_find(run, node))
			run_hearing[type].hear(run, node, message);
	} else if (hearing[type].states & (1u << job->state)) {
		hearing[type].hear(job, node, message);
	}
}

void job_hear(struct launch_job *job)
{
	struct launch_message message;
	struct launch_frame frame;
	uint32_t node;
	int rc;

	while ((rc = launch_link_recv(job->link, &node, &frame, &message)) != -EAGAIN) {
		if (rc == -EBADMSG || rc == -EPROTO) {
			char text[LAUNCH_TEXT_BYTES];

			snprintf(text, sizeof(text), "node %u: its daemon sent %s", node,
				 rc == -EPROTO ? "another protocol version" : "nonsense");
			node_failing(job, node, LAUNCH_JOB_FAILED, text);
			continue;
		}
		if (rc < 0) {
			job_failed(job, LAUNCH_JOB_FAILED, "the control link is broken: %s",
				   strerror(-rc));
			return;
		}
		if (node < job->spec->nodes)
			hear_one(job, node, &message);
		launch_frame_fini(&frame);
	}
}
