/* SPDX-License-Identifier: MIT */
/*
 * credit.h - the sending side of a link: frames, their window, acknowledgement, resending.
 *
 * The window is the credit: what is not acknowledged is kept and bounded, in frames and in
 * bytes. When it is used up agent_link_write() says -EAGAIN and the writers stay on the
 * to-do list, which is where back-pressure towards the processes begins.
 */
#ifndef AGENT_CREDIT_H
#define AGENT_CREDIT_H

#include "agent/core.h"

/* Append a record to the link's open frame. Return: 0; -EAGAIN not up or no room. */
int agent_link_write(struct agent_link *link, const struct agent_record *record);

/* Send what is ready; called at the end of each turn. */
void agent_link_flush(struct agent_link *link);

/* A frame without a body: acknowledgement, heartbeat, proof of the initiator. */
void agent_link_control(struct agent_link *link);

/* The other side has all frames up to @ack. Return: 0; -EPROTO it cannot. */
int agent_link_acked(struct agent_link *link, uint64_t ack);

/* Everything not acknowledged is to be sent again. */
void agent_link_resend(struct agent_link *link);

/* Forget all frames, both directions; numbers start at 0 again. */
void agent_link_clear(struct agent_link *link);

/* A send slot of the fabric, and its return after FABRIC_AGAIN. */
void *agent_slot_take(struct agent *agent);
void agent_slot_hold(struct agent *agent, void *slot);

#endif
