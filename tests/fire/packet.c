/* SPDX-License-Identifier: MIT */
/* packet.c - see packet.h. */
#include "packet.h"

#include <netinet/in.h>

enum { IP_MIN = 20, TCP_MIN = 20, TCP_CHECKSUM = 16, PAYLOAD_MIN = 64 };

unsigned packet_destination(const uint8_t *packet, size_t bytes)
{
	return bytes >= IP_MIN && packet[0] >> 4 == 4 ? packet[19] : 0;
}

static uint16_t load(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

bool packet_damage(uint8_t *packet, size_t bytes, uint64_t random)
{
	size_t tcp = (size_t)(packet[0] & 15) * 4, payload, at, word;
	uint16_t before;
	uint32_t sum;

	if (!packet_destination(packet, bytes) || packet[9] != IPPROTO_TCP ||
	    bytes < tcp + TCP_MIN)
		return false;
	payload = tcp + (size_t)(packet[tcp + 12] >> 4) * 4;
	if (bytes < payload + PAYLOAD_MIN)
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
