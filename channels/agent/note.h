/* SPDX-License-Identifier: MIT */
/* note.h - a short record that waits for room in a link, owned by nobody else. */
#ifndef AGENT_NOTE_H
#define AGENT_NOTE_H

#include "agent/core.h"

/* Write a record without payload, now or when there is room. Lost if the link dies. */
void agent_note(struct agent_link *link, const struct agent_record *record);

#endif
