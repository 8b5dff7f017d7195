/* SPDX-License-Identifier: MIT */
/*
 * schedule.h - which hosts a step gets, and who may overtake whom: no clock, no input or output.
 *
 * original: whole hosts, first in first out; every waiting step that fits starts, so that a narrow
 *           one may overtake a wide one for ever (as the server does that SmartSim brings).
 * backfill: the same, but a step is overtaken SERVER_PASSED_MAX times at most; then hosts that
 *           become free wait for it.
 * pack:     steps share hosts: a task takes a slot, a host has as many as CPUs. Fullest first.
 */
#ifndef LAUNCH_SERVER_SCHEDULE_H
#define LAUNCH_SERVER_SCHEDULE_H

#include <stdint.h>

enum server_schedule {
	SERVER_SCHEDULE_ORIGINAL,
	SERVER_SCHEDULE_BACKFILL,
	SERVER_SCHEDULE_PACK,
	SERVER_SCHEDULES
};

enum { SERVER_PASSED_MAX = 16 };

struct server_hosts;

/* Return: SERVER_SCHEDULES for a name that is none. */
enum server_schedule server_schedule_find(const char *name);
const char *server_schedule_name(enum server_schedule schedule);

/* @slots: of each host, at least 1. Return: NULL no memory. */
struct server_hosts *server_hosts_create(enum server_schedule schedule, const uint32_t *slots,
					 uint32_t count);
void server_hosts_free(struct server_hosts *hosts);

/* Hosts that are not dead. */
uint32_t server_hosts_count(const struct server_hosts *hosts);

/* Take @nodes hosts with room for @tasks tasks each. @ret_list: room for @nodes numbers.
 * Return: 1 done; 0 it does not fit now. */
int server_hosts_take(struct server_hosts *hosts, uint32_t nodes, uint32_t tasks,
		      uint32_t *ret_list);
/* The same numbers back. */
void server_hosts_give(struct server_hosts *hosts, const uint32_t *list, uint32_t nodes,
		       uint32_t tasks);
/* 1 if nothing fits before something is given back. */
int server_hosts_full(const struct server_hosts *hosts);
/* It will not be given out any more. */
void server_hosts_die(struct server_hosts *hosts, uint32_t host);

/* A step waits and was overtaken @passed times: 1 if the next in line may start before it. */
int server_schedule_may_pass(const struct server_hosts *hosts, uint32_t passed);

#endif
