/* SPDX-License-Identifier: MIT */
/* ofi.c - the fabric `ofi`: libfabric, written to the rules of cxi. See ofi.h. */
#include "ofi/ofi.h"
#include "hsta/fabrics.h"

static int ofi_probe(const struct fabric_options *options, char *why, size_t why_bytes)
{
	const struct ofi_provider *provider;
	struct fi_info *info;
	int rc = ofi_find(options, &provider, &info, why, why_bytes);

	if (rc == 0)
		fi_freeinfo(info);
	return rc;
}

const struct fabric_ops hsta_ofi = {
	.name = "ofi",
	.probe = ofi_probe,
	.open = ofi_open,
	.close = ofi_close,
	.address = ofi_address,
	.peer_add = ofi_peer_add,
	.peer_del = ofi_peer_del,
	.peer_user = ofi_peer_user,
	.memory_add = ofi_memory_add,
	.memory_del = ofi_memory_del,
	.slot = ofi_slot,
	.frame = ofi_frame,
	.bulk = ofi_bulk,
	.fetch = ofi_fetch,
	.drop = ofi_drop,
	.progress = ofi_progress,
	.watch = ofi_watch,
	.wait = ofi_wait,
};
