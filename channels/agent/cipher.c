/* SPDX-License-Identifier: MIT */
/* cipher.c - the table of ciphers; libsodium does the work. */
#include "agent/cipher.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

_Static_assert(AGENT_NONCE_BYTES == crypto_aead_aes256gcm_NPUBBYTES, "nonce of AES-GCM");
_Static_assert(AGENT_NONCE_BYTES == crypto_aead_chacha20poly1305_ietf_NPUBBYTES,
	       "nonce of ChaCha20-Poly1305");
_Static_assert(AGENT_MAC_BYTES == crypto_aead_aes256gcm_ABYTES, "tag of AES-GCM");
_Static_assert(AGENT_MAC_BYTES == crypto_aead_chacha20poly1305_ietf_ABYTES, "tag of Poly1305");
_Static_assert(AGENT_KEY_BYTES == crypto_aead_aes256gcm_KEYBYTES, "key of AES-256");
_Static_assert(AGENT_KEY_BYTES == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "key of ChaCha20");
_Static_assert(sizeof(crypto_aead_aes256gcm_state) <= AGENT_CIPHER_STATE_BYTES,
	       "an expanded key fits");

static int always(void)
{
	return 1;
}

static void chacha_prepare(struct agent_key *key, const uint8_t raw[AGENT_KEY_BYTES])
{
	memcpy(key->state, raw, AGENT_KEY_BYTES);
}

static void chacha_encrypt(const struct agent_key *key, const uint8_t *nonce, const void *covered,
			   size_t covered_bytes, const void *data, size_t bytes, void *to,
			   uint8_t *tag)
{
	crypto_aead_chacha20poly1305_ietf_encrypt_detached(to, tag, NULL, data, bytes, covered,
							   covered_bytes, NULL, nonce,
							   key->state);
}

static int chacha_decrypt(const struct agent_key *key, const uint8_t *nonce, const void *covered,
			  size_t covered_bytes, const void *data, size_t bytes, void *to,
			  const uint8_t *tag)
{
	return crypto_aead_chacha20poly1305_ietf_decrypt_detached(to, NULL, data, bytes, tag,
								  covered, covered_bytes, nonce,
								  key->state);
}

static void aes_prepare(struct agent_key *key, const uint8_t raw[AGENT_KEY_BYTES])
{
	crypto_aead_aes256gcm_beforenm((crypto_aead_aes256gcm_state *)(void *)key->state, raw);
}

static void aes_encrypt(const struct agent_key *key, const uint8_t *nonce, const void *covered,
			size_t covered_bytes, const void *data, size_t bytes, void *to,
			uint8_t *tag)
{
	crypto_aead_aes256gcm_encrypt_detached_afternm(
		to, tag, NULL, data, bytes, covered, covered_bytes, NULL, nonce,
		(const crypto_aead_aes256gcm_state *)(const void *)key->state);
}

static int aes_decrypt(const struct agent_key *key, const uint8_t *nonce, const void *covered,
		       size_t covered_bytes, const void *data, size_t bytes, void *to,
		       const uint8_t *tag)
{
	return crypto_aead_aes256gcm_decrypt_detached_afternm(
		to, NULL, data, bytes, tag, covered, covered_bytes, nonce,
		(const crypto_aead_aes256gcm_state *)(const void *)key->state);
}

/* The last one that both sides have is taken. */
static const struct agent_cipher ciphers[] = {
	{ "chacha20-poly1305", always, chacha_prepare, chacha_encrypt, chacha_decrypt },
	{ "aes256-gcm", crypto_aead_aes256gcm_is_available, aes_prepare, aes_encrypt,
	  aes_decrypt },
};

enum { CIPHERS = sizeof(ciphers) / sizeof(ciphers[0]) };

unsigned agent_ciphers(void)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < CIPHERS; i++)
		if (ciphers[i].usable())
			bits |= 1u << i;
	return bits;
}

const struct agent_cipher *agent_cipher_choose(unsigned bits)
{
	const struct agent_cipher *chosen = NULL;

	assert(bits & 1);
	for (unsigned i = 0; i < CIPHERS; i++)
		if (bits & 1u << i)
			chosen = &ciphers[i];
	return chosen;
}
