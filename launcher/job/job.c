/* SPDX-License-Identifier: MIT */
/* job.c - the life of a job: see job.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "job/internal.h"

enum { TEXT_BYTES = 512 };

static struct launch_run *run_of(struct base_list *entry)
{
	return base_list_entry(entry, struct launch_run, entry);
}

void job_say(const struct launch_job *job, const char *format, ...)
{
	char text[TEXT_BYTES];
	va_list args;

	if (!job->hooks.say || !job->spec->verbose)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	job->hooks.say(job->hooks.arg, text);
}

void job_failed(struct launch_job *job, int code, const char *format, ...)
{
	char text[TEXT_BYTES];
	va_list args;

	job->broken = 1;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (job->hooks.failed)
		job->hooks.failed(job->hooks.arg, code, text);
}

int job_node_hears(const struct launch_job *job, uint32_t node)
{
	return node < job->spec->nodes && job->nodes[node].state >= JOB_NODE_GREETED &&
	       job->nodes[node].state <= JOB_NODE_FAILING;
}

int launch_job_open(const struct launch_job_spec *spec, const struct launch_job_hooks *hooks,
		    struct launch_job **ret_job, struct base_err *reterr)
{
	struct launch_job *job = calloc(1, sizeof(*job));
	int rc;

	if (!job)
		return base_err(reterr, -ENOMEM, "no memory for a job");
	job->spec = spec;
	if (hooks)
		job->hooks = *hooks;
	base_list_init(&job->runs);
	job->epoll = -1;
	job->tree = (struct launch_tree){ spec->nodes, launch_tree_choose_fanout() };
	job->started_ns = base_now_ns();
	job->start_limit_ns = job->started_ns + spec->start_timeout_ms * BASE_MS;
	rc = job_start(job, reterr);
	if (rc < 0) {
		launch_job_close(job);
		return rc;
	}
	*ret_job = job;
	return 0;
}

void *launch_job_socket(const struct launch_job *job)
{
	return launch_link_socket(job->link);
}

int launch_job_fd(const struct launch_job *job)
{
	return job->epoll;
}

static void become_ready(struct launch_job *job)
{
	job->state = JOB_READY;
	job_introduce(job);
	base_list_for(entry, &job->runs)
		if (run_of(entry)->state == RUN_QUEUED)
			run_begin(run_of(entry));
	if (job->hooks.ready)
		job->hooks.ready(job->hooks.arg);
}

static void sooner(int *wait_ms, int other_ms)
{
	if (*wait_ms < 0 || (other_ms >= 0 && other_ms < *wait_ms))
		*wait_ms = other_ms;
}

int launch_job_step(struct launch_job *job)
{
	int wait_ms;

	job_reap(job);
	job_hear(job);
	if (launch_link_broken(job->link, &wait_ms))
		job_miss_nodes(job);
	sooner(&wait_ms, launch_carriers_step(job->carriers));
	if (job->state == JOB_STARTING && !job->broken) {
		if (job->nodes_ready == job->spec->nodes)
			become_ready(job);
		else if (base_now_ns() >= job->start_limit_ns)
			job_start_timeout(job);
		else
			sooner(&wait_ms, base_poll_ms(job->start_limit_ns));
	}
	base_list_for(entry, &job->runs)
		sooner(&wait_ms, run_step(run_of(entry)));
	return wait_ms;
}

void launch_job_leave(struct launch_job *job)
{
	const struct launch_message leave = { .type = LAUNCH_LEAVE };

	if (job->state == JOB_LEAVING)
		return;
	job->state = JOB_LEAVING;
	base_list_for(entry, &job->runs)
		run_finish(run_of(entry));
	job_send_all(job, &leave);
}

int launch_job_over(const struct launch_job *job)
{
	for (uint32_t i = 0; i < job->spec->nodes; i++)
		if (job->nodes[i].state < JOB_NODE_LEFT)
			return 0;
	return 1;
}

void launch_job_close(struct launch_job *job)
{
	if (!job)
		return;
	if (job->nodes)
		job_clean_up(job);
	base_list_for(entry, &job->runs) {
		run_of(entry)->state = RUN_ENDED;
		launch_run_free(run_of(entry));
	}
	launch_link_close(job->link, 0);
	launch_boot_free(job->boot);
	free(job->carrier_env);
	if (job->epoll >= 0)
		close(job->epoll);
	launch_keys_free(job->server_keys);
	free(job->nodes);
	free(job);
}

int launch_job_is_ready(const struct launch_job *job)
{
	return job->state == JOB_READY && !job->broken;
}

uint32_t launch_job_nodes(const struct launch_job *job)
{
	return job->spec->nodes;
}

int launch_job_node_was_up(const struct launch_job *job, uint32_t node)
{
	return node < job->spec->nodes && job->nodes[node].state >= JOB_NODE_READY;
}

int launch_job_node_is_dead(const struct launch_job *job, uint32_t node)
{
	return node < job->spec->nodes && (job->nodes[node].state == JOB_NODE_FAILING ||
					   job->nodes[node].state == JOB_NODE_DEAD);
}

const char *launch_job_tag(const struct launch_job *job)
{
	return job->tag;
}

unsigned launch_job_refused(const struct launch_job *job)
{
	return job->link ? launch_link_refused(job->link) : 0;
}
