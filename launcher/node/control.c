/* SPDX-License-Identifier: MIT */
/* control.c - what the owner of the job says, and in which states it may say it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dhow/error.h>

#include "base/log.h"
#include "node/pmi.h"
#include "node/run.h"

static void hear_peers(struct daemon *daemon, const struct launch_message *message)
{
	struct dhow_node_peer *peers = calloc(message->peers.count + 1, sizeof(*peers));
	const uint8_t *at = message->peers.entries;
	size_t count = 0;
	int rc = -ENOMEM;

	while (peers && count < message->peers.count &&
	       launch_peers_next(&at, message->peers.end, &peers[count]))
		if (peers[count].node != daemon->boot->node)
			count++;
	if (peers)
		rc = dhow_node_set_peers(daemon->service, peers, count);
	free(peers);
	if (rc < 0)
		launch_daemon_fail(daemon, DAEMON_FAILED, "cannot tell the agent of its peers: %s",
				   dhow_strerror(rc));
}

static void hear_leave(struct daemon *daemon, const struct launch_message *message)
{
	(void)message;
	launch_daemon_leave(daemon);
}

static void hear_peer_dead(struct daemon *daemon, const struct launch_message *message)
{
	if (message->node.node < daemon->boot->nodes)
		launch_relay_gone(daemon->relay, message->node.node);
	if (daemon->service && message->node.node < daemon->boot->nodes)
		dhow_node_peer_dead(daemon->service, message->node.node, message->node.text);
}

static void hear_name_request(struct daemon *daemon, const struct launch_message *message)
{
	if (daemon->service)
		dhow_node_name_request(daemon->service, &message->name_request.request);
}

static void hear_name_answer(struct daemon *daemon, const struct launch_message *message)
{
	if (daemon->service)
		dhow_node_name_answer(daemon->service, &message->name_answer.answer);
}

static void hear_stop(struct daemon_run *run, const struct launch_message *message)
{
	launch_daemon_run_stop(run, message->stop.grace_ms);
}

static void hear_signal(struct daemon_run *run, const struct launch_message *message)
{
	launch_daemon_tasks_signal(run, (int)message->signal.number);
}

static void hear_restart(struct daemon_run *run, const struct launch_message *message)
{
	if (run->state == DAEMON_RUN_RUNNING)
		launch_daemon_tasks_restart(run, message->restart.rank);
}

static void hear_finish(struct daemon_run *run, const struct launch_message *message)
{
	(void)message;
	launch_daemon_run_finish(run);
}

static void hear_input(struct daemon_run *run, const struct launch_message *message)
{
	launch_daemon_input_add(run, message->input.rank, message->input.data,
				message->input.bytes);
}

static void hear_taken(struct daemon_run *run, const struct launch_message *message)
{
	launch_daemon_pipes_resume(run, message->taken.bytes);
}

enum {
	STARTING = 1 << DAEMON_STARTING,
	READY = 1 << DAEMON_READY,
	FAILING = 1 << DAEMON_FAILING,
	LEAVING = 1 << DAEMON_LEAVING,
};

/* Late messages (in @late) are dropped without a word: they crossed ours on the way. */
static const struct {
	void (*hear)(struct daemon *daemon, const struct launch_message *message);
	unsigned states, late;
} hearing[LAUNCH_TYPES] = {
	[LAUNCH_PARENT] = { launch_daemon_hear_parent, STARTING, FAILING | LEAVING },
	[LAUNCH_PEERS] = { hear_peers, READY, FAILING | LEAVING },
	[LAUNCH_LEAVE] = { hear_leave, STARTING | READY | FAILING, LEAVING },
	[LAUNCH_PEER_DEAD] = { hear_peer_dead, READY | FAILING | LEAVING, STARTING },
	[LAUNCH_NAME_REQUEST] = { hear_name_request, READY | FAILING, LEAVING },
	[LAUNCH_NAME_ANSWER] = { hear_name_answer, READY | FAILING, LEAVING },
};

/* What is said about a run, and where its number is: all of them begin with it. A run that is not
 * here (any more) has ended meanwhile. */
static const struct {
	void (*hear)(struct daemon_run *run, const struct launch_message *message);
	size_t number;
} run_hearing[LAUNCH_TYPES] = {
	[LAUNCH_STOP] = { hear_stop, offsetof(struct launch_message, stop.run) },
	[LAUNCH_SIGNAL] = { hear_signal, offsetof(struct launch_message, signal.run) },
	[LAUNCH_RESTART] = { hear_restart, offsetof(struct launch_message, restart.run) },
	[LAUNCH_FINISH] = { hear_finish, offsetof(struct launch_message, run.run) },
	[LAUNCH_INPUT] = { hear_input, offsetof(struct launch_message, input.run) },
	[LAUNCH_TAKEN] = { hear_taken, offsetof(struct launch_message, taken.run) },
	[LAUNCH_FENCED] = { launch_daemon_pmi_fenced,
			    offsetof(struct launch_message, fenced.run) },
	[LAUNCH_MODEX] = { launch_daemon_pmi_modex, offsetof(struct launch_message, modex.run) },
	[LAUNCH_MODEX_ANSWER] = { launch_daemon_pmi_modex_answer,
				  offsetof(struct launch_message, modex_answer.run) },
};

static void hear_one(struct daemon *daemon, const struct launch_message *message,
		     const struct launch_frame *frame)
{
	unsigned now = 1u << daemon->state, type = message->type;

	if (type == LAUNCH_START && now & READY) {
		launch_daemon_run_start(daemon, message, frame);
	} else if (run_hearing[type].hear) {
		const void *number = (const char *)message + run_hearing[type].number;
		struct daemon_run *run = launch_daemon_run_find(daemon, *(const uint32_t *)number);

		if (run)
			run_hearing[type].hear(run, message);
	} else if (hearing[type].states & now) {
		hearing[type].hear(daemon, message);
	} else if (!(hearing[type].late & now) && type != LAUNCH_START) {
		base_log_warn("node %u: message %s in the wrong state, ignored",
			      daemon->boot->node, launch_type_name(type));
	}
}

int launch_daemon_hear(struct daemon *daemon)
{
	struct launch_message message;
	struct launch_frame frame;
	int rc, moved = 0;

	while (daemon->state != DAEMON_LEFT &&
	       (rc = launch_relay_recv(daemon->relay, &frame, &message, &moved)) != -EAGAIN) {
		if (rc == 0) {
			hear_one(daemon, &message, &frame);
			launch_frame_fini(&frame);
			continue;
		}
		launch_daemon_fail(daemon, DAEMON_FAILED, "cannot read what dlaunch sent: %s",
				   strerror(-rc));
		if (rc != -EBADMSG && rc != -EPROTO)
			break;
	}
	return moved;
}
