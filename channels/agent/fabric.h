/* SPDX-License-Identifier: MIT */
/*
 * fabric.h - what an agent needs of a network: frames and registered memory.
 *
 * Design notes. A fabric moves bytes between agents and knows nothing of channels. It is
 * driven by one thread and takes no lock. It promises no order and no delivery: the core
 * numbers its frames. Events are told only from progress(), through fabric_events; those
 * may submit but never call progress() or wait(). Completion of an operation means "the
 * local buffer is yours again". A frame handed to frame() and an operation handed to
 * bulk() or fetch() complete exactly once, with an error if the peer goes away or is
 * deleted (from inside peer_del()). The shape fits libfabric (cxi, tcp), UCX and sockets.
 */
#ifndef AGENT_FABRIC_H
#define AGENT_FABRIC_H

#include <stddef.h>
#include <stdint.h>

struct fabric;			/* one opened fabric */
struct fabric_peer;		/* a way to one other agent */
struct fabric_memory;		/* a registered range */
struct fabric_offer;		/* a peer's offer of bulk data, seen by the receiver */

enum fabric_status {
	FABRIC_OK = 0,
	FABRIC_AGAIN = 1,	/* nothing was taken: progress first */
	FABRIC_PEER = -1,	/* this peer is gone */
	FABRIC_FATAL = -2,	/* this fabric is of no more use */
};

/* Caller's; must stay in place until done() is called, once. */
struct fabric_op {
	uint64_t private_[16];	/* the fabric's */
	void (*done)(struct fabric_op *op, enum fabric_status status);
};

/* Why a peer is down. REFUSED: we called, and what runs there said that nobody listens at that
 * address (any more). A fabric that cannot tell says LOST. */
enum fabric_loss { FABRIC_LOST, FABRIC_REFUSED };

struct fabric_caps {
	size_t frame_max;	/* bytes of one frame, header included */
	size_t offer_max;	/* bytes of header that travels with an offer */
	size_t address_max;
	unsigned knows_sender : 1;	/* frame events name the peer */
	unsigned has_wait : 1;	/* wait() sleeps in the kernel; else a timed poll */
	unsigned tells_refusal : 1;	/* FABRIC_REFUSED, where somebody is there to refuse */
	const uint64_t *calls;	/* system calls so far, good until close(); NULL: not counted */
};

struct fabric_options {
	const char *bind;	/* numeric address to listen at, NULL = 127.0.0.1 */
	const char *device;	/* NULL = choose */
	const char *provider;	/* of libfabric or UCX, NULL = choose */
	const char *auth;	/* "SERVICE:VNI" of Slingshot, NULL = from SLINGSHOT_* */
	const char *traffic;	/* traffic class of Slingshot, NULL = from SLINGSHOT_TCS */
	const char *tuning;	/* "NAME=on|off,..." of a fabric that has such; NULL = defaults */
	uint32_t node;		/* of this agent, for messages */
};

struct fabric_events {
	/* A frame came; @data is valid until return. @peer is NULL if !knows_sender. */
	void (*frame)(void *user, struct fabric_peer *peer, const void *data, size_t bytes);
	/* Bulk data is offered: answer now or later with fetch() or drop(), once. @header is
	 * valid until return. */
	void (*offer)(void *user, struct fabric_peer *peer, const void *header,
		      size_t header_bytes, struct fabric_offer *offer, size_t bytes);
	/* A peer that we did not add connected to us. Owned by the fabric until peer_del(). */
	void (*peer_new)(void *user, struct fabric_peer *peer);
	/* @peer is gone; all its operations have completed. The core calls peer_del() later. */
	void (*peer_down)(void *user, struct fabric_peer *peer, enum fabric_loss loss,
			  const char *why);
};

/* Seventeen functions; each that can fail returns enum fabric_status unless said. */
struct fabric_ops {
	const char *name;
	/* Can it run here? 0, or negative errno and a reason in @why. No side effects. */
	int (*probe)(const struct fabric_options *options, char *why, size_t why_bytes);
	/* Listens at once. Negative errno on failure. */
	int (*open)(const struct fabric_options *options, const struct fabric_events *events,
		    void *user, struct fabric **ret_fabric, struct fabric_caps *ret_caps);
	/* All peers deleted and memory removed before. */
	void (*close)(struct fabric *fabric);
	/* Our own address as a blob; *bytes: room in, size out. Negative errno. */
	int (*address)(struct fabric *fabric, void *blob, size_t *bytes);
	/* Never blocks: connects in the background; failure comes by peer_down(). */
	enum fabric_status (*peer_add)(struct fabric *fabric, const void *blob, size_t bytes,
				       void *peer_user, struct fabric_peer **ret_peer);
	/* Completes all operations of the peer with FABRIC_PEER first. Legal in any event. */
	void (*peer_del)(struct fabric_peer *peer);
	/* What peer_add() was given, or set here for a peer of peer_new(). */
	void *(*peer_user)(struct fabric_peer *peer, void *set_or_null);
	/* Register a range for bulk() and fetch(). Negative errno. */
	int (*memory_add)(struct fabric *fabric, void *base, size_t bytes,
			  struct fabric_memory **ret_memory);
	void (*memory_del)(struct fabric_memory *memory);
	/* A free send buffer of frame_max bytes, or NULL: progress first. Given back by frame(). */
	void *(*slot)(struct fabric *fabric);
	/* Send the first @bytes of @slot; the slot is the fabric's again in every case but
	 * FABRIC_AGAIN. Frames to one peer may be coalesced, never cut. */
	enum fabric_status (*frame)(struct fabric_peer *peer, void *slot, size_t bytes);
	/* Offer @bytes at @offset of @memory; done when the source may be reused. */
	enum fabric_status (*bulk)(struct fabric_peer *peer, const void *header,
				   size_t header_bytes, struct fabric_memory *memory,
				   size_t offset, size_t bytes, struct fabric_op *op);
	/* Pull an offer's bytes into @memory; done when they are all there. */
	enum fabric_status (*fetch)(struct fabric_offer *offer, struct fabric_memory *memory,
				    size_t offset, struct fabric_op *op);
	/* Refuse an offer; the sender's operation completes with FABRIC_OK all the same. */
	void (*drop)(struct fabric_offer *offer);
	/* Submit, and tell at most about @budget events. Return: how many, or negative status. */
	int (*progress)(struct fabric *fabric, int budget);
	/* Wake wait() whenever @fd is readable (level triggered). Negative errno. */
	int (*watch)(struct fabric *fabric, int fd);
	/* Sleep until an event, a watched fd or the deadline (0 = do not sleep, only submit).
	 * Returns at once if progress() has something to tell. */
	enum fabric_status (*wait)(struct fabric *fabric, uint64_t deadline_ns);
};

/* In-process fabric for tests; addresses are names. */
extern const struct fabric_ops fabric_mem;

#endif
