/* SPDX-License-Identifier: MIT */
/*
 * server.h - the command server without its sockets: requests in, answers out, steps on a job.
 *
 * Every request is answered at once; what it asks for happens afterwards, and its outcome is in
 * the status of the step. The owner calls server_step() after each wake-up. One thread.
 */
#ifndef LAUNCH_SERVER_SERVER_H
#define LAUNCH_SERVER_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "job/job.h"
#include "proto/codec.h"
#include "server/router.h"
#include "server/schedule.h"

enum {
	SERVER_GRACE_MS = 3000,			/* from SIGTERM to SIGKILL of a step */
	SERVER_QUEUE_BYTES_MAX = 256 << 20,	/* of requests that wait for hosts */
};

struct server;

/* Borrowed for the call of server_create(). */
struct server_spec {
	enum server_schedule schedule;
	const uint32_t *slots;		/* of each host of the job */
	uint32_t hosts;
	uint32_t cpus, gpus;		/* most that a host has; affinities are checked with it */
	uint32_t grace_ms;
	int pid;			/* what a handshake is answered with */
	const char *spool;		/* folder for output that the client wants kept by us */
};

int server_create(const struct server_spec *spec, struct server **ret_server,
		  struct base_err *reterr);
/* The runs of its steps must be over or end with the job: call after launch_job_close(). */
void server_free(struct server *server);

/* What a handshake is answered with, when that is known only later. */
void server_set_pid(struct server *server, int pid);
/* The job that its steps run on; its hooks node_dead and failed must be passed on. */
void server_set_job(struct server *server, struct launch_job *job);
void server_node_dead(struct server *server, uint32_t node, const char *text);
/* All steps that are not over fail with @text. */
void server_job_failed(struct server *server, const char *text);

/**
 * server_answer - do what @data asks for and write the answer.
 * @route:  who asks: the same message of the same connection is not executed twice.
 * @answer: emptied first; the caller sends and ends it.
 */
void server_answer(struct server *server, const struct server_route *route, const char *data,
		   size_t bytes, struct launch_writer *answer);

/* Start what fits, free what is over. Return: 1 if the job must be stepped before waiting. */
int server_step(struct server *server);

/* SIGTERM, grace, SIGKILL to every step that is not over. */
void server_stop_all(struct server *server);
/* From now on no step is taken: as if a client had asked for it. */
void server_refuse(struct server *server);

/* A client has asked for the end. */
int server_is_ending(const struct server *server);
/* The last such request wants the process to end that the client waits for. */
int server_ends_frontend(const struct server *server);
uint64_t server_living(const struct server *server);
/* See server_steps_counts(). */
const uint64_t *server_counts(const struct server *server);
/* When one who has steps was last heard, base_now_ns(); 0 = never. Who only asks for statuses, as
 * SmartSim's telemetry does, does not count. */
uint64_t server_heard_ns(const struct server *server);

#endif
