/* SPDX-License-Identifier: MIT */
/*
 * hello_fuzz.c - hellos of strangers, and of somebody who has the secret and says nonsense.
 *
 * Each input is judged as it is, which must fail unless it is a good one, and once more with
 * its tag made right, so that what lies behind the tag is reached.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/hello.h"
#include "mutate.h"

enum { SEEDS = 4, TAG_BYTES = 24, TAGGED_BYTES = AGENT_HELLO_BYTES - TAG_BYTES };

static const uint8_t secret[AGENT_KEY_BYTES] = { 5, 6, 7 };
static uint8_t seeds[SEEDS][AGENT_HELLO_BYTES], ours[AGENT_HELLO_BYTES];
static uint8_t our_private[AGENT_KEY_BYTES] = { 9 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	uint8_t private_key[AGENT_KEY_BYTES] = { 3 };

	(void)argc, (void)argv;
	FUZZ_CHECK(sodium_init() >= 0);
	for (unsigned i = 0; i <= SEEDS; i++) {
		struct agent_hello hello = {
			.initiator = i % 2 == 0,
			.job = 1,
			.node = i,
			.target = 9,
			.epoch = 1 + i,
			.accepted = i,
			.level = (uint8_t)(i % 3),
			.ciphers = 3,
		};

		private_key[1] = (uint8_t)i;
		crypto_scalarmult_base(hello.public_key, i < SEEDS ? private_key : our_private);
		agent_hello_encode(&hello, secret, i < SEEDS ? seeds[i] : ours);
	}
	return 0;
}

size_t fuzz_seed(unsigned index, uint8_t *at)
{
	if (index >= SEEDS)
		return 0;
	memcpy(at, seeds[index], AGENT_HELLO_BYTES);
	return AGENT_HELLO_BYTES;
}

static bool is_a_seed(const uint8_t *data, size_t bytes)
{
	for (unsigned i = 0; i < SEEDS; i++)
		if (bytes == AGENT_HELLO_BYTES && memcmp(data, seeds[i], bytes) == 0)
			return true;
	return false;
}

/* What the tag covers is what it says: writing it again gives the same bytes. */
static void good(const struct agent_hello *hello, const uint8_t *data)
{
	uint8_t again[AGENT_HELLO_BYTES], proof[AGENT_PROOF_BYTES];
	struct agent_session session;
	int rc;

	agent_hello_encode(hello, secret, again);
	FUZZ_CHECK(memcmp(again, data, sizeof(again)) == 0);
	FUZZ_CHECK(hello->epoch != 0);
	rc = agent_hello_session(data, ours, false, secret, our_private, hello->public_key,
				 &session, proof);
	FUZZ_CHECK(rc == 0 || rc == -EPERM);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint8_t repaired[AGENT_HELLO_BYTES];
	struct agent_hello hello;
	static unsigned turn;

	if (agent_hello_decode(data, bytes, secret, &hello) == 0)
		FUZZ_CHECK(is_a_seed(data, bytes));
	if (bytes != AGENT_HELLO_BYTES)
		return 0;
	memcpy(repaired, data, sizeof(repaired));
	crypto_generichash(repaired + TAGGED_BYTES, TAG_BYTES, repaired, TAGGED_BYTES, secret,
			   AGENT_KEY_BYTES);
	/* a session costs a hundred times as much as the rest: of some */
	if (agent_hello_decode(repaired, bytes, secret, &hello) == 0 && turn++ % 16 == 0)
		good(&hello, repaired);
	return 0;
}
