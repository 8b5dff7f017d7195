/* SPDX-License-Identifier: MIT */
/*
 * core.h - one agent in memory; private to the agent core.
 *
 * Who owns what: the agent owns links (one per other node, for ever) and connections (a
 * fixed table). A link owns the frames that are not acknowledged. Streams and requests own
 * their messages and put themselves on the link's to-do list when they have something to
 * write; they are asked again whenever the link has room, so no queue lies between.
 */
#ifndef AGENT_CORE_H
#define AGENT_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dhow/channel.h>

#include "agent/bounce.h"
#include "agent/counters.h"
#include "agent/fabric.h"
#include "agent/hello.h"
#include "agent/level.h"
#include "agent/peer.h"
#include "agent/slab.h"
#include "agent/wire.h"
#include "base/clock.h"
#include "base/list.h"
#include "src/gateway.h"

enum {
	AGENT_FRAME_MAX = 32 * 1024,	/* longer frames gain nothing and cost cache */
	/* Up to here one copy into the frame is cheaper than the round trip of an offer;
	 * also what Slingshot sends without a rendezvous of its own. */
	AGENT_EAGER_MAX = 8 * 1024,
	AGENT_STREAM_EAGER = 64 * 1024,	/* memory of eager ones of a stream not yet deposited, */
	AGENT_WAITING_BYTES = 64,	/* of which each needs this beside its payload */
	AGENT_OWED_MAX = 64,		/* deposits that the sender does not know of yet, */
	AGENT_OWED_BYTES = 16 * 1024,	/* and their bytes: a quarter of what it may send */
	AGENT_WINDOW_FRAMES = 64,	/* of a link, not acknowledged; power of two */
	AGENT_WINDOW_BYTES = 1 << 20,
	AGENT_ACK_FRAMES = 16,		/* acknowledge at the latest after so many */
	AGENT_HANDSHAKES = 64,		/* unfinished ones that others began */
	AGENT_INDEX_MAX = 1 << 16,	/* streams, and requests, of a node */
	AGENT_FENCED = 16,		/* dead epochs remembered per node */
	/* A living agent never stops listening, but a firewall that is being changed may refuse
	 * for it once. */
	AGENT_REFUSALS = 2,		/* in a row, after a connection was lost: it is dead */
	AGENT_FAULTS_MAX = 8,		/* connections lost to damage without a good frame */
	AGENT_FETCH_AHEAD = 4,		/* payloads of a stream under way */
	AGENT_TARGET_BUCKETS = 64,
	AGENT_REFUSALS_LOGGED = 16,	/* strangers cannot fill the log */
	AGENT_STREAM_TURN = 16,		/* messages, then another stream's turn */
	AGENT_ITEMS_TURN = 64,		/* gateway items in one turn of the loop */
	AGENT_EVENTS_TURN = 64,
};

#define AGENT_FETCH_BYTES ((size_t)64 << 20)	/* pulled at a time, of all peers */

#define AGENT_ACK_NS (BASE_MS / 2)
#define AGENT_OWED_NS (BASE_MS / 2)		/* a count that nobody waits for */
#define AGENT_HANDSHAKE_NS (2000 * BASE_MS)
#define AGENT_PROOF_NS (250 * BASE_MS)		/* then who called us may be nobody: call him */
#define AGENT_HEARTBEAT_NS (600 * BASE_MS)
#define AGENT_SILENT_NS (1900 * BASE_MS)	/* three heartbeats missed: an operator is told */
#define AGENT_CONTACT_NS (3000 * BASE_MS)	/* then the connection is made anew */
#define AGENT_DEAD_NS (10000 * BASE_MS)
#define AGENT_ADDRESS_NS (60000 * BASE_MS)	/* until the daemon must have told an address */
#define AGENT_RESEND_NS (1000 * BASE_MS)	/* no acknowledgement moved */
#define AGENT_RETRY_LOST_NS (5 * BASE_MS)	/* first attempts after a loss: is it there? */
#define AGENT_LOST_NS (40 * BASE_MS)		/* so long they are that often */
#define AGENT_RETRY_MIN_NS (50 * BASE_MS)
#define AGENT_RETRY_MAX_NS (2000 * BASE_MS)
#define AGENT_BLOCKED_NS (5 * BASE_MS)		/* a full pool rings no bell: look again */
#define AGENT_LOOK_NS (BASE_MS / 50)		/* at most so often look at blocked channels */
#define AGENT_UNTAKEN_MAX_NS (2 * BASE_MS)
#define AGENT_WANTED_NS (50 * BASE_MS)		/* how often to see if callers still wait */
#define AGENT_IDLE_NS (1000 * BASE_MS)		/* unused handles of channels are closed */
#define AGENT_GRACE_NS (20 * BASE_MS)		/* for an answer given at the last moment */
#define AGENT_FLUSH_NS (200 * BASE_MS)

struct agent;
struct agent_link;
struct agent_conn;

/* Something that wants to write records into a link's frames. */
struct agent_todo {
	struct base_list node;		/* in link->todo; points to itself if in none */
	/* Return: 0 all is written; 1 more, after others; 2 more, in another turn;
	 * -EAGAIN the link has no room. */
	int (*write)(struct agent_todo *todo, struct agent_link *link);
	void (*drop)(struct agent_todo *todo);	/* the link died; NULL: the owner knows */
};

/* A payload on offer to the other side. */
enum agent_bulk_state { AGENT_BULK_WAITING, AGENT_BULK_BUSY, AGENT_BULK_SENT };
struct agent_bulk {
	struct fabric_op op;
	struct base_list node;		/* in link->bulks */
	struct agent_link *link;
	enum agent_bulk_state state;
	bool ended;			/* the owner needs it no more */
	struct agent_record record;	/* MESSAGE_BULK or ANSWER_BULK */
	const void *data;		/* in the node's segment */
	bool sealed;			/* for the link's connection; record.seal is valid */
	struct agent_bounce bounce;	/* the data as the other side sees it, if it is hidden */
	void (*release)(struct agent_bulk *bulk);	/* ended, and the fabric is done */
};

/* A payload that the other side offers. */
enum agent_pull_state { AGENT_PULL_WAITING, AGENT_PULL_BUSY, AGENT_PULL_READY };
struct agent_pull {
	struct fabric_op op;
	struct base_list node;		/* in agent->pulls while WAITING */
	struct agent *agent;
	struct agent_conn *conn;	/* that the offer came by; NULL once it is over */
	struct agent_link *link;
	struct fabric_offer *offer;
	enum agent_pull_state state;
	bool ended;			/* the owner is gone; free when the fabric is done */
	struct agent_bulk_seal seal;
	size_t bytes;
	struct dhow_message message;	/* the block */
	bool (*may)(struct agent_pull *pull);
	/* @rc 0: READY. -EMSGSIZE: will never fit. Else: lost, it will be offered again. */
	void (*done)(struct agent_pull *pull, int rc);
	void (*release)(struct agent_pull *pull);
};

enum agent_conn_state {
	AGENT_CONN_FREE,
	AGENT_CONN_ACCEPTED,	/* they connected; no hello yet */
	AGENT_CONN_CALLING,	/* our hello is (about to be) sent */
	AGENT_CONN_ANSWERED,	/* their hello is answered; their first frame is their proof */
	AGENT_CONN_UP,
	AGENT_CONN_DOOMED,	/* to be deleted outside of events */
};
struct agent_conn {
	struct base_list node;
	struct agent *agent;
	struct fabric_peer *peer;
	struct agent_link *link;	/* NULL before a hello */
	enum agent_conn_state state;
	bool stranger;			/* counted in agent->handshakes */
	bool hello_unsent;
	bool down;			/* the fabric said so */
	bool refused;			/* nobody listens there any more */
	uint64_t deadline_ns;		/* of the handshake */
	uint8_t private_key[AGENT_KEY_BYTES];
	uint8_t hello[AGENT_HELLO_BYTES];	/* ours */
	struct agent_seal seal;
	uint32_t peer_epoch;
	uint32_t peer_knows;		/* our epoch as they know it */
	uint64_t peer_accepted;
};

struct agent_frame {			/* a DATA frame kept until acknowledged */
	struct base_list node;
	uint64_t sequence;
	uint64_t sent_ns;		/* 0: sent never, or more than once */
	uint32_t bytes;			/* of the body */
	bool sent_before;
	uint8_t body[];
};

enum agent_link_state {
	AGENT_LINK_DOWN,	/* no connection; connects when it has something to say */
	AGENT_LINK_CONNECTING,	/* our hello is under way */
	AGENT_LINK_UP,
	AGENT_LINK_DEAD,	/* fenced; only a new epoch brings it back */
	AGENT_LINK_STATES,
};

struct agent_in_slot {			/* of the streams that come from the other node */
	struct agent_stream_in *stream;
	uint32_t closed;		/* last generation that ended here */
	bool any_closed;
};

struct agent_link {
	struct base_list node;		/* in agent->active, else points to itself */
	struct agent *agent;
	uint32_t peer_node;
	enum agent_link_state state;

	struct agent_conn *conn;	/* UP */
	struct agent_conn *out;		/* CALLING */
	struct agent_conn *in;		/* ANSWERED */
	uint32_t peer_epoch;		/* 0: never spoken to */
	uint32_t fenced[AGENT_FENCED];
	unsigned fenced_count;
	bool lost;			/* was up and is not */
	bool silent;			/* and that was reported */
	bool warned;			/* damage is logged once */
	bool level_warned;		/* and another level, too */
	unsigned faults;
	uint64_t wanted_ns;		/* since when, 0 = not */
	uint64_t contact_ns;		/* last sign of life, or start of trying */
	unsigned refusals;		/* in a row, since the connection was lost */
	uint64_t retry_ns;		/* next attempt to connect */
	uint64_t backoff_ns, lost_ns;

	/* sending */
	struct base_list todo;
	struct agent_frame *open;	/* being filled */
	struct base_list unsent;
	struct base_list unacked;
	unsigned window_frames;		/* open + unsent + unacked */
	size_t window_bytes;
	uint64_t sequence;		/* last given */
	uint64_t sent_ns;		/* last frame of any kind */
	uint64_t progress_ns;		/* acknowledgement moved, or was first due */
	struct base_list bulks;
	struct base_list owing;		/* streams whose counts go with the next frame, */
	uint64_t owed_ns;		/* or alone at this time, 0 = none */

	/* receiving */
	uint64_t accepted;		/* last DATA frame in order */
	struct agent_frame *reorder[AGENT_WINDOW_FRAMES];
	unsigned ack_owed;		/* frames */
	uint64_t ack_ns;		/* when it must be sent, 0 = none owed */

	struct agent_in_slot *in_slots;	/* by stream index */
	uint32_t in_count;
	struct agent_serve **serves;	/* by request index */
	uint32_t serve_count;

	struct agent_counters counters;
};

struct agent_status {		/* of who asks what links do, see status.h; 0: none */
	int listener, client;
	bool begun;
	uint32_t next;			/* link to tell of */
	uint64_t look_ns, until_ns;
};

struct agent {
	const struct fabric_ops *ops;
	struct fabric *fabric;
	struct fabric_caps caps;
	struct fabric_memory *memory;
	struct dhow_gateway *gateway;
	char *base;			/* the node's segment */
	size_t bytes;
	uint32_t job, self, nodes, epoch;
	uint8_t *secret;		/* sodium_malloc(): locked, guarded */
	const struct agent_level *level;
	unsigned ciphers;		/* bits, see level.h */
	uint8_t *scratch;		/* AGENT_FRAME_MAX; a body while it is looked at */
	size_t body_max;		/* of a frame */
	size_t eager_max;
	uint64_t now_ns;
	bool fatal;			/* the fabric is of no more use */
	bool leaving;
	bool stalled;			/* the fabric took nothing: progress before sleep */
	bool worked;			/* this turn did something */
	void *slot;			/* held since FABRIC_AGAIN */
	uint64_t news_ns;		/* when to listen to the daemon again */
	uint64_t spin_ns;		/* how long it pays to look before sleeping */
	bool may_spin;			/* more than one processor */
	bool trace;			/* a line for each message */
	struct agent_status status;

	struct agent_peers peers;
	struct agent_link *links;	/* [nodes] */
	struct base_list active;	/* links with timers */
	struct agent_conn *conns;
	uint32_t conn_count;
	uint32_t handshakes;
	struct base_list conns_free, conns_busy, conns_up, conns_doomed;
	unsigned refusals_logged;
	struct agent_slab slab;

	struct agent_stream_out **outs;	/* by stream index */
	uint32_t out_count;
	uint32_t out_generation;
	struct agent_ask **asks;	/* by request index */
	uint32_t ask_index_count;
	struct base_list asking;	/* asks that wait for an answer */
	struct base_list serving;	/* serves that wait for their channel */
	struct base_list blocked;	/* streams whose channel is full */
	struct base_list untaken;	/* streams with messages not received yet */
	struct base_list targets[AGENT_TARGET_BUCKETS];	/* local channels in use */
	uint64_t targets_ns;		/* last sweep of idle ones */
	uint64_t blocked_ns;		/* last retry of serving and blocked */
	uint64_t untaken_ns, untaken_gap_ns;
	uint64_t wanted_check_ns;
	struct base_list pulls;		/* offers that wait for memory */
	size_t fetching;		/* bytes */
};

/* Was @generation given after @other? The counter may wrap. */
static inline bool agent_newer(uint32_t generation, uint32_t other)
{
	return (int32_t)(generation - other) > 0;
}

static inline void agent_todo_init(struct agent_todo *todo,
				   int (*write)(struct agent_todo *todo, struct agent_link *link))
{
	base_list_init(&todo->node);
	todo->write = write;
	todo->drop = NULL;
}

static inline uint64_t agent_earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * agent_table_grow - make room for @index in a table by index.
 * @table, @count: the table and its size; grown in powers of two, new entries zero.
 * Return: 0; -ERANGE @index is over AGENT_INDEX_MAX; -ENOMEM.
 */
int agent_table_grow(void *table, uint32_t *count, uint32_t index, size_t entry_bytes);

#endif
