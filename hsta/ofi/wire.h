/* SPDX-License-Identifier: MIT */
/*
 * wire.h - what the agents of this fabric say to each other, under the core's frames.
 *
 *	header	u8 magic, u8 version, u8 kind, u8 0, u32 bytes, u64 token
 *
 * A token is what the receiver of the message called the sender when they met, so that it
 * knows who speaks on every provider. It is random: strangers cannot guess one. (Who is
 * trusted is the core's business.) Numbers are little endian; a message is padded to 16
 * bytes, so that the next one in a multi-receive buffer begins aligned.
 *
 *	INTRO	token 0		u64 caller's token, u16 n, address of n bytes
 *	WELCOME			u64 callee's token
 *	FRAME			the core's
 *	OFFER			see struct ofi_wire_offer
 *	FIN			u32 id: the offer was fetched, or refused
 *	ALIVE
 *	BYE	may be 0	u64 the sender's own token
 */
#ifndef OFI_WIRE_H
#define OFI_WIRE_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	OFI_WIRE_MAGIC = 0xd0,
	OFI_WIRE_VERSION = 1,
	OFI_WIRE_BYTES = 16,
	OFI_ADDRESS_MAX = 252, /* of the provider */
	OFI_OFFER_MAX = 512,   /* the core's header */
	OFI_RANGES = 9,	       /* registrations that one offer may touch */
	OFI_KEY_MAX = 64,
	OFI_WIRE_RANGE_BYTES = 24, /* and the key */
	OFI_WIRE_OFFER_BYTES = 16,
	OFI_NOTE_MAX = OFI_WIRE_OFFER_BYTES + OFI_RANGES * (OFI_WIRE_RANGE_BYTES + OFI_KEY_MAX) +
		       OFI_OFFER_MAX,
};

enum ofi_kind {
	OFI_INTRO = 1,
	OFI_WELCOME,
	OFI_FRAME,
	OFI_OFFER,
	OFI_FIN,
	OFI_ALIVE,
	OFI_BYE,
};

/* Where a part of an offer lies: u64 address, u64 base, u64 bytes, key. */
struct ofi_range {
	uint64_t address;	/* what a read names: virtual, or from the start of the region */
	uint64_t base;		/* what a raw key is mapped with */
	uint64_t bytes;
	uint8_t key[OFI_KEY_MAX];
};

/* Encoded: u32 id, u16 header_bytes, u8 ranges, u8 key_bytes, u64 bytes; ranges; header. */
struct ofi_wire_offer {
	uint32_t id;
	uint16_t header_bytes;
	uint8_t range_count;
	uint8_t key_bytes; /* of each range */
	uint64_t bytes;
	struct ofi_range ranges[OFI_RANGES];
	const uint8_t *header;
};

static inline void ofi_put16(uint8_t *to, uint16_t value)
{
	value = htole16(value);
	memcpy(to, &value, sizeof(value));
}

static inline void ofi_put32(uint8_t *to, uint32_t value)
{
	value = htole32(value);
	memcpy(to, &value, sizeof(value));
}

static inline void ofi_put64(uint8_t *to, uint64_t value)
{
	value = htole64(value);
	memcpy(to, &value, sizeof(value));
}

static inline uint16_t ofi_get16(const uint8_t *from)
{
	uint16_t value;

	memcpy(&value, from, sizeof(value));
	return le16toh(value);
}

static inline uint32_t ofi_get32(const uint8_t *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return le32toh(value);
}

static inline uint64_t ofi_get64(const uint8_t *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return le64toh(value);
}

/* Bytes on the wire of a message with @bytes after its header. */
static inline size_t ofi_wire_bytes(size_t bytes)
{
	return (OFI_WIRE_BYTES + bytes + 15) & ~(size_t)15;
}

static inline void ofi_wire_encode(uint8_t *to, enum ofi_kind kind, uint32_t bytes, uint64_t token)
{
	to[0] = OFI_WIRE_MAGIC;
	to[1] = OFI_WIRE_VERSION;
	to[2] = (uint8_t)kind;
	to[3] = 0;
	ofi_put32(to + 4, bytes);
	ofi_put64(to + 8, token);
}

/* Return: bytes written to @to, which has OFI_NOTE_MAX of room. */
size_t ofi_wire_offer_encode(const struct ofi_wire_offer *offer, uint8_t *to);
/* 0, or -EPROTO: it makes no sense. ->header points into @from. */
int ofi_wire_offer_decode(const uint8_t *from, size_t bytes, struct ofi_wire_offer *ret_offer);

#endif
