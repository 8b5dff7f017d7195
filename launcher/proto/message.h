/* SPDX-License-Identifier: MIT */
/*
 * message.h - what the owner of a job (dlaunch, the server) and its daemons say to each other.
 *
 * A frame is: magic (u32), version (u16), type (u16), body; all little-endian. Pointers in a
 * decoded message are borrowed from the frame. Who may send what, and when, is in the tables
 * of job/hear.c and node/control.c. `run` is never 0 where it names one.
 */
#ifndef LAUNCH_MESSAGE_H
#define LAUNCH_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include <dhow/node.h>

#include "proto/codec.h"
#include "proto/start.h"

enum {
	LAUNCH_PROTO_VERSION = 3,
	LAUNCH_FRAME_BYTES_MAX = 8 << 20,	/* environment and arguments of a run */
	LAUNCH_PIECE_BYTES = 64 * 1024,		/* of stdio in one message */
	LAUNCH_WINDOW_BYTES = 4 * LAUNCH_PIECE_BYTES,	/* of stdio under way in one direction */
	LAUNCH_TEXT_BYTES = 256,
	LAUNCH_NAME_BYTES = 128,	/* of an endpoint */
	LAUNCH_FENCE_KEY_BYTES = 64,
	LAUNCH_BATCH_BYTES = 128 * 1024,	/* of frames that go up together */
	LAUNCH_ENTRIES_MAX = 4096,	/* in one STARTED or EXITED */
};
#define LAUNCH_RANK_ALL UINT32_MAX

enum launch_type {
	/* from a daemon */
	LAUNCH_HELLO = 1,	/* hello: it runs and holds the right key */
	LAUNCH_READY,		/* ready: segment and agent are up */
	LAUNCH_STARTED,		/* entries: ranks run */
	LAUNCH_OUTPUT,		/* output: bytes of a rank's stdout or stderr */
	LAUNCH_EXITED,		/* entries: ranks were reaped */
	LAUNCH_FAIL,		/* fail: a run, or the node, cannot go on */
	LAUNCH_PEER_DOWN,	/* node: the agent cannot reach another node */
	LAUNCH_DONE,		/* run: nothing of it is left on the node */
	LAUNCH_LEFT,		/* the same of the job, and the daemon leaves */
	LAUNCH_JOINED,		/* the way by its parent in the tree is open */
	LAUNCH_FENCE,		/* fence: what a node gives to a fence of a run */
	LAUNCH_ABORT,		/* abort: a rank wants its run to end with a code */
	/* from the owner of the job */
	LAUNCH_PARENT,		/* parent: join this node in the tree */
	LAUNCH_PEERS,		/* peers: how agents reach each other */
	LAUNCH_START,		/* start: what to run; the same for all nodes of the run */
	LAUNCH_INPUT,		/* input: bytes for stdin; none = end of file */
	LAUNCH_STOP,		/* stop: end the ranks of a run */
	LAUNCH_SIGNAL,		/* signal: to the ranks of a run */
	LAUNCH_RESTART,		/* restart: one rank, once more */
	LAUNCH_FINISH,		/* run: all its ranks have ended: clean up */
	LAUNCH_LEAVE,		/* finish all runs and leave */
	LAUNCH_PEER_DEAD,	/* node: the daemon of another node died */
	LAUNCH_FENCED,		/* fenced: what all nodes gave, to each of them */
	/* both ways */
	LAUNCH_TAKEN,		/* taken: that many bytes of stdio were passed on */
	LAUNCH_NAME_REQUEST,	/* name_request */
	LAUNCH_NAME_ANSWER,	/* name_answer */
	LAUNCH_MODEX,		/* modex: what did a rank publish? To the node of that rank */
	LAUNCH_MODEX_ANSWER,	/* modex_answer: to the node that asked */
	LAUNCH_TYPES
};

enum launch_stream { LAUNCH_STDIN, LAUNCH_STDOUT, LAUNCH_STDERR };

/* One rank that was started or has ended. */
struct launch_entry {
	uint32_t rank, pid;	/* pid of a start only */
	uint8_t signal, code;
};

struct launch_message {
	enum launch_type type;
	union {
		/* @endpoint: for the nodes below it; empty = there are none */
		struct { uint32_t node, job, pid; char endpoint[LAUNCH_NAME_BYTES]; } hello;
		struct { uint32_t node; char endpoint[LAUNCH_NAME_BYTES]; } parent;
		struct dhow_node_peer ready;	/* bytes = 0: there is no agent */
		/* One launch_entry after the other, encoded. */
		struct { uint32_t run, count, bytes; const uint8_t *data; } entries;
		struct { uint32_t run, rank, bytes; uint8_t stream; const void *data; } output;
		struct { uint32_t run, code; char text[LAUNCH_TEXT_BYTES]; } fail; /* run 0: node */
		struct { uint32_t node; char text[LAUNCH_TEXT_BYTES]; } node;
		struct { uint32_t count; const uint8_t *entries, *end; } peers;
		struct launch_start start;
		struct { uint32_t run, rank, bytes; const void *data; } input;
		struct { uint32_t run, bytes; } taken;
		struct { uint32_t run; } run;
		struct { uint32_t run, grace_ms; } stop;
		struct { uint32_t run, number; } signal;
		struct { uint32_t run, rank; } restart;
		struct { uint32_t to; struct dhow_name_request request; } name_request;
		struct { uint32_t to; struct dhow_name_answer answer; } name_answer;
		struct {
			uint32_t run;
			uint32_t nodes;		/* that take part; 0 = all of the run */
			uint32_t count;		/* contributions in @data: 1 from a node */
			char key[LAUNCH_FENCE_KEY_BYTES];	/* same words, same fence */
			uint32_t bytes;
			const void *data;
		} fence;
		/* @data: the contributions one behind the other, in any order. */
		struct {
			uint32_t run;
			int32_t rc;
			char key[LAUNCH_FENCE_KEY_BYTES];
			uint32_t bytes;
			const void *data;
		} fenced;
		struct { uint32_t run, origin, rank; uint64_t ticket; } modex;
		struct {
			uint32_t run, to;
			int32_t rc;
			uint32_t bytes;
			uint64_t ticket;
			const void *data;
		} modex_answer;
		struct { uint32_t run, rank, code; char text[LAUNCH_TEXT_BYTES]; } abort;
	};
};

/* Name of a type for messages to people. */
const char *launch_type_name(unsigned type);

/* Append a frame. Return: 0; -ENOMEM; -E2BIG it is larger than LAUNCH_FRAME_BYTES_MAX. */
int launch_message_encode(const struct launch_message *message, struct launch_writer *writer);

/* Return: 0; -EBADMSG damaged; -EPROTO another version. */
int launch_message_decode(const void *data, size_t bytes, struct launch_message *ret_message);

/* Type of a frame that may be anything. Return: 0 it is none. */
unsigned launch_frame_type(const void *data, size_t bytes);

/* Build and read the list of LAUNCH_PEERS. launch_peers_next() returns 1 while there is one. */
void launch_peers_add(struct launch_writer *list, const struct dhow_node_peer *peer);
int launch_peers_next(const uint8_t **at, const uint8_t *end, struct dhow_node_peer *ret_peer);

/* Build and read the entries of LAUNCH_STARTED and LAUNCH_EXITED. */
void launch_entry_add(struct launch_writer *list, const struct launch_entry *entry);
int launch_entry_next(const struct launch_message *message, const uint8_t **at,
		      struct launch_entry *ret_entry);

#endif
