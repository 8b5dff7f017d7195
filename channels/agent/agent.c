/* SPDX-License-Identifier: MIT */
/*
 * agent.c - the one loop and its sleep.
 *
 * A turn takes requests from the gateway, lets the fabric tell its events, tries what was
 * blocked, lets each link write and send, and looks at the clocks. Connections are deleted
 * between, never inside an event.
 */
#include "agent/agent.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "agent/conn.h"
#include "agent/core.h"
#include "agent/link.h"
#include "agent/request.h"
#include "agent/status.h"
#include "agent/stream.h"
#include "agent/target.h"
#include "base/log.h"

#define SPIN_MAX_NS (BASE_MS / 20)
#define SPIN_FIRST_NS (BASE_MS / 100)
#define YIELD_LONG_NS (BASE_MS / 200)	/* a yield that took longer let somebody work */
#define NEWS_NS (5 * BASE_MS)
#define STOPPED_NS (1500 * BASE_MS)	/* between turns: we were stopped, not the others */

static void take_news(struct agent *agent)
{
	struct gateway_news news;

	agent->news_ns = agent->now_ns + NEWS_NS;
	while (!agent->leaving && gateway_news(agent->gateway, &news)) {
		struct agent_link *link;

		switch (news.kind) {
		case GATEWAY_PEERS:
			if (!agent_peers_set(&agent->peers, &news.peer))
				base_log_warn("the daemon told no address of node %" PRIu32,
					      news.peer.node);
			break;
		case GATEWAY_PEER_DEAD:
			link = agent_link_get(agent, news.peer.node);
			if (link)
				agent_link_dead(link, news.why, false);
			break;
		case GATEWAY_DAEMON_GONE:
			agent->leaving = true;
			break;
		}
	}
}

static void take_items(struct agent *agent)
{
	struct gateway_item item;

	for (int i = 0; i < AGENT_ITEMS_TURN && gateway_next(agent->gateway, &item); i++) {
		agent->worked = true;
		switch (item.kind) {
		case GATEWAY_MESSAGE:
			agent_out_item(agent, &item);
			break;
		case GATEWAY_REQUEST:
			agent_ask_item(agent, item.index);
			gateway_done(agent->gateway, &item);
			break;
		case GATEWAY_CLOSE:
			agent_out_close(agent, item.index);
			gateway_done(agent->gateway, &item);
			break;
		}
	}
}

/* Nobody was silent while we did not listen. */
static void forgive(struct agent *agent, uint64_t gap_ns)
{
	base_log_warn("the agent did not run for %" PRIu64 " ms", gap_ns / BASE_MS);
	base_list_for(node, &agent->active) {
		struct agent_link *link = base_list_entry(node, struct agent_link, node);

		link->contact_ns += gap_ns;
		link->progress_ns += gap_ns;
	}
}

/* Channels that were full or empty. @now: even if we looked a moment ago. */
static uint64_t look_at_channels(struct agent *agent, bool now)
{
	uint64_t next = UINT64_MAX;

	if (base_list_empty(&agent->serving) && base_list_empty(&agent->blocked))
		return UINT64_MAX;
	if (!now && agent->now_ns < agent->blocked_ns)
		return agent->now_ns + AGENT_BLOCKED_NS;
	next = agent_serves_retry(agent);
	agent_ins_retry(agent);
	agent->blocked_ns = agent->now_ns + AGENT_LOOK_NS;
	/* a full pool rings no bell */
	return agent_earlier(next, agent->now_ns + AGENT_BLOCKED_NS);
}

static void pump_links(struct agent *agent)
{
	base_list_for(node, &agent->active)
		agent_link_pump(base_list_entry(node, struct agent_link, node));
}

static uint64_t serve_links(struct agent *agent)
{
	uint64_t next = UINT64_MAX;

	base_list_for(node, &agent->active) {
		struct agent_link *link = base_list_entry(node, struct agent_link, node);

		agent_link_pump(link);
		next = agent_earlier(next, agent_link_timers(link));
	}
	return next;
}

bool agent_turn(struct agent *agent, uint64_t *ret_next_ns)
{
	uint64_t before = agent->now_ns, next;
	int told;

	agent->now_ns = base_now_ns();
	agent->worked = agent->stalled = false;
	if (agent->now_ns - before >= STOPPED_NS && !base_list_empty(&agent->active))
		forgive(agent, agent->now_ns - before);
	take_items(agent);
	/* What was taken leaves before we look at what came: that may cost system calls. */
	if (agent->worked)
		pump_links(agent);
	told = agent->ops->progress(agent->fabric, AGENT_EVENTS_TURN);
	if (told < 0)
		agent->fatal = agent->fatal || told == FABRIC_FATAL;
	agent->worked |= told > 0;
	next = look_at_channels(agent, false);
	next = agent_earlier(next, agent_ins_look(agent));
	next = agent_earlier(next, agent_asks_timers(agent));
	next = agent_earlier(next, agent_pulls_pump(agent));
	next = agent_earlier(next, serve_links(agent));
	next = agent_earlier(next, agent_conns_timers(agent));
	/* Calls of the system that have time: a message that woke us is on its way now. */
	next = agent_earlier(next, agent_status_turn(agent));
	if (agent->now_ns >= agent->news_ns)
		take_news(agent);
	agent_conns_reap(agent);
	agent_targets_sweep(agent, false);
	if (agent->stalled)
		next = agent_earlier(next, agent->now_ns + BASE_MS);
	*ret_next_ns = next;
	return agent->worked;
}

/* SIGTERM: the daemon wants us gone. Orderly, so that links tell their counters. */
static atomic_int stop_wanted;
static int stop_bell;

static void on_stop(int number)
{
	const uint64_t one = 1;
	int saved = errno;

	(void)number;
	atomic_store_explicit(&stop_wanted, 1, memory_order_relaxed);
	(void)!write(stop_bell, &one, sizeof(one));	/* it may be asleep */
	errno = saved;
}

static bool stopped(void)
{
	return atomic_load_explicit(&stop_wanted, memory_order_relaxed) != 0;
}

void agent_sleep(struct agent *agent, uint64_t deadline_ns)
{
	uint64_t before;

	/* It clears the bell; then watch what is blocked, whose changes ring it from now on. */
	if (gateway_arm(agent->gateway))
		return;
	if (stopped())		/* later, its bell is heard */
		return;
	look_at_channels(agent, true);
	if (agent->worked || !base_list_empty(&agent->conns_doomed))
		return;
	before = base_now_ns();
	if (agent->ops->wait(agent->fabric, deadline_ns) == FABRIC_FATAL)
		agent->fatal = true;
	agent->news_ns = 0;
	agent->blocked_ns = 0;
	if (base_now_ns() - before < SPIN_MAX_NS && agent->spin_ns < SPIN_FIRST_NS)
		agent->spin_ns = SPIN_FIRST_NS;
}

bool agent_over(const struct agent *agent, int *ret_rc)
{
	if (agent->fatal)
		*ret_rc = -EIO;
	else if (agent->leaving)
		*ret_rc = 0;
	return agent->fatal || agent->leaving;
}

void agent_flush(struct agent *agent)
{
	uint64_t until = base_now_ns() + AGENT_FLUSH_NS, next;

	while (!agent->fatal && base_now_ns() < until && agent_outs_pending(agent))
		if (!agent_turn(agent, &next))
			agent->ops->wait(agent->fabric, base_now_ns() + BASE_MS);
}

/* Look a little longer before sleeping. Return: true if work came. */
static bool spin(struct agent *agent, uint64_t *next_ns)
{
	uint64_t start = base_now_ns(), before, after = start;

	if (!agent->may_spin || !agent->spin_ns)
		return false;
	while (after - start < agent->spin_ns) {
		if (agent_turn(agent, next_ns)) {
			agent->spin_ns *= 2;
			if (agent->spin_ns > SPIN_MAX_NS)
				agent->spin_ns = SPIN_MAX_NS;
			return true;
		}
		before = base_now_ns();
		sched_yield();
		after = base_now_ns();
		if (after - before > YIELD_LONG_NS) {	/* somebody needs this core */
			agent->spin_ns = 0;
			return false;
		}
	}
	agent->spin_ns /= 2;
	return false;
}

int agent_run(const struct fabric_ops *fabric, struct fabric_options *options,
	      const char *security)
{
	const struct sigaction action = { .sa_handler = on_stop };
	struct agent *agent;
	uint64_t next;
	int rc = agent_create(fabric, options, security, &agent);

	if (rc)
		return rc;
	stop_bell = gateway_bell(agent->gateway);
	sigaction(SIGTERM, &action, NULL);
	agent_status_open(agent);
	while (!stopped() && !agent_over(agent, &rc)) {
		if (agent_turn(agent, &next) || spin(agent, &next))
			continue;
		if (!agent->fatal && !agent->leaving)
			agent_sleep(agent, next);
	}
	if (!agent->fatal && !stopped())
		agent_flush(agent);
	signal(SIGTERM, SIG_IGN);	/* the bell is closed now */
	agent_status_close(agent);
	agent_destroy(agent);
	return rc;
}
