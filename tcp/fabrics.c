/* SPDX-License-Identifier: MIT */
/* fabrics.c - see fabrics.h. */
#include "tcp/fabrics.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#ifdef DHOW_HAVE_URING
#include "tcp/uring_ring.h"
#endif

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

#ifdef DHOW_HAVE_URING
/* A ring with all of it but what excludes others, and one with that. */
static bool try_features(bool sqpoll, struct tcp_feature *features)
{
	struct uring_options wanted;
	struct uring_ring ring;
	char why[128];

	for (int i = 0; i < URING_FEATURES; i++)
		wanted.on[i] = (i == URING_SQPOLL) == sqpoll;
	if (uring_ring_open(&ring, &wanted, why, sizeof(why)) < 0)
		return false;
	for (int i = 0; i < URING_FEATURES; i++) {
		if (!wanted.on[i])
			continue;
		features[i].usable = ring.on[i];
		snprintf(features[i].why, sizeof(features[i].why), "%s", ring.why_not[i]);
	}
	uring_ring_close(&ring);
	return true;
}

int tcp_uring_features(struct tcp_feature ret_features[TCP_FEATURES_MAX])
{
	_Static_assert((int)URING_FEATURES <= (int)TCP_FEATURES_MAX, "room for all");

	for (int i = 0; i < URING_FEATURES; i++)
		ret_features[i] = (struct tcp_feature){ .name = uring_features[i].name,
							.what = uring_features[i].what,
							.since = uring_features[i].since,
							.standard = uring_features[i].standard };
	return try_features(false, ret_features) && try_features(true, ret_features) ?
		       URING_FEATURES :
		       0;
}

int tcp_tuning_check(const char *tuning, char *why, size_t why_bytes)
{
	struct uring_options options;

	return uring_options_parse(tuning, &options, why, why_bytes);
}
#else
int tcp_tuning_check(const char *tuning, char *why, size_t why_bytes)
{
	(void)tuning, (void)why, (void)why_bytes;
	return 0; /* nothing uses them */
}

int tcp_uring_features(struct tcp_feature ret_features[TCP_FEATURES_MAX])
{
	(void)ret_features;
	return 0;
}
#endif
