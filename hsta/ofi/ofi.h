/* SPDX-License-Identifier: MIT */
/*
 * ofi.h - the fabric `ofi`, inside.
 *
 *	providers.c  the table of providers	find.c	    fi_getinfo, the choice
 *	nic.c	     nearest NIC		slingshot.c VNI, service, traffic class
 *	open.c	     libfabric's objects	memory.c    registration
 *	peer.c	     life of a peer		send.c	    slots, notes, backlog
 *	recv.c	     what arrived means		bulk.c	    offers and their answers
 *	reader.c     the endpoint that reads	progress.c  the queue, timers, sleep
 *	errors.c     what an error breaks	wire.h	    messages
 *
 * Written to the rules of the provider cxi, which no other enforces; tests do, with
 * tests/support/cxi_strict.c. Nothing here asks which provider it is: what differs is in
 * the rows of providers.c and in what fi_getinfo() answered.
 *
 * Two endpoints. All messages go through the first. Bulk data is read through a second,
 * because libfabric cannot take a posted read back: when a peer goes while data is read
 * from it, the buffers must be the caller's at once, and closing an endpoint is the only
 * thing that ends its operations. The reads of others are then simply made again.
 *
 * A post that the provider refuses (EAGAIN) stays in the queue of its peer, and is tried
 * again by progress(); nobody spins. What a peer is owed (an introduction, a farewell, the
 * answers to its offers) is kept as bits and list entries of the peer, so it needs no
 * memory to be remembered, and a buffer only when it is posted.
 */
#ifndef HSTA_OFI_H
#define HSTA_OFI_H

#include <rdma/fabric.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/fabric.h"
#include "base/list.h"
#include "ofi/providers.h"
#include "ofi/wire.h"

enum {
	OFI_SLOTS = 256,	/* that may be away at a time, */
	OFI_PEER_SLOTS = 192,	/* of which one slow peer may hold this many; */
	OFI_SLOTS_ALL = 768,	/* the rest replaces those that a lost peer keeps */
	OFI_NOTES = 1024,	/* control messages under way, */
	OFI_NOTES_KEPT = 256,	/* of which offers leave these to answers */
	OFI_BULK_SLOTS = 64,	/* offers of one peer in one direction; ids index it */
	OFI_SILENT_MAX = 64,	/* callers that have sent no frame yet */
	OFI_PEERS_MAX = 8192,
	OFI_STASH = 64,		/* completions read at a time */
	OFI_PIECES_MAX = 64,	/* reads under way */
	OFI_WATCH_MAX = 16,
	OFI_RECVS_MAX = 16,
};
#define OFI_BULK_MAX (UINT64_C(8) << 30)
#define OFI_REGION_BYTES (UINT64_C(1) << 30) /* larger registrations are slow on some NICs */
#define OFI_LOOK_NS UINT64_C(250000000)	     /* between looks at all peers */
#define OFI_ALIVE_NS UINT64_C(500000000)     /* said nothing: say it */
#define OFI_SILENT_NS UINT64_C(4000000000)   /* heard nothing: it is gone */
#define OFI_STUCK_NS UINT64_C(1000000000)    /* nothing can be posted for it, */
#define OFI_DEAF_NS UINT64_C(1500000000)     /* and nothing was heard: likewise */
#define OFI_YOUNG_NS UINT64_C(5000000000)    /* to answer an introduction, to send a frame */
#define OFI_FAREWELL_NS UINT64_C(300000000)  /* close() waits for what is under way */

enum ofi_scope { OFI_FINE, OFI_PEER, OFI_PROTOCOL, OFI_FATAL };

enum ofi_what { OFI_SLOT, OFI_NOTE, OFI_RECV, OFI_PIECE };

/* The beginning of whatever is posted; libfabric's until the completion. */
struct ofi_context {
	struct fi_context2 context;
	enum ofi_what what;
};

/* A message on its way out, followed by its payload: a slot of the core or a note of ours. */
struct ofi_item {
	struct ofi_context context;
	uint32_t wire_bytes;
	struct base_list node; /* of the free list, or of peer->queue */
	struct fabric_peer *peer;
	uint8_t pad_[8];
	uint8_t wire[OFI_WIRE_BYTES];
	uint8_t payload[];
};
_Static_assert(offsetof(struct ofi_item, payload) == 128, "a payload starts a cache line");

struct ofi_recv {
	struct ofi_context context;
	uint8_t *data;
	struct base_list node; /* of fabric->unposted */
};

/* A provider's address; several peers may share one. */
struct ofi_address {
	struct base_list node;
	fi_addr_t address, reader_address;
	uint32_t reader_generation; /* for which reader_address holds, 0 = none */
	unsigned refs;
	size_t bytes;
	uint8_t blob[OFI_ADDRESS_MAX];
};

/* Our offer to a peer. */
struct ofi_outgoing {
	struct fabric_op *op; /* NULL = free */
	uint32_t id;
};

/* A peer's offer to us. */
struct fabric_offer {
	struct base_list node; /* of reader.active or peer->answers */
	struct fabric_peer *peer;
	struct fabric_op *op; /* set while it is fetched */
	struct fabric_memory *memory;
	size_t offset; /* in memory */
	uint64_t bytes, posted, got;
	uint32_t id;
	unsigned in_flight; /* pieces */
	bool open, mapped;
	uint8_t range_count, key_bytes;
	uint64_t keys[OFI_RANGES]; /* when mapped */
	struct ofi_range ranges[OFI_RANGES];
};

enum ofi_state { OFI_CALLING, OFI_UP, OFI_DOWN, OFI_DELETED };

enum ofi_owed { OFI_OWE_INTRO = 1, OFI_OWE_WELCOME = 2, OFI_OWE_ALIVE = 4, OFI_OWE_BYE = 8 };

/* CALLING -> UP -> DOWN -> DELETED; any state may go to DOWN or DELETED. */
struct fabric_peer {
	struct fabric *fabric;
	struct base_list node; /* of fabric->peers, ->graves */
	struct base_list todo; /* of fabric->ready */
	struct base_list fallen; /* of fabric->down */
	enum ofi_state state;
	bool caller;	     /* it introduced itself to us */
	bool heard, shut;    /* a frame came; its operations are dealt with */
	bool met;	     /* it may know us: it deserves a BYE */
	uint8_t owed;
	void *user;
	struct ofi_address *address;
	uint64_t token, their_token; /* what it calls us by, 0 = not known */
	uint64_t since_ns, said_ns, heard_ns;
	uint64_t stuck_ns;  /* since then no post was taken, 0 = they are */
	unsigned slots;	    /* of the core, queued or posted */
	unsigned in_flight; /* posted and not completed */
	struct base_list queue, answers;
	uint32_t serial;
	enum fabric_loss loss;
	char why[128]; /* it is down */
	struct ofi_outgoing outgoing[OFI_BULK_SLOTS];
	struct fabric_offer incoming[OFI_BULK_SLOTS];
};

/* One read of a part of an offer. */
struct ofi_piece {
	struct ofi_context context;
	struct fabric_offer *offer; /* NULL = free */
	struct ofi_piece *next;
	uint32_t bytes;
};

struct ofi_reader {
	struct fid_ep *ep; /* NULL = not open */
	struct fid_cq *cq;
	struct fid_av *av;
	int fd;		     /* of the queue, -1 = none */
	uint32_t generation; /* counts its endpoints */
	struct base_list active; /* offers that are fetched */
	unsigned in_flight;
	struct ofi_piece *free;
	struct ofi_piece pieces[OFI_PIECES_MAX];
};

struct fabric_memory {
	struct fabric *fabric;
	uint8_t *base;
	size_t bytes;
	unsigned count;
	struct fid_mr *regions[];
};

struct fabric {
	const struct ofi_provider *provider;
	struct fi_info *info;
	struct fid_fabric *fid;
	struct fid_domain *domain;
	struct fid_cq *cq;
	struct fid_av *av;
	struct fid_ep *ep;
	struct fid_mr *arena_mr; /* only if the provider asks for it */
	void *arena_desc;
	int cq_fd;    /* -1 = there is none: timed poll */
	int watch_fd; /* an epoll of what is watched */
	size_t inject_bytes;
	uint64_t next_key;
	uint32_t reader_class; /* traffic class */
	uint8_t address[4 + OFI_ADDRESS_MAX];
	size_t address_bytes;

	struct fabric_events events;
	void *user;
	struct base_list peers, graves, ready, down, addresses;
	struct fabric_peer **table; /* by the low bits of a token */
	unsigned peer_count, silent, table_next;
	bool fatal, closing;
	uint64_t now_ns, look_ns, looked_ns;
	int told; /* events of this progress() */
	unsigned turns;

	uint8_t *arena; /* recv buffers, notes, slots: one mapping */
	size_t arena_bytes, slot_stride;
	struct base_list free_slots, free_notes, unposted;
	unsigned slots_made, slots_away, slots_lost, notes_free;
	struct ofi_recv recvs[OFI_RECVS_MAX];

	struct fi_cq_data_entry stash[OFI_STASH];
	unsigned stash_next, stash_count;
	struct ofi_reader reader;
};

/* find.c */
/* The provider and NIC for @options in a list of one; 0, or negative errno and why not. */
int ofi_find(const struct fabric_options *options, const struct ofi_provider **ret_provider,
	     struct fi_info **ret_info, char *why, size_t why_bytes);
uint32_t ofi_version(void);

/* errors.c */
enum ofi_scope ofi_scope(int error);

/* open.c */
/* Endpoint, address vector and queue that belong together. 0 or negative errno. */
int ofi_endpoint_open(struct fabric *fabric, struct fi_info *info, size_t cq_size,
		      struct fid_ep **ret_ep, struct fid_cq **ret_cq, struct fid_av **ret_av,
		      int *ret_fd);
int ofi_open(const struct fabric_options *options, const struct fabric_events *events, void *user,
	     struct fabric **ret_fabric, struct fabric_caps *ret_caps);
void ofi_close(struct fabric *fabric);
int ofi_address(struct fabric *fabric, void *blob, size_t *bytes);

/* memory.c */
int ofi_memory_add(struct fabric *fabric, void *base, size_t bytes,
		   struct fabric_memory **ret_memory);
void ofi_memory_del(struct fabric_memory *memory);
/* Register one range. 0 or negative errno. */
int ofi_register(struct fabric *fabric, void *base, size_t bytes, uint64_t access, bool remote,
		 struct fid_mr **ret_mr);
bool ofi_in_range(const struct fabric_memory *memory, size_t offset, uint64_t bytes);
/* Describe @bytes at @offset for a peer. 0 or negative errno. */
int ofi_memory_ranges(const struct fabric_memory *memory, size_t offset, uint64_t bytes,
		      struct ofi_wire_offer *offer);

/* peer.c */
int ofi_peers_init(struct fabric *fabric);
enum fabric_status ofi_peer_add(struct fabric *fabric, const void *blob, size_t bytes,
				void *peer_user, struct fabric_peer **ret_peer);
void ofi_peer_del(struct fabric_peer *peer);
void *ofi_peer_user(struct fabric_peer *peer, void *set_or_null);
/* Somebody calls: a new peer, unless there are too many who say nothing. */
void ofi_peer_called(struct fabric *fabric, uint64_t their_token, const uint8_t *address,
		     size_t bytes);
/* Who has this token; NULL. */
struct fabric_peer *ofi_peer_find(const struct fabric *fabric, uint64_t token);
/* It is of no more use; peer_down() follows from progress(). */
void ofi_fail(struct fabric_peer *peer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* An operation with @peer failed; @error is positive. */
void ofi_fail_error(struct fabric_peer *peer, const char *doing, int error);
void ofi_peer_heard(struct fabric_peer *peer, bool frame);
/* Look at the clocks of all peers if it is time. */
void ofi_peers_look(struct fabric *fabric);
/* Tell of those that are down, at most about @budget. */
void ofi_peers_tell(struct fabric *fabric, int budget);
/* Free deleted peers that libfabric has let go. */
void ofi_peers_reap(struct fabric *fabric);
void ofi_peers_free(struct fabric *fabric);

/* send.c */
void ofi_items_init(struct fabric *fabric, uint8_t *notes, uint8_t *slots);
size_t ofi_note_stride(void);
void *ofi_slot(struct fabric *fabric);
enum fabric_status ofi_frame(struct fabric_peer *peer, void *slot, size_t bytes);
struct ofi_item *ofi_note_get(struct fabric *fabric);
void ofi_item_put(struct fabric *fabric, struct ofi_item *item);
/* Post @item, now or later. */
void ofi_queue(struct fabric_peer *peer, struct ofi_item *item);
void ofi_owe(struct fabric_peer *peer, enum ofi_owed what);
/* There is something to post for @peer. */
void ofi_ready(struct fabric_peer *peer);
/* Post what can be posted. */
void ofi_flush(struct fabric *fabric);
void ofi_sent(struct ofi_item *item);
/* Give up what is queued and not posted. */
void ofi_send_discard(struct fabric_peer *peer);

/* recv.c */
void ofi_arrived(struct fabric *fabric, const uint8_t *data, size_t bytes);
/* Its BYE is here and not handled yet. */
bool ofi_farewell_waits(const struct fabric_peer *peer);

/* bulk.c */
enum fabric_status ofi_bulk(struct fabric_peer *peer, const void *header, size_t header_bytes,
			    struct fabric_memory *memory, size_t offset, size_t bytes,
			    struct fabric_op *op);
enum fabric_status ofi_fetch(struct fabric_offer *offer, struct fabric_memory *memory,
			     size_t offset, struct fabric_op *op);
void ofi_drop(struct fabric_offer *offer);
void ofi_offered(struct fabric_peer *peer, const uint8_t *payload, size_t bytes);
void ofi_answered(struct fabric_peer *peer, uint32_t id);
/* All its bytes are there. */
void ofi_fetched(struct fabric_offer *offer);
/* Complete all operations of a peer that is gone. */
void ofi_bulk_abort(struct fabric_peer *peer);

/* reader.c */
void ofi_reader_init(struct fabric *fabric);
void ofi_reader_close(struct fabric *fabric);
void ofi_reader_start(struct fabric_offer *offer);
/* Its reads must not touch memory any more. */
void ofi_reader_stop(struct fabric_offer *offer);
/* Post and complete reads. */
void ofi_reader_progress(struct fabric *fabric);

/* progress.c */
/* Read completions into the stash if it is empty. Return: some are there. */
bool ofi_stash(struct fabric *fabric);
int ofi_progress(struct fabric *fabric, int budget);
int ofi_watch(struct fabric *fabric, int fd);
enum fabric_status ofi_wait(struct fabric *fabric, uint64_t deadline_ns);
/* Take the error entry of a queue: positive error, its context and flags; 0 if none. */
int ofi_cq_error(struct fid_cq *cq, struct ofi_context **ret_context, uint64_t *ret_flags);
/* Post receive buffers that are not. */
void ofi_recvs_post(struct fabric *fabric);

#endif
