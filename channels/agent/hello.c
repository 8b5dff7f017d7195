/* SPDX-License-Identifier: MIT */
/*
 * hello.c - handshake: X25519 between fresh keys, BLAKE2b keyed with the job's secret over
 * both hellos and the shared point. Without the secret neither proof nor keys can be made;
 * with it but without the private keys old traffic stays closed.
 */
#include "agent/hello.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

enum { COVERED_BYTES = 72, TAGGED_BYTES = COVERED_BYTES + AGENT_PROOF_BYTES, TAG_BYTES = 24 };

_Static_assert(TAGGED_BYTES + TAG_BYTES == AGENT_HELLO_BYTES, "a hello has a fixed size");

void agent_hello_keypair(uint8_t ret_private[AGENT_KEY_BYTES],
			 uint8_t ret_public[AGENT_PUBLIC_BYTES])
{
	randombytes_buf(ret_private, AGENT_KEY_BYTES);
	crypto_scalarmult_base(ret_public, ret_private);
}

void agent_hello_encode(const struct agent_hello *hello, const uint8_t secret[AGENT_KEY_BYTES],
			uint8_t at[AGENT_HELLO_BYTES])
{
	struct agent_cursor cursor = { at, at + TAGGED_BYTES, 0 };

	agent_put(&cursor, AGENT_HELLO_MAGIC, 4);
	agent_put(&cursor, AGENT_WIRE_VERSION, 1);
	agent_put(&cursor, hello->initiator ? 1 : 2, 1);
	agent_put(&cursor, 0, 2);
	agent_put(&cursor, hello->job, 4);
	agent_put(&cursor, hello->node, 4);
	agent_put(&cursor, hello->target, 4);
	agent_put(&cursor, hello->epoch, 4);
	agent_put(&cursor, hello->peer_epoch, 4);
	agent_put(&cursor, hello->level, 1);
	agent_put(&cursor, hello->ciphers, 1);
	agent_put(&cursor, 0, 2);
	agent_put(&cursor, hello->accepted, 8);
	agent_put_blob(&cursor, hello->public_key, AGENT_PUBLIC_BYTES);
	assert(cursor.at == at + COVERED_BYTES);
	agent_put_blob(&cursor, hello->proof, AGENT_PROOF_BYTES);
	crypto_generichash(at + TAGGED_BYTES, TAG_BYTES, at, TAGGED_BYTES, secret,
			   AGENT_KEY_BYTES);
}

int agent_hello_decode(const void *data, size_t bytes, const uint8_t secret[AGENT_KEY_BYTES],
		       struct agent_hello *ret_hello)
{
	uint8_t *at = (uint8_t *)(uintptr_t)data;
	struct agent_cursor cursor = { at, at + TAGGED_BYTES, 0 };
	struct agent_hello hello;
	uint8_t tag[TAG_BYTES];
	uint32_t role;

	if (bytes != AGENT_HELLO_BYTES || agent_get(&cursor, 4) != AGENT_HELLO_MAGIC)
		return -EBADMSG;
	if (agent_get(&cursor, 1) != AGENT_WIRE_VERSION)
		return -EPROTO;
	crypto_generichash(tag, TAG_BYTES, at, TAGGED_BYTES, secret, AGENT_KEY_BYTES);
	if (sodium_memcmp(tag, at + TAGGED_BYTES, TAG_BYTES))
		return -EPERM;
	role = (uint32_t)agent_get(&cursor, 1);
	if ((role != 1 && role != 2) || agent_get(&cursor, 2))
		return -EBADMSG;
	hello.initiator = role == 1;
	hello.job = (uint32_t)agent_get(&cursor, 4);
	hello.node = (uint32_t)agent_get(&cursor, 4);
	hello.target = (uint32_t)agent_get(&cursor, 4);
	hello.epoch = (uint32_t)agent_get(&cursor, 4);
	hello.peer_epoch = (uint32_t)agent_get(&cursor, 4);
	hello.level = (uint8_t)agent_get(&cursor, 1);
	hello.ciphers = (uint8_t)agent_get(&cursor, 1);
	if (agent_get(&cursor, 2))
		return -EBADMSG;
	hello.accepted = agent_get(&cursor, 8);
	agent_get_blob(&cursor, hello.public_key, AGENT_PUBLIC_BYTES);
	agent_get_blob(&cursor, hello.proof, AGENT_PROOF_BYTES);
	if (hello.epoch == 0)
		return -EBADMSG;
	*ret_hello = hello;
	return 0;
}

int agent_hello_session(const uint8_t initiator[AGENT_HELLO_BYTES],
			const uint8_t responder[AGENT_HELLO_BYTES], bool are_initiator,
			const uint8_t secret[AGENT_KEY_BYTES],
			const uint8_t private_key[AGENT_KEY_BYTES],
			const uint8_t public_key[AGENT_PUBLIC_BYTES],
			struct agent_session *ret_session, uint8_t ret_proof[AGENT_PROOF_BYTES])
{
	static const uint8_t labels[] = { 'I', 'R', 'p', 's' };
	crypto_generichash_state state;
	uint8_t shared[crypto_scalarmult_BYTES], root[32], id[16];

	memset(ret_session, 0, sizeof(*ret_session));
	if (crypto_scalarmult(shared, private_key, public_key))
		return -EPERM;
	crypto_generichash_init(&state, secret, AGENT_KEY_BYTES, sizeof(root));
	crypto_generichash_update(&state, initiator, COVERED_BYTES);
	crypto_generichash_update(&state, responder, COVERED_BYTES);
	crypto_generichash_update(&state, shared, sizeof(shared));
	crypto_generichash_final(&state, root, sizeof(root));
	crypto_generichash(are_initiator ? ret_session->send_key : ret_session->recv_key,
			   AGENT_KEY_BYTES, &labels[0], 1, root, sizeof(root));
	crypto_generichash(are_initiator ? ret_session->recv_key : ret_session->send_key,
			   AGENT_KEY_BYTES, &labels[1], 1, root, sizeof(root));
	crypto_generichash(ret_proof, AGENT_PROOF_BYTES, &labels[2], 1, root, sizeof(root));
	crypto_generichash(id, sizeof(id), &labels[3], 1, root, sizeof(root));
	ret_session->id = (uint32_t)id[0] | (uint32_t)id[1] << 8 | (uint32_t)id[2] << 16 |
			  (uint32_t)id[3] << 24;
	sodium_memzero(shared, sizeof(shared));
	sodium_memzero(root, sizeof(root));
	return 0;
}
