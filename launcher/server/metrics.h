/* SPDX-License-Identifier: MIT */
/*
 * metrics.h - numbers of a command server in the text format of Prometheus (version 0.0.4).
 *
 * The server's thread publishes its numbers; whoever asks gets the last ones, with those of the
 * agents of this machine, which are asked at that moment. So a slow agent delays who asks and
 * never the server.
 */
#ifndef LAUNCH_SERVER_METRICS_H
#define LAUNCH_SERVER_METRICS_H

#include <jansson.h>
#include <pthread.h>
#include <stdint.h>

#include "proto/codec.h"
#include "server/steps.h"

struct server_numbers {
	uint64_t steps[SERVER_STATES];	/* that are under way now, or came to this end ever */
	uint64_t requests, refused;	/* answered; strangers and odd messages */
	uint32_t hosts;
	double started_s;		/* of the epoch */
};

struct server_metrics {
	pthread_mutex_t lock;
	struct server_numbers numbers;
	json_t *(*agents)(void);	/* see launch_links_list(); a new array. NULL = none */
};

void server_metrics_init(struct server_metrics *metrics, json_t *(*agents)(void));
/* From the server's thread; cost: a copy. */
void server_metrics_publish(struct server_metrics *metrics, const struct server_numbers *numbers);
/* From one thread, any; may wait a second for agents that do not answer. */
void server_metrics_print(struct server_metrics *metrics, struct launch_writer *writer);

#endif
