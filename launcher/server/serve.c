/* SPDX-License-Identifier: MIT */
/* serve.c - see serve.h. */
#include "server/serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/signals.h"
#include "server/bootstrap.h"
#include "server/config_log.h"
#include "server/scrape.h"
#include "sweep/sweep.h"

enum { ITEMS = 5, ITEM_ROUTER = 0, ITEM_SIGNALS, ITEM_FRONT, ITEM_JOB, ITEM_LINES };
enum {
	REQUESTS_PER_TURN = 64,		/* then the job gets its turn */
	CLIENT_CHECK_MS = 1000,
	ANSWER_ROOM_MAX = 1 << 20,
	TELL_AFTER_MS = 1000,		/* of answers under way when we leave */
	KILL_AFTER_MS = 3000,		/* on top of the grace, when we were told by a signal */
};

enum state { SERVING, EMPTYING, COOLING, OVER };

struct serve {
	const struct server_serve_spec *spec;
	enum state state;
	int code;
	int signalled;			/* how often we were told to end by a signal */
	struct server_router *router;
	struct server *server;
	struct launch_job *job;
	int signals, front_fd;
	int config_written;
	int job_failed;
	uint64_t limit_ns;		/* of the state: end of COOLING, of patience in EMPTYING */
	uint64_t client_check_ns;
	uint64_t orphaned_ns;		/* when the client was seen to be dead */
	struct launch_writer answer;
	uint64_t longest_ns;		/* of our own work between two waits */
	struct server_numbers numbers;
	struct server_metrics metrics;
	struct server_scrape *scrape;
};

static uint64_t own_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000 * BASE_MS + (uint64_t)now.tv_nsec;
}

static int open_signals(struct base_err *reterr)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGCHLD };

	return base_signals_open(numbers, sizeof(numbers) / sizeof(*numbers), reterr);
}

static void remove_config(struct serve *serve)
{
	if (serve->config_written)
		server_config_remove(serve->spec->folder, server_router_endpoint(serve->router));
	serve->config_written = 0;
}

/* By a signal, the death of the front or an orphan's time-out: as fast as steps can be ended. */
static void end_now(struct serve *serve, const char *why)
{
	base_log_info("%s: ending", why);
	remove_config(serve);
	serve->signalled++;
	server_refuse(serve->server);
	if (serve->signalled > 1) {
		serve->limit_ns = base_now_ns();	/* no more patience */
		return;
	}
	serve->limit_ns = base_now_ns() +
			  (serve->spec->server.grace_ms + KILL_AFTER_MS) * BASE_MS;
	server_stop_all(serve->server);
}

static void node_dead(void *arg, uint32_t node, const char *text)
{
	struct serve *serve = arg;

	server_node_dead(serve->server, node, text);
}

static void job_failed(void *arg, int code, const char *text)
{
	struct serve *serve = arg;

	serve->code = code;
	serve->job_failed = 1;
	server_job_failed(serve->server, text);
	server_stop_all(serve->server);
}

static void job_line(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "%s\n", line);
}

static void job_say(void *arg, const char *text)
{
	(void)arg;
	base_log_info("%s", text);
}

static void job_ready(void *arg)
{
	(void)arg;
	base_log_info("all nodes are up");
}

static int open_all(struct serve *serve, struct base_err *reterr)
{
	const struct server_serve_spec *spec = serve->spec;
	const struct launch_job_hooks hooks = { .arg = serve,
						.ready = job_ready,
						.node_dead = node_dead,
						.failed = job_failed,
						.line = job_line,
						.say = job_say };
	struct server_spec core = spec->server;
	int rc;

	serve->signals = open_signals(reterr);
	if (serve->signals < 0)
		return serve->signals;
	rc = server_router_open(spec->address, spec->port, spec->keys->server,
				(const uint8_t (*)[LAUNCH_KEY_BYTES])spec->keys->allowed,
				spec->keys->allowed_count, &serve->router, reterr);
	if (rc < 0)
		return rc;
	server_metrics_init(&serve->metrics, spec->agents);
	if (spec->metrics)
		rc = server_scrape_open(spec->metrics, &serve->metrics, &serve->scrape, reterr);
	if (rc < 0)
		return rc;
	/* The nodes come up while the launcher is asked. */
	rc = server_create(&core, &serve->server, reterr);
	if (rc == 0)
		rc = launch_job_open(spec->job, &hooks, &serve->job, reterr);
	if (rc < 0)
		return rc;
	server_set_job(serve->server, serve->job);
	if (spec->launcher) {
		rc = server_bootstrap(server_router_context(serve->router), spec->launcher,
				      server_router_endpoint(serve->router), spec->keys->client,
				      spec->keys->server->public, spec->launcher_timeout_ms,
				      serve->front_fd, &core.pid, reterr);
		server_set_pid(serve->server, core.pid);
	}
	if (rc == 0)
		rc = server_config_write(spec->folder, server_router_endpoint(serve->router),
					 reterr);
	serve->config_written = rc == 0;
	return rc;
}

/* One large answer is not kept in memory for ever. */
static void shrink(struct launch_writer *answer)
{
	if (answer->room > ANSWER_ROOM_MAX || answer->failed) {
		launch_writer_fini(answer);
		memset(answer, 0, sizeof(*answer));
	}
}

static void hear_clients(struct serve *serve)
{
	static struct server_route route;
	struct server_frame frame;

	for (int i = 0; i < REQUESTS_PER_TURN; i++) {
		if (server_router_recv(serve->router, &route, &frame) < 0)
			return;
		server_answer(serve->server, &route, frame.data, frame.bytes, &serve->answer);
		server_frame_fini(&frame);
		serve->numbers.requests++;
		if (!serve->answer.failed)
			server_router_send(serve->router, &route, serve->answer.data,
					   serve->answer.used);
		shrink(&serve->answer);
	}
}

static void hear_signals(struct serve *serve)
{
	struct signalfd_siginfo info;

	while (read(serve->signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			end_now(serve, strsignal((int)info.ssi_signo));
}

/* It says nothing: what can be heard is that it has gone. */
static void hear_front(struct serve *serve)
{
	char byte;
	ssize_t n;

	if (serve->front_fd < 0)
		return;
	n = recv(serve->front_fd, &byte, 1, MSG_DONTWAIT);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	close(serve->front_fd);
	serve->front_fd = -1;
	if (serve->state < COOLING)
		end_now(serve, "the process in front of the server has gone");
}

/* A client that was killed says nothing any more. Others may have joined it: those who have steps
 * are waited for as well. */
static void check_client(struct serve *serve)
{
	const struct server_serve_spec *spec = serve->spec;
	uint64_t now_ns = base_now_ns(), since_ns;

	if (!spec->client || !spec->orphan_ms || now_ns < serve->client_check_ns)
		return;
	serve->client_check_ns = now_ns + CLIENT_CHECK_MS * BASE_MS;
	if (!serve->orphaned_ns) {
		if (launch_sweep_start_time(spec->client) == spec->client_start)
			return;
		serve->orphaned_ns = now_ns;
		base_log_warn("the client (pid %d) is dead; without another one the server leaves "
			      "in %u s (--orphan-timeout, DHOW_ORPHAN_TIMEOUT)", (int)spec->client,
			      spec->orphan_ms / 1000);
	}
	since_ns = server_heard_ns(serve->server);
	if (since_ns < serve->orphaned_ns)
		since_ns = serve->orphaned_ns;
	if (now_ns < since_ns + spec->orphan_ms * BASE_MS || serve->signalled)
		return;
	base_log_warn("nobody is there any more: %llu steps are stopped, and the server leaves",
		      (unsigned long long)server_living(serve->server));
	end_now(serve, "orphaned");
}

static void tell_front(struct serve *serve, char word)
{
	if (serve->front_fd >= 0)
		send(serve->front_fd, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void enter_cooling(struct serve *serve)
{
	uint32_t cooling_ms = serve->signalled ? 0 : serve->spec->cooling_ms;

	base_log_info("no step is left");
	serve->state = COOLING;
	serve->limit_ns = base_now_ns() + cooling_ms * BASE_MS;
	tell_front(serve, server_ends_frontend(serve->server) ? SERVER_FRONT_DONE :
			  SERVER_FRONT_KEEP);
	launch_job_leave(serve->job);
}

/* Return: 1 if the job must be stepped before waiting. */
static int step_state(struct serve *serve)
{
	enum state before = serve->state;
	uint64_t now_ns = base_now_ns();

	switch (serve->state) {
	case SERVING:
		if (server_is_ending(serve->server))
			serve->state = EMPTYING;
		else
			break;
		/* fall through */
	case EMPTYING:
		if (server_living(serve->server) == 0 || now_ns >= serve->limit_ns)
			enter_cooling(serve);
		break;
	case COOLING:
		/* Steps come to an end before their job does: nothing is left in it. */
		if (serve->job && launch_job_over(serve->job)) {
			launch_job_close(serve->job);
			serve->job = NULL;
			server_set_job(serve->server, NULL);
		}
		if (now_ns >= serve->limit_ns)
			serve->state = OVER;
		break;
	case OVER:
		break;
	}
	return serve->state != before && serve->state != OVER;
}

/* Until nothing is left to do but to wait. Return: how long the job wants to wait. */
static int turn(struct serve *serve)
{
	int job_ms, busy;

	do {
		job_ms = serve->job ? launch_job_step(serve->job) : -1;
		busy = server_step(serve->server);
		busy |= step_state(serve);
	} while (busy);
	return job_ms;
}

static void publish(struct serve *serve)
{
	struct server_numbers *numbers = &serve->numbers;

	if (!serve->scrape)
		return;
	memcpy(numbers->steps, server_counts(serve->server), sizeof(numbers->steps));
	numbers->refused = server_router_refused(serve->router);
	numbers->hosts = serve->spec->server.hosts;
	server_metrics_publish(&serve->metrics, numbers);
}

static long next_wait_ms(const struct serve *serve, int job_ms)
{
	uint64_t limit_ns = UINT64_MAX;
	long ms;

	if (serve->state >= EMPTYING)
		limit_ns = serve->limit_ns;
	if (serve->spec->client && serve->spec->orphan_ms && serve->client_check_ns < limit_ns)
		limit_ns = serve->client_check_ns;
	ms = base_poll_ms(limit_ns);
	return job_ms >= 0 && (ms < 0 || job_ms < ms) ? job_ms : ms;
}

/* No client waits longer for us than such a turn, but for a processor perhaps. */
static void note_turn(struct serve *serve, uint64_t began_ns)
{
	uint64_t took_ns = own_ns() - began_ns;

	if (took_ns > serve->longest_ns)
		serve->longest_ns = took_ns;
}

static void loop(struct serve *serve)
{
	uint64_t began_ns = own_ns();

	while (serve->state != OVER) {
		int job_ms = turn(serve);
		zmq_pollitem_t items[ITEMS] = {
			[ITEM_ROUTER] = { .socket = server_router_socket(serve->router),
					  .events = ZMQ_POLLIN },
			[ITEM_SIGNALS] = { .fd = serve->signals, .events = ZMQ_POLLIN },
		};
		int count = ITEM_FRONT;

		if (serve->state == OVER)
			break;
		publish(serve);
		if (serve->front_fd >= 0)
			items[count++] = (zmq_pollitem_t){ .fd = serve->front_fd,
							   .events = ZMQ_POLLIN };
		if (serve->job) {
			items[count++] = (zmq_pollitem_t){
				.socket = launch_job_socket(serve->job), .events = ZMQ_POLLIN };
			items[count++] = (zmq_pollitem_t){ .fd = launch_job_fd(serve->job),
							   .events = ZMQ_POLLIN };
		}
		note_turn(serve, began_ns);
		zmq_poll(items, count, next_wait_ms(serve, job_ms));
		began_ns = own_ns();
		hear_signals(serve);
		hear_front(serve);
		hear_clients(serve);
		check_client(serve);
	}
}

int server_serve(const struct server_serve_spec *spec)
{
	struct serve serve = { .spec = spec,
			       .signals = -1,
			       .front_fd = spec->front_fd,
			       .limit_ns = UINT64_MAX,
			       .numbers.started_s = (double)base_day_ms() / 1e3 };
	struct base_err err;

	if (open_all(&serve, &err) < 0) {
		fprintf(stderr, "dhow: serve: %s\n", err.text);
		serve.code = 1;
	} else {
		base_log_info("%u nodes, schedule %s, at %s", spec->job->nodes,
			      server_schedule_name(spec->server.schedule),
			      server_router_endpoint(serve.router));
		loop(&serve);
		base_log_info("longest turn: %llu us of a processor",
			      (unsigned long long)serve.longest_ns / 1000);
	}
	if (serve.router) {
		remove_config(&serve);
		if (server_router_refused(serve.router))
			base_log_warn("%u strangers or odd messages were refused",
				      server_router_refused(serve.router));
	}
	server_scrape_close(serve.scrape);
	server_router_close(serve.router, TELL_AFTER_MS);
	launch_job_close(serve.job);
	server_free(serve.server);
	launch_writer_fini(&serve.answer);
	if (serve.signals >= 0)
		close(serve.signals);
	return serve.code;
}
