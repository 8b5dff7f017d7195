/* SPDX-License-Identifier: MIT */
/* run_link.c - what the daemons say, and in which states of the run it counts. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/run.h"

typedef void hear_function(struct run *run, uint32_t node, const struct launch_message *message);

/* A daemon speaks for its own ranks only. */
static struct run_rank *find_rank(struct run *run, uint32_t node, uint32_t rank)
{
	if (rank < run->plan->ntasks && run->plan->map[rank].node == node)
		return &run->ranks[rank];
	base_log_warn("node %u: speaks of rank %u, which is not its own, ignored", node, rank);
	return NULL;
}

static void hear_hello(struct run *run, uint32_t node, const struct launch_message *message)
{
	if (message->hello.job != run->job || message->hello.node != node)
		base_log_warn("node %u: hello of another job, ignored", node);
	else if (run->nodes[node].state == NODE_STARTED)
		run->nodes[node].state = NODE_GREETED;
	launch_carriers_greeted(run->carriers, node);
}

static void hear_ready(struct run *run, uint32_t node, const struct launch_message *message)
{
	if (run->nodes[node].state != NODE_GREETED)
		return;
	run->nodes[node].state = NODE_READY;
	run->nodes[node].peer = message->ready;
	run->nodes[node].peer.node = node;
	run->nodes_ready++;
	launch_run_say(run, "node %u is up after %.0f ms", node,
		       (double)(base_now_ns() - run->started_ns) / 1e6);
}

static void hear_started(struct run *run, uint32_t node, const struct launch_message *message)
{
	struct run_rank *rank = find_rank(run, node, message->started.rank);

	if (!rank || rank->started)
		return;
	rank->started = 1;
	rank->started_ns = base_now_ns();
	rank->pid = (pid_t)message->started.pid;
	run->nodes[node].running++;
	launch_run_say(run, "rank %u on node %u is pid %d", message->started.rank, node,
		       (int)rank->pid);
}

static void hear_output(struct run *run, uint32_t node, const struct launch_message *message)
{
	int index = message->output.stream - LAUNCH_STDOUT;

	if (find_rank(run, node, message->output.rank) &&
	    launch_output_add(&run->output[index], message->output.rank, node,
			      message->output.data, message->output.bytes) < 0)
		launch_run_stop(run, RUN_FAILED, "no memory for output, ending the run");
}

static void judge_exit(struct run *run, uint32_t node, uint32_t number)
{
	struct run_rank *rank = &run->ranks[number];
	int code = rank->signal ? 128 + rank->signal : rank->code;

	if (run->state != RUN_RUNNING)
		return;		/* we ended it ourselves: its code says nothing */
	if (code > run->code)
		run->code = code;
	if (rank->signal)
		launch_run_stop(run, -1, "rank %u (node %u, pid %d) was killed by signal %d (%s), "
				"ending the run", number, node, (int)rank->pid, rank->signal,
				strsignal(rank->signal));
	else if (code && run->options->kill_on_bad_exit)
		launch_run_stop(run, -1, "rank %u (node %u, pid %d) ended with exit code %d, "
				"ending the run (-K)", number, node, (int)rank->pid, code);
}

static void hear_exit(struct run *run, uint32_t node, const struct launch_message *message)
{
	struct run_rank *rank = find_rank(run, node, message->exit.rank);

	if (!rank || !rank->started || rank->ended)
		return;
	rank->ended = 1;
	rank->ended_ns = base_now_ns();
	rank->code = message->exit.code;
	rank->signal = message->exit.signal;
	run->ranks_ended++;
	run->nodes[node].running--;
	run->nodes[node].ended++;
	launch_run_say(run, "rank %u ended with %s %d", message->exit.rank,
		       rank->signal ? "signal" : "exit code",
		       rank->signal ? rank->signal : rank->code);
	judge_exit(run, node, message->exit.rank);
}

static void hear_fail(struct run *run, uint32_t node, const struct launch_message *message)
{
	int code = message->fail.code ? (int)message->fail.code : RUN_FAILED;

	launch_run_stop(run, code, "node %u: %.200s", node, message->fail.text);
}

static void hear_peer_down(struct run *run, uint32_t node, const struct launch_message *message)
{
	if (message->node.node < run->plan->nodes &&
	    run->nodes[message->node.node].state < NODE_DONE)
		base_log_warn("node %u: cannot reach node %u: %s", node, message->node.node,
			      message->node.text);
}

static void hear_done(struct run *run, uint32_t node, const struct launch_message *message)
{
	(void)message;
	run->nodes[node].state = NODE_DONE;
	launch_carriers_over(run->carriers, node);
}

static void hear_taken(struct run *run, uint32_t node, const struct launch_message *message)
{
	uint32_t room = LAUNCH_WINDOW_BYTES - run->input_window_bytes;
	uint32_t bytes = message->taken.bytes < room ? message->taken.bytes : room;

	if (node == run->plan->map[0].node)
		run->input_window_bytes += bytes;
}

/* Names are asked across nodes by way of us; a node that is gone is answered for. */
static void hear_name_request(struct run *run, uint32_t node,
			      const struct launch_message *message)
{
	struct launch_message answer = { .type = LAUNCH_NAME_ANSWER };
	uint32_t to = message->name_request.to;

	if (message->name_request.request.origin != node)
		return;
	if (to < run->plan->nodes && launch_link_send(run->link, to, message) == 0)
		return;
	answer.name_answer.to = node;
	answer.name_answer.answer.ticket = message->name_request.request.ticket;
	answer.name_answer.answer.rc = -EHOSTUNREACH;
	launch_link_send(run->link, node, &answer);
}

static void hear_name_answer(struct run *run, uint32_t node,
			     const struct launch_message *message)
{
	(void)node;
	if (message->name_answer.to < run->plan->nodes)
		launch_link_send(run->link, message->name_answer.to, message);
}

enum {
	STARTING = 1 << RUN_STARTING,
	RUNNING = 1 << RUN_RUNNING,
	STOPPING = 1 << RUN_STOPPING,
	FINISHING = 1 << RUN_FINISHING,
	ANY = STARTING | RUNNING | STOPPING | FINISHING,
};

static const struct {
	hear_function *hear;
	unsigned states;
} hearing[LAUNCH_TYPES] = {
	[LAUNCH_HELLO] = { hear_hello, ANY },
	[LAUNCH_READY] = { hear_ready, ANY },
	[LAUNCH_STARTED] = { hear_started, ANY },
	[LAUNCH_OUTPUT] = { hear_output, ANY },
	[LAUNCH_EXIT] = { hear_exit, ANY },
	[LAUNCH_FAIL] = { hear_fail, ANY },
	[LAUNCH_PEER_DOWN] = { hear_peer_down, RUNNING },
	[LAUNCH_DONE] = { hear_done, ANY },
	[LAUNCH_TAKEN] = { hear_taken, ANY },
	[LAUNCH_NAME_REQUEST] = { hear_name_request, STARTING | RUNNING },
	[LAUNCH_NAME_ANSWER] = { hear_name_answer, STARTING | RUNNING },
};

void launch_run_hear(struct run *run)
{
	const struct launch_message stop = { .type = LAUNCH_STOP };
	struct launch_message message;
	struct launch_frame frame;
	uint32_t node;
	int rc;

	while ((rc = launch_link_recv(run->link, &node, &frame, &message)) != -EAGAIN) {
		if (rc == -EBADMSG || rc == -EPROTO) {
			launch_run_stop(run, RUN_FAILED, "node %u: its daemon sent %s", node,
					rc == -EPROTO ? "another protocol version" : "nonsense");
			continue;
		}
		if (rc < 0) {
			launch_run_stop(run, RUN_FAILED, "the control link is broken: %s",
					strerror(-rc));
			return;
		}
		if (node < run->plan->nodes && hearing[message.type].states & (1u << run->state))
			hearing[message.type].hear(run, node, &message);
		/* It was not there yet when the others were told. */
		if (message.type == LAUNCH_HELLO && run->state == RUN_STOPPING)
			launch_link_send(run->link, node, &stop);
		launch_frame_fini(&frame);
	}
}
