/* SPDX-License-Identifier: MIT */
/* pmi1.c - see pmi1.h. */
#include "pmi/pmi1.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "pmi/kvs.h"
#include "pmi/pmi1_line.h"
#include "pmi/source.h"
#include "proto/codec.h"

#define FENCE_PREFIX "pmi1."

enum {
	NAME_BYTES = 256,
	FENCE_KEY_BYTES = 64,
	PENDING_BYTES_MAX = 4 << 20,	/* published by one node between two barriers */
	NAMES_MAX = 1024,		/* services of one node */
};

enum state { SILENT, INSIDE, WAITING, OUTSIDE, STATES };	/* WAITING: in a barrier */

struct client {
	struct launch_pmi_source source;
	struct launch_pmi1 *pmi1;
	uint32_t rank;
	int fd;			/* -1 closed */
	enum state state;
	int spawning;		/* lines up to `endcmd` are arguments */
	int ended, code;
	size_t used;
	char *buffer;		/* LAUNCH_PMI1_LINE_BYTES; NULL until something comes */
};

struct launch_pmi1 {
	const struct launch_pmi_layout *layout;
	const struct launch_pmi1_hooks *hooks;
	char name[NAME_BYTES];
	int epoll;
	uint32_t client_count, waiting;
	uint64_t barriers;
	struct launch_kvs keys, services;
	struct launch_writer pending;	/* key, zero, value, zero; new since the last barrier */
	int failed;
	struct client clients[];
};

static void drop(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);	/* leaves the epoll set: nobody else has it */
	client->fd = -1;
	free(client->buffer);
	client->buffer = NULL;
	client->used = 0;
}

static void fail(struct launch_pmi1 *pmi1, uint32_t rank, int code, const char *text)
{
	if (pmi1->failed++)
		return;
	pmi1->hooks->abort(pmi1->hooks->arg, rank, (uint32_t)code, text);
}

/* Who does not read its short answers has lost its socket. */
static void __attribute__((format(printf, 2, 3)))
say(struct client *client, const char *format, ...)
{
	char line[LAUNCH_PMI1_LINE_BYTES];
	va_list args;
	int bytes;

	va_start(args, format);
	bytes = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (client->fd < 0 || bytes < 0 || bytes >= (int)sizeof(line) - 1)
		return;
	line[bytes++] = '\n';
	if (send(client->fd, line, (size_t)bytes, MSG_NOSIGNAL | MSG_DONTWAIT) != bytes)
		drop(client);
}

static void hear_init(struct client *client, const char *line)
{
	long version = 0, minor = 0;

	if (launch_pmi1_number(line, "pmi_version", &version) < 0 || version != 1) {
		say(client, "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=-1");
		return;
	}
	launch_pmi1_number(line, "pmi_subversion", &minor);
	client->state = INSIDE;
	say(client, "cmd=response_to_init pmi_version=1 pmi_subversion=%ld rc=0", minor);
}

static void hear_initack(struct client *client, const char *line)
{
	(void)line;
	say(client, "cmd=initack rc=0");
	say(client, "cmd=set size=%u", client->pmi1->layout->size);
	say(client, "cmd=set rank=%u", client->rank);
	say(client, "cmd=set debug=0");
}

static void hear_get_maxes(struct client *client, const char *line)
{
	(void)line;
	say(client, "cmd=maxes kvsname_max=%d keylen_max=%d vallen_max=%d", NAME_BYTES,
	    LAUNCH_KVS_KEY_BYTES, LAUNCH_KVS_VALUE_BYTES);
}

static void hear_get_appnum(struct client *client, const char *line)
{
	(void)line;
	say(client, "cmd=appnum appnum=%u", client->pmi1->layout->ranks[client->rank].app);
}

static void hear_get_my_kvsname(struct client *client, const char *line)
{
	(void)line;
	say(client, "cmd=my_kvsname kvsname=%s", client->pmi1->name);
}

static void hear_get_universe_size(struct client *client, const char *line)
{
	(void)line;
	say(client, "cmd=universe_size size=%u", client->pmi1->layout->size);
}

static void hear_put(struct client *client, const char *line)
{
	struct launch_pmi1 *pmi1 = client->pmi1;
	char key[LAUNCH_KVS_KEY_BYTES], value[LAUNCH_KVS_VALUE_BYTES];
	int rc = launch_pmi1_word(line, "key", key, sizeof(key));

	if (rc == 0)
		rc = launch_pmi1_rest(line, "value", value, sizeof(value));
	if (rc == 0 && pmi1->pending.used > PENDING_BYTES_MAX)
		rc = -E2BIG;
	if (rc == 0)
		rc = launch_kvs_put(&pmi1->keys, key, value);
	if (rc == 0 && pmi1->layout->node_count > 1) {
		launch_put_raw(&pmi1->pending, key, strlen(key) + 1);
		launch_put_raw(&pmi1->pending, value, strlen(value) + 1);
		rc = pmi1->pending.failed;
	}
	if (rc == 0)
		say(client, "cmd=put_result rc=0 msg=success");
	else
		say(client, "cmd=put_result rc=-1 msg=%s",
		    rc == -ENOMEM ? "no_memory" : "too_large_or_malformed");
}

static void hear_get(struct client *client, const char *line)
{
	char key[LAUNCH_KVS_KEY_BYTES];
	const char *value = NULL;

	if (launch_pmi1_word(line, "key", key, sizeof(key)) == 0)
		value = launch_kvs_get(&client->pmi1->keys, key);
	if (value)
		say(client, "cmd=get_result rc=0 msg=success value=%s", value);
	else
		say(client, "cmd=get_result rc=-1 msg=key_not_found value=unknown");
}

static void release(struct launch_pmi1 *pmi1)
{
	pmi1->waiting = 0;
	for (uint32_t i = 0; i < pmi1->client_count; i++)
		if (pmi1->clients[i].state == WAITING) {
			pmi1->clients[i].state = INSIDE;
			say(&pmi1->clients[i], "cmd=barrier_out");
		}
}

/* Somebody who is dead will never come to a barrier where others wait. */
static void check_absent(struct launch_pmi1 *pmi1)
{
	char text[128];

	for (uint32_t i = 0; pmi1->waiting && i < pmi1->client_count; i++) {
		struct client *client = &pmi1->clients[i];

		if (!client->ended || client->state == WAITING)
			continue;
		snprintf(text, sizeof(text), "rank %u has ended %s MPI_%s, and others wait for it "
			 "in a barrier", client->rank, client->state == SILENT ? "before" : "after",
			 client->state == SILENT ? "Init" : "Finalize");
		fail(pmi1, client->rank, client->code, text);
		return;
	}
}

static void hear_barrier_in(struct client *client, const char *line)
{
	struct launch_pmi1 *pmi1 = client->pmi1;
	char key[FENCE_KEY_BYTES];

	(void)line;
	client->state = WAITING;
	if (++pmi1->waiting < pmi1->client_count) {
		check_absent(pmi1);
		return;
	}
	if (pmi1->layout->node_count == 1) {
		release(pmi1);
		return;
	}
	snprintf(key, sizeof(key), FENCE_PREFIX "%llu", (unsigned long long)pmi1->barriers++);
	pmi1->hooks->fence(pmi1->hooks->arg, key, pmi1->pending.data,
			   (uint32_t)pmi1->pending.used);
	pmi1->pending.used = 0;
}

static void hear_publish_name(struct client *client, const char *line)
{
	struct launch_kvs *services = &client->pmi1->services;
	char service[LAUNCH_KVS_KEY_BYTES], port[LAUNCH_KVS_VALUE_BYTES];
	int rc = launch_pmi1_word(line, "service", service, sizeof(service));

	if (rc == 0)
		rc = launch_pmi1_rest(line, "port", port, sizeof(port));
	if (rc == 0)
		rc = services->count < NAMES_MAX ? launch_kvs_put(services, service, port) :
						   -E2BIG;
	say(client, "cmd=publish_result rc=%d info=%s", rc ? -1 : 0, rc ? "refused" : "ok");
}

static void hear_unpublish_name(struct client *client, const char *line)
{
	char service[LAUNCH_KVS_KEY_BYTES];
	int rc = launch_pmi1_word(line, "service", service, sizeof(service));

	if (rc == 0)
		rc = launch_kvs_delete(&client->pmi1->services, service);
	say(client, "cmd=unpublish_result rc=%d info=%s", rc ? -1 : 0, rc ? "not_found" : "ok");
}

static void hear_lookup_name(struct client *client, const char *line)
{
	char service[LAUNCH_KVS_KEY_BYTES];
	const char *port = NULL;

	if (launch_pmi1_word(line, "service", service, sizeof(service)) == 0)
		port = launch_kvs_get(&client->pmi1->services, service);
	if (port)
		say(client, "cmd=lookup_result rc=0 info=ok port=%s", port);
	else
		say(client, "cmd=lookup_result rc=-1 info=not_found");
}

static void hear_spawn(struct client *client, const char *line)
{
	(void)line;
	client->spawning = 1;
}

static void hear_finalize(struct client *client, const char *line)
{
	(void)line;
	client->state = OUTSIDE;
	say(client, "cmd=finalize_ack");
}

static void hear_abort(struct client *client, const char *line)
{
	char text[96];
	long code = 1;

	launch_pmi1_number(line, "exitcode", &code);
	snprintf(text, sizeof(text), "rank %u called MPI_Abort with code %ld", client->rank, code);
	fail(client->pmi1, client->rank, (int)code, text);
}

static const struct {
	void (*hear)(struct client *client, const char *line);
	unsigned states;
} hearing[LAUNCH_PMI1_COMMANDS] = {
	[LAUNCH_PMI1_INIT] = { hear_init, 1 << SILENT | 1 << OUTSIDE },
	[LAUNCH_PMI1_INITACK] = { hear_initack, 1 << SILENT | 1 << OUTSIDE },
	[LAUNCH_PMI1_GET_MAXES] = { hear_get_maxes, 1 << INSIDE },
	[LAUNCH_PMI1_GET_APPNUM] = { hear_get_appnum, 1 << INSIDE },
	[LAUNCH_PMI1_GET_MY_KVSNAME] = { hear_get_my_kvsname, 1 << INSIDE },
	[LAUNCH_PMI1_GET_UNIVERSE_SIZE] = { hear_get_universe_size, 1 << INSIDE },
	[LAUNCH_PMI1_PUT] = { hear_put, 1 << INSIDE },
	[LAUNCH_PMI1_GET] = { hear_get, 1 << INSIDE },
	[LAUNCH_PMI1_BARRIER_IN] = { hear_barrier_in, 1 << INSIDE },
	[LAUNCH_PMI1_PUBLISH_NAME] = { hear_publish_name, 1 << INSIDE },
	[LAUNCH_PMI1_UNPUBLISH_NAME] = { hear_unpublish_name, 1 << INSIDE },
	[LAUNCH_PMI1_LOOKUP_NAME] = { hear_lookup_name, 1 << INSIDE },
	[LAUNCH_PMI1_SPAWN] = { hear_spawn, 1 << INSIDE },
	[LAUNCH_PMI1_FINALIZE] = { hear_finalize, 1 << INSIDE },
	[LAUNCH_PMI1_ABORT] = { hear_abort, 1 << INSIDE | 1 << WAITING | 1 << OUTSIDE },
};

static void hear(struct client *client, const char *line)
{
	enum launch_pmi1_command command;

	if (client->spawning) {
		if (strcmp(line, "endcmd") == 0) {
			client->spawning = 0;
			base_log_warn("rank %u asked to spawn processes, which dlaunch does not do",
				      client->rank);
			say(client, "cmd=spawn_result rc=-1");
		}
		return;
	}
	command = launch_pmi1_command(line);
	if (hearing[command].states & 1u << client->state) {
		hearing[command].hear(client, line);
		return;
	}
	base_log_warn("rank %u: PMI-1 line \"%.60s\" %s: its connection is closed", client->rank,
		      line, command ? "comes in the wrong state" : "is not known here");
	drop(client);
}

/* Hear all whole lines; what is left stays at the front of the buffer. */
static void hear_lines(struct client *client)
{
	char *line = client->buffer, *end;

	while (client->fd >= 0 &&
	       (end = memchr(line, '\n', client->used - (size_t)(line - client->buffer)))) {
		*end = 0;
		/* A zero inside would hide the rest of the line from us. */
		if (strlen(line) != (size_t)(end - line)) {
			drop(client);
			return;
		}
		hear(client, line);
		line = end + 1;
	}
	if (client->fd < 0)
		return;
	client->used -= (size_t)(line - client->buffer);
	memmove(client->buffer, line, client->used);
	if (client->used == LAUNCH_PMI1_LINE_BYTES) {
		base_log_warn("rank %u: PMI-1 line of more than %d bytes: its connection is closed",
			      client->rank, LAUNCH_PMI1_LINE_BYTES);
		drop(client);
	}
}

static void client_ready(void *arg)
{
	struct client *client = arg;

	while (client->fd >= 0) {
		ssize_t n;

		if (!client->buffer)
			client->buffer = malloc(LAUNCH_PMI1_LINE_BYTES);
		if (!client->buffer) {
			drop(client);
			return;
		}
		n = recv(client->fd, client->buffer + client->used,
			 LAUNCH_PMI1_LINE_BYTES - client->used, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			drop(client);
			return;
		}
		client->used += (size_t)n;
		hear_lines(client);
	}
}

int launch_pmi1_adopt(struct launch_pmi1 *pmi1, uint32_t local, int fd)
{
	struct client *client = &pmi1->clients[local];
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &client->source };

	drop(client);
	if (epoll_ctl(pmi1->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	client->fd = fd;
	client->state = SILENT;
	client->spawning = client->ended = 0;
	return 0;
}

int launch_pmi1_connect(struct launch_pmi1 *pmi1, uint32_t local, int *ret_child)
{
	int fds[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	rc = launch_pmi1_adopt(pmi1, local, fds[0]);
	if (rc < 0) {
		close(fds[0]);
		close(fds[1]);
		return rc;
	}
	*ret_child = fds[1];
	return 0;
}

int launch_pmi1_is_mine(const char *key)
{
	return strncmp(key, FENCE_PREFIX, sizeof(FENCE_PREFIX) - 1) == 0;
}

/* Return: 0; -EBADMSG; as launch_kvs_put(). */
static int merge(struct launch_pmi1 *pmi1, const char *at, const char *end)
{
	while (at < end) {
		const char *value = memchr(at, 0, (size_t)(end - at)), *next;
		int rc;

		next = value && value + 1 < end ?
			       memchr(value + 1, 0, (size_t)(end - value - 1)) : NULL;
		if (!next)
			return -EBADMSG;
		rc = launch_kvs_put(&pmi1->keys, at, value + 1);
		if (rc < 0)
			return rc;
		at = next + 1;
	}
	return 0;
}

void launch_pmi1_fenced(struct launch_pmi1 *pmi1, int rc, const void *data, uint32_t bytes)
{
	char text[128];

	if (rc == 0 && bytes)
		rc = merge(pmi1, data, (const char *)data + bytes);
	if (rc < 0) {
		snprintf(text, sizeof(text), "the nodes cannot exchange what their ranks "
			 "published: %s", strerror(-rc));
		fail(pmi1, launch_pmi_layout_rank(pmi1->layout, 0), 1, text);
		return;
	}
	release(pmi1);
}

enum launch_pmi1_progress launch_pmi1_ended(struct launch_pmi1 *pmi1, uint32_t local, int code)
{
	struct client *client = &pmi1->clients[local];

	client_ready(client);
	drop(client);
	client->ended = 1;
	client->code = code;
	check_absent(pmi1);
	return client->state == SILENT	? LAUNCH_PMI1_SILENT :
	       client->state == OUTSIDE ? LAUNCH_PMI1_OUTSIDE :
					  LAUNCH_PMI1_INSIDE;
}

int launch_pmi1_open(const struct launch_pmi_layout *layout, const char *name, int epoll,
		     const struct launch_pmi1_hooks *hooks, struct launch_pmi1 **ret_pmi1,
		     struct base_err *reterr)
{
	uint32_t count = launch_pmi_layout_local_size(layout);
	struct launch_pmi1 *pmi1 = calloc(1, sizeof(*pmi1) + count * sizeof(*pmi1->clients));
	char *mapping = launch_pmi_layout_mapping(layout);

	if (!pmi1 || !mapping) {
		free(pmi1);
		free(mapping);
		return base_err(reterr, -ENOMEM, "no memory for PMI-1");
	}
	pmi1->layout = layout;
	pmi1->hooks = hooks;
	pmi1->epoll = epoll;
	pmi1->client_count = count;
	snprintf(pmi1->name, sizeof(pmi1->name), "%s", name);
	for (uint32_t i = 0; i < count; i++)
		pmi1->clients[i] = (struct client){
			.source = { client_ready, &pmi1->clients[i] },
			.pmi1 = pmi1,
			.rank = launch_pmi_layout_rank(layout, i),
			.fd = -1,
		};
	/* MPICH asks its ranks for their host names where the mapping is too long to be given. */
	launch_kvs_put(&pmi1->keys, "PMI_process_mapping", mapping);
	free(mapping);
	*ret_pmi1 = pmi1;
	return 0;
}

void launch_pmi1_close(struct launch_pmi1 *pmi1)
{
	if (!pmi1)
		return;
	for (uint32_t i = 0; i < pmi1->client_count; i++)
		drop(&pmi1->clients[i]);
	launch_kvs_fini(&pmi1->keys);
	launch_kvs_fini(&pmi1->services);
	launch_writer_fini(&pmi1->pending);
	free(pmi1);
}
