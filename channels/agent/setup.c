/* SPDX-License-Identifier: MIT */
/*
 * setup.c - an agent from nothing, and its end.
 *
 * The order matters: the fabric gives the address that the gateway publishes, the gateway
 * the segment that the fabric registers; connections end before what their operations use.
 */
#include "agent/agent.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agent/conn.h"
#include "agent/core.h"
#include "agent/link.h"
#include "agent/request.h"
#include "agent/stream.h"
#include "agent/target.h"
#include "agent/trace.h"
#include "base/log.h"

enum { FRAME_MIN = 4608 };	/* what a slot of a channel holds at most must go eagerly */

static void on_frame(void *user, struct fabric_peer *peer, const void *data, size_t bytes)
{
	agent_conn_frame(user, peer, data, bytes);
}

static void on_offer(void *user, struct fabric_peer *peer, const void *header,
		     size_t header_bytes, struct fabric_offer *offer, size_t bytes)
{
	agent_conn_offer(user, peer, header, header_bytes, offer, bytes);
}

static void on_peer_new(void *user, struct fabric_peer *peer)
{
	agent_conn_peer_new(user, peer);
}

static void on_peer_down(void *user, struct fabric_peer *peer, enum fabric_loss loss,
			 const char *why)
{
	agent_conn_peer_down(user, peer, loss, why);
}

static const struct fabric_events events = {
	.frame = on_frame,
	.offer = on_offer,
	.peer_new = on_peer_new,
	.peer_down = on_peer_down,
};

static int open_fabric(struct agent *agent, const struct fabric_options *options)
{
	struct agent_record message = { .kind = AGENT_MESSAGE };
	size_t frame_max;
	char why[160] = "";
	int rc = agent->ops->probe(options, why, sizeof(why));

	if (rc) {
		base_log_error("fabric %s: %s", agent->ops->name, why);
		return rc;
	}
	rc = agent->ops->open(options, &events, agent, &agent->fabric, &agent->caps);
	if (rc) {
		base_log_error("fabric %s: open: %s", agent->ops->name, strerror(-rc));
		return rc;
	}
	frame_max = agent->caps.frame_max < AGENT_FRAME_MAX ? agent->caps.frame_max :
							      AGENT_FRAME_MAX;
	if (frame_max < FRAME_MIN ||
	    agent->caps.offer_max < AGENT_HEADER_BYTES + AGENT_RECORD_BYTES) {
		base_log_error("fabric %s: its frames are too small", agent->ops->name);
		return -ENOTSUP;
	}
	agent->body_max = frame_max - AGENT_HEADER_BYTES;
	/* an ANSWER has 8 bytes more than a MESSAGE */
	agent->eager_max = agent->body_max - agent_record_bytes(&message) - 8;
	if (agent->eager_max > AGENT_EAGER_MAX)
		agent->eager_max = AGENT_EAGER_MAX;
	return 0;
}

static int serve_gateway(struct agent *agent, const struct fabric_options *options)
{
	struct dhow_node_peer self = { .node = options->node };
	size_t bytes = sizeof(self.address);
	void *base;
	int rc = agent->ops->address(agent->fabric, self.address, &bytes);

	if (rc)
		return rc;
	self.bytes = (uint32_t)bytes;
	agent->secret = sodium_malloc(DHOW_SECRET_BYTES);
	if (!agent->secret)
		return -ENOMEM;
	rc = gateway_serve(&self, agent->secret, &agent->gateway);
	if (rc)
		return rc;
	agent->job = gateway_job(agent->gateway);
	agent->self = gateway_node(agent->gateway);
	agent->nodes = gateway_nodes(agent->gateway);
	gateway_segment(agent->gateway, &base, &agent->bytes);
	agent->base = base;
	rc = agent->ops->memory_add(agent->fabric, base, agent->bytes, &agent->memory);
	if (!rc)
		rc = agent->ops->watch(agent->fabric, gateway_bell(agent->gateway));
	if (!rc)
		rc = agent->ops->watch(agent->fabric, gateway_daemon(agent->gateway));
	return rc;
}

static void init_lists(struct agent *agent)
{
	cpu_set_t cpus;

	base_list_init(&agent->active);
	base_list_init(&agent->asking);
	base_list_init(&agent->serving);
	base_list_init(&agent->blocked);
	base_list_init(&agent->untaken);
	base_list_init(&agent->pulls);
	for (int i = 0; i < AGENT_TARGET_BUCKETS; i++)
		base_list_init(&agent->targets[i]);
	agent->may_spin = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) > 1;
	agent->now_ns = base_now_ns();
	do
		agent->epoch = randombytes_random();
	while (!agent->epoch);
}

static int set_level(struct agent *agent, const char *security)
{
	agent->level = agent_level_find(security);
	if (!agent->level) {
		base_log_error("security \"%s\": there are mac, integrity and encrypt", security);
		return -EINVAL;
	}
	agent->ciphers = agent_ciphers();
	agent->scratch = malloc(AGENT_FRAME_MAX);
	return agent->scratch ? 0 : -ENOMEM;
}

int agent_create(const struct fabric_ops *fabric, const struct fabric_options *options,
		 const char *security, struct agent **ret_agent)
{
	struct agent *agent;
	int rc;

	if (sodium_init() < 0)
		return -ENOSYS;
	agent = calloc(1, sizeof(*agent));
	if (!agent)
		return -ENOMEM;
	agent->ops = fabric;
	agent->trace = agent_trace_wanted();
	init_lists(agent);
	rc = set_level(agent, security);
	if (!rc)
		rc = open_fabric(agent, options);
	if (!rc)
		rc = serve_gateway(agent, options);
	if (!rc)
		rc = agent_peers_init(&agent->peers, agent->nodes);
	if (!rc)
		rc = agent_links_init(agent);
	if (!rc)
		rc = agent_conns_init(agent);
	if (rc) {
		/* A run that ends while it begins is no error. */
		if (rc == -EHOSTDOWN || rc == -EPIPE)
			base_log_info("the node's daemon has ended before the agent began");
		else
			base_log_error("the agent cannot begin: %s", strerror(-rc));
		agent_destroy(agent);
		return rc;
	}
	base_log_info("agent of node %" PRIu32 " of %" PRIu32 " over %s, security %s", agent->self,
		      agent->nodes, fabric->name, agent_level_name(agent->level));
	*ret_agent = agent;
	return 0;
}

static void drop_conns(struct base_list *list)
{
	while (!base_list_empty(list))
		agent_conn_drop(base_list_entry(list->next, struct agent_conn, node),
				"the agent ends");
}

void agent_destroy(struct agent *agent)
{
	if (!agent)
		return;
	if (agent->conns) {
		agent_asks_fini(agent);
		agent_outs_fini(agent);
		for (uint32_t i = 0; i < agent->nodes; i++) {
			struct agent_link *link = &agent->links[i];

			agent_ins_end(link);
			agent_serves_end(link);
			base_list_for(node, &link->todo) {
				struct agent_todo *todo =
					base_list_entry(node, struct agent_todo, node);

				base_list_del(node);
				if (todo->drop)
					todo->drop(todo);
			}
		}
		drop_conns(&agent->conns_busy);
		drop_conns(&agent->conns_up);
		agent_conns_reap(agent);
		agent_targets_sweep(agent, true);
	}
	agent_links_fini(agent);
	agent_conns_fini(agent);
	agent_peers_fini(&agent->peers);
	if (agent->memory)
		agent->ops->memory_del(agent->memory);
	if (agent->fabric)
		agent->ops->close(agent->fabric);
	if (agent->gateway)
		gateway_leave(agent->gateway);
	sodium_free(agent->secret);	/* wipes it */
	agent_slab_fini(&agent->slab);
	if (agent->scratch)
		sodium_memzero(agent->scratch, AGENT_FRAME_MAX);
	free(agent->scratch);
	free(agent);
}
