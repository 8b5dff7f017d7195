/* SPDX-License-Identifier: MIT */
/* pmix_queue.c - from the thread of libpmix to ours. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pmi/pmix_internal.h"

static void queue_ready(void *arg)
{
	launch_pmix_queue_hear(arg);
}

int launch_pmix_queue_open(struct launch_pmix_queue *queue, int epoll)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &queue->source };

	pthread_mutex_init(&queue->lock, NULL);
	base_list_init(&queue->events);
	queue->source = (struct launch_pmi_source){ queue_ready, queue };
	queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->fd < 0)
		return -errno;
	return epoll_ctl(epoll, EPOLL_CTL_ADD, queue->fd, &event) < 0 ? -errno : 0;
}

void launch_pmix_queue_close(struct launch_pmix_queue *queue)
{
	base_list_for(entry, &queue->events)
		launch_pmix_event_free(base_list_entry(entry, struct pmix_event, entry));
	if (queue->fd >= 0)
		close(queue->fd);
	pthread_mutex_destroy(&queue->lock);
}

void launch_pmix_queue_shut(struct launch_pmix_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->shut = 1;
	close(queue->fd);
	queue->fd = -1;
	pthread_mutex_unlock(&queue->lock);
}

struct pmix_event *launch_pmix_event_new(enum pmix_event_type type, const pmix_proc_t *proc)
{
	struct pmix_event *event = calloc(1, sizeof(*event));

	if (!event)
		return NULL;
	event->type = type;
	event->proc = *proc;
	return event;
}

void launch_pmix_event_free(struct pmix_event *event)
{
	free(event->procs);
	free(event->data);
	free(event);
}

int launch_pmix_queue_put(struct launch_pmix_queue *queue, struct pmix_event *event)
{
	int full;

	pthread_mutex_lock(&queue->lock);
	full = queue->shut || queue->count == PMIX_EVENTS_MAX;
	if (!full) {
		base_list_add_tail(&queue->events, &event->entry);
		queue->count++;
		eventfd_write(queue->fd, 1);
	}
	pthread_mutex_unlock(&queue->lock);
	return full ? -ENOBUFS : 0;
}

static struct pmix_event *take(struct launch_pmix_queue *queue)
{
	struct pmix_event *event = NULL;

	pthread_mutex_lock(&queue->lock);
	if (!base_list_empty(&queue->events)) {
		event = base_list_entry(queue->events.next, struct pmix_event, entry);
		base_list_del(&event->entry);
		queue->count--;
	}
	pthread_mutex_unlock(&queue->lock);
	return event;
}

void launch_pmix_queue_hear(struct launch_pmix_queue *queue)
{
	struct pmix_event *event;
	eventfd_t count;

	eventfd_read(queue->fd, &count);
	while ((event = take(queue))) {
		launch_pmix_hear(launch_pmix_server(), event);
		launch_pmix_event_free(event);
	}
}
