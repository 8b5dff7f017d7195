/* SPDX-License-Identifier: MIT */
/*
 * layout.h - every struct that two processes see.
 *
 * A segment is: header, process table, thread table, channel table, stream table, request
 * table, node table, the pool's tree of words, the pool's data. Offsets count from the
 * segment's first byte. Whoever reads a field that another process can write copies it to
 * a local once, checks it, then uses it. docs/shm-layout.md draws all this.
 *
 * An *owned word* is  serial32 | state4 | owner28.  One compare-and-swap on it both takes a
 * step and names who took it, so that a survivor can finish or undo it (recover.c).
 */
#ifndef CHANNELS_LAYOUT_H
#define CHANNELS_LAYOUT_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <dhow/message.h>
#include <dhow/node.h>

#define LAYOUT_MAGIC UINT64_C(0x0031574f48447763)
enum {
	LAYOUT_VERSION = 5,
	LAYOUT_PROCESSES = 512,		/* attached at once to one segment */
	LAYOUT_THREADS = 2048,		/* that use the library, all processes together */
	LAYOUT_CHANNELS = 1024,
	LAYOUT_STREAMS = 4096,		/* node segment only */
	LAYOUT_REQUESTS = 1024,		/* node segment only */
	LAYOUT_NODES = 1024,		/* node segment only */
	LAYOUT_PROCESS_BITS = 9,
	LAYOUT_GATEWAY = 0,		/* channel index of the gateway */
	LAYOUT_LINE = 64,
	LAYOUT_PAIR = 128,		/* lines are prefetched in pairs */
};
_Static_assert(1 << LAYOUT_PROCESS_BITS == LAYOUT_PROCESSES, "owner ids hold the index");

/* Owned words. */
#define WORD(serial, state, owner) \
	(((uint64_t)(uint32_t)(serial) << 32) | ((uint64_t)(state) << 28) | (uint64_t)(owner))
#define WORD_SERIAL(word) ((uint32_t)((word) >> 32))
#define WORD_STATE(word) ((unsigned)((word) >> 28) & 15u)
#define WORD_OWNER(word) ((uint32_t)((word) & 0xfffffffu))

/* written by: the process itself (life: its library thread); read by all */
struct shm_process {
	alignas(LAYOUT_PAIR) pthread_mutex_t life;	/* robust; held while the process lives */
	_Atomic uint32_t id;		/* owner id: generation << 9 | index */
	_Atomic int32_t pid;
	_Atomic uint32_t rank;
	/* written by: whoever has news for it, see bell.h */
	alignas(LAYOUT_LINE) _Atomic uint32_t bell;	/* wait word: a bit of rung was set */
	/* bit = channel that changed; LAYOUT_GATEWAY: a request was answered */
	alignas(LAYOUT_PAIR) _Atomic uint64_t rung[LAYOUT_CHANNELS / 64];
};

/* written by: the thread itself */
struct shm_thread {
	alignas(LAYOUT_PAIR) pthread_mutex_t life;	/* robust; held while the thread lives */
	_Atomic uint32_t process;	/* owner id of its process */
	_Atomic uint64_t sleeps_on;	/* offset of the wait word, 0: it does not sleep */
};
_Static_assert(sizeof(struct shm_process) == 2 * LAYOUT_PAIR, "two pairs of lines");
_Static_assert(sizeof(struct shm_thread) == LAYOUT_PAIR, "one pair of lines");

/* A slot: word and small payload share a line, so one line moves per small message. */
enum slot_state { SLOT_FREE, SLOT_WRITING, SLOT_READY, SLOT_READING, SLOT_TOMB, SLOT_RETRY };
enum slot_flag {
	SLOT_BLOCK = 1 << 0,
	SLOT_REQUEST = 1 << 1,
	SLOT_HEADER_FLAGS = DHOW_URGENT,	/* those of the message's header */
};
struct shm_slot {
	_Atomic uint64_t word;		/* serial: position in the queue, modulo 2^32 */
	uint64_t user;
	uint32_t bytes;
	uint32_t block;			/* tree index, valid with SLOT_BLOCK */
	uint32_t sender;
	uint32_t tag;
	uint32_t route;			/* gateway: stream or request */
	uint32_t flags;
	unsigned char payload[];
};
_Static_assert(sizeof(struct shm_slot) == 40, "8 B payloads stay in the first line");

/* What an entry of the channel table is; values travel between nodes. */
enum channel_kind {
	KIND_CHANNEL = 1,
	KIND_SEMAPHORE,		/* a channel of empty messages: semaphore.c */
	KIND_BARRIER,		/* no slots: barrier.c */
};
enum channel_state { CHANNEL_FREE, CHANNEL_MAKING, CHANNEL_OPEN, CHANNEL_CLOSED, CHANNEL_REAPING };
struct shm_channel {
	alignas(LAYOUT_PAIR) _Atomic uint64_t word;	/* serial: generation */
	uint64_t slots;			/* offset of the slot array; written by: creator */
	uint32_t block;			/* that holds it */
	uint32_t capacity;
	uint32_t stride;		/* bytes of a slot */
	uint32_t inline_bytes;
	_Atomic uint32_t retry_epoch;	/* moves when a message is to come before others */
	_Atomic uint32_t kind;		/* enum channel_kind; written by: creator */
	_Atomic uint32_t shut;		/* no more messages, see dhow_channel_shut() */
	/* written by: senders, a hint that anyone advances */
	alignas(LAYOUT_PAIR) _Atomic uint64_t tail;
	_Atomic uint64_t high_water;	/* written by: senders, now and then */
	/* written by: receivers, a hint that anyone advances */
	alignas(LAYOUT_PAIR) _Atomic uint64_t head;
	alignas(LAYOUT_PAIR) _Atomic uint32_t wait_in;	/* see wait.h: for a message */
	uint32_t parties;		/* of a barrier; written by: creator */
	_Atomic uint64_t barrier;	/* see barrier.h; written by: parties */
	alignas(LAYOUT_LINE) _Atomic uint32_t wait_out;	/* for a free slot */
	/* advice on a message that is being copied in, see preview.h; written by: senders */
	alignas(LAYOUT_PAIR) _Atomic uint64_t preview;	/* serial32 | block32; 0: none */
	_Atomic uint64_t preview_pieces;	/* serial32 | pieces32 that are copied */
	_Atomic uint32_t preview_serial;	/* of the latest */
	_Atomic uint32_t preview_followed;	/* serial; written by: receivers */
	/* which processes hold it open; bit = index in the process table */
	alignas(LAYOUT_PAIR) _Atomic uint64_t users[LAYOUT_PROCESSES / 64];
	/* which of them watch it in a wait-set; written by: the watcher, see bell.h */
	_Atomic uint64_t watchers[LAYOUT_PROCESSES / 64];
};

enum stream_state { STREAM_FREE, STREAM_MAKING, STREAM_OPEN, STREAM_CLOSING, STREAM_CLOSED };
struct shm_stream {
	alignas(LAYOUT_PAIR) _Atomic uint64_t word;	/* serial: generation */
	struct dhow_address target;	/* written by: owner before OPEN */
	_Atomic uint32_t wants;		/* written by: owner; enum gateway_wish */
	/* written by: agent */
	alignas(LAYOUT_LINE) _Atomic uint64_t deposited;
	_Atomic uint64_t received;
	_Atomic int32_t error;
	_Atomic uint32_t wait;
};

enum request_state {
	REQUEST_FREE,
	REQUEST_CLAIMED,	/* its owner fills it */
	REQUEST_FILLED,
	REQUEST_ANSWERING,	/* the agent fills it */
	REQUEST_DONE,
};
struct shm_request {
	alignas(LAYOUT_PAIR) _Atomic uint64_t word;	/* serial: tells uses apart */
	struct dhow_address target;	/* written by: owner before FILLED */
	uint32_t op;
	uint32_t events;
	uint64_t room;
	uint64_t deadline_ns;
	/* written by: agent while ANSWERING */
	alignas(LAYOUT_LINE) uint64_t user;
	uint64_t bytes;
	uint32_t tag;
	uint32_t sender;
	uint32_t block;			/* 0 = none */
	int32_t rc;
	uint32_t ret_events;
	uint32_t flags;
	_Atomic uint32_t wait;
};
_Static_assert(sizeof(struct shm_stream) == LAYOUT_PAIR, "one pair of lines");
_Static_assert(sizeof(struct shm_request) == LAYOUT_PAIR, "one pair of lines");

/* written by: agent */
struct shm_node {
	_Atomic uint32_t state;	/* enum peer_state */
	char why[60];
};

/* Words of the pool's tree (heap.c). QUEUED and SLOTS say whose they are: channel.h. */
enum block_state {
	BLOCK_UNUSED,	/* part of a larger or of no block */
	BLOCK_FREE,
	BLOCK_SPLIT,	/* its two halves are blocks */
	BLOCK_CHANGING,	/* owner splits or merges it */
	BLOCK_RESERVED,	/* half of a block that its owner splits or merges */
	BLOCK_OWNED,	/* by a process */
	BLOCK_QUEUED,	/* by a message in a slot */
	BLOCK_SLOTS,	/* by a channel: its slots */
};

enum agent_state { AGENT_NONE, AGENT_UP, AGENT_DEAD };
struct shm_segment {
	uint64_t magic;
	uint32_t version;
	uint32_t segment;
	uint64_t total_bytes;
	uint32_t job, node, nodes;
	uint32_t order_min, order_max;	/* log2 of the smallest and the whole block */
	uint64_t processes, threads, channels;	/* offsets */
	uint64_t streams, requests, node_table;	/* offsets; 0 = none */
	uint64_t tree, data, data_bytes;
	/* the above is written by: creator, before anyone attaches */
	alignas(LAYOUT_PAIR) _Atomic uint32_t agent_state;
	_Atomic uint32_t agent;		/* owner id of the agent */
	_Atomic uint32_t orphan_epoch;	/* moves when a stream wants to be closed */
	_Atomic uint32_t generation;	/* of the next channel */
	/* bytes of blocks that wait for another node; written by: senders and agent, outbound.h */
	_Atomic uint64_t outbound;
	alignas(LAYOUT_LINE) _Atomic uint32_t wait_block;	/* for a free block */
	_Atomic uint32_t block_hint[64];	/* per order: freed lately */
};

#endif
