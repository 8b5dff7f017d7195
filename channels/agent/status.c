/* SPDX-License-Identifier: MIT */
/* status.c - see status.h. */
#include "agent/status.h"

#include "agent/core.h"
#include "base/log.h"

#ifdef DHOW_HAVE_JSON
#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/link.h"

enum { BACKLOG = 8 };
#define LOOK_NS (5 * BASE_MS)		/* at most so often is anybody let in */
#define CLIENT_NS (1000 * BASE_MS)	/* who does not read goes */

void agent_status_open(struct agent *agent)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int bytes = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "dhow-agent-%d-%d",
			     (int)geteuid(), (int)getpid());
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), rc = 0;

	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&name,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)bytes)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		rc = -errno;
	if (!rc)
		rc = agent->ops->watch(agent->fabric, fd);
	if (rc) {
		base_log_info("dhow ps cannot ask this agent: %s", strerror(-rc));
		if (fd >= 0)
			close(fd);
		return;
	}
	agent->status.listener = fd;
}

static json_t *agent_json(const struct agent *agent)
{
	struct gateway_totals totals;

	gateway_totals(agent->gateway, &totals);
	return json_pack("{s:i, s:I, s:I, s:I, s:s, s:s, s:I, s:I, s:{s:I, s:I, s:I}, "
			 "s:{s:I, s:I}}",
			 "pid", (int)getpid(), "job", (json_int_t)agent->job,
			 "node", (json_int_t)agent->self, "nodes", (json_int_t)agent->nodes,
			 "fabric", agent->ops->name, "security", agent_level_name(agent->level),
			 "memory", (json_int_t)agent->slab.live,
			 "calls", (json_int_t)(agent->caps.calls ? *agent->caps.calls : 0),
			 "channels", "open", (json_int_t)totals.channels,
			 "waiting", (json_int_t)totals.waiting,
			 "longest", (json_int_t)totals.longest,
			 "pool", "bytes", (json_int_t)totals.pool_bytes,
			 "outbound", (json_int_t)totals.outbound_bytes);
}

static json_t *link_json(const struct agent_link *link)
{
	const struct agent_counters *counters = &link->counters;
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "peer", link->peer_node },
		{ "messages_sent", counters->messages_sent },
		{ "messages_received", counters->messages_received },
		{ "frames_sent", counters->frames_sent },
		{ "frames_received", counters->frames_received },
		{ "bytes_sent", counters->bytes_sent },
		{ "bytes_received", counters->bytes_received },
		{ "bulks_sent", counters->bulks_sent },
		{ "bulks_received", counters->bulks_received },
		{ "retransmits", counters->resends },
		{ "credits", AGENT_WINDOW_FRAMES - link->window_frames },
		{ "credits_max", AGENT_WINDOW_FRAMES },
		{ "credit_waits", counters->credit_waits },
		{ "acks_alone", counters->acks_alone },
		{ "duplicates", counters->duplicates },
		{ "repeated", counters->repeated },
		{ "damaged", counters->damaged },
		{ "connections", counters->connections },
		{ "rtt_min_ns", counters->rtt_min_ns },
		{ "rtt_mean_ns", counters->rtts ? counters->rtt_sum_ns / counters->rtts : 0 },
	};
	json_t *object = json_pack("{s:s}", "state", agent_link_state_name(link));

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		json_object_set_new(object, numbers[i].name,
				    json_integer((json_int_t)numbers[i].value));
	return object;
}

/* Takes @object. Return: 0; negative errno, -EAGAIN for later. */
static int send_json(int fd, json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	int rc = 0;

	if (!text)
		rc = -ENOMEM;
	else if (send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		rc = -errno;
	free(text);
	json_decref(object);
	return rc;
}

/* The next client, if it may. */
static int let_in(struct agent *agent)
{
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t bytes = sizeof(who);
	int fd = accept4(agent->status.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &bytes) < 0 ||
	    (who.uid != geteuid() && who.uid != 0)) {
		base_log_info("a process of user %d asked for the status", (int)who.uid);
		close(fd);
		return 0;
	}
	return fd;
}

/* Send to the client until it takes no more. Return: 0 later; 1 it is over. */
static int serve(struct agent *agent)
{
	struct agent_status *status = &agent->status;
	int rc = 0;

	if (!status->begun)
		rc = send_json(status->client, agent_json(agent));
	if (!rc)
		status->begun = true;
	while (!rc && status->next < agent->nodes) {
		const struct agent_link *link = &agent->links[status->next];

		if (link->state != AGENT_LINK_DOWN || link->counters.connections)
			rc = send_json(status->client, link_json(link));
		if (!rc)
			status->next++;
	}
	return rc != -EAGAIN || agent->now_ns >= status->until_ns;
}

uint64_t agent_status_turn(struct agent *agent)
{
	struct agent_status *status = &agent->status;

	if (!status->listener)
		return UINT64_MAX;
	if (!status->client) {
		/* Somebody may have come since: the wake-up for him is over. */
		if (agent->now_ns < status->look_ns)
			return status->look_ns;
		status->look_ns = agent->now_ns + LOOK_NS;
		status->client = let_in(agent);
		status->begun = false;
		status->next = 0;
		status->until_ns = agent->now_ns + CLIENT_NS;
	}
	if (!status->client)
		return UINT64_MAX;	/* who comes wakes us */
	if (!serve(agent))
		return agent->now_ns + BASE_MS;
	close(status->client);
	status->client = 0;
	return status->look_ns;	/* the next one may wait already */
}

void agent_status_close(struct agent *agent)
{
	if (agent->status.client)
		close(agent->status.client);
	if (agent->status.listener)
		close(agent->status.listener);
}
#else
void agent_status_open(struct agent *agent)
{
	(void)agent;
	base_log_info("dhow ps cannot ask this agent: built without jansson");
}

uint64_t agent_status_turn(struct agent *agent)
{
	(void)agent;
	return UINT64_MAX;
}

void agent_status_close(struct agent *agent)
{
	(void)agent;
}
#endif
