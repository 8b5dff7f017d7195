/* SPDX-License-Identifier: MIT */
/* hello.c - each rank greets its right neighbour, whichever node that one is on. */
#include <stdio.h>

#include <dhow/dhow.h>

int main(void)
{
	struct dhow_channel *inbox, *next;
	struct dhow_header from;
	char name[32], text[64];
	size_t bytes;
	int rc = dhow_init();

	snprintf(name, sizeof(name), "inbox-%d", dhow_rank());
	rc = rc ? rc : dhow_channel_create(name, NULL, &inbox);
	snprintf(name, sizeof(name), "inbox-%d", (dhow_rank() + 1) % dhow_size());
	rc = rc ? rc : dhow_channel_open(name, dhow_in_ms(10000), &next);
	rc = rc ? rc : dhow_send(next, "ahoy", 5, dhow_in_ms(1000));
	rc = rc ? rc : dhow_recv(inbox, text, sizeof(text), &bytes, &from, dhow_in_ms(10000));
	if (rc)
		return fprintf(stderr, "%s: %s\n", dhow_strerror(rc), dhow_error_text()), 1;
	printf("rank %d: %s from rank %u\n", dhow_rank(), text, from.sender);
	dhow_channel_close(next);
	dhow_channel_destroy(inbox);
	dhow_fini();
	return 0;
}
