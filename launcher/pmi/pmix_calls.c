/* SPDX-License-Identifier: MIT */
/* pmix_calls.c - what libpmix calls, on its own thread: everything is put into the queue. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pmi/pmix_internal.h"

static pmix_status_t put(struct pmix_event *event)
{
	if (!event)
		return PMIX_ERR_NOMEM;
	if (launch_pmix_queue_put(&launch_pmix_server()->queue, event) == 0)
		return PMIX_SUCCESS;
	launch_pmix_event_free(event);
	return PMIX_ERR_OUT_OF_RESOURCE;
}

/* For calls that are over with that: libpmix then does not wait for an answer. */
static pmix_status_t put_and_done(struct pmix_event *event)
{
	pmix_status_t status = put(event);

	return status == PMIX_SUCCESS ? PMIX_OPERATION_SUCCEEDED : status;
}

static pmix_status_t call_connected(const pmix_proc_t *proc, void *object, pmix_info_t infos[],
				    size_t info_count, pmix_op_cbfunc_t done, void *done_arg)
{
	(void)object, (void)infos, (void)info_count, (void)done, (void)done_arg;
	return put_and_done(launch_pmix_event_new(PMIX_EVENT_CONNECTED, proc));
}

static pmix_status_t call_finalized(const pmix_proc_t *proc, void *object, pmix_op_cbfunc_t done,
				    void *done_arg)
{
	(void)object, (void)done, (void)done_arg;
	return put_and_done(launch_pmix_event_new(PMIX_EVENT_FINALIZED, proc));
}

static pmix_status_t call_abort(const pmix_proc_t *proc, void *object, int status,
				const char text[], pmix_proc_t procs[], size_t proc_count,
				pmix_op_cbfunc_t done, void *done_arg)
{
	struct pmix_event *event = launch_pmix_event_new(PMIX_EVENT_ABORTED, proc);

	(void)object, (void)text, (void)procs, (void)proc_count, (void)done, (void)done_arg;
	if (event)
		event->status = status;
	return put_and_done(event);
}

/* @data is ours. */
static pmix_status_t call_fence(const pmix_proc_t procs[], size_t proc_count,
				const pmix_info_t infos[], size_t info_count, char *data,
				size_t bytes, pmix_modex_cbfunc_t done, void *done_arg)
{
	struct pmix_event *event;

	(void)infos, (void)info_count;
	if (!proc_count)
		return PMIX_ERR_BAD_PARAM;
	event = launch_pmix_event_new(PMIX_EVENT_FENCE, &procs[0]);
	if (event)
		event->procs = malloc(proc_count * sizeof(*procs));
	if (!event || !event->procs) {
		free(event);
		return PMIX_ERR_NOMEM;
	}
	memcpy(event->procs, procs, proc_count * sizeof(*procs));
	event->proc_count = proc_count;
	event->data = data;
	event->bytes = bytes;
	event->done = done;
	event->done_arg = done_arg;
	return put(event);
}

/* How long a rank is willing to wait, in seconds; 0: it did not say. */
static int limit_of(const pmix_info_t infos[], size_t info_count)
{
	for (size_t i = 0; i < info_count; i++)
		if (strcmp(infos[i].key, PMIX_TIMEOUT) == 0 && infos[i].value.type == PMIX_INT &&
		    infos[i].value.data.integer > 0)
			return infos[i].value.data.integer;
	return 0;
}

static pmix_status_t call_modex(const pmix_proc_t *proc, const pmix_info_t infos[],
				size_t info_count, pmix_modex_cbfunc_t done, void *done_arg)
{
	struct pmix_event *event = launch_pmix_event_new(PMIX_EVENT_MODEX, proc);

	if (event) {
		event->limit_s = limit_of(infos, info_count);
		event->done = done;
		event->done_arg = done_arg;
	}
	return put(event);
}

static pmix_server_module_t module = {
	.client_connected2 = call_connected,
	.client_finalized = call_finalized,
	.abort = call_abort,
	.fence_nb = call_fence,
	.direct_modex = call_modex,
};

pmix_server_module_t *launch_pmix_module(void)
{
	return &module;
}
