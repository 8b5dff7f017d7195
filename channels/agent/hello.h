/* SPDX-License-Identifier: MIT */
/*
 * hello.h - the cryptography of a handshake between two agents; no I/O, no state.
 *
 * Both sides hold the job's secret. Initiator: hello. Responder: hello with its proof.
 * The initiator's proof is its first sealed frame. Shape of Noise NNpsk0.
 */
#ifndef AGENT_HELLO_H
#define AGENT_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/wire.h"

enum {
	AGENT_HELLO_BYTES = 128,
	AGENT_PUBLIC_BYTES = 32,
	AGENT_PROOF_BYTES = 32,
};

#define AGENT_HELLO_MAGIC UINT32_C(0x48574844)	/* "DHWH" */

struct agent_hello {
	bool initiator;		/* role of the side that says it */
	uint32_t job;
	uint32_t node;		/* who says it */
	uint32_t target;	/* to whom */
	uint32_t epoch;		/* of the speaker */
	uint32_t peer_epoch;	/* of the other side as the speaker knows it, 0 = unknown */
	uint64_t accepted;	/* last DATA frame of @peer_epoch that arrived in order */
	uint8_t level;		/* of the speaker; both must have the same (level.h) */
	uint8_t ciphers;	/* bits that the speaker's processor has */
	uint8_t public_key[AGENT_PUBLIC_BYTES];
	uint8_t proof[AGENT_PROOF_BYTES];	/* responder's; zeros from the initiator */
};

struct agent_session {
	uint32_t id;
	uint8_t send_key[AGENT_KEY_BYTES];
	uint8_t recv_key[AGENT_KEY_BYTES];
};

/* New ephemeral key pair; @ret_private is to be wiped by the caller. */
void agent_hello_keypair(uint8_t ret_private[AGENT_KEY_BYTES],
			 uint8_t ret_public[AGENT_PUBLIC_BYTES]);

/* @secret: of the job. The tag lets a stranger be refused for the price of one hash. */
void agent_hello_encode(const struct agent_hello *hello, const uint8_t secret[AGENT_KEY_BYTES],
			uint8_t at[AGENT_HELLO_BYTES]);

/* Return: 0; -EBADMSG no hello; -EPROTO another version; -EPERM another secret. */
int agent_hello_decode(const void *data, size_t bytes, const uint8_t secret[AGENT_KEY_BYTES],
		       struct agent_hello *ret_hello);

/*
 * agent_hello_session - the keys of both directions and the responder's proof.
 * @initiator, @responder: encoded hellos; the responder's proof and tag are not covered.
 * @private_key: ours; @public_key: theirs.
 * Return: 0; -EPERM their key is no point that gives a secret.
 */
int agent_hello_session(const uint8_t initiator[AGENT_HELLO_BYTES],
			const uint8_t responder[AGENT_HELLO_BYTES], bool are_initiator,
			const uint8_t secret[AGENT_KEY_BYTES],
			const uint8_t private_key[AGENT_KEY_BYTES],
			const uint8_t public_key[AGENT_PUBLIC_BYTES],
			struct agent_session *ret_session, uint8_t ret_proof[AGENT_PROOF_BYTES]);

#endif
