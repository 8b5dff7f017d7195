/* SPDX-License-Identifier: MIT */
/* clock.c - see clock.h. */
#include "base/clock.h"

#include <limits.h>

int base_poll_ms(uint64_t deadline_ns)
{
	uint64_t now = base_now_ns();
	uint64_t ms;

	if (deadline_ns == UINT64_MAX)
		return -1;
	if (deadline_ns <= now)
		return 0;
	ms = (deadline_ns - now + BASE_MS - 1) / BASE_MS;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}
