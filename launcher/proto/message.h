/* SPDX-License-Identifier: MIT */
/*
 * message.h - what dlaunch and its daemons say to each other, as structs and as bytes.
 *
 * A frame is: magic (u32), version (u16), type (u16), body; all little-endian. Pointers in a
 * decoded message are borrowed from the frame. Who may send what, and when, is in the tables
 * of cli/run_link.c and node/control.c.
 */
#ifndef LAUNCH_MESSAGE_H
#define LAUNCH_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include <dhow/node.h>

#include "proto/codec.h"

enum {
	LAUNCH_PROTO_VERSION = 1,
	LAUNCH_FRAME_BYTES_MAX = 8 << 20,	/* environment and arguments of a run */
	LAUNCH_PIECE_BYTES = 64 * 1024,		/* of stdio in one message */
	LAUNCH_WINDOW_BYTES = 4 * LAUNCH_PIECE_BYTES,	/* of stdio under way in one direction */
	LAUNCH_TEXT_BYTES = 256,
	LAUNCH_PATH_BYTES = 4096,
	LAUNCH_FENCE_KEY_BYTES = 64,
};

enum launch_type {
	/* from a daemon */
	LAUNCH_HELLO = 1,	/* hello: it runs and holds the right key */
	LAUNCH_READY,		/* ready: segment and agent are up */
	LAUNCH_STARTED,		/* started: one rank runs */
	LAUNCH_OUTPUT,		/* output: bytes of a rank's stdout or stderr */
	LAUNCH_EXIT,		/* exit: one rank was reaped */
	LAUNCH_FAIL,		/* fail: the node cannot go on */
	LAUNCH_PEER_DOWN,	/* node: the agent cannot reach another node */
	LAUNCH_DONE,		/* nothing of the run is left on the node */
	LAUNCH_FENCE,		/* fence: what a node gives to a fence of a run */
	LAUNCH_ABORT,		/* abort: a rank wants its run to end with a code */
	/* from dlaunch */
	LAUNCH_PEERS,		/* peers: how agents reach each other */
	LAUNCH_START,		/* start: what to run */
	LAUNCH_INPUT,		/* input: bytes for rank 0; none = end of file */
	LAUNCH_STOP,		/* end the ranks now */
	LAUNCH_FINISH,		/* all ranks of the run have ended: clean up and leave */
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

/* @count strings, each with its zero, one behind the other. */
struct launch_strings {
	uint32_t count, bytes;
	const char *data;
};

struct launch_message {
	enum launch_type type;
	union {
		struct { uint32_t node, job, pid; } hello;
		struct dhow_node_peer ready;	/* bytes = 0: there is no agent */
		struct { uint32_t rank, pid; } started;
		struct { uint32_t rank, bytes; uint8_t stream; const void *data; } output;
		struct { uint32_t rank; uint8_t signal, code; } exit;
		struct { uint32_t code; char text[LAUNCH_TEXT_BYTES]; } fail;
		struct { uint32_t node; char text[LAUNCH_TEXT_BYTES]; } node;
		struct { uint32_t count; const uint8_t *entries, *end; } peers;
		struct {
			uint32_t size, nodes, local_size;
			uint32_t umask;
			struct launch_strings argv, env;
			uint32_t count;		/* entries of @ranks, u32 each: local rank i */
			const uint8_t *ranks;
			char wdir[LAUNCH_PATH_BYTES];
		} start;
		struct { uint32_t bytes; const void *data; } input;
		struct { uint32_t bytes; } taken;
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

/* Build and read the list of LAUNCH_PEERS. launch_peers_next() returns 1 while there is one. */
void launch_peers_add(struct launch_writer *list, const struct dhow_node_peer *peer);
int launch_peers_next(const uint8_t **at, const uint8_t *end, struct dhow_node_peer *ret_peer);

/* Rank number @index of a decoded LAUNCH_START. */
uint32_t launch_start_rank(const struct launch_message *message, uint32_t index);

/* Flatten a NULL-ended array; @writer holds the bytes. Return: 0; -ENOMEM; -E2BIG. */
int launch_strings_pack(char *const *array, struct launch_writer *writer,
			struct launch_strings *ret_strings);
/* A NULL-ended array in one allocation, with room for @extra more. Return: NULL no memory. */
char **launch_strings_unpack(const struct launch_strings *strings, unsigned extra);

#endif
