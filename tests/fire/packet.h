/* SPDX-License-Identifier: MIT */
/* packet.h - IPv4 packets as the injector sees them. */
#ifndef FIRE_PACKET_H
#define FIRE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACKET_MAX = 1600 };

/* The last byte of an IPv4 packet's destination; 0: it is none. */
unsigned packet_destination(const uint8_t *packet, size_t bytes);

/**
 * packet_damage - flip one bit of a TCP payload and repair the checksum, as a bad NIC or an
 * offload does: TCP delivers the damage to the application.
 * @random: picks the bit.
 * Algorithm: RFC 1624, incremental update of the Internet checksum.
 * Return: false: it carries less than 64 bytes of TCP payload, and is left alone.
 */
bool packet_damage(uint8_t *packet, size_t bytes, uint64_t random);

/**
 * packet_reset - make a TCP packet with payload the end of its connection, as a firewall or a
 * host that was started again does: the receiver takes it, since it has the next number.
 * @bytes: in: of the packet; out: of what it became.
 * Return: false: it carries less than 64 bytes of TCP payload, and is left alone.
 */
bool packet_reset(uint8_t *packet, size_t *bytes);

#endif
