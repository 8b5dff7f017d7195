/* SPDX-License-Identifier: MIT */
/* counters.h - what a link has done; told when it ends with DHOW_LOG=info. */
#ifndef AGENT_COUNTERS_H
#define AGENT_COUNTERS_H

#include <stdint.h>

struct agent_counters {
	uint64_t frames_sent, frames_received;
	uint64_t bytes_sent, bytes_received;	/* frames and bulk, headers included */
	uint64_t messages_sent, messages_received;	/* packed in frames, or bulk */
	uint64_t resends;	/* frames sent again */
	uint64_t credit_waits;	/* times that the window of the link was full */
	uint64_t acks_alone;	/* CONTROL frames sent for their acknowledgement */
	uint64_t duplicates;	/* frames received again */
	uint64_t repeated;	/* byte for byte, by the network or somebody in it: refused */
	uint64_t damaged;	/* frames refused */
	uint64_t bulks_sent, bulks_received;
	uint64_t connections;
	/* From sending a frame to its acknowledgement, which may wait for others (AGENT_ACK_NS):
	 * the smallest one is about the round trip. */
	uint64_t rtts, rtt_min_ns, rtt_sum_ns;
};

void agent_counters_rtt(struct agent_counters *counters, uint64_t ns);
void agent_counters_log(const struct agent_counters *counters, uint32_t node);

#endif
