/* SPDX-License-Identifier: MIT */
/* fabrics.c - see fabrics.h. */
#include "hsta/fabrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

const struct hsta_fabric hsta_fabrics[] = {
#ifdef DHOW_HAVE_OFI
	{ .name = "ofi", .ops = &hsta_ofi },
#else
	{ .name = "ofi", .absent = "built without libfabric" },
#endif
#ifdef DHOW_HAVE_UCX
	/* Its tcp listens at the first address of an interface alone, while who calls another
	 * one is sent to that. */
	{ .name = "ucx", .ops = &hsta_ucx, .loopback = "127.0.0.1" },
#else
	{ .name = "ucx", .absent = "built without UCX" },
#endif
	{ .name = NULL },
};

/* One name for the same network, whichever library moves the bytes. */
static const struct {
	const char *fabric, *said, *meant;
	int if_refused; /* as said it may exist, too, and then it is meant */
} spellings[] = {
	{ "ofi", "tcp", "tcp;ofi_rxm", 1 }, /* libfabric has the first since 1.18 */
	{ "ofi", "verbs", "verbs;ofi_rxm", 1 },
	{ "ucx", "tcp;ofi_rxm", "tcp", 0 },
	{ "ucx", "net", "tcp", 0 },
	{ "ucx", "verbs;ofi_rxm", "ib", 0 },
};

static const struct {
	const char *name, *value;
} settings[] = {
	/* Matching in hardware alone stops when the list entries of the node are used up. */
	{ "FI_CXI_RX_MATCH_MODE", "hybrid" },
	/* The default monitor hooks malloc and is known to deadlock. */
	{ "FI_MR_CACHE_MONITOR", "userfaultfd" },
};

void hsta_environment(void)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		setenv(settings[i].name, settings[i].value, 0);
}

static int probe(const struct hsta_fabric *fabric, const struct fabric_options *options,
		 char *why, size_t why_bytes)
{
	if (!fabric->ops) {
		snprintf(why, why_bytes, "%s", fabric->absent);
		return -ENOSYS;
	}
	return fabric->ops->probe(options, why, why_bytes);
}

int hsta_fabric_probe(const struct hsta_fabric *fabric, struct fabric_options *options,
		      char *why, size_t why_bytes)
{
	const char *meant = NULL;
	int if_refused = 0, rc;

	for (size_t i = 0; options->provider && i < sizeof(spellings) / sizeof(*spellings); i++) {
		if (strcmp(spellings[i].fabric, fabric->name) != 0 ||
		    strcmp(spellings[i].said, options->provider) != 0)
			continue;
		meant = spellings[i].meant;
		if_refused = spellings[i].if_refused;
	}
	if (fabric->loopback && options->bind && strncmp(options->bind, "127.", 4) == 0)
		options->bind = fabric->loopback;
	if (meant && !if_refused)
		options->provider = meant;
	rc = probe(fabric, options, why, why_bytes);
	if (rc == 0 || !meant || !if_refused)
		return rc;
	options->provider = meant;
	return probe(fabric, options, why, why_bytes);
}

const struct fabric_ops *hsta_fabric_choose(const char *name, struct fabric_options *options,
					    char *why, size_t why_bytes)
{
	const struct hsta_fabric *refused = NULL;
	char reason[160] = "";

	for (const struct hsta_fabric *fabric = hsta_fabrics; fabric->name; fabric++) {
		struct fabric_options tried = *options;
		char text[160] = "";

		if (strcmp(name, "auto") != 0 && strcmp(name, fabric->name) != 0)
			continue;
		if (hsta_fabric_probe(fabric, &tried, text, sizeof(text)) == 0) {
			if (refused)
				base_log_warn("fabric %s cannot run here (%s), using %s",
					      refused->name, reason, fabric->name);
			*options = tried;
			snprintf(why, why_bytes, "%s", text);
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
		snprintf(why, why_bytes, "no fabric '%s': auto, ofi or ucx", name);
	return NULL;
}
