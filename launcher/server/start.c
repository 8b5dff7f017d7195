/* SPDX-License-Identifier: MIT */
/* start.c - steps that become runs of the job, and what the job tells of them. */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "job/run.h"
#include "server/core.h"

enum {
	NO_CODE = INT_MIN,		/* the task has not ended */
	LOST_CODE = 125,		/* of a task whose end nobody saw */
	MASK_BYTES = SERVER_CPUS_MAX / 4 + SERVER_CPUS_MAX / 32 + 4,
	GPU_TEXT_BYTES = 4096,
};

/* Each kind of GPU has its own variable for the same thing. */
static const char *const gpu_variables[] = { "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
					     "ZE_AFFINITY_MASK" };
enum { GPU_VARIABLES = sizeof(gpu_variables) / sizeof(*gpu_variables) };

static void release_hosts(struct server *server, struct server_step *step)
{
	if (step->hosts)
		server_hosts_give(server->hosts, step->hosts, step->nodes, step->tasks_per_node);
	free(step->hosts);
	step->hosts = NULL;
	server->stale = 1;
}

void server_finish(struct server *server, struct server_step *step, enum server_state state,
		   const int *code)
{
	if (step->state == SERVER_QUEUED)
		server->queue_bytes -= step->text_bytes;
	base_list_del(&step->link);
	release_hosts(server, step);
	server_step_over(server->steps, step, state, code);
	base_log_info("step %s: %s", step->id, server_state_name(state));
	if (step->run) {
		step->next_over = server->over;	/* freed outside of its hooks */
		server->over = step;
	}
}

static void rank_started(void *arg, uint32_t rank, pid_t pid)
{
	struct server_step *step = arg;
	struct server *server = step->owner;

	(void)rank, (void)pid;
	if (!step->started_ms)
		step->started_ms = base_day_ms();
	if (step->state == SERVER_STARTING)
		server_step_enter(server->steps, step, SERVER_RUNNING);
}

static void rank_exited(void *arg, uint32_t rank, int code, int signal)
{
	struct server_step *step = arg;

	if (rank < step->code_count && step->codes[rank] == NO_CODE) {
		step->codes[rank] = signal ? -signal : code;
		step->ended++;
	}
}

static void run_failed(void *arg, int code, const char *text)
{
	struct server_step *step = arg;

	if (step->failure)
		return;
	step->failure = code ? code : LOST_CODE;
	base_log_error("step %s: %s", step->id, text);
}

/* Tasks whose end nobody told: they never began, or their node is gone. */
static enum server_state fill_codes(struct server_step *step)
{
	enum server_state state = SERVER_COMPLETED;

	for (uint32_t i = 0; i < step->code_count; i++) {
		if (step->codes[i] == NO_CODE)
			step->codes[i] = step->failure ? step->failure : LOST_CODE;
		if (step->codes[i])
			state = SERVER_FAILED;
	}
	if (step->failure && state == SERVER_COMPLETED && step->code_count) {
		step->codes[0] = step->failure;
		state = SERVER_FAILED;
	}
	return state;
}

static void run_ended(void *arg)
{
	static const int killed = -9;
	struct server_step *step = arg;
	struct server *server = step->owner;

	if (step->cancelled)
		server_finish(server, step, SERVER_CANCELLED, &killed);
	else
		server_finish(server, step, fill_codes(step), NULL);
}

/* Mask of the CPUs in groups of 32, highest first: 0x3 or 0x1,00000000. */
static void print_mask(const json_t *cpus, char ret_mask[MASK_BYTES])
{
	uint32_t words[SERVER_CPUS_MAX / 32] = { 0 };
	long last = server_numbers_max(cpus) / 32;
	char *at = ret_mask;

	for (size_t i = 0; i < json_array_size(cpus); i++) {
		json_int_t cpu = json_integer_value(json_array_get(cpus, i));

		words[cpu / 32] |= 1u << (cpu % 32);
	}
	for (long i = last; i >= 0; i--)
		at += sprintf(at, i == last ? "0x%x" : ",%08x", words[i]);
}

static void print_gpus(const json_t *gpus, char ret_text[GPU_TEXT_BYTES])
{
	size_t used = 0;

	ret_text[0] = 0;
	for (size_t i = 0; i < json_array_size(gpus) && used < GPU_TEXT_BYTES - 16; i++)
		used += (size_t)sprintf(ret_text + used, "%s%d", i ? "," : "",
					(int)json_integer_value(json_array_get(gpus, i)));
}

static void fill_map(const struct server_step *step, struct launch_place *map)
{
	for (uint32_t node = 0, rank = 0; node < step->nodes; node++)
		for (uint32_t local = 0; local < step->tasks_per_node; local++, rank++)
			map[rank] = (struct launch_place){ .rank = rank,
							   .node = step->hosts[node],
							   .local_rank = local };
}

/* What a rank has alone: here all have the same. Return: how many; they are GPU variables first. */
static size_t fill_extras(const struct server_run *run, uint32_t size, const char *mask,
			  char *const gpus[GPU_VARIABLES], struct launch_extra *extras)
{
	int has_gpus = json_array_size(run->gpus) > 0, has_cpus = json_array_size(run->cpus) > 0;
	size_t count = 0;

	for (uint32_t rank = 0; rank < size; rank++) {
		for (int i = 0; has_gpus && i < GPU_VARIABLES; i++)
			extras[count++] = (struct launch_extra){ rank, LAUNCH_EXTRA_ENV, gpus[i] };
		if (has_cpus)
			extras[count++] = (struct launch_extra){ rank, LAUNCH_EXTRA_CPUS, mask };
	}
	return count;
}

static struct launch_output_policy output_to(const char *path)
{
	return (struct launch_output_policy){
		.to = path ? LAUNCH_OUTPUT_FILE : LAUNCH_OUTPUT_NULL, .path = path };
}

static mode_t read_umask(void)
{
	mode_t mask = umask(077);

	umask(mask);
	return mask;
}

/* Everything that the job needs to know, in memory that is freed again. */
static int start_run(struct server *server, struct server_step *step,
		     const struct server_run *run, struct base_err *reterr)
{
	uint32_t size = step->nodes * step->tasks_per_node;
	char mask[MASK_BYTES], gpu_text[GPU_TEXT_BYTES];
	char gpu_env[GPU_VARIABLES][GPU_TEXT_BYTES + 32], *gpus[GPU_VARIABLES];
	char **argv = server_run_arguments(run), **env = server_run_environment(run);
	struct launch_place *map = calloc(size, sizeof(*map));
	struct launch_extra *extras = calloc((size_t)size * (GPU_VARIABLES + 1), sizeof(*extras));
	char *no_mpi[] = { (char[]){ "mpi=none" }, NULL };
	const struct launch_app app = { .argv = argv, .env = env, .wdir = run->path };
	const struct launch_run_hooks hooks = { .arg = step,
						.started = rank_started,
						.exited = rank_exited,
						.failed = run_failed,
						.ended = run_ended };
	struct launch_run_spec spec = { .apps = &app,
					.app_count = 1,
					.map = map,
					.size = size,
					.input = LAUNCH_INPUT_NULL,
					.umask = read_umask(),
					.grace_ms = server->grace_ms,
					.extras = extras,
					.settings = run->pmi ? NULL : no_mpi };
	int rc = -ENOMEM;

	step->codes = calloc(size, sizeof(*step->codes));
	if (!argv || !env || !map || !extras || !step->codes) {
		base_err(reterr, rc, "no memory for %u tasks", size);
		goto out;
	}
	step->code_count = size;
	for (uint32_t i = 0; i < size; i++)
		step->codes[i] = NO_CODE;
	print_mask(run->cpus, mask);
	print_gpus(run->gpus, gpu_text);
	for (int i = 0; i < GPU_VARIABLES; i++) {
		snprintf(gpu_env[i], sizeof(gpu_env[i]), "%s=%s", gpu_variables[i], gpu_text);
		gpus[i] = gpu_env[i];
	}
	fill_map(step, map);
	spec.extra_count = fill_extras(run, size, mask, gpus, extras);
	spec.output[0] = output_to(step->output);
	spec.output[1] = output_to(step->error);
	rc = launch_run_start(server->job, &spec, &hooks, &step->run, reterr);
out:
	free(argv);
	free(env);
	free(map);
	free(extras);
	return rc;
}

void server_start(struct server *server, struct server_step *step,
		  const struct server_request *request)
{
	struct base_err err;
	int rc = -ENOMEM, code = LOST_CODE;

	if (step->state == SERVER_QUEUED && step->text) {
		server->queue_bytes -= step->text_bytes;
		free(step->text);
		step->text = NULL;
		step->text_bytes = 0;
	}
	base_list_del(&step->link);
	server_step_enter(server->steps, step, SERVER_STARTING);
	step->owner = server;
	step->hosts = malloc(step->nodes * sizeof(*step->hosts));
	if (step->hosts) {
		memcpy(step->hosts, server->scratch, step->nodes * sizeof(*step->hosts));
		base_list_add_tail(&server->running, &step->link);
		rc = start_run(server, step, &request->run, &err);
	} else {
		server_hosts_give(server->hosts, server->scratch, step->nodes,
				  step->tasks_per_node);
		base_err(&err, rc, "no memory for %u nodes", step->nodes);
	}
	if (rc == 0)
		return;
	base_log_error("step %s: cannot start: %s", step->id, err.text);
	server_finish(server, step, SERVER_FAILED, &code);
}

/* Start a step that has waited; the list of its hosts is in server->scratch. */
static void start_waiting(struct server *server, struct server_step *step)
{
	struct server_request request;
	struct base_err err;

	if (server_request_parse(step->text, step->text_bytes, &request, &err) < 0) {
		static const int lost = LOST_CODE;	/* it was parsed before: no memory */

		server_hosts_give(server->hosts, server->scratch, step->nodes,
				  step->tasks_per_node);
		server_finish(server, step, SERVER_FAILED, &lost);
	} else {
		server_start(server, step, &request);
	}
	server_request_fini(&request);
}

/* The queue once through, in the order of arrival. */
static void schedule(struct server *server)
{
	static const int refused = -1;
	uint32_t blocked = 0;

	server->stale = 0;
	base_list_for (at, &server->waiting) {
		struct server_step *step = base_list_entry(at, struct server_step, link);

		if (step->nodes > server_hosts_count(server->hosts)) {
			base_log_error("step %s: %u nodes are asked for and %u are left", step->id,
				       step->nodes, server_hosts_count(server->hosts));
			server_finish(server, step, SERVER_FAILED, &refused);
		} else if (server_hosts_full(server->hosts)) {
			break;
		} else if (server_hosts_take(server->hosts, step->nodes, step->tasks_per_node,
					     server->scratch)) {
			start_waiting(server, step);
			/* it has overtaken those that still wait before it */
			if (blocked && server->schedule == SERVER_SCHEDULE_BACKFILL)
				base_list_for (earlier, &server->waiting) {
					if (earlier == at_next)
						break;
					base_list_entry(earlier, struct server_step, link)
						->passed++;
				}
		} else {
			blocked = 1;
			if (!server_schedule_may_pass(server->hosts, step->passed))
				break;
		}
	}
}

int server_step(struct server *server)
{
	int busy = server->over || (server->stale && server->job);

	while (server->over) {
		struct server_step *step = server->over;

		server->over = step->next_over;
		launch_run_free(step->run);
		step->run = NULL;
	}
	if (server->stale && server->job)
		schedule(server);
	return busy;
}

void server_stop(struct server *server, struct server_step *step)
{
	static const int killed = -9;

	if (server_step_is_over(step))
		return;
	step->cancelled = 1;
	if (step->state == SERVER_QUEUED) {
		server_finish(server, step, SERVER_CANCELLED, &killed);
		return;
	}
	if (step->state == SERVER_STOPPING)
		return;
	server_step_enter(server->steps, step, SERVER_STOPPING);
	launch_run_stop(step->run, server->grace_ms);
}

void server_stop_all(struct server *server)
{
	base_list_for (at, &server->waiting)
		server_stop(server, base_list_entry(at, struct server_step, link));
	base_list_for (at, &server->running)
		server_stop(server, base_list_entry(at, struct server_step, link));
}

void server_node_dead(struct server *server, uint32_t node, const char *text)
{
	base_log_error("node %u: %s", node, text);
	server_hosts_die(server->hosts, node);
	server->stale = 1;
}

void server_job_failed(struct server *server, const char *text)
{
	static const int lost = LOST_CODE;

	base_log_error("%s", text);
	server->ending = 1;
	base_list_for (at, &server->waiting)
		server_finish(server, base_list_entry(at, struct server_step, link), SERVER_FAILED,
			      &lost);
}
