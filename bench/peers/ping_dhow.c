/* SPDX-License-Identifier: MIT */
/* ping_dhow.c SECONDS - two ranks, a channel each; on one node or on two, as dlaunch puts them. */
#include "ping.h"

#include <stdio.h>
#include <stdlib.h>

#include <dhow/dhow.h>

enum { WAIT_MS = 30000 };

struct channels {
	struct dhow_channel *mine, *other;
};

static void check(int rc, const char *what)
{
	if (rc)
		ping_fail(what, *dhow_error_text() ? dhow_error_text() : dhow_strerror(rc));
}

static void give(void *arg, const void *data, size_t bytes)
{
	struct channels *channels = arg;

	check(dhow_send(channels->other, data, bytes, dhow_in_ms(WAIT_MS)), "send");
}

static void take(void *arg, void *buffer, size_t bytes)
{
	struct channels *channels = arg;

	check(dhow_recv(channels->mine, buffer, bytes, &bytes, NULL, dhow_in_ms(WAIT_MS)), "recv");
}

int main(int argc, char **argv)
{
	struct channels channels;
	struct ping ping = { .arg = &channels, .send = give, .recv = take };

	check(dhow_init(), "init");
	if (dhow_size() != 2)
		ping_fail("ranks", "two are needed: dlaunch -n 1 -N 2, or -n 2 -N 1");
	ping.side = dhow_rank();
	/* With an agent on each node there are more busy processes than two. */
	if (dhow_nodes() == 1)
		ping_pin(ping.side);
	check(dhow_channel_create(ping.side ? "ping-1" : "ping-0", NULL, &channels.mine), "create");
	check(dhow_channel_open(ping.side ? "ping-0" : "ping-1", dhow_in_ms(WAIT_MS),
				&channels.other), "open");
	ping_run(&ping, argc > 1 ? atof(argv[1]) : 0.2);
	check(dhow_flush(channels.other, dhow_in_ms(WAIT_MS)), "flush");
	dhow_fini();
	return 0;
}
