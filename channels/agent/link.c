/* SPDX-License-Identifier: MIT */
/*
 * link.c - states of a link, reconnecting, death, timers.
 *
 * A link is lazy: it connects when somebody has something to say. Once it was up it is
 * kept up, because its heartbeat is how a silent death is found.
 */
#include "agent/link.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agent/bulk.h"
#include "agent/conn.h"
#include "agent/credit.h"
#include "agent/request.h"
#include "agent/stream.h"
#include "base/log.h"

static const char *const state_names[AGENT_LINK_STATES] = { "down", "connecting", "up", "dead" };

#define TO(state) (1u << AGENT_LINK_##state)
static const uint8_t allowed[AGENT_LINK_STATES] __attribute__((unused)) = {
	[AGENT_LINK_DOWN] = TO(CONNECTING) | TO(UP) | TO(DEAD),
	[AGENT_LINK_CONNECTING] = TO(DOWN) | TO(UP) | TO(DEAD),
	[AGENT_LINK_UP] = TO(DOWN) | TO(UP) | TO(DEAD),
	[AGENT_LINK_DEAD] = TO(UP),
};

static void set_state(struct agent_link *link, enum agent_link_state state)
{
	assert(allowed[link->state] & 1u << state);
	if (state != link->state)
		base_log_debug("node %" PRIu32 ": link %s -> %s", link->peer_node,
			       state_names[link->state], state_names[state]);
	link->state = state;
}

const char *agent_link_state_name(const struct agent_link *link)
{
	return state_names[link->state];
}

int agent_links_init(struct agent *agent)
{
	base_list_init(&agent->active);
	agent->links = calloc(agent->nodes, sizeof(*agent->links));
	if (!agent->links)
		return -ENOMEM;
	for (uint32_t i = 0; i < agent->nodes; i++) {
		struct agent_link *link = &agent->links[i];

		link->agent = agent;
		link->peer_node = i;
		link->backoff_ns = AGENT_RETRY_MIN_NS;
		base_list_init(&link->node);
		base_list_init(&link->todo);
		base_list_init(&link->unsent);
		base_list_init(&link->unacked);
		base_list_init(&link->bulks);
		base_list_init(&link->owing);
	}
	return 0;
}

void agent_links_fini(struct agent *agent)
{
	if (!agent->links)
		return;
	for (uint32_t i = 0; i < agent->nodes; i++) {
		agent_link_clear(&agent->links[i]);
		agent_counters_log(&agent->links[i].counters, i);
		free(agent->links[i].in_slots);
		free(agent->links[i].serves);
	}
	free(agent->links);
	agent->links = NULL;
}

struct agent_link *agent_link_get(struct agent *agent, uint32_t node)
{
	return node < agent->nodes && node != agent->self ? &agent->links[node] : NULL;
}

void agent_link_watch(struct agent_link *link)
{
	if (base_list_empty(&link->node))
		base_list_add_tail(&link->agent->active, &link->node);
}

void agent_link_todo(struct agent_link *link, struct agent_todo *todo)
{
	if (link->state == AGENT_LINK_DEAD || !base_list_empty(&todo->node))
		return;
	base_list_add_tail(&link->todo, &todo->node);
	link->agent->worked = true;
	if (!link->wanted_ns) {
		link->wanted_ns = link->agent->now_ns;
		if (!link->lost && link->state == AGENT_LINK_DOWN)
			link->contact_ns = link->agent->now_ns;
	}
	agent_link_watch(link);
}

void agent_link_owe(struct agent_link *link, struct base_list *owing)
{
	if (!base_list_empty(owing))
		return;
	if (base_list_empty(&link->owing))
		link->owed_ns = link->agent->now_ns + AGENT_OWED_NS;
	base_list_add_tail(&link->owing, owing);
}

/* Is a frame on its way, or has it been long enough? Then all that is owed goes with it. */
static void pay(struct agent_link *link)
{
	if (!link->open && base_list_empty(&link->todo) &&
	    link->agent->now_ns < link->owed_ns)
		return;
	while (!base_list_empty(&link->owing)) {
		struct agent_stream_in *stream =
			base_list_entry(link->owing.next, struct agent_stream_in, owing);

		base_list_del(&stream->owing);
		agent_link_todo(link, &stream->todo);
	}
	link->owed_ns = 0;
}

bool agent_link_fenced(const struct agent_link *link, uint32_t epoch)
{
	unsigned count = link->fenced_count < AGENT_FENCED ? link->fenced_count : AGENT_FENCED;

	for (unsigned i = 0; i < count; i++)
		if (link->fenced[i] == epoch)
			return true;
	return false;
}

/* About @ns, so that two sides do not go on colliding. */
static uint64_t jitter(uint64_t ns)
{
	return ns / 2 + randombytes_uniform((uint32_t)ns);
}

/* Say that the node is silent, or that it speaks again: once. Death is said elsewhere. */
static void set_silent(struct agent_link *link, const char *why)
{
	struct agent *agent = link->agent;

	if (link->silent == (why != NULL))
		return;
	link->silent = why != NULL;
	gateway_node_state(agent->gateway, link->peer_node, why ? PEER_SILENT : PEER_ALIVE, why);
	gateway_report_silent(agent->gateway, link->peer_node, why);
}

void agent_link_heard(struct agent_link *link)
{
	link->contact_ns = link->agent->now_ns;
	if (link->silent)
		set_silent(link, NULL);
}

/*
 * The kernel of an agent that was killed closes its connections before it has closed the socket
 * that listens: a call may still be taken, and cut. That is no reason to wait longer.
 */
static bool just_lost(const struct agent_link *link, uint64_t now)
{
	return link->lost && now < link->lost_ns + AGENT_LOST_NS;
}

void agent_link_lost(struct agent_link *link, struct agent_conn *conn, const char *why)
{
	uint64_t now = link->agent->now_ns;

	if (conn == link->in)
		link->in = NULL;
	if (conn == link->out) {
		link->out = NULL;
		if (link->state == AGENT_LINK_CONNECTING)
			set_state(link, AGENT_LINK_DOWN);
		link->refusals = conn->refused ? link->refusals + 1 : 0;
		link->retry_ns = now + jitter(link->backoff_ns);
		if (!just_lost(link, now))
			link->backoff_ns *= 2;
		if (link->backoff_ns > AGENT_RETRY_MAX_NS)
			link->backoff_ns = AGENT_RETRY_MAX_NS;
		base_log_debug("node %" PRIu32 ": no connection: %s", link->peer_node, why);
	}
	if (conn == link->conn) {
		link->conn = NULL;
		agent_bulks_lost(link);
		if (link->state != AGENT_LINK_UP)
			return;
		set_state(link, AGENT_LINK_DOWN);
		link->lost = true;
		link->lost_ns = now;
		link->refusals = 0;
		link->backoff_ns = AGENT_RETRY_LOST_NS;
		link->retry_ns = now + jitter(AGENT_RETRY_LOST_NS);
		base_log_info("node %" PRIu32 ": connection lost: %s", link->peer_node, why);
		/* Callers begin to feel it, and death is 7 s away. */
		if (now - link->contact_ns >= AGENT_SILENT_NS)
			set_silent(link, why);
		agent_link_watch(link);
	}
}

/* All that belongs to the other agent's epoch ends. */
static void end_epoch(struct agent_link *link)
{
	if (link->peer_epoch)
		link->fenced[link->fenced_count++ % AGENT_FENCED] = link->peer_epoch;
	link->peer_epoch = 0;
	agent_link_clear(link);
	agent_outs_fail(link, -EHOSTDOWN);
	agent_ins_end(link);
	agent_asks_fail(link, -EHOSTDOWN);
	agent_serves_end(link);
	base_list_for(node, &link->todo) {
		struct agent_todo *todo = base_list_entry(node, struct agent_todo, node);

		base_list_del(node);
		if (todo->drop)
			todo->drop(todo);
	}
}

void agent_link_dead(struct agent_link *link, const char *why, bool report)
{
	struct agent *agent = link->agent;

	if (link->state == AGENT_LINK_DEAD)
		return;
	/* What is reported, somebody else says aloud, unless the job is at its end anyway. */
	base_log(report ? BASE_LOG_INFO : BASE_LOG_WARN, "node %" PRIu32 " is dead: %s",
		 link->peer_node, why);
	agent_counters_log(&link->counters, link->peer_node);
	memset(&link->counters, 0, sizeof(link->counters));
	set_state(link, AGENT_LINK_DEAD);
	if (link->conn)
		agent_conn_drop(link->conn, why);
	if (link->out)
		agent_conn_drop(link->out, why);
	if (link->in)
		agent_conn_drop(link->in, why);
	link->lost = link->warned = link->silent = false;
	link->wanted_ns = 0;
	link->faults = 0;
	gateway_node_state(agent->gateway, link->peer_node, PEER_DEAD, why);
	end_epoch(link);
	if (report)
		gateway_report(agent->gateway, link->peer_node, why);
}

void agent_link_adopt(struct agent_link *link, struct agent_conn *conn)
{
	struct agent *agent = link->agent;
	uint64_t theirs = conn->peer_knows == agent->epoch ? conn->peer_accepted : 0;
	struct agent_conn *old = link->conn;

	if (agent_link_fenced(link, conn->peer_epoch)) {
		agent_conn_drop(conn, "its node was declared dead");
		return;
	}
	if (link->out == conn)
		link->out = NULL;
	if (link->in == conn)
		link->in = NULL;
	if (link->peer_epoch && link->peer_epoch != conn->peer_epoch) {
		agent_link_dead(link, "its agent was started again", false);
		old = NULL;
	}
	link->conn = conn;
	if (old && old != conn)
		agent_conn_drop(old, "replaced");
	if (link->out)
		agent_conn_drop(link->out, "the other call counts");
	if (link->state == AGENT_LINK_DEAD)
		gateway_node_state(agent->gateway, link->peer_node, PEER_ALIVE, "");
	set_silent(link, NULL);
	set_state(link, AGENT_LINK_UP);
	link->peer_epoch = conn->peer_epoch;
	link->contact_ns = link->sent_ns = agent->now_ns;
	link->lost = false;
	link->backoff_ns = AGENT_RETRY_MIN_NS;
	link->counters.connections++;
	agent_link_watch(link);
	agent_link_resend(link);
	if (agent_link_acked(link, theirs)) {
		agent_conn_damaged(conn, "it acknowledges frames that were not sent");
		return;
	}
	agent_bulks_again(link);
	base_log_info("node %" PRIu32 ": connected, security %s with %s", link->peer_node,
		      agent_level_name(conn->seal.level), conn->seal.cipher->name);
}

void agent_link_pump(struct agent_link *link)
{
	struct base_list later;

	if (link->state != AGENT_LINK_UP)
		return;
	base_list_init(&later);
	if (!base_list_empty(&link->owing))
		pay(link);
	while (!base_list_empty(&link->todo)) {
		struct agent_todo *todo = base_list_entry(link->todo.next, struct agent_todo,
							  node);
		int rc;

		base_list_del(&todo->node);
		rc = todo->write(todo, link);
		if (rc > 0) {
			base_list_add_tail(rc == 1 ? &link->todo : &later, &todo->node);
		} else if (rc < 0) {
			base_list_add_tail(link->todo.next, &todo->node);	/* first again */
			break;
		}
	}
	while (!base_list_empty(&later)) {
		struct base_list *node = later.next;

		base_list_del(node);
		base_list_add_tail(&link->todo, node);
	}
	if (base_list_empty(&link->todo))
		link->wanted_ns = 0;
	agent_bulks_pump(link);
	agent_link_flush(link);
}

static uint64_t timers_up(struct agent_link *link, uint64_t now)
{
	uint64_t next;

	if (now - link->contact_ns >= AGENT_CONTACT_NS) {
		agent_conn_drop(link->conn, "no heartbeat");
		return now;
	}
	if (now - link->contact_ns >= AGENT_SILENT_NS)
		set_silent(link, "no heartbeat");
	if (agent_seal_spent(&link->conn->seal)) {
		agent_conn_drop(link->conn, "its keys have sealed enough");
		return now;
	}
	if (!base_list_empty(&link->unacked) && now - link->progress_ns >= AGENT_RESEND_NS)
		agent_link_resend(link);
	if (link->ack_ns && now >= link->ack_ns) {
		link->counters.acks_alone++;
		agent_link_control(link);
	} else if (now - link->sent_ns >= AGENT_HEARTBEAT_NS) {
		agent_link_control(link);
	}
	next = agent_earlier(link->contact_ns +
				     (link->silent ? AGENT_CONTACT_NS : AGENT_SILENT_NS),
			     link->sent_ns + AGENT_HEARTBEAT_NS);
	if (link->ack_ns)
		next = agent_earlier(next, link->ack_ns);
	if (!base_list_empty(&link->owing))
		next = agent_earlier(next, link->owed_ns);
	if (!base_list_empty(&link->unacked))
		next = agent_earlier(next, link->progress_ns + AGENT_RESEND_NS);
	return next;
}

/* Has the other side called, so that we need not? Old hellos can be replayed without end, and
 * must not keep the link down. */
static bool called(const struct agent_link *link, uint64_t now)
{
	uint64_t since = link->retry_ns > link->wanted_ns ? link->retry_ns : link->wanted_ns;

	return link->in && now - since < AGENT_PROOF_NS;
}

static uint64_t timers_down(struct agent_link *link, uint64_t now)
{
	struct agent *agent = link->agent;
	uint64_t next;

	if (!link->lost && !link->wanted_ns) {
		if (!link->in && !link->out)
			base_list_del(&link->node);
		return UINT64_MAX;
	}
	if (!agent_peers_get(&agent->peers, link->peer_node) && !link->lost) {
		if (now - link->wanted_ns >= AGENT_ADDRESS_NS)
			agent_link_dead(link, "its agent has no address", true);
		link->contact_ns = now;
		return now + AGENT_RETRY_MIN_NS;
	}
	if (link->lost && link->refusals >= AGENT_REFUSALS) {
		agent_link_dead(link, "its agent does not listen any more", true);
		return now;
	}
	if (now - link->contact_ns >= AGENT_DEAD_NS) {
		agent_link_dead(link, "no contact for 10 s", true);
		return now;
	}
	if (link->lost && now - link->contact_ns >= AGENT_SILENT_NS)
		set_silent(link, "no contact");
	if (link->state == AGENT_LINK_DOWN && now >= link->retry_ns && !called(link, now)) {
		if (agent_conn_connect(link) == 0 && link->out)
			set_state(link, AGENT_LINK_CONNECTING);
	}
	/* Never for so long that the loop takes its sleep for a stop, see forgive(). */
	next = now + AGENT_RETRY_MIN_NS / 2;
	if (link->state == AGENT_LINK_DOWN && !link->in && link->retry_ns > now)
		next = agent_earlier(link->retry_ns, now + AGENT_HEARTBEAT_NS);
	return agent_earlier(link->contact_ns + AGENT_DEAD_NS, next);
}

uint64_t agent_link_timers(struct agent_link *link)
{
	switch (link->state) {
	case AGENT_LINK_UP:
		return timers_up(link, link->agent->now_ns);
	case AGENT_LINK_DEAD:
		if (!link->in)
			base_list_del(&link->node);
		return UINT64_MAX;
	default:
		return timers_down(link, link->agent->now_ns);
	}
}
