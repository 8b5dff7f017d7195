/* SPDX-License-Identifier: MIT */
/* trace.h - one line to stderr for each message between nodes, if DHOW_TRACE=messages. */
#ifndef AGENT_TRACE_H
#define AGENT_TRACE_H

#include "agent/core.h"

/* Is it wanted? Reads the environment; a word that is not known is warned of. */
bool agent_trace_wanted(void);
void agent_trace_line(const struct agent_link *link, const char *what, uint32_t index,
		      uint64_t number, size_t bytes, const struct dhow_header *header);

/* @what: "sent", "deposited", "answered" or "fetched"; @index: of stream or request. */
static inline void agent_trace(const struct agent_link *link, const char *what, uint32_t index,
			       uint64_t number, size_t bytes, const struct dhow_header *header)
{
	if (__builtin_expect(link->agent->trace, 0))
		agent_trace_line(link, what, index, number, bytes, header);
}

#endif
