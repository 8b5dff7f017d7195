/* SPDX-License-Identifier: MIT */
/*
 * tree.c - how daemons are spoken to: by way of the tree once they have joined it, before that and
 * when the way is broken by the link that each keeps to us.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job/internal.h"

/* Every node on the way to @node has joined and lives. */
static int is_routed(const struct launch_job *job, uint32_t node)
{
	for (; node != LAUNCH_TREE_ROOT; node = launch_tree_parent(&job->tree, node))
		if (!job->nodes[node].joined || !job_node_hears(job, node))
			return 0;
	return 1;
}

static void unreachable(void *arg, uint32_t node, int rc)
{
	struct launch_job *job = arg;
	char text[LAUNCH_TEXT_BYTES];

	snprintf(text, sizeof(text), "daemon of node %u cannot be reached: %s", node,
		 strerror(-rc));
	job_node_lost(job, node, text);
}

static void send_directly(struct launch_job *job, uint32_t node, const struct launch_frame *frame)
{
	int rc = launch_link_send_frame(job->link, node, frame, NULL, 0);

	if (rc < 0)
		unreachable(job, node, rc);
}

void job_send_frame(struct launch_job *job, const struct launch_frame *frame,
		    const uint32_t *nodes, uint32_t count)
{
	uint32_t *routed = malloc((count + 1) * sizeof(*routed)), routed_count = 0;

	if (!routed) {
		job_failed(job, LAUNCH_JOB_FAILED, "no memory to speak to %u nodes", count);
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (!job_node_hears(job, nodes[i]))
			continue;
		if (is_routed(job, nodes[i]))
			routed[routed_count++] = nodes[i];
		else
			send_directly(job, nodes[i], frame);
	}
	if (routed_count &&
	    launch_spread(job->link, &job->tree, LAUNCH_TREE_ROOT, frame, routed, routed_count,
			  unreachable, job) < 0)
		job_failed(job, LAUNCH_JOB_FAILED, "no memory to speak to %u nodes", count);
	free(routed);
}

int job_send(struct launch_job *job, uint32_t node, const struct launch_message *message)
{
	struct launch_frame frame;
	int rc;

	if (!job_node_hears(job, node))
		return -EHOSTUNREACH;
	rc = launch_frame_make(message, &frame);
	if (rc < 0)
		return rc;
	job_send_frame(job, &frame, &node, 1);
	launch_frame_fini(&frame);
	return job_node_hears(job, node) ? 0 : -EHOSTUNREACH;
}

void job_send_all(struct launch_job *job, const struct launch_message *message)
{
	uint32_t nodes = job->spec->nodes, *all = malloc(nodes * sizeof(*all));
	struct launch_frame frame;

	for (uint32_t i = 0; all && i < nodes; i++)
		all[i] = i;
	if (!all || launch_frame_make(message, &frame) < 0) {
		job_failed(job, LAUNCH_JOB_FAILED, "cannot speak to all nodes");
	} else {
		job_send_frame(job, &frame, all, nodes);
		launch_frame_fini(&frame);
	}
	free(all);
}

/* Both ends must be there: a parent that listens and a child that hears of it. */
static void introduce(struct launch_job *job, uint32_t parent, uint32_t child)
{
	struct launch_message message = { .type = LAUNCH_PARENT };

	if (!*job->nodes[parent].endpoint || !job_node_hears(job, child) ||
	    job->nodes[child].joined)
		return;
	message.parent.node = parent;
	snprintf(message.parent.endpoint, sizeof(message.parent.endpoint), "%s",
		 job->nodes[parent].endpoint);
	job_send(job, child, &message);
}

void job_tree_greeted(struct launch_job *job, uint32_t node)
{
	uint32_t parent = launch_tree_parent(&job->tree, node), count, first;

	if (parent == LAUNCH_TREE_ROOT)
		job->nodes[node].joined = 1;
	else
		introduce(job, parent, node);
	first = launch_tree_children(&job->tree, node, &count);
	for (uint32_t i = 0; i < count; i++)
		introduce(job, node, first + i);
}
