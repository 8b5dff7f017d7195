/* SPDX-License-Identifier: MIT */
/* server.c - see server.h: what each request does, and its answer. */
#include "server/server.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "place/place.h"
#include "server/answer.h"
#include "server/core.h"

int server_create(const struct server_spec *spec, struct server **ret_server,
		  struct base_err *reterr)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		return base_err(reterr, -ENOMEM, "no memory for the server");
	base_list_init(&server->waiting);
	base_list_init(&server->running);
	server->schedule = spec->schedule;
	server->cpus = spec->cpus;
	server->gpus = spec->gpus;
	server->grace_ms = spec->grace_ms;
	server->pid = spec->pid;
	server->host_count = spec->hosts;
	server->spool = spec->spool ? strdup(spec->spool) : NULL;
	server->hosts = server_hosts_create(spec->schedule, spec->slots, spec->hosts);
	server->steps = server_steps_create();
	server->scratch = calloc(spec->hosts, sizeof(*server->scratch));
	if (!server->hosts || !server->steps || !server->scratch ||
	    (spec->spool && !server->spool)) {
		server_free(server);
		return base_err(reterr, -ENOMEM, "no memory for the server");
	}
	*ret_server = server;
	return 0;
}

void server_free(struct server *server)
{
	if (!server)
		return;
	server_asked_fini(server);
	server_steps_free(server->steps);
	server_hosts_free(server->hosts);
	free(server->scratch);
	free(server->spool);
	free(server);
}

void server_set_pid(struct server *server, int pid)
{
	server->pid = pid;
}

void server_set_job(struct server *server, struct launch_job *job)
{
	server->job = job;
}

static void answer_handshake(struct server *server, struct launch_writer *answer)
{
	server_put_body(answer, SERVER_HANDSHAKE,
			json_pack("{s:n,s:i}", "error_message", "dragon_pid", server->pid));
}

static void put_run(struct launch_writer *answer, const char *id, const char *error)
{
	server_put_body(answer, SERVER_RUN, json_pack("{s:s,s:o}", "step_id", id, "error_message",
					       server_text_or_null(error)));
}

/* Why a run is refused, in the order of the original and in its words. Return: 0 it is not. */
static int refuse_run(struct server *server, const struct server_run *run, struct base_err *ret)
{
	uint32_t hosts = server_hosts_count(server->hosts);

	if (run->nodes > hosts)
		return base_err(ret, -EINVAL, "Cannot satisfy request. Requested %u nodes, but "
				"only %u nodes are available.", run->nodes, hosts);
	if (server->ending)
		return base_err(ret, -ESHUTDOWN,
				"Cannot satisfy request, server is shutting down.");
	if (server_numbers_max(run->cpus) >= (long)server->cpus)
		return base_err(ret, -EINVAL, "Cannot satisfy request, not enough CPUs available");
	if (server_numbers_max(run->gpus) >= (long)server->gpus)
		return base_err(ret, -EINVAL, "Cannot satisfy request, not enough GPUs available");
	if ((uint64_t)run->nodes * run->tasks_per_node > LAUNCH_RANKS_MAX)
		return base_err(ret, -E2BIG, "Cannot satisfy request, %u nodes x %u tasks are more "
				"than %d tasks", run->nodes, run->tasks_per_node, LAUNCH_RANKS_MAX);
	return 0;
}

static void digest_of(const struct server_route *route, const char *data, size_t bytes,
		      uint8_t ret_digest[DIGEST_BYTES])
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, DIGEST_BYTES);
	crypto_generichash_update(&state, route->data, route->bytes);
	crypto_generichash_update(&state, (const uint8_t *)data, bytes);
	crypto_generichash_final(&state, ret_digest, DIGEST_BYTES);
}

/* The step that this very message has started before. Only requests with a number of their own
 * (REQ_CORRELATE: a frame between the connection and the empty one) can be told apart. */
static struct server_step *find_repeated(struct server *server, const struct server_run *run,
					 const struct server_route *route,
					 const uint8_t digest[DIGEST_BYTES])
{
	if (run->token)
		return server_steps_find_token(server->steps, run->token);
	for (unsigned i = 0; route->frames >= 3 && i < RECENT_MAX; i++) {
		const struct server_recent *recent = &server->recent[i];
		uint64_t newest;
		struct server_step *step;

		if (memcmp(recent->digest, digest, DIGEST_BYTES) != 0)
			continue;
		step = server_steps_newest(server->steps, 0);
		newest = step ? step->number : 0;
		return recent->number <= newest ?
		       server_steps_newest(server->steps, newest - recent->number) : NULL;
	}
	return NULL;
}

static void remember(struct server *server, const uint8_t digest[DIGEST_BYTES], uint64_t number)
{
	struct server_recent *recent = &server->recent[server->recent_next++ % RECENT_MAX];

	memcpy(recent->digest, digest, DIGEST_BYTES);
	recent->number = number;
}

static void note_owner(struct server *server, const struct server_route *route, int owns)
{
	struct server_owner *oldest = &server->owners[0];

	if (!route->frames || route->sizes[0] > sizeof(oldest->name))
		return;
	for (int i = 0; i < OWNERS_MAX; i++) {
		struct server_owner *owner = &server->owners[i];

		if (owner->bytes == route->sizes[0] && owner->heard_ns &&
		    memcmp(owner->name, route->data, owner->bytes) == 0) {
			owner->heard_ns = base_now_ns();
			return;
		}
		if (owner->heard_ns < oldest->heard_ns)
			oldest = owner;
	}
	if (!owns)
		return;
	oldest->bytes = route->sizes[0];
	memcpy(oldest->name, route->data, oldest->bytes);
	oldest->heard_ns = base_now_ns();
}

uint64_t server_heard_ns(const struct server *server)
{
	uint64_t newest = 0;

	for (int i = 0; i < OWNERS_MAX; i++)
		if (server->owners[i].heard_ns > newest)
			newest = server->owners[i].heard_ns;
	return newest;
}

/* It waits: what was asked is kept as text, which is a third of its size when parsed. */
static int keep(struct server *server, struct server_step *step, const char *data, size_t bytes)
{
	if (server->queue_bytes + bytes > SERVER_QUEUE_BYTES_MAX)
		return -ENOSPC;
	step->text = malloc(bytes);
	if (!step->text)
		return -ENOMEM;
	memcpy(step->text, data, bytes);
	step->text_bytes = bytes;
	server->queue_bytes += bytes;
	server->stale = 1;
	base_list_add_tail(&server->waiting, &step->link);
	return 0;
}

static char *spool_path(const struct server *server, const struct server_step *step,
			const char *ending)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.%s", server->spool, step->id, ending);
	return strdup(path);
}

/* The client wants output that it has given no file for. */
static void set_spool(struct server *server, const struct server_request *request,
		      struct server_step *step)
{
	if (!server->spool || !json_is_true(json_object_get(request->body, "spool")))
		return;
	/* made when it is needed for the first time; where it cannot be, the step will say so */
	mkdir(server->spool, 0700);
	if (!step->output)
		step->output = spool_path(server, step, "out");
	if (!step->error)
		step->error = spool_path(server, step, "err");
}

/* Nobody waits before it and it fits: it starts without a detour through the queue. */
static int start_now(struct server *server, struct server_step *step,
		     const struct server_request *request)
{
	if (!server->job || !base_list_empty(&server->waiting) ||
	    !server_hosts_take(server->hosts, step->nodes, step->tasks_per_node, server->scratch))
		return 0;
	server_start(server, step, request);
	return 1;
}

static void answer_run(struct server *server, const struct server_route *route,
		       const struct server_request *request, const char *data, size_t bytes,
		       struct launch_writer *answer)
{
	static const int refused = -1;
	uint8_t digest[DIGEST_BYTES];
	struct server_step *step;
	struct base_err err;
	int rc;

	digest_of(route, data, bytes, digest);
	step = find_repeated(server, &request->run, route, digest);
	if (step) {
		base_log_info("step %s: asked for twice, executed once", step->id);
		put_run(answer, step->id, NULL);
		return;
	}
	rc = server_steps_add(server->steps, &request->run, &step);
	if (rc < 0) {
		base_log_error("a run was refused: %d steps are under way", SERVER_STEPS_MAX);
		server_put_plain(answer, SERVER_RUN,
				 "Cannot satisfy request, the table of steps is full");
		return;
	}
	remember(server, digest, step->number);
	set_spool(server, request, step);
	rc = refuse_run(server, &request->run, &err);
	if (rc == 0 && !start_now(server, step, request)) {
		rc = keep(server, step, data, bytes);
		if (rc < 0)
			base_err(&err, rc, "Cannot satisfy request, the queue is full");
	}
	base_log_info("step %s (%s): %s", step->id, step->name ? step->name : "no name",
		      rc < 0 ? err.text : "taken");
	if (rc < 0)
		server_step_over(server->steps, step, SERVER_FAILED, &refused);
	put_run(answer, step->id, rc < 0 ? err.text : NULL);
}

static void answer_stop(struct server *server, const char *id, struct launch_writer *answer)
{
	struct server_step *step = server_steps_find(server->steps, id);

	if (step)
		server_stop(server, step);
	server_put_plain(answer, SERVER_STOP, NULL);
}

static void answer_shutdown(struct server *server, const struct server_request *request,
			    struct launch_writer *answer)
{
	base_log_info("asked to shut down%s", request->shutdown.immediate ? " at once" : "");
	server->ending = 1;
	server->ends_frontend = request->shutdown.frontend;
	if (request->shutdown.immediate)
		server_stop_all(server);
	server_put_plain(answer, SERVER_SHUTDOWN, NULL);
}

/* A broken request gets an answer of its kind that says so: the original died of it. A run has a
 * step all the same, as SmartSim reads why nowhere but in a status. */
static void answer_broken(struct server *server, enum server_kind kind, const char *error,
			  struct launch_writer *answer)
{
	static const int refused = -1;
	struct server_step *step;

	base_log_error("a request was refused: %s", error);
	if (kind == SERVER_UPDATE_STATUS) {
		server_answer_status(server, NULL, NULL, 0, error, answer);
	} else if (kind == SERVER_RUN && server_steps_add(server->steps, NULL, &step) == 0) {
		server_step_over(server->steps, step, SERVER_FAILED, &refused);
		put_run(answer, step->id, error);
	} else {
		server_put_plain(answer, kind, error);
	}
}

void server_answer(struct server *server, const struct server_route *route, const char *data,
		   size_t bytes, struct launch_writer *answer)
{
	struct server_request request;
	struct base_err err;
	int rc;

	answer->used = 0;
	if (server_answer_status_again(server, data, bytes, answer)) {
		note_owner(server, route, 0);
		return;
	}
	rc = server_request_parse(data, bytes, &request, &err);
	note_owner(server, route, rc == 0 && request.kind == SERVER_RUN);
	if (rc < 0) {
		answer_broken(server, request.kind, err.text, answer);
		server_request_fini(&request);
		return;
	}
	switch (request.kind) {
	case SERVER_HANDSHAKE:
		answer_handshake(server, answer);
		break;
	case SERVER_RUN:
		answer_run(server, route, &request, data, bytes, answer);
		break;
	case SERVER_UPDATE_STATUS:
		server_answer_status(server, request.step_ids, data, bytes, NULL, answer);
		break;
	case SERVER_STOP:
		answer_stop(server, request.step_id, answer);
		break;
	case SERVER_SHUTDOWN:
		answer_shutdown(server, &request, answer);
		break;
	case SERVER_LIST:
		server_answer_list(server, answer);
		break;
	case SERVER_LOGS:
		server_answer_logs(server, &request.logs, answer);
		break;
	case SERVER_KINDS:
		break;
	}
	server_request_fini(&request);
}

void server_refuse(struct server *server)
{
	server->ending = server->ends_frontend = 1;
}

int server_is_ending(const struct server *server)
{
	return server->ending;
}

int server_ends_frontend(const struct server *server)
{
	return server->ends_frontend;
}

uint64_t server_living(const struct server *server)
{
	return server_steps_living(server->steps);
}

const uint64_t *server_counts(const struct server *server)
{
	return server_steps_counts(server->steps);
}
