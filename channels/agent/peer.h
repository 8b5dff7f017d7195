/* SPDX-License-Identifier: MIT */
/* peer.h - where the other nodes' agents are reached, as the daemon told us. */
#ifndef AGENT_PEER_H
#define AGENT_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include <dhow/node.h>

struct agent_peers {
	struct dhow_node_peer *known;	/* [count]; bytes = 0: not told yet */
	uint32_t count;
};

int agent_peers_init(struct agent_peers *peers, uint32_t nodes);
void agent_peers_fini(struct agent_peers *peers);
/* False: no such node, or no address. */
bool agent_peers_set(struct agent_peers *peers, const struct dhow_node_peer *peer);
/* NULL: not known. */
const struct dhow_node_peer *agent_peers_get(const struct agent_peers *peers, uint32_t node);

#endif
