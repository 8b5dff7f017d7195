/* SPDX-License-Identifier: MIT */
/* packet.c - see packet.h. */
#include "packet.h"

#include <netinet/in.h>

enum { IP_LENGTH = 2, IP_SUM = 10, IP_SOURCE = 12, IP_MIN = 20 };
enum { TCP_OFFSET = 12, TCP_FLAGS = 13, TCP_CHECKSUM = 16, TCP_MIN = 20, PAYLOAD_MIN = 64 };
enum { RST = 4, ACK = 16 };

unsigned packet_destination(const uint8_t *packet, size_t bytes)
{
	return bytes >= IP_MIN && packet[0] >> 4 == 4 ? packet[19] : 0;
}

static uint16_t load(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* Where the payload begins; 0: less than PAYLOAD_MIN of it, or no TCP. */
static size_t payload_of(const uint8_t *packet, size_t bytes)
{
	size_t tcp = (size_t)(packet[0] & 15) * 4, payload;

	if (!packet_destination(packet, bytes) || packet[9] != IPPROTO_TCP ||
	    bytes < tcp + TCP_MIN)
		return 0;
	payload = tcp + (size_t)(packet[tcp + 12] >> 4) * 4;
	return bytes < payload + PAYLOAD_MIN ? 0 : payload;
}

static void store(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* The Internet checksum over an even number of bytes, and what was summed before. */
static uint16_t checksum(const uint8_t *data, size_t bytes, uint32_t sum)
{
	for (size_t i = 0; i < bytes; i += 2)
		sum += load(data + i);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~((sum & 0xffff) + (sum >> 16));
}

bool packet_reset(uint8_t *packet, size_t *bytes)
{
	size_t tcp = (size_t)(packet[0] & 15) * 4;

	if (!payload_of(packet, *bytes))
		return false;
	packet[tcp + TCP_OFFSET] = TCP_MIN / 4 << 4;	/* no options */
	packet[tcp + TCP_FLAGS] = RST | ACK;
	*bytes = tcp + TCP_MIN;
	store(packet + IP_LENGTH, (uint32_t)*bytes);
	store(packet + IP_SUM, 0);
	store(packet + IP_SUM, checksum(packet, tcp, 0));
	store(packet + tcp + TCP_CHECKSUM, 0);
	/* with both addresses, the protocol and the length */
	store(packet + tcp + TCP_CHECKSUM,
	      checksum(packet + tcp, TCP_MIN,
		       (uint32_t)(uint16_t)~checksum(packet + IP_SOURCE, 8, 0) + IPPROTO_TCP +
			       TCP_MIN));
	return true;
}

bool packet_damage(uint8_t *packet, size_t bytes, uint64_t random)
{
	size_t tcp = (size_t)(packet[0] & 15) * 4, payload = payload_of(packet, bytes), at, word;
	uint16_t before;
	uint32_t sum;

	if (!payload)
		return false;
	at = payload + random / 8 % (bytes - payload);
	word = tcp + ((at - tcp) & ~(size_t)1);
	/* A last odd byte is summed with a zero that is not in the packet. */
	if (word + 1 >= bytes)
		return false;
	before = load(packet + word);
	packet[at] ^= (uint8_t)(1u << random % 8);
	sum = (uint16_t)~load(packet + tcp + TCP_CHECKSUM);
	sum += (uint16_t)~before;
	sum += load(packet + word);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (uint16_t)~sum;
	packet[tcp + TCP_CHECKSUM] = (uint8_t)(sum >> 8);
	packet[tcp + TCP_CHECKSUM + 1] = (uint8_t)sum;
	return true;
}
