/* SPDX-License-Identifier: MIT */
/*
 * serve.h - the life of a command server: one loop over its socket, its job and its clients.
 *
 *     SERVING    answers, and starts what fits
 *     EMPTYING   asked to end: takes nothing any more, waits for its steps
 *     COOLING    no step is left; the process that the client waits for has been told to go, the
 *                job leaves, and statuses are still answered
 *     OVER
 */
#ifndef LAUNCH_SERVER_SERVE_H
#define LAUNCH_SERVER_SERVE_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

#include "job/job.h"
#include "server/keytree.h"
#include "server/server.h"

/* Words between the server and the process in front of it, one byte each. */
enum {
	SERVER_FRONT_DONE = 'd',	/* no step is left: leave */
	SERVER_FRONT_KEEP = 'k',	/* no step is left, but the client wants you to stay */
};

/* Borrowed for the call. */
struct server_serve_spec {
	struct server_spec server;
	const struct launch_job_spec *job;
	const struct server_keytree *keys;
	const char *address;		/* to bind to */
	unsigned port;			/* 0 = any */
	const char *launcher;		/* `tcp://...` of who waits for our address, or NULL */
	int launcher_timeout_ms;	/* -1 = for ever */
	const char *folder;		/* of dragon_config.log */
	const char *metrics;		/* where to tell them, see scrape.h; NULL = nowhere */
	json_t *(*agents)(void);	/* for metrics.h */
	int front_fd;			/* socket to the process in front of us; -1 = none */
	pid_t client;			/* who started us; 0 = nobody we depend on */
	unsigned long long client_start;	/* see launch_sweep_start_time() */
	uint32_t orphan_ms;		/* from its death to our end; 0 = stay */
	uint32_t cooling_ms;
};

/* Until it is told to end. Return: exit code: 0; 1 it could not serve; 125 its job failed. */
int server_serve(const struct server_serve_spec *spec);

#endif
