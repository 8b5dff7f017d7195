/* SPDX-License-Identifier: MIT */
/* trace.c - see trace.h. */
#include "agent/trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

bool agent_trace_wanted(void)
{
	const char *wanted = getenv("DHOW_TRACE");

	if (!wanted || !*wanted)
		return false;
	if (strcmp(wanted, "messages") == 0)
		return true;
	base_log_warn("DHOW_TRACE \"%s\" is not known; there is messages", wanted);
	return false;
}

void agent_trace_line(const struct agent_link *link, const char *what, uint32_t index,
		      uint64_t number, size_t bytes, const struct dhow_header *header)
{
	/* Asked for by name, so that no level hides it. */
	base_log(BASE_LOG_ERROR, "trace: %" PRIu64 " us node %" PRIu32 " %s %" PRIu32
		 " stream %" PRIu32 " message %" PRIu64 " bytes %zu rank %" PRIu32 " tag %" PRIu32,
		 base_now_ns() / 1000, link->agent->self, what, link->peer_node, index, number,
		 bytes, header->sender, header->tag);
}
