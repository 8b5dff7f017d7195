/* SPDX-License-Identifier: MIT */
/*
 * bulk.h - large payloads: offered by their sender, pulled by their receiver.
 *
 * The identity of an offer is its record (stream and number, or request and serial), not
 * a place in the sequence of frames: it may be made again after a lost connection, and
 * the receiver drops what it has.
 */
#ifndef AGENT_BULK_H
#define AGENT_BULK_H

#include "agent/core.h"

/* Offer @bulk, whose record, data and release() the caller has filled in. */
void agent_bulk_send(struct agent_link *link, struct agent_bulk *bulk);
/* The owner needs it no more: release() is called, now or when the fabric is done. */
void agent_bulk_end(struct agent_bulk *bulk);
void agent_bulks_pump(struct agent_link *link);
/* After a reconnect: offer again what is not ended. */
void agent_bulks_again(struct agent_link *link);
/* The connection is lost: what was sealed for it is of no use. */
void agent_bulks_lost(struct agent_link *link);

/* Take an offer; the caller has filled in may(), done() and release(). */
void agent_pull_start(struct agent_pull *pull, struct agent_conn *conn,
		      const struct agent_record *record, struct fabric_offer *offer);
/* The owner is gone: release() is called, now or later; a block is freed. */
void agent_pull_end(struct agent_pull *pull);
/* Start those for which there is memory. Return: when to be called again. */
uint64_t agent_pulls_pump(struct agent *agent);
/* The connection is lost: its offers are too. */
void agent_pulls_lost(struct agent_conn *conn);

#endif
