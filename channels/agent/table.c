/* SPDX-License-Identifier: MIT */
/* table.c - tables by index that grow when an index is used for the first time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core.h"

int agent_table_grow(void *table, uint32_t *count, uint32_t index, size_t entry_bytes)
{
	uint32_t wanted = *count ? *count : 64;
	char *old, *grown;

	if (index < *count)
		return 0;
	if (index >= AGENT_INDEX_MAX)
		return -ERANGE;
	while (wanted <= index)
		wanted *= 2;
	memcpy(&old, table, sizeof(old));
	grown = realloc(old, wanted * entry_bytes);
	if (!grown)
		return -ENOMEM;
	memset(grown + *count * entry_bytes, 0, (wanted - *count) * entry_bytes);
	memcpy(table, &grown, sizeof(grown));
	*count = wanted;
	return 0;
}
