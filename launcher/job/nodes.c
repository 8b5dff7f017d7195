/* SPDX-License-Identifier: MIT */
/* nodes.c - the deaths of daemons, and nothing left behind. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "job/internal.h"
#include "sweep/rundir.h"
#include "sweep/sweep.h"

enum { WAIT_US = 500, SWEEP_ROUNDS_MAX = 200 };

static struct launch_run *run_of(struct base_list *entry)
{
	return base_list_entry(entry, struct launch_run, entry);
}

void job_reap(struct launch_job *job)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (!(job->carriers && launch_carriers_reaped(job->carriers, pid, status)) &&
		    job->hooks.reaped)
			job->hooks.reaped(job->hooks.arg, pid, status);
}

/* The runs of @node have nothing left there. */
static void end_runs(struct launch_job *job, uint32_t node)
{
	base_list_for(entry, &job->runs)
		if (run_of(entry)->state < RUN_ENDED)
			run_node_done(run_of(entry), node);
}

/* Nobody speaks for those below any more; they still have their own link to us. */
static void cut_off_below(struct launch_job *job, uint32_t node)
{
	uint32_t count, first = launch_tree_children(&job->tree, node, &count);
	char text[LAUNCH_TEXT_BYTES];

	snprintf(text, sizeof(text), "the daemon of node %u, by way of which others are reached, "
		 "is gone", node);
	for (uint32_t i = 0; i < count; i++)
		job_node_lost(job, first + i, text);
}

void job_node_left(struct launch_job *job, uint32_t node)
{
	if (job->nodes[node].state >= JOB_NODE_LEFT)
		return;
	job->nodes[node].state = JOB_NODE_LEFT;
	launch_carriers_over(job->carriers, node);
	end_runs(job, node);
	cut_off_below(job, node);
}

void job_node_lost(struct launch_job *job, uint32_t node, const char *text)
{
	const struct launch_message leave = { .type = LAUNCH_LEAVE };
	struct launch_message dead = { .type = LAUNCH_PEER_DEAD };
	int known = job->nodes[node].state == JOB_NODE_FAILING;

	if (job->nodes[node].state >= JOB_NODE_LEFT)
		return;
	if (job_node_hears(job, node))	/* perhaps only what carried it has ended */
		launch_link_send(job->link, node, &leave);
	job->nodes[node].state = JOB_NODE_DEAD;
	launch_carriers_over(job->carriers, node);
	/* People first: what follows may find more that is lost. */
	if (job->state == JOB_STARTING)
		job_failed(job, LAUNCH_JOB_FAILED, "%s, ending the run", text);
	snprintf(dead.node.text, sizeof(dead.node.text), "%.200s, ending the run", text);
	base_list_for(entry, &job->runs)
		if (!known && run_of(entry)->state < RUN_ENDED &&
		    run_node_find(run_of(entry), node))
			run_failed(run_of(entry), LAUNCH_JOB_FAILED, dead.node.text);
	dead.node.node = node;
	snprintf(dead.node.text, sizeof(dead.node.text), "%s", text);
	job_send_all(job, &dead);
	end_runs(job, node);
	cut_off_below(job, node);
	if (!known && job->state != JOB_STARTING && job->hooks.node_dead)
		job->hooks.node_dead(job->hooks.arg, node, text);
}

/* What a node said last may still be on its way by others. */
static int is_late(struct launch_job *job, uint32_t node)
{
	struct job_node *missed = &job->nodes[node];

	if (launch_tree_parent(&job->tree, node) == LAUNCH_TREE_ROOT)
		return 0;
	if (!missed->missed_ns)
		missed->missed_ns = base_now_ns();
	return base_now_ns() - missed->missed_ns < JOB_LATE_MS * BASE_MS;
}

void job_miss_nodes(struct launch_job *job)
{
	char text[LAUNCH_TEXT_BYTES];

	/* Of local daemons we hear more, as their parent. */
	for (uint32_t i = 0; i < job->spec->nodes && !job->spec->source->same_machine; i++) {
		if (!job_node_hears(job, i) || launch_link_reaches(job->link, i) ||
		    is_late(job, i))
			continue;
		snprintf(text, sizeof(text), "daemon of node %u (%.64s) is gone", i,
			 job->spec->hosts->host[i].name);
		job_node_lost(job, i, text);
	}
}

/* Two nets, see sweep.h; the second, a walk through all processes, only where a daemon did not
 * leave by itself. Children that were here before us are not ours to end: then, only the tag
 * decides. */
void job_clean_up(struct launch_job *job)
{
	char tasks[64], daemons[64];
	const char *task_tag[] = { tasks, NULL }, *daemon_tag[] = { daemons, NULL };
	int clean = 1;

	for (uint32_t i = 0; i < job->spec->nodes; i++)
		clean &= job->nodes[i].state == JOB_NODE_LEFT;
	launch_carriers_close(job->carriers);
	job->carriers = NULL;
	for (int round = 0; !job->foreign_children && round < SWEEP_ROUNDS_MAX; round++) {
		if (launch_sweep_children() == 0)
			break;
		usleep(WAIT_US);
		job_reap(job);
	}
	if (clean || !*job->tag)
		return;
	snprintf(tasks, sizeof(tasks), "%s=%s", LAUNCH_ENV_JOB_TAG, job->tag);
	snprintf(daemons, sizeof(daemons), "%s=%s", LAUNCH_ENV_DAEMON_TAG, job->tag);
	launch_sweep_tag(daemon_tag, 0);
	launch_sweep_tag(task_tag, 0);
	launch_rundir_sweep();
	job_reap(job);
}
