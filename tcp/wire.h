/* SPDX-License-Identifier: MIT */
/*
 * wire.h - what the TCP fabrics put on a socket: a 16-byte header, then a payload.
 *
 *	0	kind		enum tcp_kind
 *	1	version		2
 *	2-3	"Dh"
 *	4-7	id		of an offer, little endian; 0 for frames
 *	8-15	bytes		of payload that follow, little endian
 *
 * OFFER's payload is the size of the bulk data (8 bytes) and the core's header. PULL and
 * DROP have none. Everything here comes from the network: tcp_wire_decode() refuses what no
 * peer of ours would say, before a byte of it is used.
 */
#ifndef TCP_WIRE_H
#define TCP_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tcp_kind { TCP_FRAME = 1, TCP_OFFER, TCP_PULL, TCP_DATA, TCP_DROP };

enum {
	TCP_WIRE_VERSION = 2,
	TCP_WIRE_BYTES = 16,
	/*
	 * One frame. 64 KiB is where a send() costs more in copying than in the call, so that
	 * larger ones win nothing, and small enough that 256 of them are 16 MiB.
	 */
	TCP_FRAME_MAX = 65536,
	TCP_OFFER_MAX = 512,
	TCP_SIZE_BYTES = 8,
	/* One DATA: what a small frame may have to wait for, 8 ms at 1 Gbit/s; the socket's
	 * own buffer holds more, and with each a send ends and a sender has to wake up. */
	TCP_CHUNK_MAX = 1048576,
};
/* Of one bulk transfer; more is a lie or a mistake. */
#define TCP_BULK_MAX (UINT64_C(1) << 40)

struct tcp_wire {
	enum tcp_kind kind;
	uint32_t id;
	uint64_t bytes;
};

static inline void tcp_put64(uint8_t *to, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t tcp_get64(const uint8_t *from)
{
	uint64_t value = 0;

	for (int i = 7; i >= 0; i--)
		value = value << 8 | from[i];
	return value;
}

static inline void tcp_wire_encode(uint8_t to[TCP_WIRE_BYTES], enum tcp_kind kind, uint32_t id,
				   uint64_t bytes)
{
	tcp_put64(to, (uint64_t)id << 32 | (uint64_t)'h' << 24 | (uint64_t)'D' << 16 |
			      TCP_WIRE_VERSION << 8 | kind);
	tcp_put64(to + 8, bytes);
}

/* Are these lengths that @kind may have? What belongs to one offer is checked by its owner. */
static inline bool tcp_wire_allowed(unsigned kind, uint32_t id, uint64_t bytes)
{
	switch (kind) {
	case TCP_FRAME:
		return id == 0 && bytes >= 1 && bytes <= TCP_FRAME_MAX;
	case TCP_OFFER:
		return bytes >= TCP_SIZE_BYTES && bytes <= TCP_SIZE_BYTES + TCP_OFFER_MAX;
	case TCP_DATA:
		return bytes >= 1 && bytes <= TCP_CHUNK_MAX;
	case TCP_PULL:
	case TCP_DROP:
		return bytes == 0;
	default:
		return false;
	}
}

static inline bool tcp_wire_decode(const uint8_t from[TCP_WIRE_BYTES], struct tcp_wire *ret_wire)
{
	uint64_t first = tcp_get64(from);
	uint64_t bytes = tcp_get64(from + 8);
	uint32_t id = (uint32_t)(first >> 32);

	if ((first >> 8 & 0xffffff) != ((uint64_t)'h' << 16 | 'D' << 8 | TCP_WIRE_VERSION) ||
	    !tcp_wire_allowed(first & 0xff, id, bytes))
		return false;
	ret_wire->kind = (enum tcp_kind)(first & 0xff);
	ret_wire->id = id;
	ret_wire->bytes = bytes;
	return true;
}

#endif
