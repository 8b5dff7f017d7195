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
	{ "ofi", &hsta_ofi, NULL },
#else
	{ "ofi", NULL, "built without libfabric" },
#endif
#ifdef DHOW_HAVE_UCX
	{ "ucx", &hsta_ucx, NULL },
#else
	{ "ucx", NULL, "built without UCX" },
#endif
	{ NULL, NULL, NULL },
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

int hsta_fabric_probe(const struct hsta_fabric *fabric, const struct fabric_options *options,
		      char *why, size_t why_bytes)
{
	if (!fabric->ops) {
		snprintf(why, why_bytes, "%s", fabric->absent);
		return -ENOSYS;
	}
	return fabric->ops->probe(options, why, why_bytes);
}

const struct fabric_ops *hsta_fabric_choose(const char *name,
					    const struct fabric_options *options, char *why,
					    size_t why_bytes)
{
	const struct hsta_fabric *refused = NULL;
	char reason[160] = "";

	for (const struct hsta_fabric *fabric = hsta_fabrics; fabric->name; fabric++) {
		char text[160] = "";

		if (strcmp(name, "auto") != 0 && strcmp(name, fabric->name) != 0)
			continue;
		if (hsta_fabric_probe(fabric, options, text, sizeof(text)) == 0) {
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
		snprintf(why, why_bytes, "no fabric '%s': auto, ofi or ucx", name);
	return NULL;
}
