/* SPDX-License-Identifier: MIT */
/* control.c - what dlaunch says to the daemon, and in which states it may say it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dhow/error.h>

#include "base/log.h"
#include "node/daemon.h"

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
		launch_daemon_fail(daemon, 125, "cannot tell the agent of its peers: %s",
				   dhow_strerror(rc));
}

static void hear_stop(struct daemon *daemon, const struct launch_message *message)
{
	(void)message;
	launch_daemon_stop_tasks(daemon);
}

static void hear_finish(struct daemon *daemon, const struct launch_message *message)
{
	(void)message;
	launch_daemon_finish(daemon);
}

static void hear_input(struct daemon *daemon, const struct launch_message *message)
{
	launch_daemon_input_add(daemon, message->input.data, message->input.bytes);
}

static void hear_taken(struct daemon *daemon, const struct launch_message *message)
{
	launch_daemon_pipes_resume(daemon, message->taken.bytes);
}

static void hear_peer_dead(struct daemon *daemon, const struct launch_message *message)
{
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

enum {
	STARTING = 1 << DAEMON_STARTING,
	READY = 1 << DAEMON_READY,
	RUNNING = 1 << DAEMON_RUNNING,
	STOPPING = 1 << DAEMON_STOPPING,
	FINISHING = 1 << DAEMON_FINISHING,
	SERVING = READY | RUNNING | STOPPING,
	ANY = STARTING | SERVING | FINISHING,
};

/* Late messages (in @late) are dropped without a word: they crossed ours on the way. */
static const struct {
	void (*hear)(struct daemon *daemon, const struct launch_message *message);
	unsigned states, late;
} hearing[LAUNCH_TYPES] = {
	[LAUNCH_PEERS] = { hear_peers, READY, STOPPING | FINISHING },
	[LAUNCH_START] = { launch_daemon_start_tasks, READY, STOPPING | FINISHING },
	[LAUNCH_INPUT] = { hear_input, RUNNING, STOPPING | FINISHING },
	[LAUNCH_STOP] = { hear_stop, STARTING | READY | RUNNING, STOPPING | FINISHING },
	[LAUNCH_FINISH] = { hear_finish, STARTING | SERVING, FINISHING },
	[LAUNCH_PEER_DEAD] = { hear_peer_dead, SERVING, STARTING | FINISHING },
	[LAUNCH_TAKEN] = { hear_taken, ANY, 0 },
	[LAUNCH_NAME_REQUEST] = { hear_name_request, SERVING, FINISHING },
	[LAUNCH_NAME_ANSWER] = { hear_name_answer, SERVING, FINISHING },
};

int launch_daemon_hear(struct daemon *daemon)
{
	struct launch_message message;
	struct launch_frame frame;
	int rc, count = 0;
	uint32_t node;

	while (daemon->state != DAEMON_LEAVING &&
	       (rc = launch_link_recv(daemon->link, &node, &frame, &message)) != -EAGAIN) {
		unsigned now = 1u << daemon->state;

		count++;
		if (rc < 0) {
			launch_daemon_fail(daemon, 125, "cannot read what dlaunch sent: %s",
					   strerror(-rc));
			continue;
		}
		if (hearing[message.type].states & now)
			hearing[message.type].hear(daemon, &message);
		else if (!(hearing[message.type].late & now))
			base_log_warn("node %u: message %s in the wrong state, ignored",
				      daemon->boot->node, launch_type_name(message.type));
		launch_frame_fini(&frame);
	}
	return count;
}
