/* SPDX-License-Identifier: MIT */
/* peer.c - a table by node number. */
#include "agent/peer.h"

#include <errno.h>
#include <stdlib.h>

int agent_peers_init(struct agent_peers *peers, uint32_t nodes)
{
	peers->known = calloc(nodes ? nodes : 1, sizeof(*peers->known));
	peers->count = nodes;
	return peers->known ? 0 : -ENOMEM;
}

void agent_peers_fini(struct agent_peers *peers)
{
	free(peers->known);
	peers->known = NULL;
	peers->count = 0;
}

bool agent_peers_set(struct agent_peers *peers, const struct dhow_node_peer *peer)
{
	if (peer->node >= peers->count || peer->bytes == 0 ||
	    peer->bytes > sizeof(peer->address))
		return false;
	peers->known[peer->node] = *peer;
	return true;
}

const struct dhow_node_peer *agent_peers_get(const struct agent_peers *peers, uint32_t node)
{
	if (node >= peers->count || peers->known[node].bytes == 0)
		return NULL;
	return &peers->known[node];
}
