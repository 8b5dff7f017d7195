/* SPDX-License-Identifier: MIT */
/* address.c - see dhow/address.h. */
#include <dhow/address.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* FNV-1a folded to 16 bits: tells a mistyped or cut address, not a forged one.
 * Algorithm: Fowler, Noll, Vo, "The FNV Non-Cryptographic Hash Algorithm". */
static unsigned check_of(const char *text, size_t length)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619u;
	return (hash ^ hash >> 16) & 0xffff;
}

void dhow_address_print(const struct dhow_address *address, char buffer[DHOW_ADDRESS_BYTES])
{
	int n = snprintf(buffer, DHOW_ADDRESS_BYTES, "dhow:%x.n%u.%x.%x.%x", address->job,
			 address->node, address->segment, address->index, address->generation);

	snprintf(buffer + n, (size_t)(DHOW_ADDRESS_BYTES - n), ".%04x",
		 check_of(buffer, (size_t)n));
}

int dhow_address_parse(const char *text, struct dhow_address *ret_address)
{
	struct dhow_address address;
	char canonical[DHOW_ADDRESS_BYTES];
	unsigned check;
	int end = 0;

	if (!text || strncmp(text, "dhow:", 5) != 0)
		return -EINVAL;
	if (strlen(text) >= DHOW_ADDRESS_BYTES ||
	    sscanf(text, "dhow:%8x.n%9u.%8x.%8x.%8x.%4x%n", &address.job, &address.node,
		   &address.segment, &address.index, &address.generation, &check, &end) != 6 ||
	    text[end] != '\0')
		return -EBADMSG;
	/* One address has one spelling: blanks, signs and leading zeros are damage too. */
	dhow_address_print(&address, canonical);
	if (strcmp(canonical, text) != 0)
		return -EBADMSG;
	*ret_address = address;
	return 0;
}
