/* SPDX-License-Identifier: MIT */
/* counters.c - counts round trips, prints all. */
#include "agent/counters.h"

#include <inttypes.h>

#include "base/log.h"

void agent_counters_rtt(struct agent_counters *counters, uint64_t ns)
{
	if (!counters->rtts++ || ns < counters->rtt_min_ns)
		counters->rtt_min_ns = ns;
	counters->rtt_sum_ns += ns;
}

void agent_counters_log(const struct agent_counters *counters, uint32_t node)
{
	if (!counters->connections)
		return;
	base_log_info("node %" PRIu32 ": sent %" PRIu64 " messages, %" PRIu64 " frames, %" PRIu64
		      " bytes, %" PRIu64 " bulk; received %" PRIu64 ", %" PRIu64 ", %" PRIu64
		      ", %" PRIu64, node, counters->messages_sent, counters->frames_sent,
		      counters->bytes_sent, counters->bulks_sent, counters->messages_received,
		      counters->frames_received, counters->bytes_received,
		      counters->bulks_received);
	base_log_info("node %" PRIu32 ": %" PRIu64 " connections, %" PRIu64 " resends, %" PRIu64
		      " credit waits, %" PRIu64 " acks alone, %" PRIu64 " duplicates, %" PRIu64
		      " repeated, %" PRIu64 " damaged; acknowledged in %" PRIu64 " us, at best %"
		      PRIu64, node, counters->connections, counters->resends,
		      counters->credit_waits, counters->acks_alone, counters->duplicates,
		      counters->repeated, counters->damaged,
		      counters->rtts ? counters->rtt_sum_ns / counters->rtts / 1000 : 0,
		      counters->rtt_min_ns / 1000);
}
