/* SPDX-License-Identifier: MIT */
/*
 * protocol.h - what a process and its node's service say to each other.
 *
 * One SOCK_SEQPACKET message each way; both ends run on one machine from one build, so the
 * structs are sent as they are and the version refuses all others. A door carries only
 * NODE_DOOR requests, each with the far end of a socket pair that becomes the connection.
 */
#ifndef CHANNELS_PROTOCOL_H
#define CHANNELS_PROTOCOL_H

#include <stdint.h>

#include <dhow/node.h>

enum { NODE_PROTOCOL = 0x44480002 };

enum node_op {
	NODE_DOOR = 1,		/* on a door: + connection */
	NODE_HELLO,		/* -> segment, bell */
	NODE_HELLO_AGENT,	/* the same, and the secret */
	NODE_AGENT_READY,	/* it serves the gateway from now on; no reply */
	NODE_SEGMENT_PUT,	/* + segment -> id */
	NODE_SEGMENT_GET,	/* id -> segment */
	NODE_SEGMENT_DROP,	/* id; no reply */
	NODE_NAME_PUT,
	NODE_NAME_GET,		/* value: wait in ms -> address */
	NODE_NAME_DEL,
	NODE_REPORT,		/* agent: node `value` cannot be reached, name: why; no reply */
	NODE_SILENT,		/* agent: node `value` is silent, name: why; empty: not now */
	NODE_BYE,		/* no reply */
};

struct node_request {
	uint32_t protocol;
	uint32_t op;
	uint32_t serial;	/* not 0 */
	uint32_t rank;
	uint64_t value;
	char name[128];
	char address[DHOW_ADDRESS_BYTES];
	struct dhow_node_peer peer;	/* AGENT_READY: how it is reached */
};

enum node_news { NODE_NEWS_PEER = 1, NODE_NEWS_PEER_DEAD };

struct node_reply {
	uint32_t protocol;
	uint32_t serial;	/* of the request; 0 = news for the agent */
	int32_t rc;
	uint32_t news;
	uint64_t value;
	char address[DHOW_ADDRESS_BYTES];
	char why[128];
	uint8_t secret[DHOW_SECRET_BYTES];
	struct dhow_node_peer peer;
};

#endif
