/* SPDX-License-Identifier: MIT */
/* counters.c - prints them. */
#include "agent/counters.h"

#include <inttypes.h>

#include "base/log.h"

void agent_counters_log(const struct agent_counters *counters, uint32_t node)
{
	if (!counters->connections)
		return;
	base_log_debug("node %" PRIu32 ": sent %" PRIu64 " messages, %" PRIu64 " frames, %" PRIu64
		       " bytes, %" PRIu64 " bulk; received %" PRIu64 ", %" PRIu64 ", %" PRIu64
		       ", %" PRIu64, node, counters->messages_sent, counters->frames_sent,
		       counters->bytes_sent, counters->bulks_sent, counters->messages_received,
		       counters->frames_received, counters->bytes_received,
		       counters->bulks_received);
	base_log_debug("node %" PRIu32 ": %" PRIu64 " connections, %" PRIu64 " resends, %" PRIu64
		       " acks alone, %" PRIu64 " duplicates, %" PRIu64 " repeated, %" PRIu64
		       " damaged", node,
		       counters->connections, counters->resends, counters->acks_alone,
		       counters->duplicates, counters->repeated, counters->damaged);
}
