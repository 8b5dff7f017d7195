/* SPDX-License-Identifier: MIT */
/*
 * memory.c - registration, once for each range, in regions of at most 1 GiB.
 *
 * What fi_getinfo() answered in mr_mode decides the steps: ENDPOINT = bind to the (enabled)
 * endpoint and enable, before the key is known; VIRT_ADDR = reads name addresses, else
 * offsets from the region's start; PROV_KEY = the key is not ours to choose; LOCAL =
 * descriptors; RAW = keys that do not fit 64 bits and must be mapped by the reader.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ofi/ofi.h"

bool ofi_in_range(const struct fabric_memory *memory, size_t offset, uint64_t bytes)
{
	return offset <= memory->bytes && bytes <= memory->bytes - offset;
}

int ofi_register(struct fabric *fabric, void *base, size_t bytes, uint64_t access, bool remote,
		 struct fid_mr **ret_mr)
{
	const int mode = fabric->info->domain_attr->mr_mode;
	const uint64_t key = mode & FI_MR_PROV_KEY ? 0 : ++fabric->next_key;
	struct fid_mr *mr;
	int rc = fi_mr_reg(fabric->domain, base, bytes, access, 0, key, 0, &mr, NULL);

	if (rc)
		return rc;
	/* What is not read from afar needs no endpoint. */
	if (mode & FI_MR_ENDPOINT && remote) {
		rc = fi_mr_bind(mr, &fabric->ep->fid, 0);
		if (rc == 0)
			rc = fi_mr_enable(mr);
		if (rc == 0 && !(mode & FI_MR_RAW) && fi_mr_key(mr) == FI_KEY_NOTAVAIL)
			rc = -ENOKEY;
	}
	if (rc) {
		fi_close(&mr->fid);
		return rc;
	}
	*ret_mr = mr;
	return 0;
}

int ofi_memory_add(struct fabric *fabric, void *base, size_t bytes,
		   struct fabric_memory **ret_memory)
{
	const size_t count = (bytes + OFI_REGION_BYTES - 1) / OFI_REGION_BYTES;
	struct fabric_memory *memory;
	int rc;

	if (count == 0)
		return -EINVAL;
	memory = calloc(1, sizeof(*memory) + count * sizeof(memory->regions[0]));
	if (!memory)
		return -ENOMEM;
	memory->fabric = fabric;
	memory->base = base;
	memory->bytes = bytes;
	for (size_t i = 0; i < count; i++) {
		const size_t from = i * OFI_REGION_BYTES;
		const size_t part = bytes - from < OFI_REGION_BYTES ? bytes - from :
								      OFI_REGION_BYTES;

		rc = ofi_register(fabric, memory->base + from, part, FI_READ | FI_REMOTE_READ, true,
				  &memory->regions[i]);
		if (rc) {
			base_log_error("cannot register %zu bytes with %s: %s", part,
				       fabric->provider->name, fi_strerror(-rc));
			ofi_memory_del(memory);
			return rc;
		}
		memory->count++;
	}
	*ret_memory = memory;
	return 0;
}

void ofi_memory_del(struct fabric_memory *memory)
{
	if (!memory)
		return;
	for (unsigned i = 0; i < memory->count; i++) {
		int rc = fi_close(&memory->regions[i]->fid);

		if (rc)
			base_log_warn("a registration cannot be ended: %s", fi_strerror(-rc));
	}
	free(memory);
}

static int describe(const struct fabric_memory *memory, unsigned index, struct ofi_range *range,
		    uint8_t *ret_key_bytes)
{
	struct fid_mr *mr = memory->regions[index];
	size_t key_bytes = OFI_KEY_MAX;
	int rc;

	range->base = (uint64_t)(uintptr_t)(memory->base + index * OFI_REGION_BYTES);
	if (memory->fabric->info->domain_attr->mr_mode & FI_MR_RAW) {
		rc = fi_mr_raw_attr(mr, &range->base, range->key, &key_bytes, 0);
		if (rc)
			return rc;
		*ret_key_bytes = (uint8_t)key_bytes;
		return 0;
	}
	ofi_put64(range->key, fi_mr_key(mr));
	*ret_key_bytes = 8;
	return 0;
}

int ofi_memory_ranges(const struct fabric_memory *memory, size_t offset, uint64_t bytes,
		      struct ofi_wire_offer *offer)
{
	const bool virtual = memory->fabric->info->domain_attr->mr_mode & FI_MR_VIRT_ADDR;
	unsigned index = (unsigned)(offset / OFI_REGION_BYTES);
	uint64_t within = offset % OFI_REGION_BYTES;

	offer->range_count = 0;
	for (; bytes > 0; index++, within = 0) {
		struct ofi_range *range = &offer->ranges[offer->range_count];
		int rc;

		if (offer->range_count == OFI_RANGES)
			return -EMSGSIZE;
		rc = describe(memory, index, range, &offer->key_bytes);
		if (rc)
			return rc;
		range->bytes = OFI_REGION_BYTES - within;
		if (range->bytes > bytes)
			range->bytes = bytes;
		range->address = within;
		if (virtual)
			range->address += (uint64_t)(uintptr_t)memory->base +
					  index * OFI_REGION_BYTES;
		bytes -= range->bytes;
		offer->range_count++;
	}
	return 0;
}
