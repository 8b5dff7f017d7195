/* SPDX-License-Identifier: MIT */
/*
 * sample.c - an application as a user writes it; compiles as C and as C++.
 *
 * Sends a message to itself and checks it. Exit 0: as expected.
 */
#include <stdio.h>
#include <string.h>

#include <dhow/dhow.h>

int main(void)
{
	static const char text[] = "through the channel";
	struct dhow_channel *channel;
	char buffer[64];
	size_t bytes = 0;
	int rc = dhow_init();

	if (!rc)
		rc = dhow_channel_create("sample", NULL, &channel);
	if (!rc) {
		rc = dhow_send(channel, text, sizeof(text), dhow_in_ms(1000));
		if (!rc)
			rc = dhow_recv(channel, buffer, sizeof(buffer), &bytes, NULL,
				       dhow_in_ms(1000));
		dhow_channel_destroy(channel);
	}
	if (rc) {
		fprintf(stderr, "sample: %s: %s\n", dhow_strerror(rc), dhow_error_text());
		return 1;
	}
	dhow_fini();
	printf("dhow %s: %s\n", DHOW_VERSION, buffer);
	return bytes != sizeof(text) || strcmp(buffer, text) != 0;
}
