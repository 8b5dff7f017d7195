/* SPDX-License-Identifier: MIT */
/*
 * traffic.h - checked traffic: numbered messages from one process to one of another node.
 *
 * Sender and receiver are programs of their own, started by their nodes. Both keep account in
 * memory that the case shares, so a figure is there also when its process was killed.
 */
#ifndef FIRE_TRAFFIC_H
#define FIRE_TRAFFIC_H

#include <stdatomic.h>
#include <stdint.h>

#include <dhow/address.h>

enum {
	TRAFFIC_FLOWS = 16,
	TRAFFIC_CALL_MS = 500,		/* the deadline of each call of a sender */
	TRAFFIC_LEDGER_FD = 4,		/* in senders and receivers */
};

struct traffic_flow {
	/* written by the case */
	_Atomic uint32_t stop;		/* the sender ends */
	_Atomic uint32_t drain;		/* the receiver ends when its channel is empty */
	_Atomic uint32_t pause_us;	/* between a sender's bursts */
	/* written by the receiver */
	char address[DHOW_ADDRESS_BYTES];	/* of its channel, valid when listening */
	_Atomic uint32_t listening, received_all;
	_Atomic uint64_t received;	/* in order, whole: 1 to this number */
	_Atomic uint64_t repeated, damaged, missed;
	_Atomic uint64_t wrong;		/* what was expected when the first went wrong */
	_Atomic uint64_t received_ns;	/* when the last one came */
	/* written by the sender */
	_Atomic uint32_t sent_all;
	_Atomic uint64_t sent;		/* accepted: 1 to this number */
	_Atomic uint64_t acknowledged;	/* deposited: 1 to this number */
	_Atomic uint64_t first_ns;	/* first acknowledgement */
	_Atomic uint64_t calls, timeouts, bytes;
	_Atomic uint64_t late_ns;	/* most that a call returned after its deadline */
	_Atomic uint64_t error_ns;	/* when it gave up */
	_Atomic int32_t error;		/* why: negative errno */
	char error_text[128];		/* written before */
};

struct traffic {
	struct traffic_flow flows[TRAFFIC_FLOWS];
};

/* What the programs do; @flow lies in the shared memory. Return: their exit code. */
int traffic_send(struct traffic_flow *flow);
int traffic_receive(struct traffic_flow *flow);

#endif
