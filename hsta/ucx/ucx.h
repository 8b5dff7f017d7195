/* SPDX-License-Identifier: MIT */
/*
 * ucx.h - the inside of the fabric `ucx`: UCP active messages over client-server endpoints.
 *
 * Design notes. A frame is an eager active message, an offer is a rendezvous one whose
 * header is the core's; to fetch is to receive its data, to drop is to release it.
 *
 *	config.c    options -> UCX's configuration	address.c   addresses and their blobs
 *	peer.c	    life of an endpoint			inbox.c	    what came and was not told
 *	send.c	    frames				recv.c	    active messages that come
 *	slots.c	    send buffers			bulk.c	    memory, offers, fetches
 *	progress.c  telling, sleeping			status.c    the one table of statuses
 *
 * Nothing is told from inside UCX: its callbacks only note what happened, and the events are
 * told between two calls of ucp_worker_progress(). So every event may delete a peer, and
 * peer_del() may itself turn UCX until it has let go of the peer's memory: after its return
 * nothing is written to a fetch's target or read from an offer's source any more. The price
 * is one copy of a frame that UCX cannot lend us, from cache to cache.
 *
 * Endpoints are made by address and port, not by worker addresses: they need no introduction
 * of our own, they fit any blob, and each keeps a connection of the connection manager, by
 * which the kernel tells at once that a process died, also to a side that only receives.
 *
 * What belongs to an endpoint (slots, transfers, the peer itself) is reused only when each
 * of its requests has completed, also after peer_del(): until then the peer is in `graves`.
 */
#ifndef HSTA_UCX_UCX_H
#define HSTA_UCX_UCX_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucp/api/ucp.h>

#include "agent/fabric.h"
#include "base/list.h"

enum {
	/* What the core fills at most; UCX sends it as one fragment over tcp. */
	UCX_FRAME_MAX = 32768,
	UCX_OFFER_MAX = 512,
	UCX_ADDRESS_MAX = 24,
	UCX_SLOTS = 256,	  /* per fabric, */
	UCX_PEER_SLOTS = 192,	  /* of which one slow peer may hold this many */
	UCX_CHUNK_SLOTS = 16,	  /* are allocated and registered at once */
	UCX_PEER_BULKS = 64,	  /* transfers of one peer in one direction */
	UCX_TRANSFERS = 4096,	  /* of all peers, both directions */
	UCX_PEERS_MAX = 8192,
	UCX_CALLS_MAX = 64,	  /* connection requests that were not answered yet */
	UCX_INBOX_BLOCK = 262144, /* bytes; one takes all that a turn of UCX brings, mostly */
	UCX_INBOX_BLOCKS = 64,
	UCX_PEER_BUCKETS = 1024,
	UCX_TURNS = 8,		  /* of UCX in one progress() */
};
/* An endpoint that was closed by force has this long to let go of its requests. */
#define UCX_CLOSE_NS UINT64_C(2000000000)
/* For calls that have begun, before the listener goes. */
#define UCX_QUIET_NS UINT64_C(10000000)

/* Active message ids. From 0 and without a gap: UCX 1.13 jumps to nowhere when a message comes
 * for an id without a handler below one that has got one. */
enum ucx_am { UCX_AM_FRAME = 0, UCX_AM_OFFER = 1 };

union ucx_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

enum ucx_state {
	UCX_UP,	     /* or connecting: UCX keeps what is sent meanwhile */
	UCX_FAILED,  /* peer_down() follows when its operations are complete */
	UCX_DOWN,    /* was told; waits for peer_del() */
	UCX_DELETED, /* waits for UCX */
};

struct ucx_slot {
	struct ucx_slot *next;
	struct fabric *fabric;
	struct fabric_peer *peer; /* set while UCX has it */
	ucp_mem_h memh;
	uint8_t pad_[32];
	uint8_t data[];
};
_Static_assert(sizeof(struct ucx_slot) == 64, "a slot's data starts a cache line");

struct ucx_chunk {
	void *slots;
	ucp_mem_h memh;
};

/* One bulk() or fetch() that UCX works on. Not in fabric_op, which is the caller's again
 * before UCX is through with it if that takes too long. */
struct ucx_transfer {
	struct base_list node; /* of peer->transfers */
	struct ucx_transfer *next_free, *next_made;
	struct fabric_peer *peer;
	struct fabric_op *op; /* NULL = completed without UCX */
	bool is_bulk;
	uint8_t header[UCX_OFFER_MAX]; /* UCX 1.13 reads it until the request completes */
};

/* fabric_op.private_, from completion until it is told */
struct ucx_op {
	struct base_list node;
	struct fabric_peer *peer;
	enum fabric_status status;
};
_Static_assert(sizeof(struct ucx_op) <= sizeof(((struct fabric_op *)0)->private_), "op fits");

struct fabric_offer {
	struct base_list node; /* of peer->offers */
	struct fabric_offer *next_free, *next_made;
	struct fabric_peer *peer;
	void *data; /* UCX's description of what can be fetched */
	size_t bytes;
};

struct fabric_memory {
	struct base_list node; /* of fabric->memories */
	struct fabric *fabric; /* NULL = closed, and UCX has let go of it */
	uint8_t *base;
	size_t bytes;
	ucp_mem_h memh;
};

struct fabric_peer {
	struct fabric *fabric;
	struct base_list node; /* of fabric->peers, ->graves */
	struct base_list todo; /* of fabric->fresh, ->failed, ->down */
	struct fabric_peer *same_bucket;
	ucp_ep_h ep; /* NULL = none, or given to close */
	enum ucx_state state;
	bool fresh;   /* peer_new() was not told yet */
	bool closing; /* UCX has not finished the close */
	void *user;
	uint64_t deadline_ns; /* of the close */
	unsigned slots;	      /* with UCX */
	unsigned bulks;
	unsigned offered; /* entries of offers */
	unsigned unread;  /* entries in the inbox */
	struct base_list transfers, offers;
	enum fabric_loss loss;
	char why[96];
};

/* What UCX told inside its callback; followed by the bytes of a frame or an offer's header. */
struct ucx_news {
	struct fabric_peer *peer;
	struct fabric_offer *offer; /* NULL = frame */
	void *lent;		    /* UCX's buffer instead of bytes behind; to be released */
	size_t bytes;
	size_t room; /* in the block */
};

struct ucx_block {
	struct ucx_block *next;
	size_t head, tail;
	_Alignas(16) uint8_t data[UCX_INBOX_BLOCK];
};

struct ucx_inbox {
	struct ucx_block *first, *last, *spare;
	unsigned blocks;
};

struct fabric {
	struct fabric_events events;
	void *user;
	ucp_context_h context;
	ucp_worker_h worker;
	ucp_listener_h listener;
	int epoll_fd;
	union ucx_address own;
	struct base_list peers, graves;
	struct base_list fresh, failed, down; /* of peer.todo */
	struct base_list done;		      /* of ucx_op */
	struct base_list memories;
	struct ucx_inbox inbox;
	struct fabric_peer *buckets[UCX_PEER_BUCKETS];
	struct fabric_peer *last_heard; /* or NULL */
	ucp_conn_request_h calls[UCX_CALLS_MAX];
	unsigned call_count;
	bool closing; /* calls are refused */
	unsigned peer_count;
	unsigned dropped; /* frames, for want of memory */
	struct ucx_slot *free_slots;
	struct ucx_chunk chunks[UCX_SLOTS / UCX_CHUNK_SLOTS];
	unsigned chunk_count;
	struct ucx_transfer *free_transfers, *made_transfers;
	struct fabric_offer *free_offers, *made_offers;
	unsigned transfer_count, offer_count;
};

extern const struct fabric_ops hsta_ucx;

/* status.c */
enum fabric_status ucx_status(ucs_status_t status);
int ucx_errno(ucs_status_t status);
/* Does @status of an endpoint say that nobody listens there? */
enum fabric_loss ucx_loss(ucs_status_t status);

/* address.c */
/* @text: numeric, NULL = 127.0.0.1. Port 0. 0 or negative errno. */
int ucx_address_parse(const char *text, union ucx_address *ret_address);
socklen_t ucx_address_bytes(const union ucx_address *address);
int ucx_address_encode(const union ucx_address *address, void *blob, size_t *bytes);
int ucx_address_decode(const void *blob, size_t bytes, union ucx_address *ret_address);

/* config.c */
/* A context for what the options want. 0 or negative errno, and why in @why. */
int ucx_context_create(const struct fabric_options *options, ucp_context_h *ret_context,
		       char *why, size_t why_bytes);
int ucx_probe(const struct fabric_options *options, char *why, size_t why_bytes);

/* slots.c */
void *ucx_slot_get(struct fabric *fabric);
void ucx_slot_put(struct ucx_slot *slot);
void ucx_slots_free(struct fabric *fabric);

/* send.c */
enum fabric_status ucx_frame(struct fabric_peer *peer, void *data, size_t bytes);

/* recv.c */
ucs_status_t ucx_recv_listen(struct fabric *fabric);

/* inbox.c */
/* Room for @bytes behind the news; NULL = the inbox is full. */
struct ucx_news *ucx_inbox_add(struct ucx_inbox *inbox, size_t bytes);
struct ucx_news *ucx_inbox_first(const struct ucx_inbox *inbox);
void ucx_inbox_pop(struct ucx_inbox *inbox);
void ucx_inbox_free(struct ucx_inbox *inbox);

/* bulk.c */
int ucx_memory_add(struct fabric *fabric, void *base, size_t bytes,
		   struct fabric_memory **ret_memory);
void ucx_memory_del(struct fabric_memory *memory);
/* For close(): those that are left. */
void ucx_memories_unmap(struct fabric *fabric);
enum fabric_status ucx_bulk(struct fabric_peer *peer, const void *header, size_t header_bytes,
			    struct fabric_memory *memory, size_t offset, size_t bytes,
			    struct fabric_op *op);
enum fabric_status ucx_fetch(struct fabric_offer *offer, struct fabric_memory *memory,
			     size_t offset, struct fabric_op *op);
void ucx_drop(struct fabric_offer *offer);
/* Of a peer without an endpoint: nobody is told. */
void ucx_offers_free(struct fabric_peer *peer);
/* Complete what UCX has not, without it. */
void ucx_transfers_abandon(struct fabric_peer *peer);
/* What UCX describes by @data is offered. NULL = too many. */
struct fabric_offer *ucx_offer_get(struct fabric_peer *peer, void *data, size_t bytes);
void ucx_offer_put(struct fabric_offer *offer);
void ucx_bulk_free(struct fabric *fabric);

/* peer.c */
enum fabric_status ucx_peer_add(struct fabric *fabric, const void *blob, size_t bytes,
				void *peer_user, struct fabric_peer **ret_peer);
void ucx_peer_del(struct fabric_peer *peer);
void *ucx_peer_user(struct fabric_peer *peer, void *set_or_null);
struct fabric_peer *ucx_peer_find(struct fabric *fabric, ucp_ep_h ep);
/* The endpoint is of no more use; peer_down() follows. Callable inside UCX. */
void ucx_peer_fail(struct fabric_peer *peer, ucs_status_t status);
void ucx_called(ucp_conn_request_h call, void *fabric);
/* Answer calls, close what failed, free what is closed. */
void ucx_peers_settle(struct fabric *fabric);
/* When ucx_peers_settle() must look again, at the latest. */
uint64_t ucx_peers_deadline(const struct fabric *fabric);

/* progress.c */
/* One turn of UCX. How much it did. */
unsigned ucx_turn(struct fabric *fabric);
int ucx_progress(struct fabric *fabric, int budget);
int ucx_watch(struct fabric *fabric, int fd);
enum fabric_status ucx_wait(struct fabric *fabric, uint64_t deadline_ns);

#endif
