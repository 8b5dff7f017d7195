/* SPDX-License-Identifier: MIT */
/* wire.c - offers on the wire; see wire.h. */
#include "ofi/wire.h"

#include <assert.h>
#include <errno.h>

size_t ofi_wire_offer_encode(const struct ofi_wire_offer *offer, uint8_t *to)
{
	uint8_t *at = to;

	assert(offer->range_count <= OFI_RANGES && offer->key_bytes <= OFI_KEY_MAX);
	assert(offer->header_bytes <= OFI_OFFER_MAX);
	ofi_put32(at, offer->id);
	ofi_put16(at + 4, offer->header_bytes);
	at[6] = offer->range_count;
	at[7] = offer->key_bytes;
	ofi_put64(at + 8, offer->bytes);
	at += OFI_WIRE_OFFER_BYTES;
	for (unsigned i = 0; i < offer->range_count; i++) {
		const struct ofi_range *range = &offer->ranges[i];

		ofi_put64(at, range->address);
		ofi_put64(at + 8, range->base);
		ofi_put64(at + 16, range->bytes);
		memcpy(at + OFI_WIRE_RANGE_BYTES, range->key, offer->key_bytes);
		at += OFI_WIRE_RANGE_BYTES + offer->key_bytes;
	}
	if (offer->header_bytes)
		memcpy(at, offer->header, offer->header_bytes);
	return (size_t)(at - to) + offer->header_bytes;
}

int ofi_wire_offer_decode(const uint8_t *from, size_t bytes, struct ofi_wire_offer *ret_offer)
{
	uint64_t left;
	size_t need;

	if (bytes < OFI_WIRE_OFFER_BYTES)
		return -EPROTO;
	ret_offer->id = ofi_get32(from);
	ret_offer->header_bytes = ofi_get16(from + 4);
	ret_offer->range_count = from[6];
	ret_offer->key_bytes = from[7];
	ret_offer->bytes = left = ofi_get64(from + 8);
	need = OFI_WIRE_OFFER_BYTES + ret_offer->header_bytes +
	       (size_t)ret_offer->range_count * (OFI_WIRE_RANGE_BYTES + ret_offer->key_bytes);
	if (ret_offer->range_count > OFI_RANGES || ret_offer->key_bytes > OFI_KEY_MAX ||
	    ret_offer->header_bytes > OFI_OFFER_MAX || bytes != need || left == 0)
		return -EPROTO;
	from += OFI_WIRE_OFFER_BYTES;
	for (unsigned i = 0; i < ret_offer->range_count; i++) {
		struct ofi_range *range = &ret_offer->ranges[i];

		range->address = ofi_get64(from);
		range->base = ofi_get64(from + 8);
		range->bytes = ofi_get64(from + 16);
		/* Each range has something, all together are the offer: no sum can overflow. */
		if (range->bytes == 0 || range->bytes > left)
			return -EPROTO;
		left -= range->bytes;
		memcpy(range->key, from + OFI_WIRE_RANGE_BYTES, ret_offer->key_bytes);
		from += OFI_WIRE_RANGE_BYTES + ret_offer->key_bytes;
	}
	ret_offer->header = from;
	return left ? -EPROTO : 0;
}
