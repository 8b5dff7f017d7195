/* SPDX-License-Identifier: MIT */
/* pmix_internal.h - what the files of the PMIx server share; see pmix.h. */
#ifndef LAUNCH_PMIX_INTERNAL_H
#define LAUNCH_PMIX_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "pmi/pmix.h"
#include "pmi/pmix_jobinfo.h"
#include "pmi/pmix_library.h"
#include "pmi/source.h"

enum {
	PMIX_ANSWER_S = 10,		/* libpmix takes milliseconds */
	PMIX_EVENTS_MAX = 65536,	/* in the queue */
	PMIX_GROUPS_MAX = 4096,		/* of ranks that fence together, in one run here */
	PMIX_FENCE_KEY_BYTES = 64,
};

enum pmix_event_type {
	PMIX_EVENT_CONNECTED,
	PMIX_EVENT_FINALIZED,
	PMIX_EVENT_ABORTED,
	PMIX_EVENT_FENCE,
	PMIX_EVENT_MODEX,
	PMIX_EVENT_PUBLISHED,		/* for another node's question */
};

/* Something that libpmix said on its own thread. */
struct pmix_event {
	struct base_list entry;
	enum pmix_event_type type;
	pmix_proc_t proc;
	pmix_status_t status;
	pmix_proc_t *procs;		/* owned */
	size_t proc_count;
	char *data;			/* owned */
	size_t bytes;
	pmix_modex_cbfunc_t done;
	void *done_arg;
	uint32_t origin;
	uint64_t ticket;
	int limit_s;			/* of a question; 0 none */
};

struct launch_pmix_queue {
	pthread_mutex_t lock;
	struct base_list events;
	size_t count;
	int shut;
	int fd;				/* eventfd */
	struct launch_pmi_source source;
};

struct launch_pmix {
	struct launch_pmix_library library;
	struct launch_pmix_queue queue;
	int epoll;
	struct base_list runs;
};

struct launch_pmix_run {
	struct base_list entry;
	struct launch_pmix *pmix;
	const struct launch_pmi_layout *layout;
	const struct launch_pmix_hooks *hooks;
	pmix_nspace_t name;
	char **variables;		/* of libpmix, for the environment of ranks */
	struct base_list operations;	/* that ranks wait for */
	struct base_list groups;
	uint32_t group_count;
	uint64_t tickets;
	uint8_t progress[];		/* enum launch_pmix_progress, by local rank */
};

struct launch_pmix *launch_pmix_server(void);
/* pmix_calls.c: what libpmix calls, on its thread. */
pmix_server_module_t *launch_pmix_module(void);

/* pmix_queue.c. An event in the queue is the queue's; -ENOBUFS it is full. */
int launch_pmix_queue_open(struct launch_pmix_queue *queue, int epoll);
void launch_pmix_queue_close(struct launch_pmix_queue *queue);
/* Nothing more is taken: for a queue that may still be put to. */
void launch_pmix_queue_shut(struct launch_pmix_queue *queue);
struct pmix_event *launch_pmix_event_new(enum pmix_event_type type, const pmix_proc_t *proc);
void launch_pmix_event_free(struct pmix_event *event);
int launch_pmix_queue_put(struct launch_pmix_queue *queue, struct pmix_event *event);
/* Tell all events that are there now. */
void launch_pmix_queue_hear(struct launch_pmix_queue *queue);

/* pmix_operations.c. */
void launch_pmix_hear(struct launch_pmix *pmix, struct pmix_event *event);
/* Nobody will answer any more. */
void launch_pmix_operations_end(struct launch_pmix_run *run);

#endif
