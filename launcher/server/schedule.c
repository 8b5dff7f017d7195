/* SPDX-License-Identifier: MIT */
/* schedule.c - see schedule.h. */
#include "server/schedule.h"

#include <stdlib.h>
#include <string.h>

struct host {
	uint32_t slots, used;
	int dead;
};

struct server_hosts {
	enum server_schedule schedule;
	uint32_t count, living;
	uint32_t *line;		/* hosts without a step, a ring: the first is given out next */
	uint32_t first, idle;
	struct host host[];
};

static const char *const names[] = {
	[SERVER_SCHEDULE_ORIGINAL] = "original",
	[SERVER_SCHEDULE_BACKFILL] = "backfill",
	[SERVER_SCHEDULE_PACK] = "pack",
};

enum server_schedule server_schedule_find(const char *name)
{
	enum server_schedule schedule = SERVER_SCHEDULE_ORIGINAL;

	while (schedule < SERVER_SCHEDULES && strcmp(names[schedule], name) != 0)
		schedule++;
	return schedule;
}

const char *server_schedule_name(enum server_schedule schedule)
{
	return names[schedule];
}

static void line_up(struct server_hosts *hosts, uint32_t host)
{
	hosts->line[(hosts->first + hosts->idle++) % hosts->count] = host;
}

struct server_hosts *server_hosts_create(enum server_schedule schedule, const uint32_t *slots,
					 uint32_t count)
{
	struct server_hosts *hosts = calloc(1, sizeof(*hosts) + count * sizeof(hosts->host[0]));

	if (!hosts)
		return NULL;
	hosts->line = calloc(count ? count : 1, sizeof(*hosts->line));
	if (!hosts->line) {
		free(hosts);
		return NULL;
	}
	hosts->schedule = schedule;
	hosts->count = hosts->living = count;
	for (uint32_t i = 0; i < count; i++) {
		hosts->host[i].slots = slots[i];
		line_up(hosts, i);
	}
	return hosts;
}

void server_hosts_free(struct server_hosts *hosts)
{
	if (hosts)
		free(hosts->line);
	free(hosts);
}

uint32_t server_hosts_count(const struct server_hosts *hosts)
{
	return hosts->living;
}

static int take_whole(struct server_hosts *hosts, uint32_t nodes, uint32_t *ret_list)
{
	if (nodes > hosts->idle)
		return 0;
	for (uint32_t i = 0; i < nodes; i++) {
		ret_list[i] = hosts->line[hosts->first];
		hosts->first = (hosts->first + 1) % hosts->count;
		hosts->host[ret_list[i]].used = hosts->host[ret_list[i]].slots;
	}
	hosts->idle -= nodes;
	return 1;
}

/* More tasks than a host has slots: it then takes the whole host. */
static uint32_t needed(const struct host *host, uint32_t tasks)
{
	return tasks < host->slots ? tasks : host->slots;
}

static int has_room(const struct host *host, uint32_t tasks)
{
	return !host->dead && host->slots - host->used >= needed(host, tasks);
}

static int take_shared(struct server_hosts *hosts, uint32_t nodes, uint32_t tasks,
		       uint32_t *ret_list)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < hosts->count && found < nodes; i++)
		found += (uint32_t)has_room(&hosts->host[i], tasks);
	if (found < nodes)
		return 0;
	for (uint32_t n = 0; n < nodes; n++) {
		struct host *best = NULL;

		for (uint32_t i = 0; i < hosts->count; i++) {
			struct host *host = &hosts->host[i];
			int taken = 0;

			for (uint32_t k = 0; k < n; k++)
				taken |= ret_list[k] == i;
			if (!taken && has_room(host, tasks) && (!best || host->used > best->used))
				best = host;
		}
		ret_list[n] = (uint32_t)(best - hosts->host);
	}
	for (uint32_t n = 0; n < nodes; n++)
		hosts->host[ret_list[n]].used += needed(&hosts->host[ret_list[n]], tasks);
	return 1;
}

int server_hosts_take(struct server_hosts *hosts, uint32_t nodes, uint32_t tasks,
		      uint32_t *ret_list)
{
	if (nodes > hosts->living)
		return 0;
	return hosts->schedule == SERVER_SCHEDULE_PACK ?
	       take_shared(hosts, nodes, tasks, ret_list) : take_whole(hosts, nodes, ret_list);
}

void server_hosts_give(struct server_hosts *hosts, const uint32_t *list, uint32_t nodes,
		       uint32_t tasks)
{
	for (uint32_t i = 0; i < nodes; i++) {
		struct host *host = &hosts->host[list[i]];

		if (hosts->schedule == SERVER_SCHEDULE_PACK) {
			host->used -= needed(host, tasks);
		} else {
			host->used = 0;
			if (!host->dead)
				line_up(hosts, list[i]);
		}
	}
}

/* With none left, what asks for one must be told so. */
int server_hosts_full(const struct server_hosts *hosts)
{
	return hosts->schedule != SERVER_SCHEDULE_PACK && hosts->living && !hosts->idle;
}

void server_hosts_die(struct server_hosts *hosts, uint32_t host)
{
	uint32_t idle = hosts->idle;

	if (hosts->host[host].dead)
		return;
	hosts->host[host].dead = 1;
	hosts->living--;
	for (uint32_t i = 0; i < idle; i++) {
		uint32_t next = hosts->line[hosts->first];

		hosts->first = (hosts->first + 1) % hosts->count;
		hosts->idle--;
		if (next != host)
			line_up(hosts, next);
	}
}

int server_schedule_may_pass(const struct server_hosts *hosts, uint32_t passed)
{
	return hosts->schedule != SERVER_SCHEDULE_BACKFILL || passed < SERVER_PASSED_MAX;
}
