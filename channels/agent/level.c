/* SPDX-License-Identifier: MIT */
/*
 * level.c - levels: what of a frame is covered and what is encrypted.
 *
 * A MAC is the tag of an empty message whose associated data is what it covers. That the
 * nonce is the header's own bytes 4 to 15 covers these; the magic in front of them is
 * checked. docs/adr/0007 has the figures that chose this over keyed BLAKE2b.
 */
#include "agent/level.h"

#include <errno.h>
#include <string.h>

#include "agent/crc32c.h"

enum { COVERED_BYTES = AGENT_HEADER_BYTES - AGENT_COVERED_AT };

struct agent_level {
	const char *name;
	bool hides;
	/* The header at @at is complete but for crc and MAC; puts the body behind it. */
	void (*seal)(struct agent_seal *seal, uint8_t *at, const void *body, size_t bytes);
	int (*open)(struct agent_seal *seal, const uint8_t *at, size_t bytes, uint8_t *scratch,
		    const uint8_t **ret_body);
	void (*seal_bulk)(const struct agent_seal *seal, const uint8_t *nonce, const void *data,
			  size_t bytes, void *to, uint8_t *tag);
	int (*open_bulk)(const struct agent_seal *seal, const uint8_t *nonce, void *data,
			 size_t bytes, const uint8_t *tag);
};

static void put_crc(uint8_t *at, uint32_t crc)
{
	struct agent_cursor cursor = { at, at + 4, 0 };

	agent_put(&cursor, crc, 4);
}

static uint32_t get_crc(const uint8_t *at)
{
	struct agent_cursor cursor = { (uint8_t *)(uintptr_t)at, (uint8_t *)(uintptr_t)at + 4, 0 };

	return (uint32_t)agent_get(&cursor, 4);
}

static void copy_body(uint8_t *at, const void *body, size_t bytes)
{
	if (bytes)
		memcpy(at + AGENT_HEADER_BYTES, body, bytes);
}

/* The empty message; libsodium wants a place for it all the same. */
static uint8_t nothing[1];

/* Make or check the MAC over the header and the first @bytes of the body behind it. */
static void mac(struct agent_seal *seal, uint8_t *at, size_t bytes)
{
	seal->cipher->encrypt(&seal->send, at + AGENT_NONCE_AT, at + AGENT_COVERED_AT,
			      COVERED_BYTES + bytes, nothing, 0, nothing, at + AGENT_MAC_AT);
}

static int mac_check(const struct agent_seal *seal, const uint8_t *at, size_t bytes)
{
	int rc = seal->cipher->decrypt(&seal->recv, at + AGENT_NONCE_AT, at + AGENT_COVERED_AT,
				       COVERED_BYTES + bytes, nothing, 0, nothing,
				       at + AGENT_MAC_AT);

	return rc ? -EPERM : 0;
}

static void mac_seal(struct agent_seal *seal, uint8_t *at, const void *body, size_t bytes)
{
	put_crc(at + AGENT_CRC_AT, agent_crc32c(0, body, bytes));
	copy_body(at, body, bytes);
	mac(seal, at, 0);
}

static int mac_open(struct agent_seal *seal, const uint8_t *at, size_t bytes, uint8_t *scratch,
		    const uint8_t **ret_body)
{
	int rc = mac_check(seal, at, 0);

	(void)scratch;
	if (rc)
		return rc;
	*ret_body = at + AGENT_HEADER_BYTES;
	return agent_crc32c(0, *ret_body, bytes) == get_crc(at + AGENT_CRC_AT) ? 0 : -EILSEQ;
}

static void mac_seal_bulk(const struct agent_seal *seal, const uint8_t *nonce, const void *data,
			  size_t bytes, void *to, uint8_t *tag)
{
	(void)seal, (void)nonce, (void)to;
	put_crc(tag, agent_crc32c(0, data, bytes));
}

static int mac_open_bulk(const struct agent_seal *seal, const uint8_t *nonce, void *data,
			 size_t bytes, const uint8_t *tag)
{
	(void)seal, (void)nonce;
	return agent_crc32c(0, data, bytes) == get_crc(tag) ? 0 : -EILSEQ;
}

static void integrity_seal(struct agent_seal *seal, uint8_t *at, const void *body, size_t bytes)
{
	copy_body(at, body, bytes);
	mac(seal, at, bytes);
}

static int integrity_open(struct agent_seal *seal, const uint8_t *at, size_t bytes,
			  uint8_t *scratch, const uint8_t **ret_body)
{
	(void)scratch;
	*ret_body = at + AGENT_HEADER_BYTES;
	return mac_check(seal, at, bytes);
}

static void integrity_seal_bulk(const struct agent_seal *seal, const uint8_t *nonce,
				const void *data, size_t bytes, void *to, uint8_t *tag)
{
	(void)to;
	seal->cipher->encrypt(&seal->send, nonce, data, bytes, nothing, 0, nothing, tag);
}

static int integrity_open_bulk(const struct agent_seal *seal, const uint8_t *nonce, void *data,
			       size_t bytes, const uint8_t *tag)
{
	return seal->cipher->decrypt(&seal->recv, nonce, data, bytes, nothing, 0, nothing, tag) ?
		       -EILSEQ : 0;
}

static void encrypt_seal(struct agent_seal *seal, uint8_t *at, const void *body, size_t bytes)
{
	seal->cipher->encrypt(&seal->send, at + AGENT_NONCE_AT, at + AGENT_COVERED_AT,
			      COVERED_BYTES, body, bytes, at + AGENT_HEADER_BYTES,
			      at + AGENT_MAC_AT);
}

static int encrypt_open(struct agent_seal *seal, const uint8_t *at, size_t bytes,
			uint8_t *scratch, const uint8_t **ret_body)
{
	*ret_body = scratch;
	return seal->cipher->decrypt(&seal->recv, at + AGENT_NONCE_AT, at + AGENT_COVERED_AT,
				     COVERED_BYTES, at + AGENT_HEADER_BYTES, bytes, scratch,
				     at + AGENT_MAC_AT) ? -EPERM : 0;
}

static void encrypt_seal_bulk(const struct agent_seal *seal, const uint8_t *nonce,
			      const void *data, size_t bytes, void *to, uint8_t *tag)
{
	seal->cipher->encrypt(&seal->send, nonce, NULL, 0, data, bytes, to, tag);
}

static int encrypt_open_bulk(const struct agent_seal *seal, const uint8_t *nonce, void *data,
			     size_t bytes, const uint8_t *tag)
{
	return seal->cipher->decrypt(&seal->recv, nonce, NULL, 0, data, bytes, data, tag) ?
		       -EILSEQ : 0;
}

/* The place in the table is the id on the wire. */
static const struct agent_level levels[] = {
	{ "mac", false, mac_seal, mac_open, mac_seal_bulk, mac_open_bulk },
	{ "integrity", false, integrity_seal, integrity_open, integrity_seal_bulk,
	  integrity_open_bulk },
	{ "encrypt", true, encrypt_seal, encrypt_open, encrypt_seal_bulk, encrypt_open_bulk },
};

enum { LEVELS = sizeof(levels) / sizeof(levels[0]) };

const struct agent_level *agent_level_find(const char *name)
{
	if (!name || !*name)
		return &levels[0];
	for (unsigned i = 0; i < LEVELS; i++)
		if (strcmp(levels[i].name, name) == 0)
			return &levels[i];
	return NULL;
}

const struct agent_level *agent_level_of(unsigned id)
{
	return id < LEVELS ? &levels[id] : NULL;
}

unsigned agent_level_id(const struct agent_level *level)
{
	return (unsigned)(level - levels);
}

const char *agent_level_name(const struct agent_level *level)
{
	return level->name;
}

bool agent_level_hides(const struct agent_level *level)
{
	return level->hides;
}

/* --- seals --- */

void agent_seal_init(struct agent_seal *seal, const struct agent_level *level, unsigned bits,
		     const struct agent_session *session)
{
	memset(seal, 0, sizeof(*seal));
	seal->cipher = agent_cipher_choose(bits);
	seal->level = level;
	seal->session = session->id;
	seal->cipher->prepare(&seal->send, session->send_key);
	seal->cipher->prepare(&seal->recv, session->recv_key);
}

bool agent_seal_spent(const struct agent_seal *seal)
{
	return seal->serial >= AGENT_SERIAL_MAX || seal->sealed_bytes >= AGENT_SEALED_MAX;
}

void agent_seal_frame(struct agent_seal *seal, struct agent_header *header, const void *body,
		      void *at)
{
	header->serial = ++seal->serial;
	header->session = seal->session;
	header->crc = 0;
	seal->sealed_bytes += AGENT_HEADER_BYTES + header->bytes;
	agent_header_encode(header, at);
	seal->level->seal(seal, at, body, header->bytes);
}

/* Only what is proven to come from the other side may move the window. */
static int take_serial(struct agent_seal *seal, uint64_t serial)
{
	const uint64_t bits = AGENT_SEEN_WORDS * 64;
	uint64_t *word = &seal->seen[serial / 64 % AGENT_SEEN_WORDS];

	if (serial + bits - 64 <= seal->newest)
		return -ESTALE;
	if (serial > seal->newest) {
		uint64_t from = seal->newest / 64, to = serial / 64;

		if (to - from > AGENT_SEEN_WORDS)
			from = to - AGENT_SEEN_WORDS;
		while (from < to)
			seal->seen[++from % AGENT_SEEN_WORDS] = 0;
		seal->newest = serial;
	}
	if (*word & UINT64_C(1) << serial % 64)
		return -EALREADY;
	*word |= UINT64_C(1) << serial % 64;
	return 0;
}

int agent_seal_open(struct agent_seal *seal, const void *data, const struct agent_header *header,
		    void *scratch, const uint8_t **ret_body)
{
	const uint8_t *body = NULL;
	int rc = header->session == seal->session ?
			 seal->level->open(seal, data, header->bytes, scratch, &body) : -EPERM;

	if (!rc)
		rc = take_serial(seal, header->serial);
	if (!rc)
		*ret_body = body;
	return rc;
}

/* As a frame's nonce, of a kind that no frame has. */
static void bulk_nonce(const struct agent_seal *seal, uint64_t serial, uint8_t *nonce)
{
	struct agent_header header = {
		.kind = AGENT_BULK,
		.session = seal->session,
		.serial = serial,
	};
	uint8_t at[AGENT_HEADER_BYTES];

	agent_header_encode(&header, at);
	memcpy(nonce, at + AGENT_NONCE_AT, AGENT_NONCE_BYTES);
}

void agent_seal_bulk(struct agent_seal *seal, const void *data, size_t bytes, void *to,
		     struct agent_bulk_seal *ret_seal)
{
	uint8_t nonce[AGENT_NONCE_BYTES];

	memset(ret_seal, 0, sizeof(*ret_seal));
	ret_seal->serial = ++seal->serial;
	seal->sealed_bytes += bytes;
	bulk_nonce(seal, ret_seal->serial, nonce);
	seal->level->seal_bulk(seal, nonce, data, bytes, to, ret_seal->tag);
}

int agent_seal_bulk_open(const struct agent_seal *seal, const struct agent_bulk_seal *bulk,
			 void *data, size_t bytes)
{
	uint8_t nonce[AGENT_NONCE_BYTES];

	bulk_nonce(seal, bulk->serial, nonce);
	return seal->level->open_bulk(seal, nonce, data, bytes, bulk->tag);
}
