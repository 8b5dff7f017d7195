/* SPDX-License-Identifier: MIT */
/* pmix_operations.c - what ranks wait for until other nodes have answered. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/log.h"
#include "pmi/pmix_internal.h"

struct operation {
	struct base_list entry;
	char key[PMIX_FENCE_KEY_BYTES];	/* of a fence; empty: a question */
	uint64_t ticket;
	pmix_modex_cbfunc_t done;
	void *done_arg;
	int timer;			/* -1: whoever asks waits for ever */
	struct launch_pmi_source source;
};

/* Ranks that have fenced together. Each node sees the fences of one group in the same order, so
 * that group and count name a fence. */
struct group {
	struct base_list entry;
	uint64_t hash, fences;
};

/* A question of another node that libpmix answers when the rank has published. */
struct question {
	pmix_proc_t proc;
	uint32_t origin;
	uint64_t ticket;
};

static struct launch_pmix_run *find_run(struct launch_pmix *pmix, const char *name)
{
	base_list_for(entry, &pmix->runs) {
		struct launch_pmix_run *run = base_list_entry(entry, struct launch_pmix_run, entry);

		if (strcmp(run->name, name) == 0)
			return run;
	}
	return NULL;
}

/* Return: the local rank of @rank; -1 it is not of this node. */
static int64_t local_of(const struct launch_pmix_run *run, uint32_t rank)
{
	const struct launch_pmi_layout *layout = run->layout;

	if (rank >= layout->size || (int64_t)layout->ranks[rank].node != layout->here)
		return -1;
	return layout->ranks[rank].local;
}

static struct operation *begin(struct launch_pmix_run *run, const struct pmix_event *event)
{
	struct operation *operation = calloc(1, sizeof(*operation));

	if (!operation) {
		event->done(PMIX_ERR_NOMEM, NULL, 0, event->done_arg, NULL, NULL);
		return NULL;
	}
	operation->done = event->done;
	operation->done_arg = event->done_arg;
	operation->timer = -1;
	base_list_add_tail(&run->operations, &operation->entry);
	return operation;
}

/* libpmix reads the copy until it calls free(). */
static void end(struct operation *operation, pmix_status_t status, const void *data, size_t bytes)
{
	char *copy = status == PMIX_SUCCESS && bytes ? malloc(bytes) : NULL;

	if (status == PMIX_SUCCESS && bytes && !copy)
		status = PMIX_ERR_NOMEM;
	if (copy)
		memcpy(copy, data, bytes);
	operation->done(status, copy, copy ? bytes : 0, operation->done_arg, free, copy);
	base_list_del(&operation->entry);
	if (operation->timer >= 0)
		close(operation->timer);
	free(operation);
}

static void timed_out(void *arg)
{
	end(arg, PMIX_ERR_TIMEOUT, NULL, 0);
}

/* libpmix leaves it to its host to give up a question to another node. Return: 0; -errno. */
static int limit(struct launch_pmix_run *run, struct operation *operation, int limit_s)
{
	struct itimerspec when = { .it_value.tv_sec = limit_s };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &operation->source };

	operation->source = (struct launch_pmi_source){ timed_out, operation };
	operation->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (operation->timer < 0 || timerfd_settime(operation->timer, 0, &when, NULL) < 0 ||
	    epoll_ctl(run->pmix->epoll, EPOLL_CTL_ADD, operation->timer, &event) < 0)
		return -errno;
	return 0;
}

void launch_pmix_operations_end(struct launch_pmix_run *run)
{
	base_list_for(entry, &run->operations)
		end(base_list_entry(entry, struct operation, entry), PMIX_ERR_LOST_CONNECTION,
		    NULL, 0);
	base_list_for(entry, &run->groups) {
		base_list_del(entry);
		free(base_list_entry(entry, struct group, entry));
	}
}

/* Return: NULL no memory, or too many. */
static struct group *find_group(struct launch_pmix_run *run, const struct pmix_event *event)
{
	crypto_generichash_state state;
	struct group *group;
	uint64_t hash;

	crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	for (size_t i = 0; i < event->proc_count; i++)
		crypto_generichash_update(&state, (const uint8_t *)&event->procs[i].rank,
					  sizeof(event->procs[i].rank));
	crypto_generichash_final(&state, (uint8_t *)&hash, sizeof(hash));
	base_list_for(entry, &run->groups) {
		group = base_list_entry(entry, struct group, entry);
		if (group->hash == hash)
			return group;
	}
	group = run->group_count < PMIX_GROUPS_MAX ? calloc(1, sizeof(*group)) : NULL;
	if (!group)
		return NULL;
	group->hash = hash;
	run->group_count++;
	base_list_add_tail(&run->groups, &group->entry);
	return group;
}

/* How many nodes the ranks are on. Return: 0: a rank that this run does not have; no memory. */
static uint32_t count_nodes(const struct launch_pmix_run *run, const struct pmix_event *event)
{
	const struct launch_pmi_layout *layout = run->layout;
	uint8_t *seen = calloc(1, layout->node_count);
	uint32_t count = 0;

	for (size_t i = 0; seen && i < event->proc_count; i++) {
		uint32_t rank = event->procs[i].rank, node;

		if (strcmp(event->procs[i].nspace, run->name) == 0 && rank == PMIX_RANK_WILDCARD) {
			count = layout->node_count;
			break;
		}
		if (strcmp(event->procs[i].nspace, run->name) != 0 || rank >= layout->size) {
			count = 0;
			break;
		}
		node = layout->ranks[rank].node;
		count += !seen[node];
		seen[node] = 1;
	}
	free(seen);
	return count;
}

static void hear_fence(struct launch_pmix_run *run, struct pmix_event *event)
{
	uint32_t nodes = count_nodes(run, event);
	struct operation *operation;
	struct group *group;

	operation = begin(run, event);
	if (!operation)
		return;
	group = nodes ? find_group(run, event) : NULL;
	if (!group) {
		end(operation, nodes ? PMIX_ERR_OUT_OF_RESOURCE : PMIX_ERR_NOT_SUPPORTED, NULL, 0);
		return;
	}
	if (nodes == 1) {
		end(operation, PMIX_SUCCESS, event->data, event->bytes);
		return;
	}
	snprintf(operation->key, sizeof(operation->key), "pmix.%016llx.%llu",
		 (unsigned long long)group->hash, (unsigned long long)group->fences++);
	run->hooks->fence(run->hooks->arg, operation->key, nodes, event->data,
			  (uint32_t)event->bytes);
}

static void hear_modex(struct launch_pmix_run *run, struct pmix_event *event)
{
	struct operation *operation = begin(run, event);

	if (!operation)
		return;
	operation->ticket = ++run->tickets;
	if (event->proc.rank >= run->layout->size) {
		end(operation, PMIX_ERR_NOT_FOUND, NULL, 0);
		return;
	}
	if (event->limit_s && limit(run, operation, event->limit_s) < 0) {
		end(operation, PMIX_ERR_OUT_OF_RESOURCE, NULL, 0);
		return;
	}
	run->hooks->modex(run->hooks->arg, operation->ticket, event->proc.rank);
}

static void hear_abort(struct launch_pmix_run *run, struct pmix_event *event)
{
	char text[96];

	snprintf(text, sizeof(text), "rank %u called MPI_Abort with code %d", event->proc.rank,
		 event->status);
	run->hooks->abort(run->hooks->arg, event->proc.rank, (uint32_t)event->status, text);
}

void launch_pmix_hear(struct launch_pmix *pmix, struct pmix_event *event)
{
	struct launch_pmix_run *run = find_run(pmix, event->proc.nspace);
	int64_t local = run ? local_of(run, event->proc.rank) : -1;

	if (!run) {		/* it has ended meanwhile */
		if (event->done)
			event->done(PMIX_ERR_NOT_FOUND, NULL, 0, event->done_arg, NULL, NULL);
		return;
	}
	switch (event->type) {
	case PMIX_EVENT_CONNECTED:
	case PMIX_EVENT_FINALIZED:
		if (local >= 0)
			run->progress[local] = event->type == PMIX_EVENT_CONNECTED ?
						       LAUNCH_PMIX_INSIDE : LAUNCH_PMIX_OUTSIDE;
		break;
	case PMIX_EVENT_ABORTED:
		hear_abort(run, event);
		break;
	case PMIX_EVENT_FENCE:
		hear_fence(run, event);
		break;
	case PMIX_EVENT_MODEX:
		hear_modex(run, event);
		break;
	case PMIX_EVENT_PUBLISHED:
		run->hooks->modex_answer(run->hooks->arg, event->origin, event->ticket,
					 event->status == PMIX_SUCCESS ? 0 : -ENOENT, event->data,
					 (uint32_t)event->bytes);
		break;
	}
}

static pmix_status_t status_of(int rc)
{
	return rc == 0 ? PMIX_SUCCESS : rc == -ENOENT ? PMIX_ERR_NOT_FOUND : PMIX_ERROR;
}

void launch_pmix_fenced(struct launch_pmix_run *run, const char *key, int rc, const void *data,
			uint32_t bytes)
{
	base_list_for(entry, &run->operations) {
		struct operation *operation = base_list_entry(entry, struct operation, entry);

		if (strcmp(operation->key, key) == 0) {
			end(operation, status_of(rc), data, bytes);
			return;
		}
	}
	base_log_warn("a fence \"%s\" came that nobody here waits for", key);
}

void launch_pmix_modex_answer(struct launch_pmix_run *run, uint64_t ticket, int rc,
			      const void *data, uint32_t bytes)
{
	base_list_for(entry, &run->operations) {
		struct operation *operation = base_list_entry(entry, struct operation, entry);

		if (!*operation->key && operation->ticket == ticket) {
			end(operation, status_of(rc), data, bytes);
			return;
		}
	}
}

/* On libpmix's thread; @data stays its own. */
static void published(pmix_status_t status, char *data, size_t bytes, void *arg)
{
	struct question *question = arg;
	struct pmix_event *event = launch_pmix_event_new(PMIX_EVENT_PUBLISHED, &question->proc);

	if (event) {
		event->status = status;
		event->origin = question->origin;
		event->ticket = question->ticket;
		if (status == PMIX_SUCCESS && bytes) {
			event->data = malloc(bytes);
			event->bytes = event->data ? bytes : 0;
			event->status = event->data ? PMIX_SUCCESS : PMIX_ERR_NOMEM;
		}
		if (event->data)
			memcpy(event->data, data, bytes);
		if (launch_pmix_queue_put(&launch_pmix_server()->queue, event) < 0)
			launch_pmix_event_free(event);
	}
	free(question);
}

void launch_pmix_modex_request(struct launch_pmix_run *run, uint32_t origin, uint64_t ticket,
			       uint32_t rank)
{
	struct question *question = calloc(1, sizeof(*question));
	pmix_status_t status = PMIX_ERR_NOMEM;

	if (question) {
		memcpy(question->proc.nspace, run->name, sizeof(run->name));
		question->proc.rank = rank;
		question->origin = origin;
		question->ticket = ticket;
		status = run->pmix->library.server_dmodex_request(&question->proc, published,
								  question);
	}
	if (status == PMIX_SUCCESS)
		return;
	free(question);
	run->hooks->modex_answer(run->hooks->arg, origin, ticket, -ENOENT, NULL, 0);
}
