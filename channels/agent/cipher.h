/* SPDX-License-Identifier: MIT */
/*
 * cipher.h - ciphers that seal frames: authenticated encryption with associated data.
 *
 * Both sides of a connection say in their hellos which they can use, and take the best that
 * both can. The nonce may be used once only under a key.
 */
#ifndef AGENT_CIPHER_H
#define AGENT_CIPHER_H

#include <stddef.h>
#include <stdint.h>

#include "agent/wire.h"

enum { AGENT_CIPHER_STATE_BYTES = 512 };

struct agent_key {			/* of one direction, as the cipher wants it */
	_Alignas(16) uint8_t state[AGENT_CIPHER_STATE_BYTES];
};

struct agent_cipher {
	const char *name;
	int (*usable)(void);
	void (*prepare)(struct agent_key *key, const uint8_t raw[AGENT_KEY_BYTES]);
	void (*encrypt)(const struct agent_key *key, const uint8_t *nonce, const void *covered,
			size_t covered_bytes, const void *data, size_t bytes, void *to,
			uint8_t *tag);
	/* Verifies before it writes. Return: 0, else the tag is wrong. */
	int (*decrypt)(const struct agent_key *key, const uint8_t *nonce, const void *covered,
		       size_t covered_bytes, const void *data, size_t bytes, void *to,
		       const uint8_t *tag);
};

/* Bits of the ciphers that this processor can use; bit 0 is always set. */
unsigned agent_ciphers(void);
/* The best of those whose bits are set; bit 0 must be. */
const struct agent_cipher *agent_cipher_choose(unsigned bits);

#endif
