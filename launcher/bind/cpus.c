/* SPDX-License-Identifier: MIT */
/* cpus.c - sets of processors as text. */
#include <stdio.h>

#include "bind/bind.h"

void launch_cpus_text(const cpu_set_t *cpus, char *ret_text, unsigned room)
{
	unsigned used = 0;

	ret_text[0] = 0;
	for (int cpu = 0; cpu < CPU_SETSIZE && used < room; cpu++) {
		int first = cpu;

		if (!CPU_ISSET(cpu, cpus))
			continue;
		while (cpu + 1 < CPU_SETSIZE && CPU_ISSET(cpu + 1, cpus))
			cpu++;
		used += (unsigned)snprintf(ret_text + used, room - used, "%s%d", used ? "," : "",
					   first);
		if (cpu > first && used < room)
			used += (unsigned)snprintf(ret_text + used, room - used, "-%d", cpu);
	}
}
