/* SPDX-License-Identifier: MIT */
/* keys.c - see keys.h. libsodium does the work; a CURVE pair is a crypto_box pair. */
#include "keys/keys.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/resource.h>

_Static_assert(crypto_box_PUBLICKEYBYTES == LAUNCH_KEY_BYTES, "CURVE key");
_Static_assert(crypto_box_SECRETKEYBYTES == LAUNCH_KEY_BYTES, "CURVE key");
_Static_assert(crypto_kdf_KEYBYTES == LAUNCH_SECRET_BYTES, "secret of a job");

static struct rlimit core_before;
static int is_hidden;

int launch_keys_init(struct base_err *reterr)
{
	if (sodium_init() < 0)
		return base_err(reterr, -ENOSYS, "libsodium finds no source of random numbers");
	return 0;
}

void *launch_keys_alloc(unsigned long bytes)
{
	void *memory = sodium_malloc(bytes);

	if (memory)
		memset(memory, 0, bytes);
	return memory;
}

void launch_keys_free(void *memory)
{
	int saved_errno = errno;

	sodium_free(memory);
	errno = saved_errno;
}

int launch_keys_create(struct launch_keys **ret_keys)
{
	struct launch_keys *keys = launch_keys_alloc(sizeof(*keys));

	if (!keys)
		return -ENOMEM;
	crypto_box_keypair(keys->public, keys->secret);
	*ret_keys = keys;
	return 0;
}

void launch_keys_derive(const uint8_t secret[LAUNCH_SECRET_BYTES], uint32_t node,
			struct launch_keys *ret_keys)
{
	static const char context[crypto_kdf_CONTEXTBYTES] = "dhownode";
	uint8_t seed[crypto_box_SEEDBYTES];

	crypto_kdf_derive_from_key(seed, sizeof(seed), node, context, secret);
	crypto_box_seed_keypair(ret_keys->public, ret_keys->secret, seed);
	sodium_memzero(seed, sizeof(seed));
}

void launch_keys_hide(void)
{
	struct rlimit limit;

	if (is_hidden || getrlimit(RLIMIT_CORE, &core_before) < 0)
		return;
	limit = core_before;
	limit.rlim_cur = 0;
	is_hidden = setrlimit(RLIMIT_CORE, &limit) == 0;
}

const struct rlimit *launch_keys_core_limit(void)
{
	return is_hidden ? &core_before : NULL;
}

void launch_keys_random(void *buffer, unsigned long bytes)
{
	randombytes_buf(buffer, bytes);
}

void launch_keys_wipe(void *buffer, unsigned long bytes)
{
	sodium_memzero(buffer, bytes);
}

int launch_keys_equal(const uint8_t *a, const uint8_t *b)
{
	return sodium_memcmp(a, b, LAUNCH_KEY_BYTES) == 0;
}

void launch_keys_tag(char ret_tag[LAUNCH_TAG_BYTES])
{
	uint8_t random[16];

	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(ret_tag, LAUNCH_TAG_BYTES, random, sizeof(random));
}
