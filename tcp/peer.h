/* SPDX-License-Identifier: MIT */
/*
 * peer.h - what the fabrics `uring` and `epoll` share: connections, queues, bulk transfers.
 *
 * A peer is one TCP connection. The shared files decide what is sent and what arrived
 * means; a backend only moves bytes, starts connections and sleeps.
 *
 *	slots.c	  send buffers			peer.c	  life of a connection, events
 *	send.c	  queue -> batch -> socket	recv.c	  socket -> messages
 *	bulk.c	  offers, pulls, chunks
 *
 * A peer that failed or was deleted is never freed inside a callback, because its
 * receive buffer may be being read up the stack: tcp_reap() does it.
 */
#ifndef TCP_PEER_H
#define TCP_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "agent/fabric.h"
#include "base/list.h"
#include "tcp/address.h"
#include "tcp/wire.h"

enum {
	TCP_SLOTS = 256,	    /* per fabric, */
	TCP_PEER_SLOTS = 192,	    /* of which one slow peer may hold this many */
	TCP_BULK_SLOTS = 64,	    /* transfers of one peer in one direction; ids index it */
	TCP_NOTES = 4 * TCP_BULK_SLOTS, /* control messages of a peer that are not sent yet */
	TCP_SILENT_MAX = 64,	    /* accepted connections that have said nothing yet */
	TCP_PEERS_MAX = 8192,
	TCP_RECV_BYTES = 131072,    /* a receive buffer: one message and more */
	TCP_RECVS_KEPT = 8,	    /* of them, when nobody needs them */
	TCP_RECV_BULK_BYTES = 4096, /* read ahead while bulk data is due: it is copied twice */
	TCP_BATCH_IOV = 66,	    /* 64 messages, and a chunk with its header */
	TCP_BATCH_BYTES = 262144,
};
/* To connect, or to say a first word. */
#define TCP_YOUNG_NS UINT64_C(2000000000)

enum tcp_state { TCP_CONNECTING, TCP_UP, TCP_DOWN, TCP_DELETED };

/* One message on its way out: a slot of the core (frame) or a note of ours (control). */
struct tcp_item {
	struct base_list node;
	uint32_t bytes; /* on the wire */
	uint32_t is_slot;
	uint8_t pad_[24];
	uint8_t wire[TCP_WIRE_BYTES];
	uint8_t payload[];
};
_Static_assert(sizeof(struct tcp_item) == 64, "a slot's payload starts a cache line");

/* What one send call carries. At most one is with the kernel, per peer. */
struct tcp_batch {
	struct msghdr message;
	struct iovec iov[TCP_BATCH_IOV];
	size_t left; /* 0 = no batch */
	struct base_list items;
	struct tcp_outgoing *chunk; /* NULL = frames only */
	size_t chunk_bytes;
	uint8_t chunk_wire[TCP_WIRE_BYTES];
};

/* Our offer to a peer. */
struct tcp_outgoing {
	struct base_list active; /* in peer->active once it was pulled */
	struct fabric_op *op;	 /* NULL = free */
	const uint8_t *from;
	size_t bytes, sent;
	uint32_t id;
	bool pulled;
};

/* A peer's offer to us. */
struct fabric_offer {
	struct fabric_peer *peer;
	struct fabric_op *op; /* set while its data comes */
	uint8_t *into;
	const struct fabric_memory *memory; /* of @into */
	size_t bytes, got;
	uint32_t id;
	bool open;
};

struct fabric_memory {
	struct fabric *fabric;
	uint8_t *base;
	size_t bytes;
	unsigned fixed; /* the backend's; 0: not registered */
};

struct fabric_peer {
	struct fabric *fabric;
	struct base_list node;	/* of fabric->peers, ->graves */
	struct base_list young; /* of fabric->young */
	struct base_list todo;	/* of fabric->dirty while up, ->down when failed */
	enum tcp_state state;
	bool accepted, heard;
	bool closed; /* socket and operations are dealt with */
	int fd;
	void *user;
	uint64_t deadline_ns; /* if young */
	union tcp_address address;
	enum fabric_loss loss;
	char why[96];

	struct base_list queue; /* of tcp_item */
	struct base_list active;
	unsigned slots, notes; /* items not yet sent, also those in the batch */
	struct tcp_batch batch;

	unsigned fetching; /* transfers to us under way */
	struct fabric_offer *data;
	size_t data_left; /* of the current DATA */
	size_t recv_used;
	size_t recv_need; /* of the message that begins recv, 0 = header not whole */

	/* the backend's */
	bool sending, receiving, multishot, cancelling, direct, want_out;
	unsigned in_flight;
	unsigned file; /* registered as; 0: not */
	int sent;      /* by a zero-copy send that is not over */
	struct msghdr recv_message;
	struct iovec recv_iov[2];

	uint32_t serial;
	struct tcp_outgoing outgoing[TCP_BULK_SLOTS];
	struct fabric_offer incoming[TCP_BULK_SLOTS];
	uint8_t *recv; /* the beginning of a message; NULL: none is kept */
};

struct tcp_backend {
	/* A socket to connect (state CONNECTING) or a connected one: start. 0 or negative errno. */
	int (*begin)(struct fabric_peer *peer);
	/* Bulk data will come on this connection. May be NULL. */
	void (*fetching)(struct fabric_peer *peer);
	/* Afterwards the kernel touches no memory of this peer's operations; forget the fd. */
	void (*end)(struct fabric_peer *peer);
};

struct fabric {
	const struct tcp_backend *backend;
	struct fabric_events events;
	void *user;
	union tcp_address own;
	int listen_fd;
	int spare_fd; /* given up to refuse a connection when there are no descriptors left */
	struct base_list peers, graves, young, dirty, down;
	struct base_list done; /* operations that completed and were not told */
	struct tcp_item *free_slots, *free_notes;
	void *free_recvs; /* a stack, linked through their first word */
	unsigned free_recv_count;
	void *chunks[TCP_SLOTS / 16];
	unsigned chunk_count;
	unsigned peer_count, silent;
	int told; /* events of this progress() */
};

/* fabric_op.private_ */
struct tcp_op {
	struct base_list node;
	struct fabric_peer *peer;
	enum fabric_status status;
};
_Static_assert(sizeof(struct tcp_op) <= sizeof(((struct fabric_op *)0)->private_), "op fits");

/* slots.c */
void *tcp_slot(struct fabric *fabric);
void tcp_item_put(struct fabric *fabric, struct tcp_item *item);
struct tcp_item *tcp_note_get(struct fabric *fabric);
void tcp_slots_free(struct fabric *fabric);

/* send.c */
enum fabric_status tcp_frame(struct fabric_peer *peer, void *slot, size_t bytes);
void tcp_queue(struct fabric_peer *peer, struct tcp_item *item);
/* Put the peer on the dirty list if it can send and has something. */
void tcp_dirty(struct fabric_peer *peer);
/* Make peer->batch if there is none: bytes to send, 0 = nothing to do. */
size_t tcp_batch_build(struct fabric_peer *peer);
/* @bytes of the batch were taken by the kernel. True: the batch is done. */
bool tcp_batch_sent(struct fabric_peer *peer, size_t bytes);
void tcp_send_discard(struct fabric_peer *peer);

/* recv.c */
/* Where the next bytes shall go: 1 or 2 vectors. 0: no memory, the peer has failed. */
int tcp_recv_where(struct fabric_peer *peer, struct iovec iov[2]);
/* @bytes came there. */
void tcp_recv_arrived(struct fabric_peer *peer, size_t bytes);
/* Bytes came elsewhere, while nothing is received to where tcp_recv_where() said. */
void tcp_recv_chunk(struct fabric_peer *peer, const uint8_t *data, size_t bytes);
/* Nothing is received any more: give the buffer back. */
void tcp_recv_end(struct fabric_peer *peer);
void tcp_recvs_free(struct fabric *fabric);

/* bulk.c */
enum fabric_status tcp_bulk(struct fabric_peer *peer, const void *header, size_t header_bytes,
			    struct fabric_memory *memory, size_t offset, size_t bytes,
			    struct fabric_op *op);
enum fabric_status tcp_fetch(struct fabric_offer *offer, struct fabric_memory *memory,
			     size_t offset, struct fabric_op *op);
void tcp_drop(struct fabric_offer *offer);
int tcp_memory_add(struct fabric *fabric, void *base, size_t bytes,
		   struct fabric_memory **ret_memory);
void tcp_memory_del(struct fabric_memory *memory);
void tcp_bulk_offered(struct fabric_peer *peer, uint32_t id, const uint8_t *payload, size_t bytes);
void tcp_bulk_answered(struct fabric_peer *peer, uint32_t id, bool pulled);
void tcp_bulk_data_begins(struct fabric_peer *peer, uint32_t id, size_t bytes);
void tcp_bulk_data_came(struct fabric_peer *peer, size_t bytes);
void tcp_bulk_chunk_sent(struct fabric_peer *peer, struct tcp_outgoing *out, size_t bytes);
/* Complete all operations of a peer whose socket is closed. */
void tcp_bulk_abort(struct fabric_peer *peer);

/* peer.c */
int tcp_open(struct fabric *fabric, const struct tcp_backend *backend,
	     const struct fabric_options *options, const struct fabric_events *events, void *user,
	     struct fabric_caps *ret_caps);
void tcp_close(struct fabric *fabric);
int tcp_address(struct fabric *fabric, void *blob, size_t *bytes);
enum fabric_status tcp_peer_add(struct fabric *fabric, const void *blob, size_t bytes,
				void *peer_user, struct fabric_peer **ret_peer);
void tcp_peer_del(struct fabric_peer *peer);
void *tcp_peer_user(struct fabric_peer *peer, void *set_or_null);
/* A connection came; @fd is ours. */
void tcp_accepted(struct fabric *fabric, int fd);
/* accept() failed with -@error: no endless loop if descriptors ran out. */
void tcp_accept_failed(struct fabric *fabric, int error);
void tcp_connected(struct fabric_peer *peer, int rc);
void tcp_heard(struct fabric_peer *peer);
/* The connection is of no more use; peer_down() follows from progress(). */
void tcp_fail(struct fabric_peer *peer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void tcp_op_finish(struct fabric_peer *peer, struct fabric_op *op, enum fabric_status status);
/* Tell what is queued, at most about @budget. */
void tcp_tell(struct fabric *fabric, int budget);
bool tcp_has_news(const struct fabric *fabric);
/* No later than @deadline_ns, and when the oldest young connection must be looked at. */
uint64_t tcp_deadline(const struct fabric *fabric, uint64_t deadline_ns);
/* Free the deleted peers that the kernel has let go. */
void tcp_reap(struct fabric *fabric);

#endif
