/* SPDX-License-Identifier: MIT */
/* hello_test.c - the cryptography of the handshake, without a network. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "agent/hello.h"

static void init(void)
{
	cr_assert(sodium_init() >= 0);
}

TestSuite(hello, .init = init, .timeout = 200);

struct side {
	struct agent_hello hello;
	uint8_t private_key[AGENT_KEY_BYTES];
	uint8_t text[AGENT_HELLO_BYTES];
	struct agent_session session;
	uint8_t proof[AGENT_PROOF_BYTES];
};

static void speak(struct side *side, bool initiator, const uint8_t *secret)
{
	side->hello = (struct agent_hello){
		.initiator = initiator,
		.job = 9,
		.node = initiator ? 0 : 1,
		.target = initiator ? 1 : 0,
		.epoch = initiator ? 100 : 200,
		.accepted = 5,
	};
	agent_hello_keypair(side->private_key, side->hello.public_key);
	agent_hello_encode(&side->hello, secret, side->text);
}

static void derive(struct side *a, struct side *b, const uint8_t *secret_a,
		   const uint8_t *secret_b)
{
	cr_assert_eq(agent_hello_session(a->text, b->text, true, secret_a, a->private_key,
					 b->hello.public_key, &a->session, a->proof), 0);
	cr_assert_eq(agent_hello_session(a->text, b->text, false, secret_b, b->private_key,
					 a->hello.public_key, &b->session, b->proof), 0);
}

Test(hello, same_secret_gives_the_same_keys)
{
	uint8_t secret[AGENT_KEY_BYTES] = { 42 };
	struct agent_hello back;
	struct side a, b;

	speak(&a, true, secret);
	speak(&b, false, secret);
	cr_assert_eq(agent_hello_decode(a.text, sizeof(a.text), secret, &back), 0);
	cr_assert(back.initiator && back.job == 9 && back.node == 0 && back.target == 1);
	cr_assert(back.epoch == 100 && back.accepted == 5);
	derive(&a, &b, secret, secret);
	cr_assert_eq(memcmp(a.proof, b.proof, sizeof(a.proof)), 0);
	cr_assert_eq(a.session.id, b.session.id);
	cr_assert_eq(memcmp(a.session.send_key, b.session.recv_key, AGENT_KEY_BYTES), 0);
	cr_assert_eq(memcmp(a.session.recv_key, b.session.send_key, AGENT_KEY_BYTES), 0);
	cr_assert_neq(memcmp(a.session.recv_key, a.session.send_key, AGENT_KEY_BYTES), 0);
}

Test(hello, another_secret_is_refused)
{
	uint8_t secret[AGENT_KEY_BYTES] = { 42 }, wrong[AGENT_KEY_BYTES] = { 43 };
	struct agent_hello back;
	struct side a, b;

	speak(&a, true, secret);
	speak(&b, false, secret);
	cr_assert_eq(agent_hello_decode(a.text, sizeof(a.text), wrong, &back), -EPERM);
	derive(&a, &b, secret, wrong);
	cr_assert_neq(memcmp(a.proof, b.proof, sizeof(a.proof)), 0);
	cr_assert_neq(memcmp(a.session.send_key, b.session.recv_key, AGENT_KEY_BYTES), 0);
}

Test(hello, damage_and_wrong_size_are_refused)
{
	uint8_t secret[AGENT_KEY_BYTES] = { 42 };
	struct agent_hello back;
	struct side a;

	speak(&a, true, secret);
	for (size_t bit = 0; bit < sizeof(a.text) * 8; bit++) {
		a.text[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_lt(agent_hello_decode(a.text, sizeof(a.text), secret, &back), 0);
		a.text[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	cr_assert_eq(agent_hello_decode(a.text, sizeof(a.text) - 1, secret, &back), -EBADMSG);
	cr_assert_eq(agent_hello_decode(a.text, 0, secret, &back), -EBADMSG);
}

Test(hello, a_key_without_a_secret_is_refused)
{
	uint8_t secret[AGENT_KEY_BYTES] = { 42 }, zero[AGENT_PUBLIC_BYTES] = { 0 };
	struct side a, b;

	speak(&a, true, secret);
	speak(&b, false, secret);
	cr_assert_eq(agent_hello_session(a.text, b.text, true, secret, a.private_key, zero,
					 &a.session, a.proof), -EPERM);
}

Test(hello, keys_are_fresh_each_time)
{
	uint8_t secret[AGENT_KEY_BYTES] = { 42 };
	struct side a, b, c;

	speak(&a, true, secret);
	speak(&b, false, secret);
	speak(&c, false, secret);
	derive(&a, &b, secret, secret);
	struct agent_session first = a.session;

	derive(&a, &c, secret, secret);
	cr_assert_neq(memcmp(first.send_key, a.session.send_key, AGENT_KEY_BYTES), 0);
}
