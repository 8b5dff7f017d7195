/* SPDX-License-Identifier: MIT */
/* fabrics.c - see fabrics.h. */
#include "tcp/fabrics.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

const struct tcp_fabric tcp_fabrics[] = {
#ifdef DHOW_HAVE_URING
	{ "uring", &fabric_uring, NULL },
#else
	{ "uring", NULL, "built without liburing" },
#endif
	{ "epoll", &fabric_epoll, NULL },
	{ NULL, NULL, NULL },
};

int tcp_fabric_probe(const struct tcp_fabric *fabric, const struct fabric_options *options,
		     char *why, size_t why_bytes)
{
	if (!fabric->ops) {
		snprintf(why, why_bytes, "%s", fabric->absent);
		return -ENOSYS;
	}
	return fabric->ops->probe(options, why, why_bytes);
}

const struct fabric_ops *tcp_fabric_choose(const char *name, const struct fabric_options *options,
					   char *why, size_t why_bytes)
{
	const struct tcp_fabric *refused = NULL;
	char reason[160] = "";

	for (const struct tcp_fabric *fabric = tcp_fabrics; fabric->name; fabric++) {
		char text[160];

		if (strcmp(name, "auto") != 0 && strcmp(name, fabric->name) != 0)
			continue;
		if (tcp_fabric_probe(fabric, options, text, sizeof(text)) == 0) {
			if (refused)
				base_log_warn("fabric %s cannot run here (%s), using %s",
					      refused->name, reason, fabric->name);
			return fabric->ops;
		}
		if (!refused) {
			refused = fabric;
			snprintf(reason, sizeof(reason), "%s", text);
		}
	}
	if (refused)
		snprintf(why, why_bytes, "fabric %s cannot run here: %s", refused->name, reason);
	else
		snprintf(why, why_bytes, "no fabric '%s': auto, uring or epoll", name);
	return NULL;
}
